//! Who used the processor, as /proc tells.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context;
use procfs::{CpuTime, CurrentSI, KernelStats};

/// Reads what was used on two cores.
pub(super) struct Meter {
    server_core: usize,
    load_core: usize,
    server: BTreeSet<u32>,
    data: BTreeSet<u32>,
}

/// Used up to a moment, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) at: Instant,
    /// Busy time of the server's core: user, nice, system, and both kinds of interrupts. Time that
    /// the hypervisor has stolen is no part of it.
    pub(super) core_us: u64,
    pub(super) load_core_us: u64,
    /// What the processes used that listen, and those of Redis that they rest on.
    pub(super) server_us: u64,
    pub(super) data_us: u64,
    /// What the kernel's own threads used, on any core: they write to disks, for whoever asks.
    pub(super) kernel_us: u64,
    /// What all other programs used, on any core; this one not counted.
    pub(super) others_us: u64,
}

/// What all processes have used.
#[derive(Default)]
struct Used {
    server_us: u64,
    data_us: u64,
    kernel_us: u64,
    others_us: u64,
}

impl Meter {
    /// Of these two cores, and of a server's processes: those that listen, and those of Redis.
    pub(super) fn new(
        (server_core, load_core): (usize, usize),
        server: BTreeSet<u32>,
        data: BTreeSet<u32>,
    ) -> Self {
        Self { server_core, load_core, server, data }
    }

    pub(super) fn read(&self) -> anyhow::Result<Reading> {
        let stat = KernelStats::current().context("read /proc/stat")?;
        let Used { server_us, data_us, kernel_us, others_us } = self.processes()?;
        Ok(Reading {
            at: Instant::now(),
            core_us: busy_us(&stat.cpu_time, self.server_core)?,
            load_core_us: busy_us(&stat.cpu_time, self.load_core)?,
            server_us,
            data_us,
            kernel_us,
            others_us,
        })
    }

    /// What programs other than this one and the server use for a while, in cores.
    pub(super) fn others_during(&self, duration: Duration) -> anyhow::Result<f64> {
        let begin = self.read()?;
        std::thread::sleep(duration);
        let end = self.read()?;
        let used_us = end.others_us.saturating_sub(begin.others_us);
        Ok(used_us as f64 / 1e6 / (end.at - begin.at).as_secs_f64())
    }

    fn processes(&self) -> anyhow::Result<Used> {
        let (own, mut used) = (std::process::id(), Used::default());
        for process in procfs::process::all_processes().context("list /proc")? {
            // One that has just ended is counted by its parent.
            let Ok(stat) = process.and_then(|process| process.stat()) else { continue };
            let ended = u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
            let used_us = (stat.utime + stat.stime + ended) * tick_us();
            let Ok(pid) = u32::try_from(stat.pid) else { continue };
            if self.server.contains(&pid) {
                used.server_us += used_us;
            } else if self.data.contains(&pid) {
                used.data_us += used_us;
            } else if stat.pid == KERNEL || stat.ppid == KERNEL {
                used.kernel_us += used_us;
            } else if pid != own {
                used.others_us += used_us;
            }
        }
        Ok(used)
    }
}

/// The unit of /proc.
fn tick_us() -> u64 {
    1_000_000 / procfs::ticks_per_second()
}

/// The parent of all the kernel's threads.
const KERNEL: i32 = 2;

fn busy_us(cores: &[CpuTime], core: usize) -> anyhow::Result<u64> {
    let time = cores.get(core).with_context(|| format!("there is no core {core}"))?;
    let interrupts = time.irq.unwrap_or(0) + time.softirq.unwrap_or(0);
    Ok((time.user + time.nice + time.system + interrupts) * tick_us())
}

#[cfg(test)]
mod tests {
    use procfs::FromReadSI;

    use super::*;

    #[test]
    fn a_core_is_busy_but_for_idling_waiting_and_what_was_stolen() {
        let stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 4 100 200 8 16 400 0 0\n\
                    ctxt 1\nbtime 1\nprocesses 1\n";
        let stat = KernelStats::from_read(stat.as_bytes(), procfs::current_system_info()).unwrap();
        assert_eq!(busy_us(&stat.cpu_time, 0).unwrap(), 31 * tick_us());
        assert!(busy_us(&stat.cpu_time, 1).is_err());
    }

    #[test]
    fn what_a_process_uses_is_found_where_it_belongs() {
        let own = std::process::id();
        let meter = |server: &[u32], data: &[u32]| {
            let set = |pids: &[u32]| pids.iter().copied().collect();
            let reading = Meter::new((0, 0), set(server), set(data)).read().unwrap();
            (reading.server_us > 0, reading.data_us > 0)
        };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(60) {}
        assert_eq!(meter(&[own], &[]), (true, false));
        assert_eq!(meter(&[], &[own]), (false, true));
        assert_eq!(meter(&[], &[]), (false, false));
    }
}
