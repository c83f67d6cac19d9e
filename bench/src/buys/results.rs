//! What runs came to, and how that compares.

use clap::ValueEnum;
use serde::Serialize;

use super::Workload;
use super::load::Load;
use super::server::Kind;
use crate::sample::{at, median};

/// Ratios that we have set ourselves: of what Holdfast takes to what the other takes.
const GOALS: [(Kind, f64); 3] =
    [(Kind::Axum, 1.25), (Kind::Go, 1.0 / 6.0), (Kind::GoUnix, 1.0 / 6.0)];

/// The same on Redis: of what Holdfast and its Redis take to what the Go peer and its Redis take, and
/// of what the one Redis takes to what the other takes.
const ON_REDIS_GOAL: f64 = 1.0 / 5.0;
const REDIS_GOAL: f64 = 1.0 / 10.0;

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    answered: u64,
    seconds: f64,
    /// Busy time of the server's core for each buy.
    core_us: f64,
    /// What the server's processes used for each buy; of that, what Redis used.
    process_us: f64,
    redis_us: f64,
    /// What the kernel's own threads used for each buy, on any core.
    kernel_us: f64,
    /// How busy the cores were, 0 to 1.
    core_busy: f64,
    load_core_busy: f64,
    /// From a caller's question to its answer, in microseconds: half and 99 % took no longer.
    p50_us: u64,
    p99_us: u64,
    /// What other programs used on all cores, in cores: what disturbs.
    pub(super) others: f64,
}

/// All runs of one server under one load.
#[derive(Serialize)]
struct Row {
    server: Kind,
    workload: Workload,
    connections: usize,
    runs: Vec<Measured>,
}

#[derive(Default, Serialize)]
pub(super) struct Results {
    rows: Vec<Row>,
}

impl Measured {
    pub(super) fn new(load: &Load) -> Self {
        let Load { answered, begin, end, latencies_us } = load;
        let seconds = (end.at - begin.at).as_secs_f64();
        let each = |us: u64| us as f64 / *answered as f64;
        let share = |us: u64| us as f64 / 1e6 / seconds;
        Self {
            answered: *answered,
            seconds,
            core_us: each(end.core_us - begin.core_us),
            process_us: each(end.server_us - begin.server_us + end.data_us - begin.data_us),
            redis_us: each(end.data_us - begin.data_us),
            kernel_us: each(end.kernel_us.saturating_sub(begin.kernel_us)),
            core_busy: share(end.core_us - begin.core_us),
            load_core_busy: share(end.load_core_us - begin.load_core_us),
            p50_us: at(latencies_us, 0.5),
            p99_us: at(latencies_us, 0.99),
            others: share(end.others_us.saturating_sub(begin.others_us)),
        }
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "{:.0} buys/s, {:.2} us of the core each, {:.2} us of the processes, \
             {:.2} of that of Redis, p99 {} us, core {:.0} %, others {:.0} %",
            self.answered as f64 / self.seconds,
            self.core_us,
            self.process_us,
            self.redis_us,
            self.p99_us,
            self.core_busy * 100.0,
            self.others * 100.0
        )
    }
}

/// As it is written on the command line.
fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl Row {
    fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        median(self.runs.iter().map(of).collect())
    }

    fn core_us(&self) -> f64 {
        self.median(|run| run.core_us)
    }
}

impl Results {
    pub(super) fn push(
        &mut self,
        server: Kind,
        workload: Workload,
        connections: usize,
        run: Measured,
    ) {
        let same = |row: &&mut Row| {
            (row.server, row.workload, row.connections) == (server, workload, connections)
        };
        match self.rows.iter_mut().find(same) {
            Some(row) => row.runs.push(run),
            None => self.rows.push(Row { server, workload, connections, runs: vec![run] }),
        }
    }

    pub(super) fn print(&self) {
        println!(
            "workload connections server         buys/core_s us/buy  min..max       process_us redis_us \
             kernel_us buys/s  p50_us p99_us core  others  holdfast/it"
        );
        for row in &self.rows {
            self.print_row(row);
        }
    }

    fn print_row(&self, row: &Row) {
        let all = row.runs.iter().map(|run| run.core_us);
        let (least, most) = (all.clone().fold(f64::MAX, f64::min), all.fold(0.0, f64::max));
        let workload = name(&row.workload);
        let server = name(&row.server);
        println!(
            "{:<8} {:<11} {:<14} {:<11.0} {:<7.2} {:<14} {:<10.2} {:<8.2} {:<9.2} {:<7.0} {:<6} \
             {:<6} {:<5} {:<7} {}",
            workload,
            row.connections,
            server,
            1e6 / row.core_us(),
            row.core_us(),
            format!("{least:.2}..{most:.2}"),
            row.median(|run| run.process_us),
            row.median(|run| run.redis_us),
            row.median(|run| run.kernel_us),
            row.median(|run| run.answered as f64 / run.seconds),
            row.median(|run| run.p50_us as f64),
            row.median(|run| run.p99_us as f64),
            format!("{:.0} %", row.median(|run| run.core_busy) * 100.0),
            format!("{:.0} %", row.median(|run| run.others) * 100.0),
            self.ratio(row)
        );
    }

    /// Holdfast's time to this server's under the same load, beside the goal if there is one; of
    /// Holdfast on Redis, its time to the Go peer's.
    fn ratio(&self, row: &Row) -> String {
        if row.server.is_on_redis() {
            return self.ratio_to_go(row).unwrap_or_else(|| "-".to_owned());
        }
        let Some(holdfast) = self.beside(row, Kind::Holdfast) else { return "-".to_owned() };
        let ratio = holdfast.core_us() / row.core_us();
        match GOALS.iter().find(|(kind, _)| *kind == row.server) {
            Some((_, goal)) => format!("{ratio:.3} (goal {goal:.3})"),
            None => format!("{ratio:.3}"),
        }
    }

    fn ratio_to_go(&self, row: &Row) -> Option<String> {
        let go = self.beside(row, Kind::Go)?;
        let redis_us = |row: &Row| row.median(|run| run.redis_us);
        let (whole, redis) = (row.core_us() / go.core_us(), redis_us(row) / redis_us(go));
        Some(format!(
            "it/go {whole:.3} (goal {ON_REDIS_GOAL:.3}), its redis/go's {redis:.3} (goal {REDIS_GOAL:.3})"
        ))
    }

    /// Another server's runs under the same load.
    fn beside(&self, row: &Row, server: Kind) -> Option<&Row> {
        let same = |other: &&Row| {
            (other.server, other.workload, other.connections)
                == (server, row.workload, row.connections)
        };
        self.rows.iter().find(same).filter(|_| server != row.server)
    }
}
