//! Holdfast's one binary: it serves sales, rehearses them and audits them, and plays the payment
//! provider for tests.

mod announce;
mod audit;
mod counted;
mod damage;
mod demo;
mod files;
mod folder;
mod ledger;
mod listen;
mod money;
mod output;
mod process;
mod provider;
mod rehearse;
mod secret_file;
mod serve;
mod settings;
mod shared;
mod signals;
mod telemetry;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The reservation engine for flash sales: every buyer gets, at once, a unit held while they pay,
/// or a true "sold out". It never sells more than there is.
#[derive(Parser)]
#[command(version, after_help = "Try it: holdfast serve --demo")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a server.
    #[command(next_line_help = true)]
    Serve(Box<settings::ServeArgs>),
    /// Send a simulated crowd against a server and audit what each buyer got.
    #[command(after_help = rehearse::EXAMPLES)]
    Rehearse(Box<rehearse::RehearseArgs>),
    /// Play a part of a rehearsal's crowd: started by `rehearse`, not by hand.
    #[command(name = rehearse::GENERATOR, hide = true)]
    Generate,
    /// Count every promise afresh from the records of a stopped server.
    Audit(audit::AuditArgs),
    /// Run a payment provider to test against: no money moves, and it is as ill as it is told to be.
    #[command(after_help = provider::EXAMPLES)]
    Provider(Box<provider::ProviderArgs>),
    /// Sign a buyer's token, to try the API as a buyer.
    Token(token::TokenArgs),
}

/// A request makes and drops some dozens of small things: this allocator does it faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    telemetry::init();
    run().unwrap_or_else(|error| {
        telemetry::fail(&damage::advise(error));
        ExitCode::FAILURE
    })
}

fn run() -> anyhow::Result<ExitCode> {
    let parsed = Cli::try_parse();
    // Whoever asks for help gets it, whatever is set.
    if parsed.as_ref().map_or_else(clap::Error::use_stderr, |_| true) {
        settings::refuse_empty_variables()?;
    }
    match parsed.unwrap_or_else(|error| error.exit()).command {
        Command::Serve(args) => serve::run(*args),
        Command::Rehearse(args) => rehearse::run(&args),
        Command::Generate => rehearse::generate(),
        Command::Audit(args) => audit::run(args),
        Command::Provider(args) => provider::run(*args),
        Command::Token(args) => token::run(&args),
    }
}
