//! In which lane a request waits: each sale has one.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use foldhash::quality::RandomState;
use http::Uri;

/// Sales that are remembered at a time, about; one more takes the place of another.
const KNOWN: usize = 4_096;

/// Which sales have lanes of their own: those that are there. Whoever makes up names of sales
/// finds all of them in one lane.
pub(crate) struct Lanes {
    hash: RandomState,
    known: Box<[AtomicU64]>,
}

impl Default for Lanes {
    fn default() -> Self {
        let known = (0..KNOWN).map(|_| AtomicU64::new(Self::COMMON)).collect();
        Self { hash: RandomState::default(), known }
    }
}

impl Lanes {
    /// The lane of whatever concerns no sale that is known.
    pub(crate) const COMMON: u64 = 0;

    /// The lane of the sale that an address names.
    pub(crate) fn of(&self, uri: &Uri) -> Option<u64> {
        let sale = uri.path().strip_prefix("/v1/sales/")?.split('/').next()?;
        Some(self.hash.hash_one(sale).max(1))
    }

    /// Whether there is a sale in the lane.
    pub(crate) fn knows(&self, lane: u64) -> bool {
        self.place(lane).load(Relaxed) == lane
    }

    /// Remembers that there is a sale in the lane.
    pub(crate) fn know(&self, lane: u64) {
        self.place(lane).store(lane, Relaxed);
    }

    fn place(&self, lane: u64) -> &AtomicU64 {
        &self.known[usize::try_from(lane % KNOWN as u64).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_in_a_sale_is_in_its_lane_and_made_up_names_are_in_none() {
        let lanes = Lanes::default();
        let of = |path: &'static str| lanes.of(&Uri::from_static(path));
        let club = of("/v1/sales/club/holds").unwrap();
        assert_eq!(of("/v1/sales/club"), Some(club));
        assert_ne!(of("/v1/sales/gala/holds"), Some(club));
        assert_eq!((of("/v1/sales"), of("/healthz"), of("/v1/holds/h")), (None, None, None));
        lanes.know(club);
        assert!(lanes.knows(club));
        assert!(!lanes.knows(of("/v1/sales/made-up").unwrap()));
    }
}
