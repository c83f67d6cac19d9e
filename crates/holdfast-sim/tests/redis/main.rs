//! The function library: what it replies, on real servers and on the model of them, and that each of
//! its checks is needed.

mod real;
mod script;
mod side;

use real::Real;
use side::{LIBRARY, Modelled};

#[test]
fn the_model_replies_as_written() {
    if let Err(difference) = script::play(&mut Modelled::new(), LIBRARY) {
        panic!("{difference}");
    }
}

/// One test each, so that they run side by side.
fn a_server_replies_as_written(number: usize) {
    let (name, program) = &real::programs()[number];
    if let Err(difference) = script::play(&mut Real::start(program), LIBRARY) {
        panic!("{name}: {difference}");
    }
}

#[test]
fn redis_7_replies_as_written() {
    a_server_replies_as_written(0);
}

#[test]
fn redis_8_replies_as_written() {
    a_server_replies_as_written(1);
}

#[test]
fn valkey_8_replies_as_written() {
    a_server_replies_as_written(2);
}
