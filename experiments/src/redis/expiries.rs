//! Every unit is held, and nobody pays: when can they be had again?

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use redis::Pipeline;

use super::design::{Answer, Design, Sale, Stage};
use super::table::{Late, Outcome};

/// Keys with a TTL of an hour that are nobody's business: sessions, say.
const OTHERS: u32 = 500_000;
const SALE: Sale = Sale { units: 5_000, hold: Duration::from_secs(5) };
/// How long after their end holds are watched.
const WATCHED: Duration = Duration::from_secs(30);
/// How often is looked.
const EVERY: Duration = Duration::from_millis(10);

pub(super) fn outcome(design: &dyn Design, stage: &Stage) -> anyhow::Result<Outcome> {
    fill(stage)?;
    let mut shop = design.start(stage, SALE)?;
    let mut tills = shop.tills(1)?;
    let mut ends = Vec::new();
    for first in (0..SALE.units).step_by(100) {
        let answers = tills[0].buy(first..first + 100);
        let held = answers.iter().filter(|&&answer| answer == Answer::Held);
        ends.extend(held.map(|_| Instant::now() + SALE.hold));
    }
    ensure!(ends.len() == SALE.units as usize, "only {} units were held", ends.len());
    let watched = Instant::now() + SALE.hold + WATCHED;
    let mut returned = Vec::new();
    while returned.len() < ends.len() && Instant::now() < watched {
        sleep(EVERY);
        let (free, now) = (shop.free()? as usize, Instant::now());
        // Whose hold has ended first is the first to come back.
        let back = ends.iter().take(free).skip(returned.len());
        returned.extend(back.map(|&end| now.saturating_duration_since(end)));
    }
    returned.sort_unstable();
    Ok(Outcome::Late(Late::new(SALE.units, &returned, WATCHED)))
}

fn fill(stage: &Stage) -> anyhow::Result<()> {
    let mut connection = stage.trio.servers[0].connect()?;
    for first in (0..OTHERS).step_by(10_000) {
        let mut pipeline = Pipeline::new();
        for key in first..first + 10_000 {
            pipeline.cmd("SET").arg(format!("session:{key}")).arg(key).arg("EX").arg(3_600);
        }
        pipeline.exec(&mut connection)?;
    }
    Ok(())
}
