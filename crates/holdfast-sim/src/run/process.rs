//! One process: an engine on a journal, from its start to its death.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_engine::{Engine, OpenError};
use holdfast_store::journal::{Journal, Options, Upkeep};
use holdfast_store::{
    Append, Appended, Clock, Disk, Epoch, LogId, LogInfo, Records, Result, Store,
};

/// A process that serves.
pub(super) struct Process {
    pub(super) engine: Engine<SharedJournal, u64>,
    pub(super) journal: SharedJournal,
    pub(super) upkeep: Upkeep,
    pub(super) records: Box<dyn Records>,
    clock: Arc<dyn Clock>,
}

impl Process {
    pub(super) fn start(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        segment_bytes: u64,
        seed: u64,
    ) -> std::result::Result<Self, OpenError> {
        let journal = Journal::open(disk, Arc::clone(&clock), Options { segment_bytes })?;
        let (upkeep, records) = (journal.upkeep(), journal.records());
        let journal = SharedJournal(Arc::new(Mutex::new(journal)));
        let engine = Engine::open(journal.clone(), Arc::clone(&clock), seed)?;
        Ok(Self { engine, journal, upkeep, records, clock })
    }

    /// A second engine takes over from the first, which is given back.
    pub(super) fn depose(
        &mut self,
        seed: u64,
    ) -> std::result::Result<Engine<SharedJournal, u64>, OpenError> {
        let next = Engine::open(self.journal.clone(), Arc::clone(&self.clock), seed)?;
        Ok(std::mem::replace(&mut self.engine, next))
    }
}

/// A journal that two engines can reach, so that one can outlive its reign.
#[derive(Clone)]
pub(super) struct SharedJournal(Arc<Mutex<Journal>>);

impl SharedJournal {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for SharedJournal {
    fn logs(&self) -> Vec<LogInfo> {
        self.journal().logs()
    }

    fn create(&mut self, name: &str) -> Result<LogId> {
        self.journal().create(name)
    }

    fn reign(&mut self, logs: &[LogId]) -> Result<Vec<Epoch>> {
        self.journal().reign(logs)
    }

    fn append(&mut self, parts: &[Append<'_>], results: &mut Vec<Result<Appended>>) {
        self.journal().append(parts, results);
    }

    fn begin(&mut self, parts: &[Append<'_>], results: &mut Vec<Result<Appended>>) {
        self.journal().begin(parts, results);
    }

    fn finish(&mut self, results: &mut [Result<Appended>]) {
        self.journal().finish(results);
    }

    fn clock_ms(&self, log: LogId) -> Result<u64> {
        self.journal().clock_ms(log)
    }

    fn records(&self) -> Box<dyn Records> {
        self.journal().records()
    }
}
