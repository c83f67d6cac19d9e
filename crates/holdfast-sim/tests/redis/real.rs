//! Real servers.

use holdfast_sim::redis::{Command, Reply, command};
use holdfast_testkit::{Persistence, Program, Redis, RedisOptions};
use redis::{Connection, Value};

use crate::side::Side;

/// A server and a connection to it.
pub(crate) struct Real {
    pub(crate) server: Redis,
    connection: Connection,
}

impl Real {
    pub(crate) fn start(program: Program, persistence: Persistence) -> Self {
        // Writes of nobody would stand between a replica and its place in the stream.
        let settings = vec!["repl-ping-replica-period 3600".to_owned()];
        let options = RedisOptions { program, persistence, settings, ..RedisOptions::default() };
        let server = Redis::start(&options).unwrap();
        let connection = server.connect().unwrap();
        Self { server, connection }
    }
}

/// Sends a command and takes its reply.
pub(crate) fn ask(connection: &mut Connection, command: &Command) -> Reply {
    let (name, args) = command.split_first().expect("a command has a name");
    let name = std::str::from_utf8(name).unwrap();
    match redis::cmd(name).arg(args).query(connection) {
        Ok(value) => reply(value),
        Err(error) => {
            let word = error.code().unwrap_or_else(|| panic!("{name}: {error}"));
            Reply::Error(format!("{word} {}", error.detail().unwrap_or_default()))
        }
    }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Number(number),
        Value::BulkString(bytes) => Reply::Bytes(bytes),
        Value::SimpleString(text) => Reply::text(&text),
        Value::Okay => Reply::text("OK"),
        Value::Array(list) => Reply::List(list.into_iter().map(reply).collect()),
        other => panic!("{other:?}"),
    }
}

impl Side for Real {
    fn call(&mut self, command: &Command) -> Reply {
        ask(&mut self.connection, command)
    }

    fn demote(&mut self) {
        self.call(&command(&["REPLICAOF", "127.0.0.1", "1"]));
    }

    fn promote(&mut self) {
        self.call(&command(&["REPLICAOF", "NO", "ONE"]));
    }

    fn restart(&mut self) {
        self.server.restart().unwrap();
        self.connection = self.server.connect().unwrap();
    }
}
