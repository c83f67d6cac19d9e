//! The engine on a thread of its own, behind a handle.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use holdfast_core::Command;
use holdfast_store::Store;
use tokio::sync::oneshot;

use crate::inbox::{Inbox, PutError};
use crate::{Engine, EngineError, Reply, Request, SaleRef, Sales};

type Waiter = oneshot::Sender<Reply>;

/// What can be set about a service.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Requests that may wait; one more is refused as `Overloaded`.
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: 65_536 }
    }
}

/// A running engine. Dropping it without [`Service::stop`] leaves the thread running until every
/// handle is gone or the process ends.
pub struct Service {
    handle: Handle,
    thread: JoinHandle<()>,
}

/// Asks the engine; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    inbox: Arc<Inbox<Request<Waiter>>>,
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
        let handle = Handle { inbox: Arc::clone(&inbox) };
        let thread = std::thread::Builder::new().name("engine".into());
        let thread = thread.spawn(move || run(engine, &inbox))?;
        Ok(Self { handle, thread })
    }

    /// A handle to ask with.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Answers what is waiting, then stops.
    pub fn stop(self) {
        self.handle.inbox.close();
        if self.thread.join().is_err() {
            tracing::error!("the engine's thread ended by a panic");
        }
    }
}

fn run<S: Store>(mut engine: Engine<S, Waiter>, inbox: &Inbox<Request<Waiter>>) {
    let (mut requests, mut replies) = (Vec::new(), Vec::new());
    while inbox.take(&mut requests, engine.wake_in()) {
        engine.turn(&mut requests, &mut replies);
        for (waiter, reply) in replies.drain(..) {
            // Who has gone away needs no reply.
            let _ = waiter.send(reply);
        }
    }
}

impl Handle {
    /// Applies a command to a sale; the reply rests on durable state only.
    ///
    /// # Errors
    /// As [`EngineError`] says; a refusal by the rules is an answer.
    pub async fn execute(&self, sale: SaleRef, command: Command) -> Reply {
        let (reply, answer) = oneshot::channel();
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

    fn put(&self, request: Request<Waiter>) -> Result<(), EngineError> {
        self.inbox.put(request).map_err(|error| match error {
            PutError::Full => EngineError::Overloaded,
            PutError::Closed => EngineError::Stopped,
        })
    }
}
