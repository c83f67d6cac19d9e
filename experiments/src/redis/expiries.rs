//! Every unit is held, and nobody pays: when can they be had again?

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use redis::Pipeline;

use super::design::{Answer, Design, Sale, Stage};
use super::table::{Late, Outcome};
use crate::progress::say;

/// Keys with a TTL of an hour that are nobody's business: sessions, say.
const OTHERS: u32 = 500_000;
const HOLD: Duration = Duration::from_secs(5);
/// How long after their end holds are watched.
const WATCHED: Duration = Duration::from_secs(30);
/// How often is looked.
const EVERY: Duration = Duration::from_millis(10);

pub(super) fn outcome(design: &dyn Design, stage: &Stage, units: u32) -> anyhow::Result<Outcome> {
    fill(stage)?;
    say(format_args!("  {OTHERS} other keys are there"));
    let mut shop = design.start(stage, Sale { units, hold: HOLD })?;
    let mut tills = shop.tills(1)?;
    let mut ends = Vec::new();
    for first in (0..units).step_by(100) {
        let answers = tills[0].buy(first..units.min(first + 100));
        let held = answers.iter().filter(|&&answer| answer == Answer::Held);
        ends.extend(held.map(|_| Instant::now() + HOLD));
    }
    ensure!(ends.len() == units as usize, "only {} units were held", ends.len());
    say("  every unit is held; they are waited for");
    let watched = Instant::now() + HOLD + WATCHED;
    let mut returned = Vec::new();
    while returned.len() < ends.len() && Instant::now() < watched {
        sleep(EVERY);
        let (free, now) = (shop.free()? as usize, Instant::now());
        // Whose hold has ended first is the first to come back.
        let back = ends.iter().take(free).skip(returned.len());
        returned.extend(back.map(|&end| now.saturating_duration_since(end)));
    }
    returned.sort_unstable();
    Ok(Outcome::Late(Late::new(units, &returned, WATCHED)))
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
