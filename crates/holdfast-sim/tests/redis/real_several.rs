//! Real servers that replicate.

use std::path::PathBuf;
use std::process::Command as Process;

use holdfast_sim::redis::{Command, Reply, Resync, command};

use crate::real::{Real, ask, until};
use crate::several::Several;
use crate::side::Side;

/// Three of a program.
pub(crate) struct Reals([Real; 3]);

impl Reals {
    pub(crate) fn start(program: &PathBuf) -> Self {
        Self([(); 3].map(|()| Real::start(program)))
    }

    fn signal(&self, server: usize, signal: &str) {
        let kill = Process::new("kill").args([signal, &self.0[server].id().to_string()]).status();
        assert!(kill.unwrap().success());
    }
}

impl Several for Reals {
    fn call(&mut self, server: usize, command: &Command) -> Reply {
        self.0[server].call(command)
    }

    fn call_and_wait(&mut self, server: usize, it: &Command, expected: u8) -> (Reply, Reply) {
        let mut connection = self.0[server].connect();
        let reply = ask(&mut connection, it);
        let wait = ask(&mut connection, &command(&["WAIT", &expected.to_string(), "5000"]));
        if expected == 2 {
            return (reply, wait);
        }
        // Were there more, they would come soon.
        let more = (expected + 1).to_string();
        (reply, ask(&mut connection, &command(&["WAIT", &more, "100"])))
    }

    fn follow(&mut self, server: usize, master: usize) -> Resync {
        let port = self.0[master].port().to_string();
        let before = self.0[master].info("sync_partial_ok:");
        self.0[server].call(&command(&["REPLICAOF", "127.0.0.1", &port]));
        let link = || self.0[server].info("master_link_status:");
        until("a replica is linked", || link() == "up");
        if self.0[master].info("sync_partial_ok:") == before {
            Resync::Full
        } else {
            Resync::Partial
        }
    }

    fn promote(&mut self, server: usize) {
        self.0[server].promote();
    }

    fn kill(&mut self, server: usize) {
        self.0[server].kill();
    }

    fn restart(&mut self, server: usize) {
        self.0[server].restart();
    }

    fn freeze(&mut self, server: usize) {
        self.signal(server, "-STOP");
    }

    fn wake(&mut self, server: usize) {
        self.signal(server, "-CONT");
    }
}
