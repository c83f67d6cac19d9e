//! The function library: what it replies, on real servers and on the model of them, and that each of
//! its checks is needed.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod controls;
mod model;
mod random;
mod real;
mod real_several;
mod script;
mod several;
mod side;

use holdfast_sim::redis::command;
use holdfast_testkit::{Persistence, Program};

use real::Real;
use real_several::Reals;
use several::Model;
use side::{LIBRARY, Modelled, Side};

#[test]
fn the_model_replies_as_written() {
    script::play(&mut Modelled::new(), LIBRARY).unwrap_or_else(|it| panic!("{it}"));
    several::play(&mut Model::new(), LIBRARY).unwrap_or_else(|it| panic!("{it}"));
}

/// One test each, so that they run side by side.
fn a_server_replies_as_written(program: Program) {
    let name = program.name();
    // Written at once, flushed later: killed, it has lost nothing.
    let mut real = Real::start(program, Persistence::EverySecond);
    script::play(&mut real, LIBRARY).unwrap_or_else(|it| panic!("{name}: {it}"));
    only_what_frees_memory_works_without_any(&mut real);
    drop(real);
    several::play(&mut Reals::start(program), LIBRARY).unwrap_or_else(|it| panic!("{name}: {it}"));
}

fn only_what_frees_memory_works_without_any(real: &mut Real) {
    real.begin(LIBRARY);
    let mut on = |what| script::show(&real.call(&script::call(what)));
    for what in ["a reign shop a", "a open 1 0 0 10 1 x", "a append 1 0 1 20 1 1 y"] {
        assert!(on(what).starts_with("OK "), "{what}");
    }
    for what in ["a snapshot 1 1 5 10 0 s", "a snapshot 1 2 5 20 0 s", "a append 1 0 2 20 1 0 ''"] {
        assert!(on(what).starts_with("OK "), "{what}");
    }
    real.call(&command(&["CONFIG", "SET", "maxmemory", "1"]));
    let mut on = |what| script::show(&real.call(&script::call(what)));
    assert_eq!(on("a append 1 0 2 20 1 1 y"), "-OOM");
    assert_eq!(on("a trim 1"), "OK 1");
    assert_eq!(on("a position 1"), "OK 5 2 20 1");
    real.call(&command(&["CONFIG", "SET", "maxmemory", "0"]));
}

#[test]
fn redis_7_replies_as_written() {
    a_server_replies_as_written(Program::Redis7);
}

#[test]
fn redis_8_replies_as_written() {
    a_server_replies_as_written(Program::Redis8);
}

#[test]
fn valkey_8_replies_as_written() {
    a_server_replies_as_written(Program::Valkey8);
}
