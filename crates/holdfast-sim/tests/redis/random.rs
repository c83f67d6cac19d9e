//! Calls as chance has them: the model and a real server reply the same.

use std::time::{Duration, Instant};

use holdfast_sim::redis::command;
use holdfast_sim::rng::Rng;
use holdfast_testkit::{Persistence, Program};

use crate::real::Real;
use crate::script::{call, holds, show};
use crate::side::{LIBRARY, Modelled, Side};

/// How long it goes on, and how much it does at least.
const LONG: Duration = Duration::from_millis(1500);
const LEAST: usize = 20;

#[test]
fn the_model_replies_as_redis_does() {
    let (mut model, mut real) = (Modelled::new(), Real::start(Program::Redis7, Persistence::None));
    let (begun, mut runs, mut oks) = (Instant::now(), 0, 0);
    while runs < LEAST || begun.elapsed() < LONG {
        let came = run(&mut Rng::new(runs as u64), &mut model, &mut real, LIBRARY);
        oks += came.unwrap_or_else(|difference| panic!("seed {runs}: {difference}"));
        runs += 1;
    }
    // Most calls that chance makes are refused: enough of them must not be.
    assert!(oks > runs * 8, "{oks} of {runs} runs of 100 calls did anything");
}

/// Another library in the model stands for a model that does otherwise.
#[test]
fn a_difference_is_noticed() {
    let (mut model, mut real) = (Modelled::new(), Real::start(Program::Redis7, Persistence::None));
    let other = LIBRARY.replace("local STEP = 500", "local STEP = 501");
    let same = |seed| run(&mut Rng::new(seed), &mut model, &mut real, &other).is_ok();
    assert!(!(0..LEAST as u64).all(same));
}

/// One run. Returns how many calls were not refused, or the first difference.
fn run(
    rng: &mut Rng,
    model: &mut Modelled,
    real: &mut Real,
    library: &str,
) -> Result<usize, String> {
    model.begin(library);
    real.begin(LIBRARY);
    let mut told = vec!["a reign shop a b".to_owned()];
    let mut oks = 0;
    for _ in 0..100 {
        let what = told.last().expect("there is one");
        let [came, wanted] = sides(model, real).map(|side| step(side, what));
        if came != wanted {
            return Err(format!("Redis: {wanted}, the model: {came}, after {told:#?}"));
        }
        oks += usize::from(came.starts_with("OK"));
        told.push(draw(rng));
    }
    for log in ["0", "1"] {
        let [came, wanted] = sides(model, real).map(|side| holds(side, log));
        if came != wanted {
            return Err(format!("log {log} has {wanted}, in the model {came}, after {told:#?}"));
        }
    }
    Ok(oks)
}

fn sides<'a>(model: &'a mut Modelled, real: &'a mut Real) -> [&'a mut dyn Side; 2] {
    [model, real]
}

fn step(side: &mut dyn Side, what: &str) -> String {
    match what {
        "FLUSHALL" => show(&side.call(&command(&["FLUSHALL"]))),
        "demote and promote" => {
            side.demote();
            side.promote();
            String::new()
        }
        what => show(&side.call(&call(what))),
    }
}

/// A call, or something worse.
fn draw(rng: &mut Rng) -> String {
    if rng.percent(1) {
        return (*rng.pick(&["FLUSHALL", "demote and promote"]).expect("one of two")).to_owned();
    }
    let node = *rng.pick(&["a", "a", "a", "b", "c"]).expect("one of three");
    let caller = match rng.below(40) {
        0 => format!("{node}:u:{}", rng.between(4, 7)),
        1 => format!("{node}:t:{}", rng.between(4, 7)),
        _ => node.to_owned(),
    };
    let functions = [
        "append",
        "append",
        "append",
        "append",
        "open",
        "open",
        "restore",
        "reset",
        "snapshot",
        "piece",
        "trim",
        "fetch",
        "position",
        "news",
        "roll",
        "join",
        "leave",
        "assign",
        "duties",
        "hand_over",
        "heard",
        "reign",
    ];
    let function = *rng.pick(&functions).expect("there are some");
    format!("{caller} {function} {}", args(rng, function)).trim_end().to_owned()
}

fn args(rng: &mut Rng, function: &str) -> String {
    let log = rng.below(2);
    let last = rng.below(12);
    let (epoch, clock) = (rng.between(2, 5), rng.below(1500));
    match function {
        "append" => {
            let (n, current) = (rng.below(4), rng.below(2));
            format!("{log} {} {last} {clock} {current} {n} x free {n}", rng.below(3))
        }
        "open" => format!("{log} {} {} {clock} {} x", last % 4, rng.below(3), rng.below(3)),
        "restore" => {
            let batches = (0..rng.below(3)).map(|_| {
                let (to, e) = (rng.between(1, 12), rng.between(2, 4));
                format!(" {to} {} {e} {clock} y", rng.between(0, 3))
            });
            let batches: String = batches.collect();
            let (base, base_epoch) = (last % 3, epoch % 3);
            format!("{log} {} {base} {base_epoch} {}{batches}", rng.between(3, 5), rng.below(2))
        }
        "reset" => format!("{log} {} {last} {} {clock} s", rng.between(3, 5), rng.between(2, 3)),
        "snapshot" => format!("{log} {last} {} {clock} {} s", rng.between(4, 5), rng.below(2)),
        "piece" => format!("{log} {last} {} s", rng.below(2)),
        "trim" | "fetch" | "position" => log.to_string(),
        "news" => last.to_string(),
        "join" => format!("{} {}", rng.pick(&["a", "b", "c"]).expect("one of three"), rng.below(2)),
        "leave" => (*rng.pick(&["a", "b", "c"]).expect("one of three")).to_owned(),
        "assign" => format!("{log} {}", rng.pick(&["a", "b", "d"]).expect("one of three")),
        "hand_over" => format!("bytes{last}"),
        "reign" => "shop a b".to_owned(),
        _ => String::new(),
    }
}
