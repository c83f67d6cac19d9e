//! Replies on their way back: one hand-over a turn to each runtime, not one a reply.
//!
//! Waking a task from another thread costs a lock and often a system call; waking it from its own
//! runtime costs next to nothing. So the engine's thread puts a turn's replies into the mailbox of
//! each runtime, and a task there, the courier, passes them on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::Reply;

/// Who waits for a reply of a [`crate::Service`], and by which courier it goes.
pub struct Waiter {
    pub(crate) courier: Courier,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// A courier's number; 0 stands for none: the engine's thread delivers by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Courier(usize);

type Item = (oneshot::Sender<Reply>, Reply);

/// What one courier has to pass on. Full and empty bags change places, so that none is made anew.
#[derive(Default)]
struct Mailbox {
    bag: Mutex<Bag>,
    arrived: Notify,
}

#[derive(Default)]
struct Bag {
    items: Vec<Item>,
    is_closed: bool,
}

/// All couriers of a service.
#[derive(Clone, Default)]
pub(crate) struct Couriers(Arc<Mutex<Hired>>);

#[derive(Default)]
struct Hired {
    mailboxes: Vec<Arc<Mailbox>>,
    /// The engine has ended: there will be nothing to carry.
    is_over: bool,
}

/// The engine's side: sorts replies by courier, and sends them off.
pub(crate) struct Dispatch {
    couriers: Couriers,
    /// The couriers that are known here; more may have started.
    known: Vec<Arc<Mailbox>>,
}

impl Mailbox {
    fn open(&self) -> MutexGuard<'_, Bag> {
        self.bag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes nothing more; whoever waits for what is in it hears that there is no reply.
    fn close(&self) {
        let mut bag = self.open();
        bag.is_closed = true;
        bag.items.clear();
    }
}

impl Couriers {
    /// Starts a courier on the runtime that this is called on. It ends with the service, or with
    /// the runtime.
    pub(crate) fn start(&self) -> Courier {
        let mailbox = Arc::<Mailbox>::default();
        let mut hired = self.hired();
        if !hired.is_over {
            tokio::spawn(carry(Round(Arc::clone(&mailbox))));
        }
        hired.mailboxes.push(mailbox);
        Courier(hired.mailboxes.len())
    }

    fn hired(&self) -> MutexGuard<'_, Hired> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A courier's round. Its mailbox is closed when it ends, also if the runtime drops it.
struct Round(Arc<Mailbox>);

impl Drop for Round {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn carry(round: Round) {
    let mut items = Vec::new();
    loop {
        round.0.arrived.notified().await;
        let is_closed = {
            let mut bag = round.0.open();
            std::mem::swap(&mut bag.items, &mut items);
            bag.is_closed
        };
        items.drain(..).for_each(hand_over);
        if is_closed {
            return;
        }
    }
}

impl Dispatch {
    pub(crate) fn new(couriers: Couriers) -> Self {
        Self { couriers, known: Vec::new() }
    }

    /// Sends replies off: by their couriers, or straight to whoever has none.
    pub(crate) fn send(&mut self, replies: impl Iterator<Item = (Waiter, Reply)>) {
        self.meet_new();
        let mut open = Courier::default();
        let mut place: Option<(&Mailbox, MutexGuard<'_, Bag>)> = None;
        for (Waiter { courier, reply: waiter }, reply) in replies {
            if courier != open {
                place.take().into_iter().for_each(shut);
                let mailbox = courier.0.checked_sub(1).and_then(|at| self.known.get(at));
                place = mailbox.map(|mailbox| (mailbox.as_ref(), mailbox.open()));
                open = courier;
            }
            match &mut place {
                Some((_, bag)) if bag.is_closed => {}
                Some((_, bag)) => bag.items.push((waiter, reply)),
                None => hand_over((waiter, reply)),
            }
        }
        place.into_iter().for_each(shut);
    }

    fn meet_new(&mut self) {
        let hired = self.couriers.hired();
        if hired.mailboxes.len() > self.known.len() {
            self.known.clone_from(&hired.mailboxes);
        }
    }
}

/// Lets a courier know that there is something in its mailbox.
fn shut((mailbox, bag): (&Mailbox, MutexGuard<'_, Bag>)) {
    drop(bag);
    mailbox.arrived.notify_one();
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        let mut hired = self.couriers.hired();
        hired.is_over = true;
        for mailbox in &hired.mailboxes {
            mailbox.open().is_closed = true;
            mailbox.arrived.notify_one();
        }
    }
}

/// Whoever has gone away needs no reply.
fn hand_over((waiter, reply): Item) {
    let _ = waiter.send(reply);
}
