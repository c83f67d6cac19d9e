//! `holdfast-sim bugs`: how soon each planted bug is found, and by which promise.

mod shared;

use std::process::ExitCode;

use holdfast_core::planted as core;
use holdfast_engine::planted as engine;
use holdfast_sim::auditor::Breach;
use holdfast_sim::rng::seed_of;
use holdfast_sim::run::simulate;
use holdfast_store::planted as store;

use crate::say;

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

/// Those that one process with one disk can show, and those in what several nodes share. What a sale does
/// once its log has lost its end is tried elsewhere (`tests/losses.rs`).
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
        core::Bug::CancelsPaying,
        core::Bug::QueueEatsTime,
        core::Bug::LateMoneyOversells,
        core::Bug::VoidLosesUnits,
        core::Bug::OrdersUncounted,
    ];
    let engine = [
        engine::Bug::AnswersFirst,
        engine::Bug::AnswersInFlight,
        engine::Bug::AppliesInFlight,
        engine::Bug::IgnoresDoubt,
        engine::Bug::NeedsTraffic,
        engine::Bug::RefusesUnread,
        engine::Bug::KeepsOldState,
    ];
    let store = [
        store::Bug::SkipSync,
        store::Bug::CutAnywhere,
        store::Bug::ClockUncapped,
        store::Bug::NoFence,
        store::Bug::BelievesUnconfirmed,
        store::Bug::ClockOnUnconfirmed,
        store::Bug::CountsUnheard,
        store::Bug::LongestLogWins,
        store::Bug::GoesOnAfterHandingOver,
        store::Bug::NoJump,
        store::Bug::NewStamps,
        store::Bug::TrustsAtOnce,
        store::Bug::IgnoresRow,
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

    /// The promise that it breaks: its number and its name.
    fn promise(self) -> (u8, &'static str) {
        match self {
            Self::Core(core::Bug::OneTooMany | core::Bug::LateMoneyOversells) => (1, "No oversell"),
            Self::Core(core::Bug::EndsTwice | core::Bug::CancelsPaying) => (2, "One ending"),
            Self::Engine(
                engine::Bug::AnswersFirst
                | engine::Bug::AnswersInFlight
                | engine::Bug::AppliesInFlight,
            )
            | Self::Store(
                store::Bug::SkipSync
                | store::Bug::CutAnywhere
                | store::Bug::BelievesUnconfirmed
                | store::Bug::LongestLogWins
                | store::Bug::NewStamps,
            ) => (3, "Durable before said"),
            Self::Engine(engine::Bug::IgnoresDoubt)
            | Self::Store(
                store::Bug::NoFence
                | store::Bug::CountsUnheard
                | store::Bug::GoesOnAfterHandingOver
                | store::Bug::NoJump
                | store::Bug::TrustsAtOnce
                | store::Bug::IgnoresRow,
            ) => (4, "Fail closed"),
            Self::Core(core::Bug::LosesUnits | core::Bug::VoidLosesUnits)
            | Self::Engine(engine::Bug::NeedsTraffic) => (6, "Exactly N"),
            Self::Core(core::Bug::SecondHold | core::Bug::ForgetsKeys) => {
                (7, "Same request, same answer")
            }
            Self::Core(
                core::Bug::EndsEarly | core::Bug::AnchorGoesBack | core::Bug::QueueEatsTime,
            )
            | Self::Store(store::Bug::ClockUncapped | store::Bug::ClockOnUnconfirmed) => {
                (8, "The buyer's time is the buyer's")
            }
            Self::Core(core::Bug::NoLimit | core::Bug::OrdersUncounted) => (9, "Limits bind"),
            Self::Core(core::Bug::SoldOutTooSoon) | Self::Engine(engine::Bug::RefusesUnread) => {
                (10, "Honest words")
            }
            Self::Core(core::Bug::ClaimsOversell | core::Bug::RestoreOversells)
            | Self::Engine(engine::Bug::KeepsOldState) => (1, "No oversell"),
            Self::Core(
                core::Bug::SellsInDoubt
                | core::Bug::DoubtEndsEarly
                | core::Bug::ForgetsDoubt
                | core::Bug::ClaimsUnlost,
            ) => (4, "Fail closed"),
            Self::Core(core::Bug::ClaimsTwice | core::Bug::KeepsWhatEnded) => {
                (7, "Same request, same answer")
            }
        }
    }

    /// What it does, in words.
    fn words(self) -> &'static str {
        match self {
            Self::Core(core::Bug::OneTooMany) => "holds one unit more than there is",
            Self::Core(core::Bug::EndsTwice) => "an ended hold frees its units again",
            Self::Core(core::Bug::LosesUnits) => "an expired hold keeps its units",
            Self::Core(core::Bug::EndsEarly) => "holds end one second early",
            Self::Core(core::Bug::AnchorGoesBack) => "the wall anchor goes back under a hold",
            Self::Core(core::Bug::SecondHold) => "every request makes a hold",
            Self::Core(core::Bug::ForgetsKeys) => "idempotency keys are not looked up",
            Self::Core(core::Bug::NoLimit) => "the limit per buyer does not bind",
            Self::Core(core::Bug::SoldOutTooSoon) => "\"sold out\" while units are only held",
            Self::Core(core::Bug::CancelsPaying) => "what is at the checkout can be given back",
            Self::Core(core::Bug::QueueEatsTime) => "waiting for the provider uses up the time",
            Self::Core(core::Bug::LateMoneyOversells) => "late money has a unit, free or not",
            Self::Core(core::Bug::VoidLosesUnits) => "a void order keeps its units",
            Self::Core(core::Bug::OrdersUncounted) => "the limit does not count orders",
            Self::Core(core::Bug::SellsInDoubt) => "in doubt units are sold as if free",
            Self::Core(core::Bug::DoubtEndsEarly) => "the doubt ends before lost holds do",
            Self::Core(core::Bug::ForgetsDoubt) => "a restart forgets the doubt",
            Self::Core(core::Bug::ClaimsUnlost) => "a claim of what was not lost is believed",
            Self::Core(core::Bug::ClaimsTwice) => "a receipt makes a hold each time",
            Self::Core(core::Bug::ClaimsOversell) => "a claim has its units, left or not",
            Self::Core(core::Bug::KeepsWhatEnded) => "the hold before a claimed one stays live",
            Self::Core(core::Bug::RestoreOversells) => "an order has its units, left or not",
            Self::Engine(engine::Bug::AnswersFirst) => "answers before it writes",
            Self::Engine(engine::Bug::AnswersInFlight) => "answers before the flush",
            Self::Engine(engine::Bug::AppliesInFlight) => "applies before the flush",
            Self::Engine(engine::Bug::IgnoresDoubt) => "answers on after a failed flush",
            Self::Engine(engine::Bug::NeedsTraffic) => "nothing expires without traffic",
            Self::Store(store::Bug::SkipSync) => "a write is not flushed",
            Self::Store(store::Bug::CutAnywhere) => "damage is cut like a torn tail",
            Self::Store(store::Bug::ClockUncapped) => "the sale clock takes steps of any length",
            Self::Store(store::Bug::NoFence) => "a deposed writer may still write",
            Self::Engine(engine::Bug::RefusesUnread) => "refuses without reading what others wrote",
            Self::Engine(engine::Bug::KeepsOldState) => "keeps a sale whose log is another now",
            Self::Store(store::Bug::BelievesUnconfirmed) => "does not wait for the data nodes",
            Self::Store(store::Bug::ClockOnUnconfirmed) => "the clock runs on what nobody confirms",
            Self::Store(store::Bug::CountsUnheard) => "a node that is not heard counts as heard",
            Self::Store(store::Bug::LongestLogWins) => "the longest log wins, whatever its epoch",
            Self::Store(store::Bug::GoesOnAfterHandingOver) => "who has handed over goes on",
            Self::Store(store::Bug::NoJump) => "sequences that may be lost are given again",
            Self::Store(store::Bug::NewStamps) => "what is written back has new stamps",
            Self::Store(store::Bug::TrustsAtOnce) => "a process that was set back is believed",
            Self::Store(store::Bug::IgnoresRow) => "a winner does not look whether it still reigns",
        }
    }

    /// Whether only several nodes can show it.
    fn is_shared(self) -> bool {
        match self {
            Self::Core(_) => false,
            Self::Engine(bug) => {
                matches!(bug, engine::Bug::RefusesUnread | engine::Bug::KeepsOldState)
            }
            Self::Store(bug) => !matches!(
                bug,
                store::Bug::SkipSync
                    | store::Bug::CutAnywhere
                    | store::Bug::ClockUncapped
                    | store::Bug::NoFence
            ),
        }
    }

    fn pull_out() {
        core::set(None);
        engine::set(None);
        store::set(None);
    }
}

/// How a bug was found.
struct Found {
    /// In which run.
    run: u64,
    /// By what kind of check.
    by: String,
    /// What was seen.
    seen: String,
}

/// Plants every bug in turn and prints when it was found, in the order of the promises.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    say::text("| promise | planted bug | runs until found | found by a check of | what was seen |");
    say::text("|---|---|---|---|---|");
    let mut missed = 0;
    let mut bugs = all();
    bugs.sort_by_key(|bug| bug.promise().0);
    for bug in bugs {
        let ((number, name), what) = (bug.promise(), bug.words());
        let found = if bug.is_shared() {
            shared::look_for(bug, arguments)
        } else {
            look_for(bug, arguments)
        };
        match found {
            Some(Found { run, by, seen }) => {
                let seen: String = seen.chars().take(90).collect();
                let seen = seen.replace('|', "/");
                say::line(format_args!("| {number}. {name} | {what} | {run} | {by} | {seen} |"));
            }
            None => {
                missed += 1;
                let runs = arguments.runs;
                say::line(format_args!("| {number}. {name} | {what} | not in {runs} | | |"));
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many runs it took to find a bug, and what gave it away.
fn look_for(bug: Bug, arguments: &Arguments) -> Option<Found> {
    bug.plant();
    let broken = (0..arguments.runs).find_map(|number| {
        let breach = simulate(seed_of(arguments.seed, number), None).breach?;
        Some(Found::of(number + 1, breach))
    });
    Bug::pull_out();
    broken
}

impl Found {
    fn of(run: u64, Breach { promise, what }: Breach) -> Self {
        Self { run, by: format!("promise {promise}"), seen: what }
    }
}
