//! Requests and replies between the runtimes and the engine: one hand-over for many, not one each.
//!
//! Waking a task from another thread costs a lock and often a system call; waking it from its own
//! runtime costs next to nothing. So the engine's thread puts a turn's replies into the mailbox of
//! each runtime, many at once, and a task there, the courier, passes them on. It takes the requests the other
//! way: its turn comes when all that was ready on the runtime has had its turn, and so all that
//! these asked goes to the engine at once, and into one flush.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::inbox::{Inbox, PutError};
use crate::{EngineError, Replies, Reply, Request};

/// Who waits for a reply of a [`crate::Service`], and by which courier it goes.
pub struct Waiter {
    pub(crate) courier: Courier,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// A courier's number; 0 stands for none: the engine's thread delivers by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Courier(usize);

/// So many replies go off together: the first need not wait until the last is made.
const DELIVERY: usize = 64;

type Item = (oneshot::Sender<Reply>, Reply);

/// What one courier has to pass on. Full and empty bags change places, so that none is made anew.
#[derive(Default)]
pub(crate) struct Mailbox {
    bag: Mutex<Bag>,
    /// Requests for the engine; `None` once nobody takes them there.
    outgoing: Mutex<Option<Vec<Request<Waiter>>>>,
    /// Something is in one of them.
    arrived: Notify,
}

#[derive(Default)]
struct Bag {
    items: Vec<Item>,
    is_closed: bool,
}

/// All couriers of a service.
#[derive(Clone)]
pub(crate) struct Couriers {
    inbox: Arc<Inbox<Request<Waiter>>>,
    hired: Arc<Mutex<Hired>>,
}

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
    /// What goes out next: first what needs no courier, then each courier's.
    outgoing: Vec<Vec<Item>>,
}

impl Mailbox {
    fn open(&self) -> MutexGuard<'_, Bag> {
        self.bag.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a request for the courier, or gives it back if there is none any more.
    pub(crate) fn send(&self, request: Request<Waiter>) -> Result<(), Request<Waiter>> {
        let mut outgoing = self.outgoing();
        let Some(requests) = outgoing.as_mut() else { return Err(request) };
        requests.push(request);
        let is_first = requests.len() == 1;
        drop(outgoing);
        if is_first {
            self.arrived.notify_one();
        }
        Ok(())
    }

    fn outgoing(&self) -> MutexGuard<'_, Option<Vec<Request<Waiter>>>> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all of these replies, and lets the courier know.
    fn put(&self, items: &mut Vec<Item>) {
        let mut bag = self.open();
        if bag.is_closed {
            return items.clear();
        }
        if bag.items.is_empty() {
            std::mem::swap(&mut bag.items, items);
        } else {
            bag.items.append(items);
        }
        drop(bag);
        self.arrived.notify_one();
    }

    /// Takes nothing more; whoever waits for what is in it hears that there is no reply.
    fn close(&self) {
        self.outgoing().take();
        let mut bag = self.open();
        bag.is_closed = true;
        bag.items.clear();
    }
}

impl Couriers {
    pub(crate) fn new(inbox: Arc<Inbox<Request<Waiter>>>) -> Self {
        Self { inbox, hired: Arc::default() }
    }

    /// Starts a courier on the runtime that this is called on. It ends with the service, or with
    /// the runtime.
    pub(crate) fn start(&self) -> (Courier, Arc<Mailbox>) {
        let mailbox = Arc::<Mailbox>::default();
        let mut hired = self.hired();
        if !hired.is_over {
            *mailbox.outgoing() = Some(Vec::new());
            let round = Round { mailbox: Arc::clone(&mailbox), inbox: Arc::clone(&self.inbox) };
            tokio::spawn(round.carry());
        }
        hired.mailboxes.push(Arc::clone(&mailbox));
        (Courier(hired.mailboxes.len()), mailbox)
    }

    fn hired(&self) -> MutexGuard<'_, Hired> {
        self.hired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A courier's round. Its mailbox is closed when it ends, also if the runtime drops it.
struct Round {
    mailbox: Arc<Mailbox>,
    inbox: Arc<Inbox<Request<Waiter>>>,
}

impl Drop for Round {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl Round {
    async fn carry(self) {
        let (mut items, mut requests) = (Vec::new(), Vec::new());
        loop {
            self.mailbox.arrived.notified().await;
            self.deliver(&mut requests);
            let is_closed = {
                let mut bag = self.mailbox.open();
                std::mem::swap(&mut bag.items, &mut items);
                bag.is_closed
            };
            items.drain(..).for_each(hand_over);
            if is_closed {
                return;
            }
        }
    }

    /// Takes the requests to the engine; `requests` is empty before and after.
    fn deliver(&self, requests: &mut Vec<Request<Waiter>>) {
        if let Some(outgoing) = self.mailbox.outgoing().as_mut() {
            std::mem::swap(outgoing, requests);
        }
        if requests.is_empty() {
            return;
        }
        if let Err(error) = self.inbox.put_all(requests) {
            requests.drain(..).for_each(|request| refuse(request, error));
        }
    }
}

/// Tells whoever asked that the engine did not take the request.
fn refuse(request: Request<Waiter>, error: PutError) {
    match request {
        Request::Do { reply, .. } => hand_over((reply.reply, Err(error.into()))),
        Request::Look(look) => look(Err(error.into())),
    }
}

impl From<PutError> for EngineError {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Full => Self::Overloaded,
            PutError::Closed => Self::Stopped,
        }
    }
}

impl Dispatch {
    pub(crate) fn new(couriers: Couriers) -> Self {
        Self { couriers, known: Vec::new(), outgoing: Vec::new() }
    }

    /// Sends off what has been pushed: by couriers, or straight to whoever has none.
    pub(crate) fn send(&mut self) {
        (0..self.outgoing.len()).for_each(|courier| self.deliver(courier));
    }

    fn deliver(&mut self, courier: usize) {
        let items = &mut self.outgoing[courier];
        if items.is_empty() {
            return;
        }
        if courier > self.known.len() {
            self.known.clone_from(&self.couriers.hired().mailboxes);
        }
        match courier.checked_sub(1).and_then(|at| self.known.get(at)) {
            Some(mailbox) => mailbox.put(items),
            None => items.drain(..).for_each(hand_over),
        }
    }
}

impl Replies<Waiter> for Dispatch {
    fn push(&mut self, to: Waiter, reply: Reply) {
        let Courier(place) = to.courier;
        if place >= self.outgoing.len() {
            self.outgoing.resize_with(place + 1, Vec::new);
        }
        let items = &mut self.outgoing[place];
        items.push((to.reply, reply));
        if items.len() >= DELIVERY {
            self.deliver(place);
        }
    }
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
