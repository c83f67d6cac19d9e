//! The nodes that share a store, and how they share work that one of them is to do.

/// The nodes that live, as one of them knows it. Each has a number that was drawn at random.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// This node.
    pub own: u64,
    /// All that live, in ascending order.
    pub living: Vec<u64>,
}

impl Nodes {
    /// Which of the living nodes a piece of work falls to, by what names it; `None`: none lives. All
    /// who know of the same nodes say the same. When a node goes, nothing changes hands but what was
    /// its own; when one comes, nothing but what is its own from then on.
    pub fn whose(&self, work: u64) -> Option<u64> {
        self.living.iter().copied().max_by_key(|node| (mix(node ^ mix(work)), *node))
    }

    /// Whether a piece of work falls to this node.
    pub fn is_own(&self, work: u64) -> bool {
        self.whose(work) == Some(self.own)
    }

    /// The same without one of them.
    #[must_use]
    pub fn without(&self, node: u64) -> Self {
        let living = self.living.iter().copied().filter(|&it| it != node).collect();
        Self { own: self.own, living }
    }

    /// Whether a node lives.
    pub fn is_living(&self, node: u64) -> bool {
        self.living.binary_search(&node).is_ok()
    }
}

/// Spreads a number's bits over all of it, as the last step of `SplitMix64` does.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVING: [u64; 3] = [3, 77, 1 << 60];

    fn nodes(living: &[u64]) -> Nodes {
        Nodes { own: living[0], living: living.to_vec() }
    }

    #[test]
    fn work_is_spread_over_all_and_each_piece_is_one_nodes() {
        let all = nodes(&LIVING);
        let of = |node| (0..3_000).filter(|&work| all.whose(work << 10) == Some(node)).count();
        for node in LIVING {
            assert!((800..1_200).contains(&of(node)), "{node} has {}", of(node));
        }
        assert_eq!(Nodes::default().whose(1), None);
        assert!(!Nodes::default().is_own(1));
    }

    #[test]
    fn only_what_was_a_nodes_own_changes_hands_when_it_goes() {
        let (all, two) = (nodes(&LIVING), nodes(&LIVING[..2]));
        for work in 0..1_000 {
            let (before, after) = (all.whose(work), two.whose(work));
            assert!(before == after || before == Some(LIVING[2]), "{work}");
        }
    }
}
