//! Writing to the ledger for many at once: whoever is first in line writes what all the others have
//! put there meanwhile, in one transaction.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use holdfast_ledger::{
    BATCH_MAX, Fence, Ledger, LedgerError, Moved, NewOrder, OrderId, Recorded, Result, Step,
};
use tokio::sync::{Mutex as Turn, oneshot};

/// The ledger's writers in line.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    orders: Line<NewOrder, Recorded>,
    steps: Line<(OrderId, Step), Moved>,
}

#[derive(Debug)]
struct Line<T, R> {
    queue: Mutex<VecDeque<Slip<T, R>>>,
    turn: Turn<()>,
}

/// What somebody wants written, and where they hear of it.
#[derive(Debug)]
struct Slip<T, R> {
    fence: Fence,
    what: T,
    reply: oneshot::Sender<Result<R>>,
}

impl Desk {
    pub(crate) async fn record<L: Ledger>(
        &self,
        ledger: &L,
        fence: Fence,
        order: NewOrder,
        now_ms: u64,
    ) -> Result<Recorded> {
        self.orders.put(&Record(ledger, now_ms), fence, order).await
    }

    pub(crate) async fn advance<L: Ledger>(
        &self,
        ledger: &L,
        fence: Fence,
        step: (OrderId, Step),
        now_ms: u64,
    ) -> Result<Moved> {
        self.steps.put(&Advance(ledger, now_ms), fence, step).await
    }
}

/// How a batch is written.
trait Write<T, R> {
    fn write(&self, fence: Fence, what: &[T]) -> impl Future<Output = Result<Vec<R>>> + Send;
}

/// The ledger, and what time it is.
struct Record<'a, L>(&'a L, u64);

impl<L: Ledger> Write<NewOrder, Recorded> for Record<'_, L> {
    fn write(
        &self,
        fence: Fence,
        orders: &[NewOrder],
    ) -> impl Future<Output = Result<Vec<Recorded>>> + Send {
        self.0.record(fence, orders, self.1)
    }
}

/// The same, for steps.
struct Advance<'a, L>(&'a L, u64);

impl<L: Ledger> Write<(OrderId, Step), Moved> for Advance<'_, L> {
    fn write(
        &self,
        fence: Fence,
        steps: &[(OrderId, Step)],
    ) -> impl Future<Output = Result<Vec<Moved>>> + Send {
        self.0.advance(fence, steps, self.1)
    }
}

impl<T, R> Default for Line<T, R> {
    fn default() -> Self {
        Self { queue: Mutex::default(), turn: Turn::default() }
    }
}

impl<T, R> Line<T, R> {
    async fn put(&self, ledger: &impl Write<T, R>, fence: Fence, what: T) -> Result<R> {
        let (reply, mut answer) = oneshot::channel();
        self.queue().push_back(Slip { fence, what, reply });
        let _turn = self.turn.lock().await;
        if let Ok(written) = answer.try_recv() {
            return written;
        }
        let (what, replies) = self.take(fence);
        match ledger.write(fence, &what).await {
            Err(error) if is_of_one(&error) => {
                // The others are not to suffer for it.
                for (one, reply) in what.iter().zip(replies) {
                    let written = ledger.write(fence, std::slice::from_ref(one)).await;
                    let _ = reply.send(written.and_then(first));
                }
            }
            Err(error) => {
                replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone()))));
            }
            Ok(written) => {
                for (one, reply) in written.into_iter().zip(replies) {
                    let _ = reply.send(Ok(one));
                }
            }
        }
        answer.try_recv().unwrap_or_else(|_| Err(LedgerError::Unknown("no answer".to_owned())))
    }

    /// Takes what is to be written under this fence, the first of it first.
    fn take(&self, fence: Fence) -> (Vec<T>, Vec<oneshot::Sender<Result<R>>>) {
        let mut queue = self.queue();
        let (mut taken, mut replies, mut left) = (Vec::new(), Vec::new(), VecDeque::new());
        for slip in queue.drain(..) {
            if slip.reply.is_closed() {
                // Whoever wanted it is gone, and begins again if they come back.
                continue;
            }
            if slip.fence == fence && taken.len() < BATCH_MAX {
                taken.push(slip.what);
                replies.push(slip.reply);
            } else {
                left.push_back(slip);
            }
        }
        *queue = left;
        (taken, replies)
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<Slip<T, R>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an error is one entry's own, so that the rest of its batch may go without it.
fn is_of_one(error: &LedgerError) -> bool {
    !matches!(
        error,
        LedgerError::Fenced { .. } | LedgerError::Unavailable(_) | LedgerError::Unknown(_)
    )
}

fn first<R>(written: Vec<R>) -> Result<R> {
    let nothing = || LedgerError::Broken("the ledger says nothing of what it wrote".to_owned());
    written.into_iter().next().ok_or_else(nothing)
}
