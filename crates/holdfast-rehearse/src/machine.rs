//! What Linux counts about this machine: how busy it is, and connections that it turned away.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ticks of all cores since the machine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticks {
    busy: u64,
    all: u64,
}

/// Connections that the kernel turned away at a full accept queue, on all listeners of this
/// machine (of this network namespace).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TurnedAway {
    /// `ListenOverflows`: times that an accept queue was full.
    pub listen_overflows: u64,
    /// `ListenDrops`: connections dropped by a listener, for that or another reason.
    pub listen_drops: u64,
}

impl Ticks {
    pub(crate) fn now() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|t| t.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are within user.
        let all = ticks.iter().take(8).sum();
        let idle = ticks.get(3)? + ticks.get(4)?;
        Some(Self { busy: all - idle, all })
    }

    /// The part of the time since `before` in which the cores were busy, 0 to 100.
    pub(crate) fn busy_percent_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        Some(self.busy.saturating_sub(before.busy) as f64 * 100.0 / all as f64)
    }
}

impl TurnedAway {
    pub(crate) fn so_far() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/net/netstat").ok()?)
    }

    /// Two lines: names, then values.
    fn read(netstat: &str) -> Option<Self> {
        let mut lines = netstat.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
        let (names, values) = (lines.next()?, lines.next()?);
        let value = |wanted| {
            let mut pairs = names.split_whitespace().zip(values.split_whitespace());
            pairs.find(|(name, _)| *name == wanted)?.1.parse().ok()
        };
        Some(Self {
            listen_overflows: value("ListenOverflows")?,
            listen_drops: value("ListenDrops")?,
        })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            listen_overflows: self.listen_overflows.saturating_sub(before.listen_overflows),
            listen_drops: self.listen_drops.saturating_sub(before.listen_drops),
        }
    }
}

/// Processor time that a process has had, to within a hundredth of a second.
pub(crate) fn cpu_of(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Its name, in brackets, may have spaces in it: user and system time are 12th and 13th after.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_secs_f64((user + system) as f64 / per_second as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_what_is_not_idle() {
        let before = Ticks::read("cpu  10 0 10 100 5 0 0 0 7 0\ncpu0 1 1 1 1\n").unwrap();
        let after = Ticks::read("cpu  20 0 20 115 10 5 5 0 9 0\n").unwrap();
        assert_eq!(after.busy_percent_since(before), Some(60.0));
        assert_eq!(after.busy_percent_since(after), None);
        assert_eq!(Ticks::read("intr 1 2"), None);
        assert!(Ticks::now().is_some());
    }

    #[test]
    fn what_was_turned_away_is_found_by_its_name() {
        let netstat = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\n\
                       IpExt: InNoRoutes\nIpExt: 4\n";
        let found = TurnedAway::read(netstat).unwrap();
        assert_eq!((found.listen_overflows, found.listen_drops), (22, 333));
        assert!(TurnedAway::so_far().is_some());
    }

    #[test]
    fn this_process_has_had_some_time() {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(50) {}
        assert!(cpu_of(std::process::id()).unwrap() > Duration::ZERO);
    }
}
