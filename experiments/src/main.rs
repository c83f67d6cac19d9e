//! Experiments: what a design must withstand, ours and a naive one beside it, in one command each.
//!
//! Each starts real servers as processes. `rush` and `overload` exit 0 only if ours withstands and the
//! naive one does not: an experiment that cannot tell them apart proves nothing. `redis` shows how
//! naive designs on Redis fail, however that comes out, and exits 0 only if ours does not.
#![expect(clippy::print_stdout, reason = "a command prints its result")]

mod http;
mod overload;
mod progress;
mod quota;
mod redis;
mod rehearsal;
mod rush;
mod server;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What a design must withstand. Run with --release, as root, on Linux.")]
struct Cli {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Subcommand)]
enum Experiment {
    /// 50,000 buyers on new connections within one second; naive: a backlog of 128.
    Rush(rush::Options),
    /// Two and three times what the server can do, for 20 s, then half; naive: nothing is shed.
    Overload(overload::Options),
    /// Redis hurt in the middle of a sale, ours over two nodes; naive: a counter, keys with a TTL,
    /// expired events. And a full rehearsal over three nodes.
    #[command(after_help = redis::HELP)]
    Redis(redis::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    let has_held = match Cli::parse().experiment {
        Experiment::Rush(options) => rush::run(&options)?,
        Experiment::Overload(options) => overload::run(&options)?,
        Experiment::Redis(options) => redis::run(&options)?,
    };
    Ok(if has_held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_in_order() {
        Cli::command().debug_assert();
    }
}
