//! A deterministic executor: of the tasks that can go on, chance picks one.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use holdfast_store::Clock;

use crate::rng::Rng;
use crate::world::SimClock;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that are not done.
#[derive(Default)]
pub(super) struct Tasks {
    tasks: BTreeMap<u64, Task>,
    next: u64,
}

struct Task {
    work: Work,
    ready: Arc<Ready>,
    /// It dies with the process.
    is_of_process: bool,
}

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Tasks {
    pub(super) fn spawn(
        &mut self,
        is_of_process: bool,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let ready = Arc::new(Ready(AtomicBool::new(true)));
        self.tasks.insert(self.next, Task { work: Box::pin(work), ready, is_of_process });
        self.next += 1;
    }

    /// Lets one task go on that can. Whether there was one.
    pub(super) fn go_on(&mut self, rng: &mut Rng) -> bool {
        let is_ready = |(_, task): &(&u64, &Task)| task.ready.0.load(Ordering::Relaxed);
        let ready: Vec<u64> =
            self.tasks.iter().filter(is_ready).map(|(number, _)| *number).collect();
        let Some(number) = rng.pick(&ready) else { return false };
        let Some(task) = self.tasks.get_mut(number) else { return false };
        task.ready.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.ready));
        if task.work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks.remove(number);
        }
        true
    }

    /// The process is dead.
    pub(super) fn kill(&mut self) {
        self.tasks.retain(|_, task| !task.is_of_process);
    }

    /// Whether anybody but the process has something to do.
    pub(super) fn is_anybody_there(&self) -> bool {
        self.tasks.values().any(|task| !task.is_of_process)
    }
}

/// Wakes whoever sleeps, when their time has come.
#[derive(Clone)]
pub(super) struct Timer {
    clock: Arc<SimClock>,
    sleepers: Arc<Mutex<BTreeMap<(u64, u64), Waker>>>,
    next: Arc<Mutex<u64>>,
}

impl Timer {
    pub(super) fn new(clock: Arc<SimClock>) -> Self {
        Self { clock, sleepers: Arc::default(), next: Arc::default() }
    }

    pub(super) fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    pub(super) fn wall_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    pub(super) fn sleep_us(&self, us: u64) -> impl Future<Output = ()> + Send + use<> {
        let (timer, at_us) = (self.clone(), self.now_us() + us);
        let mut number = None;
        std::future::poll_fn(move |context| {
            if timer.now_us() >= at_us {
                return Poll::Ready(());
            }
            let number = *number.get_or_insert_with(|| {
                let mut next = lock(&timer.next);
                *next += 1;
                *next
            });
            lock(&timer.sleepers).insert((at_us, number), context.waker().clone());
            Poll::Pending
        })
    }

    /// When the next sleeper is to be woken.
    pub(super) fn next_us(&self) -> Option<u64> {
        lock(&self.sleepers).keys().next().map(|(at_us, _)| *at_us)
    }

    pub(super) fn ring(&self) {
        let now_us = self.now_us();
        let mut sleepers = lock(&self.sleepers);
        while let Some(entry) = sleepers.first_entry() {
            if entry.key().0 > now_us {
                return;
            }
            entry.remove().wake();
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
