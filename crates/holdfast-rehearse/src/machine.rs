//! What Linux counts about this machine: how busy it is, and connections that it turned away.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Less than this cannot be told in ticks, which are a hundredth of a second.
const USAGE_MIN: Duration = Duration::from_millis(50);

/// Ticks of all cores since the machine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticks {
    busy: u64,
    /// The part of it that the host of a virtual machine took for others.
    stolen: u64,
    all: u64,
}

/// Tells what the cores did from one moment to the next, and for whom.
pub(crate) struct UsageClock {
    /// Besides this one and its children that have ended.
    processes: Vec<u32>,
    /// The last time that it told: ticks, and what those processes had had by then.
    last: Option<(Instant, Ticks, Duration)>,
}

/// What the cores did in a stretch of time, each in parts of it, 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) busy: f64,
    /// For none of the processes that were counted: a little below 0 where clocks are coarse.
    pub(crate) others: f64,
    /// The part of it that the host took.
    pub(crate) stolen: f64,
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
        let stolen = ticks.get(7).copied().unwrap_or_default();
        Some(Self { busy: all - idle, stolen, all })
    }

    /// What the cores did since `before`, while some processes had `counted` of their time.
    pub(crate) fn since(self, before: Self, counted: Duration) -> Option<Usage> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        let percent = |ticks: f64| ticks * 100.0 / all as f64;
        let busy = percent(self.busy.saturating_sub(before.busy) as f64);
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        Some(Usage {
            busy,
            others: busy - percent(counted.as_secs_f64() * per_second),
            stolen: percent(self.stolen.saturating_sub(before.stolen) as f64),
        })
    }
}

impl UsageClock {
    /// Starts; counted are this process, its children that end, and these.
    pub(crate) fn start(processes: Vec<u32>) -> Self {
        let last = Self::now(&processes);
        Self { processes, last }
    }

    /// What was done since this was asked last; `None` so soon after that it cannot be told.
    pub(crate) fn since_last(&mut self) -> Option<Usage> {
        let (then, before, counted_before) = self.last?;
        if then.elapsed() < USAGE_MIN {
            return None;
        }
        let now = Self::now(&self.processes)?;
        let (_, ticks, counted) = now;
        let usage = ticks.since(before, counted.saturating_sub(counted_before))?;
        self.last = Some(now);
        Some(usage)
    }

    fn now(processes: &[u32]) -> Option<(Instant, Ticks, Duration)> {
        // Whoever has ended and been waited for is no process any more, but this one's child.
        let [user, system, child_user, child_system] = ticks_of(std::process::id())?;
        let own = seconds(user + system + child_user + child_system);
        let others: Duration = processes.iter().filter_map(|process| cpu_of(*process)).sum();
        Some((Instant::now(), Ticks::now()?, own + others))
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
    let [user, system, ..] = ticks_of(process)?;
    Some(seconds(user + system))
}

/// User and system time of a process, and those of its children that it has waited for.
fn ticks_of(process: u32) -> Option<[u64; 4]> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Its name, in brackets, may have spaces in it: these are 12th to 15th after.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: Vec<u64> = fields.take(4).map_while(|ticks| ticks.parse().ok()).collect();
    ticks.try_into().ok()
}

fn seconds(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn busy_is_what_is_not_idle() {
        let before = Ticks::read("cpu  10 0 10 100 5 0 0 0 7 0\ncpu0 1 1 1 1\n").unwrap();
        let after = Ticks::read("cpu  20 0 20 115 10 5 5 0 9 0\n").unwrap();
        let usage = after.since(before, Duration::ZERO).unwrap();
        assert_eq!((usage.busy, usage.others, usage.stolen), (60.0, 60.0, 0.0));
        assert_eq!(after.since(after, Duration::ZERO), None);
        assert_eq!(Ticks::read("intr 1 2"), None);
        assert!(Ticks::now().is_some());
    }

    #[test]
    fn what_is_busy_for_nobody_counted_is_for_others() {
        let before = Ticks::read("cpu  0 0 0 0 0 0 0 0\n").unwrap();
        let after = Ticks::read("cpu  40 0 20 30 0 0 0 10\n").unwrap();
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let counted = Duration::from_secs_f64(25.0 / per_second);
        let usage = after.since(before, counted).unwrap();
        assert_eq!((usage.busy, usage.others.round(), usage.stolen), (70.0, 45.0, 10.0));
    }

    #[test]
    fn the_work_of_a_stranger_is_of_others_unless_it_is_counted() {
        let mut child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let mut all = UsageClock::start(vec![child.id()]);
        let mut own = UsageClock::start(Vec::new());
        let worked = || cpu_of(child.id()).unwrap() > Duration::from_millis(200);
        while !worked() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let [all, own] = [&mut all, &mut own].map(|clock| clock.since_last().unwrap());
        // Its fifth of a second was in one moment of the machine for both.
        assert!(own.others > all.others, "{own:?}, {all:?}");
        assert!((own.busy - all.busy).abs() < 20.0, "{own:?}, {all:?}");
        child.kill().unwrap();
        child.wait().unwrap();
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
