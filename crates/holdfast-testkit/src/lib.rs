//! What tests, benchmarks and experiments share. Development only: no crate of the product depends
//! on this one, and it depends on none of them.

pub mod build;
pub mod interrupt;
mod postgres;
mod process;
mod schema;

pub use postgres::Postgres;
pub use process::Process;
pub use schema::conforms;
