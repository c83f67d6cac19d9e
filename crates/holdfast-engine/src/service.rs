//! The engine on a thread of its own, behind a handle.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use holdfast_core::Command;
use holdfast_metrics::{Histogram, SIZE};
use holdfast_store::{Records, Store};
use tokio::sync::{Mutex, oneshot};

use crate::audit::audit_belief;
use crate::courier::{Courier, Couriers, Dispatch, Mailbox, Waiter};
use crate::inbox::Inbox;
use crate::keeper::Keeper;
use crate::{Audit, Engine, EngineError, Reply, Request, SaleRef, Sales};

/// A snapshot may overtake a look before its audit has begun; hardly ever twice.
const AUDIT_TRIES: usize = 3;

/// So many commands at once are worth a flush on another thread: their work takes longer than
/// handing the flush over does.
const RUSH: usize = 128;

/// With fewer than this the engine flushes by itself again. Far below [`RUSH`], so that a rush
/// whose rounds differ in size does not change back and forth.
const CALM: usize = RUSH / 8;

/// What can be set about a service.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Requests that may wait; one more is refused as `Overloaded`.
    pub queue: usize,
    /// How long the first of them may wait before all that come are refused as `Overloaded`: a disk
    /// hangs.
    pub patience: Duration,
    /// Bytes that the records may grow by before snapshots are made.
    pub snapshot_bytes: u64,
    /// Whether a thread of its own flushes in a rush, while the engine goes on. It pays where a core
    /// is left for it: by default with more than two.
    pub flush_aside: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: 65_536,
            patience: Duration::from_secs(1),
            snapshot_bytes: 64 << 20,
            flush_aside: thread::available_parallelism().is_ok_and(|cores| cores.get() > 2),
        }
    }
}

/// A running engine. Dropping it without [`Service::stop`] leaves the thread running until every
/// handle is gone or the process ends.
pub struct Service {
    handle: Handle,
    engine: JoinHandle<Option<EngineError>>,
    keeper: JoinHandle<()>,
}

/// What an engine's thread counts; all clones are one.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Requests that were taken at a time.
    pub requests: Histogram,
    /// Entries that were written at a time, with one flush.
    pub entries: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        Self { requests: Histogram::new(&SIZE), entries: Histogram::new(&SIZE) }
    }
}

/// Asks the engine; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    inbox: Arc<Inbox<Request<Waiter>>>,
    /// For one audit at a time.
    records: Arc<Mutex<Box<dyn Records>>>,
    counts: Counts,
    couriers: Couriers,
    courier: Courier,
    /// Takes the requests to the engine; `None`: they are put there one by one.
    mailbox: Option<Arc<Mailbox>>,
}

impl Service {
    /// Starts the engine's thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start<S>(engine: Engine<S, Waiter>, options: Options) -> io::Result<Self>
    where
        S: Store + Send + 'static,
    {
        let inbox = Arc::new(Inbox::new(options.queue, options.patience));
        let records = Arc::new(Mutex::new(engine.records()));
        let couriers = Couriers::new(Arc::clone(&inbox));
        let dispatch = Dispatch::new(couriers.clone());
        let courier = Courier::default();
        let counts = Counts::default();
        let counting = counts.clone();
        let put = Arc::clone(&inbox);
        let handle = Handle { inbox: put, records, counts, couriers, courier, mailbox: None };
        let records = (engine.records(), engine.records());
        let (minder, keeper) = Keeper::start(records, engine.seed(), options.snapshot_bytes)?;
        #[cfg(feature = "planted")]
        let rules = holdfast_core::planted::get();
        #[cfg(feature = "planted")]
        let bugs = (crate::planted::get(), holdfast_store::planted::get());
        let work = move || {
            #[cfg(feature = "planted")]
            {
                holdfast_core::planted::set(rules);
                crate::planted::set(bugs.0);
                holdfast_store::planted::set(bugs.1);
            }
            let has_flusher = options.flush_aside && !engine.is_shared();
            let rush = if has_flusher { RUSH } else { usize::MAX };
            run(engine, &inbox, dispatch, &minder, (rush, &counting))
        };
        let engine = thread::Builder::new().name("engine".into()).spawn(work)?;
        Ok(Self { handle, engine, keeper })
    }

    /// A handle to ask with.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Answers what is waiting, then stops. Returns why nothing could be answered any more, if it
    /// was so.
    pub fn stop(self) -> Option<EngineError> {
        self.handle.inbox.close();
        let doubt = self.engine.join().unwrap_or_else(|_| {
            Some(EngineError::Unknown("the engine's thread ended by a panic".to_owned()))
        });
        if self.keeper.join().is_err() {
            tracing::error!("the keeper's thread ended by a panic");
        }
        doubt
    }
}

fn run<S: Store>(
    mut engine: Engine<S, Waiter>,
    inbox: &Inbox<Request<Waiter>>,
    mut dispatch: Dispatch,
    keeper: &Keeper,
    (rush, counts): (usize, &Counts),
) -> Option<EngineError> {
    let _closed_at_the_end = Closing(inbox);
    let mut requests = Vec::new();
    while inbox.take(&mut requests, patience(&engine)) {
        count(&counts.requests, requests.len());
        // Whoever needs no entry does not wait for the flush.
        engine.settle(&mut requests, &mut dispatch);
        dispatch.send();
        let mut enough = rush;
        if engine.is_in_flight() {
            // What comes during the flush goes with the next one.
            engine.finish();
            inbox.take(&mut requests, Some(Duration::ZERO));
            engine.settle(&mut requests, &mut dispatch);
            dispatch.send();
            enough = CALM;
        }
        count(&counts.entries, engine.gathered());
        if engine.gathered() >= enough {
            engine.advance(&mut dispatch);
        } else {
            engine.commit(&mut dispatch);
        }
        dispatch.send();
        keeper.mind(|| engine.logs());
    }
    engine.commit(&mut dispatch);
    dispatch.send();
    engine.leave();
    engine.doubt().cloned()
}

/// How long there is time to wait for requests.
fn patience<S: Store>(engine: &Engine<S, Waiter>) -> Option<Duration> {
    if engine.is_in_flight() { Some(Duration::ZERO) } else { engine.wake_in() }
}

/// Counts what there is, if there is any.
fn count(histogram: &Histogram, size: usize) {
    if size > 0 {
        histogram.observe(size as u64);
    }
}

/// Nobody waits for an engine that is gone, not even after a panic.
struct Closing<'a>(&'a Inbox<Request<Waiter>>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
        let mut left = Vec::new();
        while self.0.take(&mut left, None) {
            left.clear();
        }
    }
}

/// What to say when the engine has ended without a reply.
fn without_a_reply<E>(_: E) -> EngineError {
    EngineError::Unknown("the engine ended before it answered".to_owned())
}

impl Handle {
    /// A handle for use on this runtime: requests go once for all who are ready on it, and replies
    /// come once a turn for all who asked, instead of one by one.
    ///
    /// # Panics
    /// When it is not called on a tokio runtime.
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        let (courier, mailbox) = self.couriers.start();
        Self { courier, mailbox: Some(mailbox), ..self.clone() }
    }

    /// What the engine's thread counts.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Requests that wait for the engine's next turn.
    pub fn waiting(&self) -> usize {
        self.inbox.len()
    }

    /// Applies a command to a sale; the reply rests on durable state only.
    ///
    /// # Errors
    /// As [`EngineError`] says; a refusal by the rules is an answer.
    pub async fn execute(&self, sale: SaleRef, command: Command) -> Reply {
        let (reply, answer) = oneshot::channel();
        let reply = Waiter { courier: self.courier, reply };
        self.put(Request::Do { sale, command, reply })?;
        answer.await.unwrap_or_else(|gone| Err(without_a_reply(gone)))
    }

    /// Looks at the sales, after everything asked before, on current and durable state.
    ///
    /// # Errors
    /// As [`EngineError`] says.
    pub async fn look<R, F>(&self, look: F) -> Result<R, EngineError>
    where
        R: Send + 'static,
        F: FnOnce(&Sales) -> R + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.put(Request::Look(Box::new(move |sales| {
            let _ = reply.send(sales.and_then(|sales| sales.look(look)));
        })))?;
        answer.await.unwrap_or_else(|gone| Err(without_a_reply(gone)))
    }

    /// Counts a sale's promises afresh from the records, off the engine's thread. `None`: there is
    /// no such sale.
    ///
    /// # Errors
    /// As [`EngineError`] says; also when the records cannot be read.
    pub async fn audit(&self, sale: SaleRef) -> Result<Option<Audit>, EngineError> {
        for _ in 0..AUDIT_TRIES {
            let belief = self.look(move |sales| sales.belief(sale)).await?;
            let Some(belief) = belief else { return Ok(None) };
            let records = Arc::clone(&self.records);
            // Who waits for another audit waits here, and may go away.
            let records = records.lock_owned().await;
            let count = move || audit_belief(records.as_ref(), &belief);
            let counted = tokio::task::spawn_blocking(count).await;
            let counted = counted.map_err(|_| EngineError::Stopped)?;
            if let Some(audit) = counted.map_err(|e| EngineError::Unavailable(e.to_string()))? {
                return Ok(Some(audit));
            }
        }
        Err(EngineError::Unavailable("snapshots overtake the audit: try again".to_owned()))
    }

    fn put(&self, request: Request<Waiter>) -> Result<(), EngineError> {
        let sent = match &self.mailbox {
            Some(mailbox) => mailbox.send(request),
            None => Err(request),
        };
        // Without a courier it goes by itself.
        sent.or_else(|request| Ok(self.inbox.put(request)?))
    }
}
