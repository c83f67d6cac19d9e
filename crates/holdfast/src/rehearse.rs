//! `holdfast rehearse`: a crowd against a server, its own or one that is running.

mod args;
mod file;
mod key;
mod repeat;
mod server;
mod show;

use std::io::{BufReader, BufWriter, ErrorKind, stdin, stdout};
use std::process::ExitCode;

pub(crate) use args::{EXAMPLES, RehearseArgs};
use file::ReportFile;
use holdfast_rehearse::{Options, Report, Stop};
use server::Server;
use show::Show;

use crate::output::say;
use crate::signals;

/// The command that a rehearsal starts its generators with.
pub(crate) const GENERATOR: &str = "rehearse-generator";

/// What whoever presses Ctrl-C reads at once; what was so far follows as the report.
const INTERRUPTED: &str = "interrupted: no more buyers come, the sale is being closed, and what was \
    so far is reported; once more ends at once, and may leave the sale open";

/// Holds the rehearsal and prints its report; fails if a promise was broken or a buyer was left
/// without an answer.
pub(crate) fn run(args: &RehearseArgs) -> anyhow::Result<ExitCode> {
    if args.json_schema {
        say(&serde_json::to_string_pretty(&holdfast_rehearse::schema())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (stop, show) = (Stop::new(), Show::new()?);
    let (told, notice) = (stop.clone(), show.notice());
    signals::on_stop(move || {
        told.stop();
        notice(INTERRUPTED);
    })?;
    if let Some(words) = args.without_effect() {
        show.notice()(words);
    }
    // Opened first: a report that cannot be written should not cost a rehearsal.
    let json = args.json.as_deref().map(ReportFile::create).transpose()?;
    let html = args.html.as_deref().map(ReportFile::create).transpose()?;
    // However this function is left, an own server ends and its folder goes.
    let (own, options) = match &args.target {
        Some(target) => {
            let options = Options::new(target.clone(), args.merchant_key()?);
            (None, Options { buyer_secret: args.secret_of_buyers()?, ..options })
        }
        None => {
            let per_second = args.payments_per_second();
            let server = Server::start(args.limit_buyer(), per_second)?;
            let options = Options::new(server.address.parse()?, server.merchant_key.clone());
            let buyer_secret = Some(server.buyer_secret.clone());
            let server_process = Some(server.process());
            let payments_per_second = Some(per_second);
            let options = Options { buyer_secret, server_process, payments_per_second, ..options };
            (Some(server), options)
        }
    };
    let report = rehearse(&Options { stop, ..args.over(options)? }, show)?;
    say(&report.render())?;
    if let Some(file) = json {
        let written = serde_json::to_string_pretty(&report)?;
        file.write(&written)?;
    }
    if let Some(file) = html {
        file.write(&report.page())?;
    }
    own.map_or(Ok(()), Server::end)?;
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays a part of the crowd, as the rehearsal that started this process says.
pub(crate) fn generate() -> anyhow::Result<ExitCode> {
    match holdfast_rehearse::generator(BufReader::new(stdin()), BufWriter::new(stdout())) {
        // The rehearsal has ended, and wants to hear no more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::FAILURE),
        played => Ok(played.map(|()| ExitCode::SUCCESS)?),
    }
}

fn rehearse(options: &Options, mut show: Show) -> anyhow::Result<Report> {
    let report = holdfast_rehearse::run(options, |progress| show.see(progress));
    show.end();
    Ok(report?)
}
