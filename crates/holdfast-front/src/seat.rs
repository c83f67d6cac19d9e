//! Where a connection stands: whether it waits for its peer, and since when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// One connection's place at its listener. Everyone who touches it is on the listener's thread.
pub(crate) struct Seat {
    opened: Instant,
    /// Requests whose answer has not been made.
    asked: AtomicU32,
    /// Of these, requests whose body has not arrived.
    arriving: AtomicU32,
    /// Answers that have been made and not been taken to their end.
    told: AtomicU32,
    /// The kernel takes no more of what is written, because the peer does not.
    is_writing: AtomicBool,
    /// Bytes of answers that have been taken for the peer.
    taken: AtomicU64,
    /// They are counted as answers give them, and not as the socket takes them.
    is_http2: AtomicBool,
    /// When an answer was last made or a part of one taken, in milliseconds after `opened`.
    answered_ms: AtomicU64,
    /// A request's body was not wanted to its end.
    is_cut: AtomicBool,
    is_evicted: AtomicBool,
    evicted: Notify,
}

/// A request that has not been answered yet.
pub(crate) struct Asked(Arc<Seat>);

/// An answer that has not been taken to its end.
pub(crate) struct Told(Arc<Seat>);

/// A request whose body has not arrived yet.
pub(crate) struct Arriving {
    seat: Arc<Seat>,
    is_whole: bool,
}

impl Seat {
    pub(crate) fn new(opened: Instant) -> Arc<Self> {
        Arc::new(Self {
            opened,
            asked: AtomicU32::new(0),
            arriving: AtomicU32::new(0),
            told: AtomicU32::new(0),
            is_writing: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            is_http2: AtomicBool::new(false),
            answered_ms: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
            evicted: Notify::new(),
        })
    }

    /// How long the server has waited for this peer, to ask or to take its answers, in milliseconds.
    /// `None`: it is the peer who waits.
    pub(crate) fn waited_ms(&self, now: Instant) -> Option<u64> {
        if self.owes() {
            return None;
        }
        Some(self.age_ms(now).saturating_sub(self.answered_ms.load(Relaxed)))
    }

    /// Whether an answer is due: a request is there as a whole.
    pub(crate) fn owes(&self) -> bool {
        self.asked.load(Relaxed) > self.arriving.load(Relaxed)
    }

    pub(crate) fn asked(self: &Arc<Self>) -> Asked {
        self.asked.fetch_add(1, Relaxed);
        Asked(Arc::clone(self))
    }

    pub(crate) fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Relaxed);
    }

    /// The connection speaks HTTP/2: what its socket takes may be anything, such as echoes of pings,
    /// and says nothing of whether the peer takes its answers.
    pub(crate) fn set_http2(&self) {
        self.is_http2.store(true, Relaxed);
    }

    /// The socket has taken so many bytes.
    pub(crate) fn wrote(&self, bytes: usize) {
        if !self.is_http2.load(Relaxed) {
            self.took(bytes);
        }
    }

    fn took(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Relaxed);
        self.touch();
    }

    /// How many bytes of answers have been taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    /// Whether the peer may still be sending what nobody wants.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Relaxed)
    }

    /// Whether nothing is to be told: no answer is due, none is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        !self.owes() && self.told.load(Relaxed) == 0 && !self.is_writing.load(Relaxed)
    }

    /// Whether the peer has taken nothing of its answers for so long.
    pub(crate) fn is_stalled(&self, patience: Duration) -> bool {
        let waited_ms = self.waited_ms(Instant::now());
        let waited = Duration::from_millis(waited_ms.unwrap_or_default());
        let is_telling = self.told.load(Relaxed) > 0 || self.is_writing.load(Relaxed);
        is_telling && waited >= patience
    }

    pub(crate) fn arriving(self: &Arc<Self>) -> Arriving {
        self.arriving.fetch_add(1, Relaxed);
        Arriving { seat: Arc::clone(self), is_whole: false }
    }

    /// Tells the connection to go.
    pub(crate) fn evict(&self) {
        self.is_evicted.store(true, Relaxed);
        self.evicted.notify_one();
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Relaxed)
    }

    /// Comes back once the connection is to go.
    pub(crate) async fn evicted(&self) {
        if !self.is_evicted() {
            self.evicted.notified().await;
        }
    }

    fn touch(&self) {
        self.answered_ms.store(self.age_ms(Instant::now()), Relaxed);
    }

    fn age_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.opened).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Asked {
    /// The answer has been made.
    pub(crate) fn answered(self) -> Told {
        self.0.told.fetch_add(1, Relaxed);
        Told(Arc::clone(&self.0))
    }
}

impl Arriving {
    /// The last byte is here.
    pub(crate) fn arrived(mut self) {
        self.is_whole = true;
    }
}

impl Told {
    /// So many bytes of the answer have been taken; HTTP/2 takes no more of them than its peer does.
    pub(crate) fn goes_on(&self, bytes: usize) {
        if self.0.is_http2.load(Relaxed) {
            self.0.took(bytes);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.asked.fetch_sub(1, Relaxed);
        self.0.touch();
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.0.told.fetch_sub(1, Relaxed);
        self.0.touch();
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.seat.arriving.fetch_sub(1, Relaxed);
        if !self.is_whole {
            self.seat.is_cut.store(true, Relaxed);
        }
    }
}
