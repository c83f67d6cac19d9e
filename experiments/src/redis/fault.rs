//! What is done to Redis at half the stock.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::crowd::Crowd;
use super::design::Stage;

/// How long the master lives on after replication is cut: the other half is sold in that time.
const CUT_BEFORE_DEATH: Duration = Duration::from_secs(1);
/// How long a master that stood still stays so after it was replaced.
const STANDS_STILL_ON: Duration = Duration::from_secs(1);
/// How far a clock steps: further than any hold lasts.
const STEP_SECONDS: i64 = 301;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Replication is cut; a second later the master dies and a replica is promoted.
    Cut,
    /// The master stands still until a replica has been promoted, and for a second more.
    Split,
    /// The master is killed and starts again at once, before anyone takes it for dead.
    Restart {
        /// Whether its files are gone.
        empty: bool,
    },
    /// The master's wall clock steps ahead once all units are held.
    Clock,
}

impl Fault {
    /// Does it. Returns when servers are as well as they will be.
    pub(super) fn happen(self, stage: &mut Stage, crowd: &Crowd, units: u32) -> anyhow::Result<()> {
        let trio = &mut stage.trio;
        match self {
            Self::Cut => {
                trio.cut_replication_from(0)?;
                sleep(CUT_BEFORE_DEATH);
                trio.servers[0].kill();
                trio.await_other_master(0)?;
                trio.heal();
            }
            Self::Split => {
                trio.servers[0].stop()?;
                trio.await_other_master(0)?;
                sleep(STANDS_STILL_ON);
                trio.servers[0].resume()?;
            }
            Self::Restart { empty } => {
                trio.servers[0].kill();
                if empty {
                    trio.servers[0].wipe()?;
                }
                trio.servers[0].restart()?;
            }
            Self::Clock => {
                // With refusals and all, half of the second half may come to nothing.
                let begun = Instant::now();
                while crowd.held() < units && begun.elapsed() < Duration::from_secs(2) {
                    sleep(Duration::from_millis(5));
                }
                trio.servers[0].set_clock(STEP_SECONDS)?;
            }
        }
        Ok(())
    }
}
