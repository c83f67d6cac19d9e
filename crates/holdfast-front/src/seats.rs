//! How many connections a listener has, and who must go for one more.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::seat::Seat;

/// Of so many connections one goes when there is no seat: looking for who goes costs a look at
/// each.
const SEATS_PER_EVICTION: usize = 32;

/// How long those that were told to go may take before others are told too.
const LEAVE: Duration = Duration::from_millis(50);

/// The connections of one listener.
///
/// When no seat is free, those go for which the server has waited longest: whoever connects and
/// says nothing, says it slowly, or keeps a connection without using it. A buyer, whose request
/// arrives within a moment, is never among them while anyone else is; one who waits for an answer
/// never at all.
#[derive(Clone)]
pub(crate) struct Seats(Arc<Room>);

struct Room {
    max: usize,
    taken: Mutex<Taken>,
    /// A seat has become free.
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    seats: Vec<Option<Arc<Seat>>>,
    free: Vec<usize>,
    /// Connections that have been told to go and are still there.
    leaving: usize,
}

/// A taken seat; it is free again when this is dropped.
pub(crate) struct Ticket {
    seats: Seats,
    at: usize,
    seat: Arc<Seat>,
}

impl Seats {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self(Arc::new(Room { max, taken: Mutex::default(), freed: Notify::new() }))
    }

    /// Comes back once there is a seat for one more connection, and says how many were told to go
    /// for it.
    pub(crate) async fn room(&self) -> usize {
        let mut told = 0;
        while self.is_full() {
            if self.lock().leaving == 0 {
                told += self.clear(Instant::now());
            }
            // Whoever was told to go may have a request that is answered first.
            if timeout(LEAVE, self.0.freed.notified()).await.is_err() {
                told += self.clear(Instant::now());
            }
        }
        told
    }

    pub(crate) fn take(&self, now: Instant) -> Ticket {
        let seat = Seat::new(now);
        let mut taken = self.lock();
        let at = taken.free.pop().unwrap_or_else(|| {
            taken.seats.push(None);
            taken.seats.len() - 1
        });
        taken.seats[at] = Some(Arc::clone(&seat));
        Ticket { seats: self.clone(), at, seat }
    }

    /// Tells those to go that have kept the server waiting longest. How many these are.
    pub(crate) fn clear(&self, now: Instant) -> usize {
        self.lock().clear(now)
    }

    fn is_full(&self) -> bool {
        let taken = self.lock();
        taken.seats.len() - taken.free.len() >= self.0.max
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn clear(&mut self, now: Instant) -> usize {
        let staying = self.seats.iter().flatten().filter(|seat| !seat.is_evicted());
        let mut waited: Vec<_> =
            staying.filter_map(|seat| Some((seat.waited_ms(now)?, seat))).collect();
        let count = waited.len().div_ceil(SEATS_PER_EVICTION);
        if let Some(last) = count.checked_sub(1) {
            waited.select_nth_unstable_by_key(last, |(waited, _)| Reverse(*waited));
        }
        waited[..count].iter().for_each(|(_, seat)| seat.evict());
        self.leaving += count;
        count
    }
}

impl Ticket {
    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.seats[self.at] = None;
        taken.free.push(self.at);
        taken.leaving -= usize::from(self.seat.is_evicted());
        drop(taken);
        self.seats.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evicted<const N: usize>(tickets: [&Ticket; N]) -> [bool; N] {
        tickets.map(|ticket| ticket.seat().is_evicted())
    }

    #[test]
    fn whoever_keeps_the_server_waiting_longest_goes() {
        let (seats, begun) = (Seats::new(3), Instant::now());
        let [first, second, third] =
            [0, 1, 2].map(|ms| seats.take(begun + Duration::from_millis(ms)));
        let busy = first.seat().asked();
        let later = begun + Duration::from_secs(1);
        assert_eq!(seats.clear(later), 1);
        assert_eq!(
            evicted([&first, &second, &third]),
            [false, true, false],
            "the first waits for its answer"
        );
        assert_eq!(seats.clear(later), 1);
        assert_eq!(evicted([&first, &second, &third]), [false, true, true]);
        assert_eq!(seats.clear(later), 0);
        drop(busy);
        assert_eq!(seats.clear(later + Duration::from_secs(1)), 1);
    }

    #[test]
    fn a_body_that_does_not_arrive_is_waited_for() {
        let (seats, now) = (Seats::new(1), Instant::now());
        let only = seats.take(now);
        let asked = only.seat().asked();
        assert_eq!(seats.clear(now), 0);
        let arriving = only.seat().arriving();
        assert_eq!(seats.clear(now), 1);
        drop((asked, arriving));
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_once_somebody_has_left() {
        let (seats, now) = (Seats::new(2), Instant::now());
        let (first, second) = (seats.take(now), seats.take(now));
        let leave = async {
            first.seat().evicted().await;
            drop(first);
        };
        let (told, ()) = tokio::join!(seats.room(), leave);
        assert_eq!(told, 1);
        assert_eq!(seats.room().await, 0, "one seat is free");
        let third = seats.take(now);
        let busy = [second.seat().asked(), third.seat().asked()];
        assert!(timeout(LEAVE * 10, seats.room()).await.is_err(), "all wait for answers");
        drop(busy);
    }
}
