//! A rehearsal against an experiment's server, and what of its report an experiment reads.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::server::{MERCHANT_KEY, Server};

/// What is read of a report (docs/rehearsal.schema.json).
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    /// Why it is not, in words.
    pub(crate) why_not_ok: Vec<String>,
    pub(crate) crowd: Crowd,
    pub(crate) load: Load,
    pub(crate) winners_latency_ms: Option<Percentiles>,
    pub(crate) losers_latency_ms: Option<Percentiles>,
    pub(crate) waves: Vec<Wave>,
    pub(crate) verdict: Verdict,
    pub(crate) timeline: Timeline,
    pub(crate) money: Option<Money>,
}

/// What became of the winners who went to pay.
#[derive(Debug, Deserialize)]
pub(crate) struct Money {
    pub(crate) paid: u64,
    /// Winners who were told something that they could not expect, by what it was.
    pub(crate) refused_by_answer: BTreeMap<String, u64>,
    /// And those who were not told how it ended, by what they knew last.
    pub(crate) unclear_by_reason: BTreeMap<String, u64>,
}

/// What happened when.
#[derive(Debug, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) bin_ms: f64,
    pub(crate) bins: Vec<Bin>,
}

/// What was told within one stretch of time.
#[derive(Debug, Deserialize)]
pub(crate) struct Bin {
    pub(crate) at_ms: f64,
    pub(crate) tries: u64,
    pub(crate) won: u64,
    pub(crate) shed: u64,
    pub(crate) unanswered: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Crowd {
    pub(crate) won: u64,
    pub(crate) lost: u64,
    pub(crate) shed: u64,
    pub(crate) refused: u64,
    pub(crate) unanswered: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Load {
    pub(crate) offered_per_second: Option<f64>,
    pub(crate) achieved_per_second: Option<f64>,
    pub(crate) drained_ms: f64,
    pub(crate) turned_away: Option<TurnedAway>,
    pub(crate) bottleneck_words: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TurnedAway {
    pub(crate) listen_overflows: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Wave {
    pub(crate) offered_per_second: Option<f64>,
    pub(crate) answered_per_second: Option<f64>,
    pub(crate) shed_per_second: Option<f64>,
    pub(crate) latency_ms: Option<Percentiles>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) broken: Vec<serde_json::Value>,
}

/// Holds a rehearsal against one server with these arguments; its progress is shown as it goes.
pub(crate) fn hold(
    program: &Path,
    server: &Server,
    arguments: &[String],
) -> anyhow::Result<Report> {
    hold_at(program, &server.address, &server.buyer_secret(), arguments)
}

/// The same at a server, or several with commas, which know the buyers by the secret in this file.
pub(crate) fn hold_at(
    program: &Path,
    target: &str,
    buyer_secret: &Path,
    arguments: &[String],
) -> anyhow::Result<Report> {
    let json = tempfile::NamedTempFile::new()?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOLDFAST_") {
            command.env_remove(name);
        }
    }
    let status = command
        .args(["rehearse", "--target", target, "--buyer-secret"])
        .arg(buyer_secret)
        .arg("--json")
        .arg(json.path())
        .args(arguments)
        .env("HOLDFAST_MERCHANT_KEY", MERCHANT_KEY)
        .stdout(Stdio::null())
        .status()?;
    let text = std::fs::read_to_string(json.path())?;
    ensure!(!text.is_empty(), "the rehearsal ended with {status} and no report");
    serde_json::from_str(&text).context("read the rehearsal's report")
}
