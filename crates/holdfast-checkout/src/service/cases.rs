//! Who is being carried: each case once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::saga::{Case, Way};

/// The cases that are being carried.
#[derive(Debug, Default)]
pub(super) struct Cases {
    hints: Mutex<HashMap<(Case, Way), Arc<Hint>>>,
}

/// Tells whoever carries a case that something may have happened.
#[derive(Debug, Default)]
pub(super) struct Hint {
    notify: Notify,
    /// Whether it has been told since the case was last left.
    is_told: AtomicBool,
}

impl Hint {
    pub(super) fn notify(&self) -> &Notify {
        &self.notify
    }
}

impl Cases {
    /// Enters a case that is to be carried. `None`: somebody carries it, and will look once more
    /// before they leave it.
    pub(super) fn enter(&self, case: Case, way: Way) -> Option<Arc<Hint>> {
        let mut hints = self.hints();
        if let Some(hint) = hints.get(&(case, way)) {
            hint.is_told.store(true, Ordering::Relaxed);
            return None;
        }
        let hint = Arc::<Hint>::default();
        hints.insert((case, way), Arc::clone(&hint));
        Some(hint)
    }

    /// Makes whoever carries a case look at once, where they rest. `false`: nobody carries it.
    pub(super) fn wake(&self, case: Case, way: Way) -> bool {
        let hints = self.hints();
        let Some(hint) = hints.get(&(case, way)) else { return false };
        hint.is_told.store(true, Ordering::Relaxed);
        hint.notify.notify_one();
        true
    }

    /// Leaves a case, if nothing has been told of it meanwhile.
    pub(super) fn leave(&self, case: Case, way: Way, hint: &Hint) -> bool {
        let mut hints = self.hints();
        let is_over = !hint.is_told.swap(false, Ordering::Relaxed);
        if is_over {
            hints.remove(&(case, way));
        }
        is_over
    }

    pub(super) fn is_in(&self, case: Case, way: Way) -> bool {
        self.hints().contains_key(&(case, way))
    }

    fn hints(&self) -> MutexGuard<'_, HashMap<(Case, Way), Arc<Hint>>> {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use holdfast_core::HoldKey;

    use super::*;

    fn is_woken(hint: &Hint) -> bool {
        pin!(hint.notify().notified()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn who_asks_again_wakes_nobody_and_is_heard_before_the_case_is_left() {
        let (cases, way) = (Cases::default(), Way::There);
        let case = Case { sale: 1, hold: HoldKey::from_number(1) };
        assert!(!cases.wake(case, way), "nobody carries it");
        let hint = cases.enter(case, way).unwrap();
        assert!(cases.enter(case, way).is_none());
        assert!(!is_woken(&hint));
        assert!(!cases.leave(case, way, &hint), "somebody has asked meanwhile");
        // The control.
        assert!(cases.wake(case, way) && is_woken(&hint));
        assert!(!cases.leave(case, way, &hint));
        assert!(cases.leave(case, way, &hint) && !cases.is_in(case, way));
    }
}
