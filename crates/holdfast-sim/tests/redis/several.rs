//! Three servers that replicate: what passes for the reigning one, and what does not.

use holdfast_sim::redis::{Command, Reply, Resync, Servers, command};

use crate::script::{call, show};

/// Servers with the numbers 0, 1 and 2.
pub(crate) trait Several {
    /// Runs a command on a server, by the connection of it that was made last.
    fn call(&mut self, server: usize, command: &Command) -> Reply;
    /// Runs a command on a server by a connection that is made for it; also says for how many
    /// replicas `WAIT` finds all that is before it, once it has found as many as are `expected`.
    fn call_and_wait(&mut self, server: usize, it: &Command, expected: u8) -> (Reply, Reply);
    /// Makes it a replica that is linked to its master.
    fn follow(&mut self, server: usize, master: usize) -> Resync;
    fn promote(&mut self, server: usize);
    fn kill(&mut self, server: usize);
    /// A new process; as a master, if it was one.
    fn restart(&mut self, server: usize);
    /// A replica does nothing until it is woken; what was sent to it comes then.
    fn freeze(&mut self, server: usize);
    fn wake(&mut self, server: usize);
}

/// What must come of it, step by step. The node is `a`; one log, number 1.
pub(crate) fn play(servers: &mut dyn Several, library: &str) -> Result<(), String> {
    let load = command(&["FUNCTION", "LOAD", library]);
    (0..3).for_each(|server| assert!(!matches!(servers.call(server, &load), Reply::Error(_))));
    replicas_and_wait(servers)?;
    a_replica_is_promoted(servers)?;
    the_old_master_comes_back(servers)?;
    a_master_restarts(servers)
}

/// Runs a call on a server and compares.
fn on(servers: &mut dyn Several, server: usize, what: &str, wanted: &str) -> Result<(), String> {
    same(&format!("{server}: {what}"), &show(&servers.call(server, &call(what))), wanted)
}

fn same(what: &str, came: &str, wanted: &str) -> Result<(), String> {
    if came == wanted { Ok(()) } else { Err(format!("{what}\n wanted: {wanted}\n   came: {came}")) }
}

/// By a connection of its own to server 0, with `WAIT` after it.
fn waited(servers: &mut dyn Several, what: &str, wanted: &str, expected: u8) -> Result<(), String> {
    let (reply, wait) = servers.call_and_wait(0, &call(what), expected);
    same(what, &show(&reply), wanted)?;
    same(&format!("WAIT after {what}"), &show(&wait), &expected.to_string())
}

fn follows(
    servers: &mut dyn Several,
    server: usize,
    master: usize,
    how: Resync,
) -> Result<(), String> {
    let came = servers.follow(server, master);
    same(&format!("{server} follows {master}"), &format!("{came:?}"), &format!("{how:?}"))
}

fn replicas_and_wait(servers: &mut dyn Several) -> Result<(), String> {
    follows(servers, 1, 0, Resync::Full)?;
    follows(servers, 2, 0, Resync::Full)?;
    on(servers, 0, "a reign shop a", "OK *")?;
    on(servers, 0, "a open 1 0 0 10 1 x", "OK 1 10")?;
    waited(servers, "a append 1 0 1 20 1 1 y", "OK 2 20 1 []", 2)?;
    // Replicas write nothing, and none of them reigns.
    on(servers, 1, "a append 1 0 2 20 1 1 z", "-READONLY")?;
    on(servers, 1, "a:u:9 reign shop a", "-READONLY")?;
    on(servers, 1, "a position 1", "NO_REIGN 0")?;
    let source = command(&["HMGET", "{holdfast:1}", "epoch", "last", "clock"]);
    same("a replica's keys", &show(&servers.call(1, &source)), "5 2 20")?;
    // A read that finds nothing new asks the replicas again: one that has gone does not count for it.
    servers.freeze(2);
    waited(servers, "a append 1 0 2 30 1 0 ''", "OK 3 30 0 []", 1)?;
    // What a replica has not acknowledged is not there, for who wrote it and for who has only read it.
    waited(servers, "a append 1 0 2 30 1 1 z", "OK 3 30 1 []", 1)?;
    waited(servers, "a append 1 0 3 30 1 0 ''", "OK 4 30 0 []", 1)?;
    waited(servers, "a open 1 0 0 10 1 x", "OK 3 30", 1)?;
    let batches: Vec<String> = (1..=513).map(|last| format!("{last} 1 4 10 x")).collect();
    on(servers, 0, &format!("a restore 2 4 0 0 1 {}", batches.join(" ")), "OK 513")?;
    on(servers, 0, "a open 2 513 0 10 0 ''", "OK 513 10")?;
    let page = "BEHIND [1 1 4 10 x … 512 1 4 10 x]";
    waited(servers, "a append 2 0 0 30 1 0 ''", page, 1)?;
    servers.freeze(1);
    waited(servers, "a append 1 0 3 30 1 1 z", "OK 4 30 1 []", 0)?;
    servers.wake(1);
    servers.wake(2);
    waited(servers, "a append 1 0 4 30 1 0 ''", "OK 5 30 0 []", 2)
}

/// Server 1 takes over while 2 is behind, and 0 knows nothing of it.
fn a_replica_is_promoted(servers: &mut dyn Several) -> Result<(), String> {
    servers.promote(1);
    on(servers, 1, "a append 1 0 4 40 1 1 z", "NO_REIGN 0")?;
    on(servers, 1, "a reign shop a", "FENCED 5")?;
    on(servers, 1, "a:u:6 reign shop a b", "OK *")?;
    on(servers, 1, "a:u:6 position 1", "OK 5 4 30 0")?;
    on(servers, 1, "a:u:6 append 1 0 4 40 1 1 z", "NOT_OPEN")?;
    on(servers, 1, "a:u:6 open 1 4 0 40 1 opened", "OK 5 40")?;
    on(servers, 1, "a:u:6 append 1 0 5 50 1 1 z", "OK 6 50 1 []")?;
    // The old one still reigns where it is, for whoever has not heard of the new epoch.
    on(servers, 0, "a roll", "OK a 0")?;
    on(servers, 0, "a:u:6 append 1 0 6 60 1 1 z", "NO_REIGN 5")
}

/// It wrote nothing meanwhile: it goes on from where it was, with what its library kept.
fn the_old_master_comes_back(servers: &mut dyn Several) -> Result<(), String> {
    follows(servers, 0, 1, Resync::Partial)?;
    on(servers, 0, "a append 1 0 4 60 1 1 z", "-READONLY")?;
    servers.promote(0);
    on(servers, 0, "a append 1 0 4 60 1 1 z", "NO_REIGN 0")?;
    on(servers, 0, "a:u:6 append 1 0 6 60 1 1 z", "NO_REIGN 0")?;
    // Split: 1 still reigns. It writes, so that it becomes a copy when it comes back.
    on(servers, 1, "a:u:6 append 1 0 6 60 1 1 lost", "OK 7 60 1 []")?;
    on(servers, 0, "a:v:7 reign shop a", "OK *")?;
    on(servers, 0, "a:v:7 open 1 6 0 70 1 opened", "OK 7 70")?;
    follows(servers, 1, 0, Resync::Full)?;
    on(servers, 1, "a:u:6 position 1", "NO_REIGN 0")?;
    servers.promote(1);
    on(servers, 1, "a:u:6 append 1 0 7 80 1 1 z", "NO_REIGN 0")?;
    on(servers, 1, "a:v:7 append 1 0 7 80 1 1 z", "NO_REIGN 0")?;
    let last = command(&["XREVRANGE", "{holdfast:1}:log", "+", "-", "COUNT", "1"]);
    same("a copy", &show(&servers.call(1, &last)), "[7-0 [n 1 e 7 c 70 b opened]]")
}

fn a_master_restarts(servers: &mut dyn Several) -> Result<(), String> {
    on(servers, 0, "a:v:7 append 1 0 7 80 1 1 z", "OK 8 80 1 []")?;
    servers.kill(0);
    servers.restart(0);
    on(servers, 0, "a:v:7 append 1 0 8 90 1 1 z", "NO_REIGN 0")?;
    on(servers, 0, "a:v:7 reign shop a", "FENCED 7")?;
    on(servers, 0, "a:w:8 reign shop a", "OK *")?;
    on(servers, 0, "a:w:8 position 1", "OK 7 8 80 0")
}

/// The model.
pub(crate) struct Model {
    servers: Servers,
    is_frozen: [bool; 3],
}

impl Model {
    pub(crate) fn new() -> Self {
        let mut servers = Servers::new();
        (0..3).for_each(|_| assert!(servers.start() < 3));
        Self { servers, is_frozen: [false; 3] }
    }

    fn settle(&mut self) {
        let awake = (0..3).filter(|&server| !self.is_frozen[server]);
        awake.for_each(|server| self.servers.settle(server));
    }
}

impl Several for Model {
    fn call(&mut self, server: usize, command: &Command) -> Reply {
        let mut connection = self.servers.connect(server).unwrap();
        let reply = self.servers.call(&mut connection, command).unwrap();
        self.settle();
        reply
    }

    fn call_and_wait(&mut self, server: usize, it: &Command, _: u8) -> (Reply, Reply) {
        let mut connection = self.servers.connect(server).unwrap();
        let reply = self.servers.call(&mut connection, it).unwrap();
        self.settle();
        let wait = self.servers.call(&mut connection, &command(&["WAIT", "3", "1"])).unwrap();
        (reply, wait)
    }

    fn follow(&mut self, server: usize, master: usize) -> Resync {
        let how = self.servers.attach(server, master);
        self.settle();
        how
    }

    fn promote(&mut self, server: usize) {
        self.servers.promote(server);
    }

    fn kill(&mut self, server: usize) {
        self.servers.kill(server);
    }

    fn restart(&mut self, server: usize) {
        self.servers.restart(server);
    }

    fn freeze(&mut self, server: usize) {
        self.is_frozen[server] = true;
    }

    fn wake(&mut self, server: usize) {
        self.is_frozen[server] = false;
        self.settle();
    }
}
