//! What is asked: the model, or a real server.

use holdfast_sim::redis::{Command, Connection, Reply, Servers, command};

/// The library as it is shipped.
pub(crate) const LIBRARY: &str = include_str!("../../../holdfast-store/src/redis/library.lua");

/// One server.
pub(crate) trait Side {
    /// Runs a command.
    fn call(&mut self, command: &Command) -> Reply;
    /// It becomes a replica whose master is nowhere.
    fn demote(&mut self);
    /// It becomes a master.
    fn promote(&mut self);
    /// It is killed, and begins again with what it had on disk.
    fn restart(&mut self);

    /// Makes it a master that has nothing but this library.
    fn begin(&mut self, library: &str) {
        self.promote();
        for words in [&["FLUSHALL"][..], &["FUNCTION", "FLUSH"], &["FUNCTION", "LOAD", library]] {
            let reply = self.call(&command(words));
            assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
        }
    }
}

/// The model, one server of it.
pub(crate) struct Modelled {
    servers: Servers,
    connection: Connection,
}

impl Modelled {
    pub(crate) fn new() -> Self {
        let mut servers = Servers::new();
        let server = servers.start();
        let connection = servers.connect(server).unwrap();
        Self { servers, connection }
    }
}

impl Side for Modelled {
    fn call(&mut self, command: &Command) -> Reply {
        self.servers.call(&mut self.connection, command).unwrap()
    }

    fn demote(&mut self) {
        let nowhere = self.servers.start();
        self.servers.kill(nowhere);
        self.servers.attach(0, nowhere);
    }

    fn promote(&mut self) {
        self.servers.promote(0);
    }

    fn restart(&mut self) {
        self.servers.restart(0);
        self.connection = self.servers.connect(0).unwrap();
    }
}
