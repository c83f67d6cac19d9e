//! The product's rules and the naive ones, side by side.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod lost;

use holdfast_core::{
    Admission, BuyerId, Command, Currency, HoldKey, Money, Outcome, Refusal, Sale, SaleConfig,
    Stamp, Terms, TierConfig, TierId,
};
use holdfast_sim::model::{Model, Verdict};

/// 2023-11-14, when the wall clock of the tests starts.
pub(crate) const WALL_MS: u64 = 1_700_000_000_000;

/// A sale's number; shows in receipts only.
const NUMBER: u32 = 3;

/// Both sets of rules after the same commands.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) sale: Sale,
    pub(crate) model: Model,
    pub(crate) stamp: Stamp,
    /// Of each loss the first sequence that may be lost, and the epoch in which that was found.
    pub(crate) losses: Vec<(u64, u32)>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let stamp = Stamp { epoch: 1, ..Stamp::default() };
        let (sale, model) = (Sale::new(NUMBER, 7), Model::new(NUMBER));
        Self { sale, model, stamp, losses: Vec::new() }
    }

    /// The end of the log is lost: a new epoch begins beyond all that it can have had.
    pub(crate) fn lose(&mut self, lost_ms: u64, gap: u64) -> Command {
        let first_lost = self.stamp.sequence + 1;
        self.stamp.sequence += gap;
        self.stamp.epoch += 1;
        self.losses.push((first_lost, self.stamp.epoch));
        Command::Doubt { lost_ms, first_lost }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.stamp.clock_ms += ms;
    }

    /// Applies a command to both and checks that they agree in everything that shows.
    pub(crate) fn apply(&mut self, command: &Command) -> Verdict {
        self.stamp.sequence += 1;
        let clock_ms = self.stamp.clock_ms;
        let settled = self.sale.settled(clock_ms, command);
        let before = self.sale.clone();
        let outcome = self.sale.apply(self.stamp, command);
        if let Some(settled) = settled {
            assert_eq!(outcome, settled, "settled() foretold something else of {command:?}");
            self.check_unchanged(before, command);
        }
        let verdict = read(&self.sale, outcome);
        let expected = self.model.apply(self.stamp, command);
        assert_eq!(verdict, expected, "of {command:?}\nat {:?}\nin {:#?}", self.stamp, self.model);
        self.check();
        verdict
    }

    /// Everything that shows is equal, and the sale's own audit finds nothing.
    pub(crate) fn check(&self) {
        let clock_ms = self.stamp.clock_ms;
        assert_eq!(self.sale.view(clock_ms), self.model.view(clock_ms));
        let holds: Vec<_> = self.sale.holds_after(None, usize::MAX, clock_ms).collect();
        assert_eq!(holds, self.model.holds(clock_ms).collect::<Vec<_>>());
        let note = |hold| (hold, self.sale.note(hold));
        let open: Vec<_> = self.sale.open_payments().map(note).collect();
        assert_eq!(open, self.model.open_payments());
        assert_eq!(self.sale.audit(), Vec::new());
    }

    /// Goes on from a snapshot of the sale.
    pub(crate) fn restart(&mut self) {
        let bytes = self.sale.to_snapshot();
        self.sale = Sale::from_snapshot(&bytes, self.stamp.sequence).expect("its own snapshot");
        assert_eq!(self.sale.to_snapshot(), bytes, "a snapshot of what a snapshot made");
        self.check();
    }

    /// Nothing but the last stamp differs from `before`: a command that certainly does nothing
    /// leaves the same bytes.
    fn check_unchanged(&self, mut before: Sale, command: &Command) {
        let nothing = Command::Cancel { hold: HoldKey::from_number(0), buyer: None };
        let outcome = before.apply(self.stamp, &nothing);
        assert_eq!(outcome, Outcome::Refused(Refusal::HoldNotFound));
        let (left, right) = (before.to_snapshot(), self.sale.to_snapshot());
        assert_eq!(left, right, "{command:?} was settled and changed something");
    }
}

fn read(sale: &Sale, outcome: Outcome) -> Verdict {
    let hold = outcome.hold().and_then(|hold| sale.hold(hold, 0));
    Verdict::of(outcome, hold.map(|hold| hold.key)).expect("an outcome names a hold that is there")
}

pub(crate) fn buyer(number: usize) -> BuyerId {
    BuyerId::new(&format!("buyer-{number}")).expect("a good id")
}

pub(crate) fn tier(number: usize) -> TierId {
    TierId::new(&format!("tier-{number}")).expect("a good id")
}

/// A sale with tiers of these capacities.
pub(crate) fn config(capacities: &[u32], hold_seconds: u32, max_per_buyer: u32) -> SaleConfig {
    let price = Money { amount: 2_500, currency: Currency::new("EUR").expect("a good code") };
    let tiers = capacities.iter().enumerate().map(|(number, &capacity)| TierConfig {
        id: tier(number),
        name: format!("Tier {number}"),
        capacity,
        price,
    });
    let terms = Terms {
        name: "A sale".to_owned(),
        opens_at_ms: None,
        hold_seconds,
        checkout_grace_seconds: 0,
        max_per_buyer,
        admission: Admission::FirstCome,
        metadata: None,
    };
    SaleConfig { terms, tiers: tiers.collect() }
}
