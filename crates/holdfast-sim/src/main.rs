//! `holdfast-sim`: whole sales under seeded faults.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

#[cfg(feature = "planted")]
mod bugs;
mod series;

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
    /// Plays runs with each planted bug until it is found, as a Markdown table.
    #[cfg(feature = "planted")]
    Bugs(bugs::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => series::run(&arguments),
        Command::Replay { seed } => replay(seed),
        #[cfg(feature = "planted")]
        Command::Bugs(arguments) => bugs::run(&arguments),
    }
}

fn replay(seed: u64) -> ExitCode {
    let report = simulate(seed, true);
    for line in &report.lines {
        println!("{line}");
    }
    println!("trace {:016x}", report.hash);
    match report.breach {
        Some(breach) => {
            println!("{breach}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
