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
    /// Enters a case that is to be carried. `None`: somebody carries it, and has been told.
    pub(super) fn enter(&self, case: Case, way: Way) -> Option<Arc<Hint>> {
        let mut hints = self.hints();
        if let Some(hint) = hints.get(&(case, way)) {
            hint.is_told.store(true, Ordering::Relaxed);
            hint.notify.notify_one();
            return None;
        }
        let hint = Arc::<Hint>::default();
        hints.insert((case, way), Arc::clone(&hint));
        Some(hint)
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
