//! The sales as everyone may see them, made once for all who look at about the same time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use foldhash::quality::RandomState;
use holdfast_api::Problem;
use holdfast_core::SaleId;
use tokio::sync::Mutex as Turn;
use tokio::time::Instant;

/// How old a view may be when it leaves: 250 ms by the contract, less what the answer may take.
const AGE_MAX: Duration = Duration::from_millis(200);

/// Sales whose views are kept; when there are more, all are made anew.
const SALES_MAX: usize = 4_096;

/// The views that were made for one listener.
pub(crate) struct Views {
    kept: Mutex<Kept>,
    age_max: Duration,
}

/// A place for each sale's view; whoever makes it has the turn.
type Kept = HashMap<SaleId, Arc<Turn<Option<View>>>, RandomState>;

/// Counts the merchants' moves: a view from before one is not shown after it.
#[derive(Clone, Default)]
pub(crate) struct Moves(Arc<AtomicU64>);

struct View {
    asked_at: Instant,
    moves: u64,
    json: Bytes,
}

impl Moves {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Default for Views {
    fn default() -> Self {
        Self::with_age_max(AGE_MAX)
    }
}

impl Views {
    /// Views that are made anew once they are this old.
    fn with_age_max(age_max: Duration) -> Self {
        Self { kept: Mutex::default(), age_max }
    }

    /// A sale's view as JSON: the one that was made last, or what `make` makes. While it is being
    /// made, all who ask wait for it.
    pub(crate) async fn get<F>(
        &self,
        sale: SaleId,
        moves: &Moves,
        make: impl FnOnce() -> F,
    ) -> Result<Bytes, Problem>
    where
        F: Future<Output = Result<Bytes, Problem>>,
    {
        let (place, came) = (self.place(sale), Instant::now());
        let mut place = place.lock().await;
        let moves = moves.0.load(Relaxed);
        // What was asked for after somebody came is no older than what they would ask for.
        let is_new = |view: &&View| view.asked_at >= came || view.asked_at.elapsed() < self.age_max;
        let is_fresh = |view: &&View| view.moves == moves && is_new(view);
        if let Some(view) = place.as_ref().filter(is_fresh) {
            return Ok(view.json.clone());
        }
        let asked_at = Instant::now();
        match make().await {
            Ok(json) => {
                *place = Some(View { asked_at, moves, json: json.clone() });
                Ok(json)
            }
            Err(problem) => {
                self.lock().remove(&sale);
                Err(problem)
            }
        }
    }

    fn place(&self, sale: SaleId) -> Arc<Turn<Option<View>>> {
        let mut kept = self.lock();
        if kept.len() >= SALES_MAX && !kept.contains_key(&sale) {
            kept.clear();
        }
        Arc::clone(kept.entry(sale).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the contract.
    const PROMISED: Duration = Duration::from_millis(250);

    /// What making a view takes here, more than it mostly does.
    const MAKING: Duration = Duration::from_millis(40);

    /// The age of the oldest view that anyone got who looked every 7 ms for ten seconds, and how
    /// often one was made.
    async fn oldest(views: &Views) -> (Duration, u32) {
        let sale = SaleId::new("club").unwrap();
        let begun = Instant::now();
        let (mut oldest, mut made) = (Duration::ZERO, 0);
        while begun.elapsed() < Duration::from_secs(10) {
            let make = async || {
                made += 1;
                let seen_at = begun.elapsed().as_micros().to_string();
                tokio::time::sleep(MAKING).await;
                Ok(Bytes::from(seen_at))
            };
            let view = views.get(sale, &Moves::default(), make).await.unwrap();
            let seen_at = std::str::from_utf8(&view).unwrap().parse().unwrap();
            oldest = oldest.max(begun.elapsed() - Duration::from_micros(seen_at));
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        (oldest, made)
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_gets_a_view_that_is_older_than_is_promised() {
        let (age, made) = oldest(&Views::default()).await;
        assert!(age <= PROMISED, "{age:?}");
        assert!(made <= 5 * 10, "made {made} times in ten seconds");
        // The control.
        let (age, _) = oldest(&Views::with_age_max(PROMISED * 2)).await;
        assert!(age > PROMISED, "{age:?}");
    }
}
