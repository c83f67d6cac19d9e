//! What runs came to, and how that compares.

use clap::ValueEnum;
use serde::Serialize;

use super::Workload;
use super::load::Load;
use super::server::Kind;
use crate::sample::median;

/// Ratios that we have set ourselves: of what Holdfast takes to what the other takes.
const GOALS: [(Kind, f64); 3] =
    [(Kind::Axum, 1.25), (Kind::Go, 1.0 / 6.0), (Kind::GoUnix, 1.0 / 6.0)];

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    answered: u64,
    seconds: f64,
    /// Busy time of the server's core for each buy.
    core_us: f64,
    /// What the server's processes used for each buy.
    process_us: f64,
    /// What the kernel's own threads used for each buy, on any core.
    kernel_us: f64,
    /// How busy the cores were, 0 to 1.
    core_busy: f64,
    load_core_busy: f64,
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
        let Load { answered, begin, end } = load;
        let seconds = (end.at - begin.at).as_secs_f64();
        let each = |us: u64| us as f64 / *answered as f64;
        let share = |us: u64| us as f64 / 1e6 / seconds;
        Self {
            answered: *answered,
            seconds,
            core_us: each(end.core_us - begin.core_us),
            process_us: each(end.server_us - begin.server_us),
            kernel_us: each(end.kernel_us.saturating_sub(begin.kernel_us)),
            core_busy: share(end.core_us - begin.core_us),
            load_core_busy: share(end.load_core_us - begin.load_core_us),
            others: share(end.others_us.saturating_sub(begin.others_us)),
        }
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "{:.0} buys/s, {:.2} us of the core each, {:.2} us of the processes, core {:.0} %, others {:.0} %",
            self.answered as f64 / self.seconds,
            self.core_us,
            self.process_us,
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
            "workload connections server    buys/core_s us/buy  min..max       process_us kernel_us \
             buys/s  core  others  holdfast/it"
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
            "{:<8} {:<11} {:<9} {:<11.0} {:<7.2} {:<14} {:<10.2} {:<9.2} {:<7.0} {:<5} \
             {:<7} {}",
            workload,
            row.connections,
            server,
            1e6 / row.core_us(),
            row.core_us(),
            format!("{least:.2}..{most:.2}"),
            row.median(|run| run.process_us),
            row.median(|run| run.kernel_us),
            row.median(|run| run.answered as f64 / run.seconds),
            format!("{:.0} %", row.median(|run| run.core_busy) * 100.0),
            format!("{:.0} %", row.median(|run| run.others) * 100.0),
            self.ratio(row)
        );
    }

    /// Holdfast's time to this server's under the same load, beside the goal if there is one.
    fn ratio(&self, row: &Row) -> String {
        let holdfast = self.rows.iter().find(|other| {
            other.server == Kind::Holdfast
                && (other.workload, other.connections) == (row.workload, row.connections)
        });
        let Some(holdfast) = holdfast.filter(|_| row.server != Kind::Holdfast) else {
            return "-".to_owned();
        };
        let ratio = holdfast.core_us() / row.core_us();
        match GOALS.iter().find(|(kind, _)| *kind == row.server) {
            Some((_, goal)) => format!("{ratio:.3} (goal {goal:.3})"),
            None => format!("{ratio:.3}"),
        }
    }
}
