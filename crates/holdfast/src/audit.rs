//! `holdfast audit`: counts every promise afresh from a stopped server's records.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use holdfast_engine::Audit;
use holdfast_store::{Store, SystemClock};

use crate::folder::Folder;

/// Flags and environment of `audit`.
#[derive(clap::Args)]
pub(crate) struct AuditArgs {
    /// The stopped server's data folder
    #[arg(long, env = "HOLDFAST_DATA_DIR", value_name = "FOLDER", default_value = "holdfast-data")]
    data_dir: PathBuf,
}

/// Prints what was counted; fails if a promise is broken.
pub(crate) fn run(args: &AuditArgs) -> anyhow::Result<ExitCode> {
    let path = args.data_dir.display();
    anyhow::ensure!(args.data_dir.join("journal").is_dir(), "{path} has no journal to audit");
    let journal = Folder::open(&args.data_dir)?.journal(Arc::new(SystemClock::new()))?;
    let (records, mut broken) = (journal.records(), 0);
    let logs = journal.logs();
    for log in &logs {
        let audit = holdfast_engine::audit(records.as_ref(), log)
            .with_context(|| format!("audit {}", log.name))?;
        broken += audit.differences.len();
        print(&audit);
    }
    match broken {
        0 => println!("{} sales audited: every promise is kept", logs.len()),
        _ => println!("{} sales audited: {broken} promises are broken", logs.len()),
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(audit: &Audit) {
    let (first, last) = (audit.snapshot_sequence + 1, audit.last_sequence);
    println!("{}: entries {first} to {last} read", audit.sale);
    if audit.snapshot_sequence > 0 {
        println!("  before that: the holds in the snapshot at {}", audit.snapshot_sequence);
    }
    for tier in audit.view.iter().flat_map(|view| &view.tiers) {
        let config = &tier.config;
        println!(
            "  {}: {} free + {} held + {} sold + {} withheld = {}",
            config.id, tier.free, tier.held, tier.sold, tier.withheld, config.capacity
        );
    }
    let holds = audit.holds;
    println!(
        "  holds: {} live, {} cancelled, {} expired",
        holds.held, holds.cancelled, holds.expired
    );
    for difference in &audit.differences {
        println!("  BROKEN {difference}");
    }
}
