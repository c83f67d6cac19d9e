//! Real servers that replicate.

use holdfast_sim::redis::{Command, Reply, Resync, command};
use holdfast_testkit::{Persistence, Program};

use crate::real::{Real, ask};
use crate::several::Several;
use crate::side::Side;

/// Three of a program.
pub(crate) struct Reals([Real; 3]);

impl Reals {
    pub(crate) fn start(program: Program) -> Self {
        Self([(); 3].map(|()| Real::start(program, Persistence::Always)))
    }
}

impl Several for Reals {
    fn call(&mut self, server: usize, command: &Command) -> Reply {
        self.0[server].call(command)
    }

    fn call_and_wait(&mut self, server: usize, it: &Command, expected: u8) -> (Reply, Reply) {
        let mut connection = self.0[server].server.connect().unwrap();
        let reply = ask(&mut connection, it);
        let wait = ask(&mut connection, &command(&["WAIT", &expected.to_string(), "4000"]));
        if expected == 2 {
            return (reply, wait);
        }
        // Were there more, they would come soon.
        let more = (expected + 1).to_string();
        (reply, ask(&mut connection, &command(&["WAIT", &more, "100"])))
    }

    fn follow(&mut self, server: usize, master: usize) -> Resync {
        let port = self.0[master].server.port().to_string();
        let partial = |it: &Self| it.0[master].server.info("sync_partial_ok").unwrap();
        let before = partial(self);
        self.0[server].call(&command(&["REPLICAOF", "127.0.0.1", &port]));
        self.0[server].server.await_link().unwrap();
        if partial(self) == before { Resync::Full } else { Resync::Partial }
    }

    fn promote(&mut self, server: usize) {
        self.0[server].promote();
    }

    fn kill(&mut self, server: usize) {
        self.0[server].server.kill();
    }

    fn restart(&mut self, server: usize) {
        self.0[server].restart();
    }

    fn freeze(&mut self, server: usize) {
        self.0[server].server.stop().unwrap();
    }

    fn wake(&mut self, server: usize) {
        self.0[server].server.resume().unwrap();
    }
}
