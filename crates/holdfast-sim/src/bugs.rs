//! `holdfast-sim bugs`: how soon each planted bug is found, and by which promise.

use std::process::ExitCode;

use holdfast_core::planted as core;
use holdfast_engine::planted as engine;
use holdfast_sim::rng::seed_of;
use holdfast_sim::run::simulate;
use holdfast_store::planted as store;

/// How long to look.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The seed of the series.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs after which a bug counts as not found.
    #[arg(long, default_value_t = 500)]
    runs: u64,
}

#[derive(Clone, Copy, Debug)]
enum Bug {
    Core(core::Bug),
    Engine(engine::Bug),
    Store(store::Bug),
}

fn all() -> Vec<Bug> {
    let core = [
        core::Bug::OneTooMany,
        core::Bug::EndsTwice,
        core::Bug::LosesUnits,
        core::Bug::EndsEarly,
        core::Bug::AnchorGoesBack,
        core::Bug::SecondHold,
        core::Bug::ForgetsKeys,
        core::Bug::NoLimit,
        core::Bug::SoldOutTooSoon,
    ];
    let engine = [engine::Bug::AnswersFirst, engine::Bug::IgnoresDoubt, engine::Bug::NeedsTraffic];
    let store = [
        store::Bug::SkipSync,
        store::Bug::CutAnywhere,
        store::Bug::ClockUncapped,
        store::Bug::NoFence,
    ];
    let core = core.into_iter().map(Bug::Core);
    core.chain(engine.map(Bug::Engine)).chain(store.map(Bug::Store)).collect()
}

impl Bug {
    fn plant(self) {
        match self {
            Self::Core(bug) => core::set(Some(bug)),
            Self::Engine(bug) => engine::set(Some(bug)),
            Self::Store(bug) => store::set(Some(bug)),
        }
    }

    fn pull_out() {
        core::set(None);
        engine::set(None);
        store::set(None);
    }
}

/// Plants every bug in turn and prints when it was found.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    println!("| bug | runs until found | promise | what was seen |");
    println!("|---|---|---|---|");
    let mut missed = 0;
    for bug in all() {
        bug.plant();
        let broken = (0..arguments.runs).find_map(|number| {
            let breach = simulate(seed_of(arguments.seed, number), false).breach?;
            Some((number + 1, breach))
        });
        Bug::pull_out();
        match broken {
            Some((runs, breach)) => {
                let what: String = breach.what.chars().take(90).collect();
                println!("| {bug:?} | {runs} | {} | {} |", breach.promise, what.replace('|', "/"));
            }
            None => {
                missed += 1;
                println!("| {bug:?} | not in {} | | |", arguments.runs);
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
