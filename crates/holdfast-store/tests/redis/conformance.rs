//! The store in Redis does what every store must do, whichever server it is.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use holdfast_store::Store;
use holdfast_store::redis::{Dial, Options};
use holdfast_testkit::{Program, Redis, RedisOptions};

use crate::rig::{Row, at, open, options};
use crate::suite::{Backend, CHECKS};

struct InRedis {
    dial: Arc<dyn Dial>,
    row: Row,
    /// The node before, which is dropped when another one is opened.
    before: RefCell<Option<String>>,
}

impl Backend for InRedis {
    fn open(&self) -> Box<dyn Store> {
        let replaces = self.before.take();
        let store = open(&self.dial, &self.row, Options { replaces, ..options(1) }, &mut []);
        self.before.replace(Some(store.name().to_owned()));
        Box::new(store)
    }

    fn pass(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Each check has the server for itself, emptied, under an epoch of its own.
fn check(program: Program) {
    for (name, check) in CHECKS {
        println!("{name}");
        let server = Redis::start(&RedisOptions::of(program)).unwrap();
        let (dial, row, before) = (at(&[server.port()]), Row::default(), RefCell::default());
        check(&InRedis { dial, row, before });
    }
}

#[test]
fn on_redis_7() {
    check(Program::Redis7);
}

#[test]
fn on_redis_8() {
    check(Program::Redis8);
}

#[test]
fn on_valkey_8() {
    check(Program::Valkey8);
}
