//! A process's life: how it starts, and how it dies.

use std::sync::Arc;

use holdfast_engine::OpenError;
use holdfast_store::{Clock, StoreError};

use super::agenda::Event;
use super::process::Process;
use super::{Breach, Run};
use crate::plan::Trouble;
use crate::world::Fault;

impl Run {
    /// Starts a process. What a crash may leave never keeps it from starting.
    pub(super) fn start(&mut self) -> Result<(), Breach> {
        self.process = None;
        self.dying = false;
        self.disk.new_process();
        self.clock.new_process();
        let crashes = self.plan.troubles.iter().any(|(kind, _)| *kind == Trouble::Crash);
        if crashes && self.rng.percent(20) {
            self.disk.arm(Fault::Crash, None, self.rng.small(0, 60));
        }
        match self.open() {
            Ok(process) => self.started(process),
            Err(error) => self.not_started(&error),
        }
    }

    pub(super) fn open(&mut self) -> Result<Process, OpenError> {
        Process::start(
            Arc::new(self.disk.clone()),
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            self.plan.segment_bytes,
            self.rng.draw(),
        )
    }

    fn started(&mut self, process: Process) -> Result<(), Breach> {
        let logs = process.engine.logs();
        self.trace.note(self.clock.now_us(), format_args!("started: {logs:?}"));
        self.disk.started();
        let snapshots = logs.iter().filter(|log| process.records.snapshot_at(log.id) != Ok(None));
        self.stats.recovery(match (snapshots.count(), logs.len()) {
            (_, 0) => "without a log",
            (0, _) => "from entries alone",
            _ => "from a snapshot",
        });
        if logs.iter().any(|log| log.trimmed > 0) {
            self.stats.recovery("from trimmed logs");
        }
        self.process = Some(process);
        self.auditor.restarted();
        if self.disk.is_dead() {
            return self.die();
        }
        self.follow()?;
        self.crowds.iter_mut().for_each(|crowd| crowd.follower.restarted());
        self.compare = true;
        self.damage()
    }

    fn not_started(&mut self, error: &OpenError) -> Result<(), Breach> {
        self.trace.note(self.clock.now_us(), format_args!("not started: {error}"));
        let damaged = match error {
            OpenError::Store(StoreError::Damaged { .. } | StoreError::NewerFormat { .. }) => true,
            OpenError::Store(_) => false,
            OpenError::Name { .. } | OpenError::Entry { .. } | OpenError::Short { .. } => true,
        };
        if damaged {
            return Err(Breach::new(3, format!("no disk was damaged, and it says: {error}")));
        }
        if self.disk.is_dead() {
            self.stats.recovery("died while starting");
            return self.die();
        }
        self.stats.recovery("failed to start, then started");
        self.enter_start();
        Ok(())
    }

    /// The process is dead, and perhaps the power was lost; another one will be started.
    #[expect(clippy::unnecessary_wraps, reason = "dying is a way out of starting")]
    pub(super) fn die(&mut self) -> Result<(), Breach> {
        (self.process, self.within) = (None, None);
        self.disk.kill();
        self.auditor.blind();
        let power = self.rng.percent(65);
        if power {
            self.disk.lose_power();
        }
        self.stats.fault(if power { "power lost" } else { "killed" });
        self.trace.note(self.clock.now_us(), format_args!("dead; power lost: {power}"));
        self.enter_start();
        Ok(())
    }

    pub(super) fn enter_start(&mut self) {
        self.agenda.retain(|event| event != Event::Start);
        let most_ms = [50, 3_000][self.rng.index(2)];
        let down_us = self.rng.between(1, most_ms) * 1_000;
        self.clock.end_process();
        self.agenda.enter(self.clock.now_us() + down_us, Event::Start);
    }
}
