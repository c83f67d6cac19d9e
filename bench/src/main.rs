//! What Holdfast costs, beside what it could cost at least: each benchmark runs its floor in the
//! same run, alternating, and prints medians and ratios.
#![expect(clippy::print_stdout, reason = "a command prints its result")]

mod buys;
mod decisions;
mod peer;
mod restart;
mod rules;
mod sample;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measure Holdfast beside its floors. Run with --profile dist.")]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// The rules alone, beside a bare two-probe hash table of the same size.
    Rules(rules::Options),
    /// Durable decisions through the engine's handle, beside the disk's own flush.
    Decisions(decisions::Options),
    /// How long a restart takes with many holds.
    Restart(restart::Options),
    /// Buys over HTTP, beside bare servers and the common design of Go and Redis.
    Buys(buys::Options),
    /// A floor that `buys` starts.
    #[command(subcommand, hide = true)]
    Peer(peer::Peer),
}

/// The same as the server's, so that the floors do not pay for another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    match Cli::parse().benchmark {
        Benchmark::Rules(options) => rules::run(&options),
        Benchmark::Decisions(options) => decisions::run(&options),
        Benchmark::Restart(options) => restart::run(&options),
        Benchmark::Buys(options) => buys::run(&options),
        Benchmark::Peer(peer) => peer::run(&peer),
    }
}
