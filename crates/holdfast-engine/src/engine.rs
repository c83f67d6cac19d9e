//! The turn: what one writer does, again and again.

mod flight;
mod gather;
#[cfg(feature = "planted")]
mod planted;
mod round;
mod shared;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_core::Sale;
use holdfast_store::{Clock, LogId, LogInfo, Records, Store};

use crate::recovery::recover;
use crate::request::{Replies, Request};
use crate::slot::Slot;
use crate::{EngineError, OpenError, Sales};
use round::Round;
use shared::Others;

/// How long nothing is written after an append that failed, such as on a full disk: trying again
/// for every request would keep the disk busy and everyone waiting.
const REST: Duration = Duration::from_millis(250);

/// The one writer over a store. `T` is what a caller needs to pass a reply on.
pub struct Engine<S, T> {
    store: S,
    clock: Arc<dyn Clock>,
    seed: u64,
    pub(crate) sales: Sales,
    /// What a sale is that is not there.
    nothing: Sale,
    /// What is being got ready.
    gathering: Round<T>,
    /// What has been written and is not yet known to be durable.
    flying: Round<T>,
    /// Memory for the round after that.
    spare: Round<T>,
    /// Slots that have something to do without being asked.
    watched: BTreeSet<usize>,
    turn: u64,
    /// Until when nothing is written, in monotonic time, and why: what is due then stays due.
    rest: Option<(Duration, EngineError)>,
    /// Other nodes that write to the same logs, where there may be any.
    others: Option<Others>,
    /// Why nothing can be answered any more, once that is so.
    doubt: Option<EngineError>,
    /// Batches that were answered and are still to be written.
    #[cfg(feature = "planted")]
    late: Vec<(usize, u64, holdfast_store::Batch)>,
    /// Replies to what a planted bug has applied too soon.
    #[cfg(feature = "planted")]
    early: Vec<(T, crate::Reply)>,
}

/// Every sale as the store's records have it, each under a new reign.
fn read<S: Store>(store: &mut S, seed: u64) -> Result<Sales, OpenError> {
    let records = store.records();
    let mut sales = Sales::default();
    sales.nodes = store.nodes();
    for log in store.logs() {
        let slot = match recover(records.as_ref(), &log, seed) {
            Ok((id, sale)) => Slot::new(id, log.id, log.epoch, sale),
            // The others go on without it, and so does whoever comes.
            Err(error) if store.is_shared() => shared::set_aside(&log, seed, error)?,
            Err(error) => return Err(error),
        };
        sales.push(slot);
    }
    let logs: Vec<LogId> = sales.slots.iter().map(|slot| slot.log).collect();
    for (slot, epoch) in sales.slots.iter_mut().zip(store.reign(&logs)?) {
        slot.epoch = epoch;
    }
    Ok(sales)
}

impl<S: Store, T> Engine<S, T> {
    /// Reads every sale from the store's records and begins a new reign over each.
    ///
    /// `seed` spreads the hash tables and shows in no outcome.
    ///
    /// # Errors
    /// When the store cannot be read, or holds what no version up to this one wrote.
    pub fn open(mut store: S, clock: Arc<dyn Clock>, seed: u64) -> Result<Self, OpenError> {
        // Nobody waits for a node that could not begin.
        let sales = read(&mut store, seed).inspect_err(|_| store.leave())?;
        let is_watched = |&at: &usize| sales.slots[at].has_more_to_do();
        let watched = (0..sales.slots.len()).filter(is_watched).collect();
        let others = store.is_shared().then(|| Others::new(0));
        Ok(Self {
            store,
            clock,
            seed,
            sales,
            nothing: Sale::new(0, seed),
            gathering: Round::default(),
            flying: Round::default(),
            spare: Round::default(),
            watched,
            turn: 0,
            rest: None,
            others,
            doubt: None,
            #[cfg(feature = "planted")]
            late: Vec::new(),
            #[cfg(feature = "planted")]
            early: Vec::new(),
        })
    }

    /// One turn: [`Engine::settle`], then [`Engine::commit`].
    pub fn turn(&mut self, requests: &mut Vec<Request<T>>, replies: &mut impl Replies<T>) {
        self.settle(requests, replies);
        self.commit(replies);
    }

    /// How long the engine can wait for requests before something is due. `None`: for ever.
    pub fn wake_in(&self) -> Option<Duration> {
        if self.doubt.is_some() || planted!(NeedsTraffic) {
            return None;
        }
        let wall_ms = self.clock.wall_ms();
        let wait = |&at: &usize| {
            let slot = &self.sales.slots[at];
            slot.wake_in(self.store.clock_ms(slot.log).ok()?, wall_ms)
        };
        let wait = self.watched.iter().filter_map(wait).min();
        let rest = |(until, _): &(Duration, _)| until.saturating_sub(self.clock.monotonic());
        let wait = wait.map(|wait| wait.max(self.rest.as_ref().map(rest).unwrap_or_default()));
        [wait.filter(|_| self.away().is_none()), self.hear_in()].into_iter().flatten().min()
    }

    /// Goes in order: other nodes need not wait for this one.
    pub fn leave(&mut self) {
        self.store.leave();
    }

    /// Why nothing can be answered until a restart, if that is so.
    pub fn doubt(&self) -> Option<&EngineError> {
        self.doubt.as_ref()
    }

    /// What spreads the hash tables.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The store's records, for the keeper and the audit.
    pub fn records(&self) -> Box<dyn Records> {
        self.store.records()
    }

    /// The store's logs as they stand.
    pub fn logs(&self) -> Vec<LogInfo> {
        self.store.logs()
    }
}
