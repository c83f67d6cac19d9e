//! Budgets that several nodes share.

use anyhow::ensure;
use holdfast_ledger::Ledger;

use super::NOW;

pub(super) async fn all(ledger: &impl Ledger) -> anyhow::Result<()> {
    slots_are_spaced_and_not_far_ahead(ledger).await?;
    two_nodes_have_one_budget(ledger, 0).await?;
    two_nodes_have_one_budget(ledger, 500).await?;
    a_clock_that_was_wrong_is_not_believed(ledger).await
}

async fn slots_are_spaced_and_not_far_ahead(ledger: &impl Ledger) -> anyhow::Result<()> {
    let lease = ledger.lease("spaced", 4, 3, NOW).await?;
    let at = |ms: u64| (NOW + ms) * 1_000;
    ensure!(lease.slots().eq([at(0), at(250), at(500)]), "{lease:?}");
    let rest = ledger.lease("spaced", 4, 100, NOW).await?;
    ensure!(rest.slots().eq([at(750)]), "{rest:?}");
    let none = ledger.lease("spaced", 4, 1, NOW).await?;
    ensure!(none.granted == 0 && none.from_us == at(1_000), "{none:?}");
    // What was not used is not kept.
    let later = ledger.lease("spaced", 4, 100, NOW + 60_000).await?;
    ensure!(later.granted == 4 && later.from_us == at(60_000), "{later:?}");
    let other = ledger.lease("another", 3, 100, NOW).await?;
    ensure!(other.granted == 3 && other.from_us == at(0), "{other:?}");
    Ok(())
}

/// Two nodes, one of which has a clock that is `behind_ms` late, ask in turn and use what they get.
async fn two_nodes_have_one_budget(ledger: &impl Ledger, behind_ms: u64) -> anyhow::Result<()> {
    let (name, per_second) = (format!("shared-{behind_ms}"), 30);
    // When calls were made, in true microseconds.
    let mut calls = Vec::new();
    for turn in 0..100 {
        let (now_ms, late_ms) = (NOW + 40 * turn, if turn % 3 == 0 { behind_ms } else { 0 });
        let want = 1 + u32::try_from(turn % 7)?;
        let lease = ledger.lease(&name, per_second, want, now_ms - late_ms).await?;
        let true_slots: Vec<_> = lease.slots().map(|slot| slot + late_ms * 1_000).collect();
        ensure!(true_slots.iter().all(|&slot| slot >= now_ms * 1_000));
        ensure!(true_slots.iter().all(|&slot| slot < (now_ms + 1_000) * 1_000));
        calls.extend(true_slots);
    }
    calls.sort_unstable();
    let in_a_second = calls.iter().enumerate().map(|(nth, &from)| {
        calls[nth..].iter().take_while(|&&call| call < from + 1_000_000).count() as u64
    });
    let most = in_a_second.max().unwrap_or_default();
    let allowed = u64::from(per_second) * (1_000 + behind_ms) / 1_000;
    ensure!(most <= allowed, "{most} calls in a second with {behind_ms} ms between the clocks");
    ensure!(calls.len() >= 100, "they get what there is: {}", calls.len());
    Ok(())
}

async fn a_clock_that_was_wrong_is_not_believed(ledger: &impl Ledger) -> anyhow::Result<()> {
    for (ahead_ms, granted) in [(5_000, 0), (3_600_000, 2)] {
        let name = format!("wrong-{ahead_ms}");
        ledger.lease(&name, 2, 1, NOW + ahead_ms).await?;
        let lease = ledger.lease(&name, 2, 5, NOW).await?;
        ensure!(lease.granted == granted, "{lease:?}");
        let next = ledger.lease(&name, 2, 5, NOW).await?;
        ensure!(next.granted == 0, "{next:?}");
    }
    Ok(())
}
