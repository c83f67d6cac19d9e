//! `holdfast-sim`: whole sales under seeded faults.

#[cfg(feature = "planted")]
mod bugs;
mod panics;
mod say;
mod series;
mod stories;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use holdfast_sim::run::simulate;

/// Whole sales under seeded faults, held to their promises.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays many runs, each from a seed of its own.
    Run(series::Arguments),
    /// Plays one run again and prints everything that happened in it.
    Replay {
        /// The run's seed.
        #[arg(long)]
        seed: u64,
    },
    /// Tells stories of several nodes over Redis that fails: logs alone, and whole sales.
    Cluster(stories::Arguments),
    /// Plays runs with each planted bug until it is found, as a Markdown table.
    #[cfg(feature = "planted")]
    Bugs(bugs::Arguments),
}

fn main() -> ExitCode {
    panics::end_the_process();
    match Arguments::parse().command {
        Command::Run(arguments) => series::run(&arguments),
        Command::Replay { seed } => replay(seed),
        Command::Cluster(arguments) => stories::run(&arguments),
        #[cfg(feature = "planted")]
        Command::Bugs(arguments) => bugs::run(&arguments),
    }
}

/// Prints each line as it happens: a run that panics has then told how it came to that.
fn replay(seed: u64) -> ExitCode {
    let report = simulate(seed, Some(say::text));
    say::line(format_args!("trace {:016x}", report.hash));
    match report.breach {
        Some(breach) => {
            say::line(format_args!("{breach}"));
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
