//! What tests, benchmarks and experiments share. Development only: no crate of the product depends
//! on this one, and it depends on none of them.

pub mod build;
pub mod interrupt;
mod port;
mod postgres;
mod process;
mod proxy;
mod redis;
mod schema;

pub use port::Port;
pub use postgres::Postgres;
pub use process::Process;
pub use proxy::{Proxy, Way};
pub use redis::{
    Backup, Persistence, Program, Redis, RedisOptions, Sentinel, SentinelOptions, Trio, libfaketime,
};
pub use schema::conforms;
