//! The store in Redis does what every store must do.

use std::sync::Arc;
use std::time::Duration;

use holdfast_store::Store;
use holdfast_store::redis::Dial;

use crate::rig::{Row, Server, at, node};
use crate::suite::{Backend, CHECKS};

struct InRedis {
    _server: Server,
    dial: Arc<dyn Dial>,
    row: Row,
}

impl Backend for InRedis {
    fn open(&self) -> Box<dyn Store> {
        Box::new(node(&self.dial, &self.row, 1))
    }

    fn pass(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

#[test]
fn on_a_real_server() {
    for (name, check) in CHECKS {
        println!("{name}");
        let server = Server::start();
        let dial = at(&[&server]);
        check(&InRedis { _server: server, dial, row: Row::default() });
    }
}
