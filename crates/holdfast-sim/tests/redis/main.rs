//! The function library: what it replies, on real servers and on the model of them, and that each of
//! its checks is needed.

mod controls;
mod model;
mod random;
mod real;
mod real_several;
mod script;
mod several;
mod side;

use real::Real;
use real_several::Reals;
use several::Model;
use side::{LIBRARY, Modelled};

#[test]
fn the_model_replies_as_written() {
    script::play(&mut Modelled::new(), LIBRARY).unwrap_or_else(|it| panic!("{it}"));
    several::play(&mut Model::new(), LIBRARY).unwrap_or_else(|it| panic!("{it}"));
}

/// One test each, so that they run side by side.
fn a_server_replies_as_written(number: usize) {
    let (name, program) = &real::programs()[number];
    script::play(&mut Real::start(program), LIBRARY).unwrap_or_else(|it| panic!("{name}: {it}"));
    several::play(&mut Reals::start(program), LIBRARY).unwrap_or_else(|it| panic!("{name}: {it}"));
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
