//! The engine on a thread of its own, behind a handle.

use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use holdfast_core::Command;
use holdfast_store::{LogInfo, Records, Store};
use tokio::sync::oneshot;

use crate::audit::audit_belief;
use crate::courier::{Courier, Couriers, Dispatch, Waiter};
use crate::inbox::{Inbox, PutError};
use crate::{Audit, Engine, EngineError, Reply, Request, SaleRef, Sales, keep};

/// A snapshot may overtake a look before its audit has begun; hardly ever twice.
const AUDIT_TRIES: usize = 3;

/// What can be set about a service.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Requests that may wait; one more is refused as `Overloaded`.
    pub queue: usize,
    /// Bytes that the logs may grow by before snapshots are made of them.
    pub snapshot_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: 65_536, snapshot_bytes: 64 << 20 }
    }
}

/// A running engine. Dropping it without [`Service::stop`] leaves the thread running until every
/// handle is gone or the process ends.
pub struct Service {
    handle: Handle,
    engine: JoinHandle<()>,
    keeper: JoinHandle<()>,
}

/// Asks the engine; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    inbox: Arc<Inbox<Request<Waiter>>>,
    records: Arc<Mutex<Box<dyn Records>>>,
    couriers: Couriers,
    courier: Courier,
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
        let inbox = Arc::new(Inbox::new(options.queue));
        let records = Arc::new(Mutex::new(engine.records()));
        let couriers = Couriers::default();
        let dispatch = Dispatch::new(couriers.clone());
        let courier = Courier::default();
        let handle = Handle { inbox: Arc::clone(&inbox), records, couriers, courier };
        let (grown, work) = mpsc::sync_channel(1);
        let records = engine.records();
        let keeper = thread("keeper", move || run_keeper(records.as_ref(), &work))?;
        #[cfg(feature = "planted")]
        let bugs = (crate::planted::get(), holdfast_store::planted::get());
        let work = move || {
            #[cfg(feature = "planted")]
            {
                crate::planted::set(bugs.0);
                holdfast_store::planted::set(bugs.1);
            }
            run(engine, &inbox, dispatch, &grown, options);
        };
        let engine = thread("engine", work)?;
        Ok(Self { handle, engine, keeper })
    }

    /// A handle to ask with.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Answers what is waiting, then stops.
    pub fn stop(self) {
        self.handle.inbox.close();
        for thread in [self.engine, self.keeper] {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!("the {name}'s thread ended by a panic");
            }
        }
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

fn run<S: Store>(
    mut engine: Engine<S, Waiter>,
    inbox: &Inbox<Request<Waiter>>,
    mut dispatch: Dispatch,
    grown: &SyncSender<Vec<LogInfo>>,
    options: Options,
) {
    let (mut requests, mut replies) = (Vec::new(), Vec::new());
    let mut kept = 0;
    while inbox.take(&mut requests, engine.wake_in()) {
        // Whoever needs no entry does not wait for the flush.
        engine.settle(&mut requests, &mut replies);
        dispatch.send(replies.drain(..));
        engine.commit(&mut replies);
        dispatch.send(replies.drain(..));
        // A keeper that is still busy is asked again after the next turn.
        if engine.bytes_appended() - kept >= options.snapshot_bytes
            && grown.try_send(engine.logs()).is_ok()
        {
            kept = engine.bytes_appended();
        }
    }
}

fn run_keeper(records: &dyn Records, work: &Receiver<Vec<LogInfo>>) {
    while let Ok(logs) = work.recv() {
        match keep(records, &logs, 0) {
            Ok(kept) => tracing::info!(snapshots = kept.snapshots, freed = kept.freed, "kept"),
            Err(error) => tracing::warn!(%error, "no snapshot was made; the logs keep growing"),
        }
    }
}

impl Handle {
    /// A handle for use on this runtime: its replies come once a turn for all who ask on it,
    /// instead of one by one from the engine's thread.
    ///
    /// # Panics
    /// When it is not called on a tokio runtime.
    #[must_use]
    pub fn on_this_runtime(&self) -> Self {
        Self { courier: self.couriers.start(), ..self.clone() }
    }

    /// Applies a command to a sale; the reply rests on durable state only.
    ///
    /// # Errors
    /// As [`EngineError`] says; a refusal by the rules is an answer.
    pub async fn execute(&self, sale: SaleRef, command: Command) -> Reply {
        let (reply, answer) = oneshot::channel();
        let reply = Waiter { courier: self.courier, reply };
        self.put(Request::Do { sale, command, reply })?;
        answer.await.unwrap_or(Err(EngineError::Stopped))
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
            let _ = reply.send(sales.map(look));
        })))?;
        answer.await.unwrap_or(Err(EngineError::Stopped))
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
            let count = move || {
                let records = records.lock().unwrap_or_else(PoisonError::into_inner);
                audit_belief(records.as_ref(), &belief)
            };
            let counted = tokio::task::spawn_blocking(count).await;
            let counted = counted.map_err(|_| EngineError::Stopped)?;
            if let Some(audit) = counted.map_err(|e| EngineError::Unavailable(e.to_string()))? {
                return Ok(Some(audit));
            }
        }
        Err(EngineError::Unavailable("snapshots overtake the audit: try again".to_owned()))
    }

    fn put(&self, request: Request<Waiter>) -> Result<(), EngineError> {
        self.inbox.put(request).map_err(|error| match error {
            PutError::Full => EngineError::Overloaded,
            PutError::Closed => EngineError::Stopped,
        })
    }
}
