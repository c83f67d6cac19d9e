//! Which node carries a case, where several nodes sell.
//!
//! Each case falls to one of the nodes that live, by its name: all who know of the same nodes say the
//! same, and nobody has to tell. A node that knows of others than its peer does may carry what the
//! peer carries too, for the second until both know: whatever both do is done once, as after a crash.

use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_engine::Nodes;

use super::Case;

/// For how many looks after a node has come it leaves alone what another carried: that one has not
/// heard of it yet. At four looks a second it has by then.
const LOOKS_UNTIL_ALL_KNOW: u32 = 8;

/// The nodes that share the work.
#[derive(Debug, Default)]
pub(crate) struct Share(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// `None`: there is one node.
    nodes: Option<Nodes>,
    /// Who lived before that, and for how many looks more others may go by it.
    before: Option<(Nodes, u32)>,
}

impl Share {
    /// Takes note of who lives now. Returns whether somebody has gone.
    pub(super) fn note(&self, nodes: Option<&Nodes>) -> bool {
        let mut known = self.known();
        if known.nodes.as_ref() == nodes {
            if let Some((_, looks)) = &mut known.before {
                *looks = looks.saturating_sub(1);
            }
            known.before.take_if(|(_, looks)| *looks == 0);
            return false;
        }
        let before = std::mem::replace(&mut known.nodes, nodes.cloned()).unwrap_or_default();
        let Some(nodes) = nodes else { return false };
        let has_gone = before.living.iter().any(|&node| !nodes.is_living(node));
        // This node may be the newcomer.
        let is_new = !before.is_living(nodes.own);
        let before = if is_new { nodes.without(nodes.own) } else { before };
        known.before = Some((before, LOOKS_UNTIL_ALL_KNOW));
        has_gone
    }

    /// Whether several nodes sell.
    pub(super) fn is_shared(&self) -> bool {
        self.known().nodes.is_some()
    }

    /// Whether a case falls to this node.
    pub(crate) fn is_ours(&self, case: Case) -> bool {
        if planted!(CarriesAll) {
            return true;
        }
        self.known().nodes.as_ref().is_none_or(|nodes| nodes.is_own(work(case)))
    }

    /// Whether this node may begin to carry a case: it falls to it, and whoever it fell to before has
    /// heard of that, or is gone.
    pub(crate) fn may_begin(&self, case: Case) -> bool {
        let known = self.known();
        let Some(nodes) = known.nodes.as_ref().filter(|_| !planted!(CarriesAll)) else {
            return true;
        };
        let another_has_it = known.before.as_ref().is_some_and(|(before, _)| {
            let had = before.whose(work(case));
            had.is_some_and(|had| had != nodes.own && nodes.is_living(had))
        });
        nodes.is_own(work(case)) && !another_has_it
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What names a case.
fn work(case: Case) -> u64 {
    (u64::from(case.sale) << 44) ^ case.hold.number()
}

#[cfg(test)]
mod tests {
    use holdfast_core::HoldKey;

    use super::*;

    fn cases() -> impl Iterator<Item = Case> {
        (1..200).map(|nth| Case { sale: 7, hold: HoldKey::from_number(nth << 10) })
    }

    fn nodes(own: u64, living: &[u64]) -> Nodes {
        Nodes { own, living: living.to_vec() }
    }

    fn share(own: u64, living: &[u64]) -> Share {
        let share = Share::default();
        for _ in 0..=LOOKS_UNTIL_ALL_KNOW {
            share.note(Some(&nodes(own, living)));
        }
        share
    }

    #[test]
    fn each_case_is_carried_by_one_and_alone_by_the_only_one() {
        let shares = [share(1, &[1, 2, 3]), share(2, &[1, 2, 3]), share(3, &[1, 2, 3])];
        for case in cases() {
            assert_eq!(shares.iter().filter(|share| share.may_begin(case)).count(), 1);
        }
        assert!(cases().all(|case| Share::default().may_begin(case)));
        // Nobody has been heard of yet: this node's own name neither.
        assert!(!cases().any(|case| share(1, &[]).is_ours(case)));
    }

    #[test]
    fn what_the_living_carry_is_left_alone_until_they_have_heard_and_a_dead_ones_is_not() {
        let share = share(2, &[2, 3]);
        let had: Vec<Case> = cases().filter(|&case| share.is_ours(case)).collect();
        assert!(share.note(Some(&nodes(2, &[2]))), "3 has gone");
        assert!(cases().all(|case| share.may_begin(case)), "all of it at once");
        assert!(!share.note(Some(&nodes(2, &[2, 3]))), "3 has come back");
        assert!(had.iter().all(|&case| share.is_ours(case)));
        let new = Share::default();
        new.note(Some(&nodes(3, &[])));
        new.note(Some(&nodes(3, &[2, 3])));
        let mine: Vec<Case> = cases().filter(|&case| new.is_ours(case)).collect();
        assert!(!mine.is_empty() && !mine.iter().any(|&case| new.may_begin(case)));
        for _ in 0..LOOKS_UNTIL_ALL_KNOW {
            new.note(Some(&nodes(3, &[2, 3])));
        }
        assert!(mine.iter().all(|&case| new.may_begin(case)));
    }
}
