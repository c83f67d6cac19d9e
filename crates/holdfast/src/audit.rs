//! `holdfast audit`: counts every promise afresh from a stopped server's records, its orders and its
//! provider's payments.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use holdfast_checkout::MoneyAudit;
use holdfast_core::SaleId;
use holdfast_engine::{Audit, read_sales};

use crate::folder::{Folder, read_journal};
use crate::money;
use crate::output::say;
use crate::settings::{MoneyArgs, Place};

/// Flags and environment of `audit`.
#[derive(clap::Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    money: MoneyArgs,
}

/// Prints what was counted; fails if a promise is broken or if there is nothing to count.
pub(crate) fn run(args: AuditArgs) -> anyhow::Result<ExitCode> {
    let (data_dir, money) = args.place.with_money(args.money)?;
    let path = data_dir.display();
    let Some((logs, records)) = read_journal(&data_dir)? else {
        bail!(
            "no sale to audit: {path} has no journal. (Sales in Redis are audited by their servers: GET \
             /v1/sales/{{sale}}/audit)"
        )
    };
    let (mut broken, mut sales) = (0, 0);
    for log in &logs {
        let audit = holdfast_engine::audit(records.as_ref(), log)
            .with_context(|| format!("audit {}", log.name))?;
        broken += audit.differences.len();
        // A log without a configured sale was begun by a crash's last breath, and nobody was told.
        sales += usize::from(audit.view.is_some());
        say(&describe(&audit))?;
    }
    let receipts = Folder::open(&data_dir)?.receipt_key(true)?;
    let all = read_sales(records.as_ref(), &logs)?;
    for (sale, audit) in money::audit(&money, &data_dir, all, &receipts)? {
        broken += audit.differences.len();
        say(&describe_money(sale, &audit))?;
    }
    let audited = counted(sales, "sale");
    match (sales, broken) {
        (0, 0) => bail!("no sale to audit: the journal in {path} has none"),
        (_, 0) => say(&format!("{audited} audited: every promise is kept"))?,
        _ => say(&format!("{audited} audited, and not kept: {}", counted(broken, "promise")))?,
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was counted of a sale's money.
fn describe_money(sale: SaleId, audit: &MoneyAudit) -> String {
    let MoneyAudit { orders, paid, paid_amount, captured, captured_amount, under_way, .. } = audit;
    let mut text = format!(
        "{sale}: {orders} orders, {paid} paid ({paid_amount} in minor units)\n  \
         provider: {captured} captured ({captured_amount})"
    );
    if *under_way > 0 {
        text += &format!("\n  {under_way} under way: the server goes on with them when it runs");
    }
    for difference in &audit.differences {
        text += &format!("\n  BROKEN {difference}");
    }
    text
}

/// "1 sale", "2 sales".
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn describe(audit: &Audit) -> String {
    let mut text = String::new();
    // Writing into a text cannot fail.
    let _ = write_audit(&mut text, audit);
    text
}

fn write_audit(text: &mut String, audit: &Audit) -> std::fmt::Result {
    let (first, last) = (audit.snapshot_sequence + 1, audit.last_sequence);
    writeln!(text, "{}: entries {first} to {last} read", audit.sale)?;
    if audit.snapshot_sequence > 0 {
        writeln!(text, "  before that: the holds in the snapshot at {}", audit.snapshot_sequence)?;
    }
    for tier in audit.view.iter().flat_map(|view| &view.tiers) {
        let config = &tier.config;
        writeln!(
            text,
            "  {}: {} free + {} held + {} sold + {} withheld = {}",
            config.id, tier.free, tier.held, tier.sold, tier.withheld, config.capacity
        )?;
    }
    let holds = audit.holds;
    writeln!(
        text,
        "  holds: {} held, {} at the checkout, {} sold, {} cancelled, {} expired",
        holds.held, holds.paying, holds.sold, holds.cancelled, holds.expired
    )?;
    for difference in &audit.differences {
        writeln!(text, "  BROKEN {difference}")?;
    }
    Ok(())
}
