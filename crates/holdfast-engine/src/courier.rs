//! Replies on their way back: one hand-over a turn to each runtime, not one a reply.
//!
//! Waking a task from another thread costs a lock and often a system call; waking it from its own
//! runtime costs next to nothing. So the engine's thread gives each runtime all of a turn's replies
//! at once, and a task there, the courier, passes them on.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::Reply;

/// Who waits for a reply of a [`crate::Service`], and by which courier it goes.
pub struct Waiter {
    pub(crate) courier: Courier,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// A courier's number; 0 stands for none: the engine's thread delivers by itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Courier(usize);

type Item = (oneshot::Sender<Reply>, Reply);
type Bag = Vec<Item>;

/// All couriers of a service.
#[derive(Clone, Default)]
pub(crate) struct Couriers(Arc<Mutex<Vec<mpsc::UnboundedSender<Bag>>>>);

impl Couriers {
    /// Starts a courier on the runtime that this is called on. It ends with the service, or with
    /// the runtime: whoever still waits for it then hears that the service has stopped.
    pub(crate) fn start(&self) -> Courier {
        let (sender, mut bags) = mpsc::unbounded_channel::<Bag>();
        tokio::spawn(async move {
            while let Some(bag) = bags.recv().await {
                bag.into_iter().for_each(hand_over);
            }
        });
        let mut couriers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        couriers.push(sender);
        Courier(couriers.len())
    }
}

/// The engine's side: sorts replies by courier, and sends them off.
pub(crate) struct Dispatch {
    couriers: Couriers,
    bags: Vec<Bag>,
}

impl Dispatch {
    pub(crate) fn new(couriers: Couriers) -> Self {
        Self { couriers, bags: Vec::new() }
    }

    /// Sends replies off: by their couriers, or straight to whoever has none.
    pub(crate) fn send(&mut self, replies: impl Iterator<Item = (Waiter, Reply)>) {
        for (waiter, reply) in replies {
            match waiter.courier.0.checked_sub(1) {
                Some(place) => self.pack(place, (waiter.reply, reply)),
                None => hand_over((waiter.reply, reply)),
            }
        }
        if self.bags.iter().any(|bag| !bag.is_empty()) {
            self.send_bags();
        }
    }

    fn pack(&mut self, place: usize, item: Item) {
        if self.bags.len() <= place {
            self.bags.resize_with(place + 1, Vec::new);
        }
        self.bags[place].push(item);
    }

    fn send_bags(&mut self) {
        let couriers = self.couriers.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (bag, courier) in self.bags.iter_mut().zip(couriers.iter()) {
            if !bag.is_empty() {
                let room = bag.len();
                // A runtime that is gone has nobody left to tell.
                let _ = courier.send(std::mem::replace(bag, Vec::with_capacity(room)));
            }
        }
    }
}

/// Whoever has gone away needs no reply.
fn hand_over((waiter, reply): Item) {
    let _ = waiter.send(reply);
}
