//! Who asks: buyers, a till and the merchant of one sale. They know what they were told.

use std::collections::BTreeMap;

use holdfast_core::{
    Admission, BuyerId, Checkout, Command, Currency, HoldKey, HoldStatus, HoldView, KeyDigest,
    Money, PaymentStatus, Reserve, Restore, SaleConfig, Terms, TierConfig, TierId,
};

use crate::rng::Rng;

/// The crowd of one sale.
pub(super) struct Crowd {
    buyers: Vec<BuyerId>,
    tiers: Vec<TierId>,
    capacities: Vec<u32>,
    hold_seconds: u32,
    limit: u32,
    grace_seconds: u32,
    /// Whether the merchant changes anything while it is open.
    is_busy: bool,
    /// What was reserved before, to be asked again.
    asked: Vec<Command>,
    /// Every hold that somebody was told of, as it was last told.
    pub(super) told: BTreeMap<HoldKey, HoldView>,
    /// The orders that the ledger has, and that are still worth something.
    pub(super) orders: BTreeMap<HoldKey, Restore>,
    /// Somebody was told that the sale is in doubt.
    pub(super) is_in_doubt: bool,
}

impl Crowd {
    /// Draws a sale and who wants it.
    pub(super) fn draw(rng: &mut Rng, buyers: &[BuyerId], tiers: &[TierId]) -> Self {
        let buyers = buyers[..rng.index(buyers.len() - 1) + 2].to_vec();
        let tiers = tiers[..rng.index(tiers.len()) + 1].to_vec();
        Self {
            capacities: tiers.iter().map(|_| rng.small(1, 6)).collect(),
            buyers,
            tiers,
            hold_seconds: rng.small(1, 8),
            limit: rng.small(1, 5),
            grace_seconds: rng.small(0, 2),
            is_busy: rng.percent(30),
            asked: Vec::new(),
            told: BTreeMap::new(),
            orders: BTreeMap::new(),
            is_in_doubt: false,
        }
    }

    /// The sale as the merchant wants it.
    pub(super) fn config(&self) -> Option<SaleConfig> {
        let price = Money { amount: 2_500, currency: Currency::new("EUR")? };
        let tiers = self.tiers.iter().zip(&self.capacities);
        let tiers =
            tiers.map(|(&id, &capacity)| TierConfig { id, name: id.to_string(), capacity, price });
        let terms = Terms {
            name: "A sale".to_owned(),
            opens_at_ms: None,
            hold_seconds: self.hold_seconds,
            checkout_grace_seconds: self.grace_seconds,
            max_per_buyer: self.limit,
            admission: Admission::FirstCome,
            metadata: None,
        };
        Some(SaleConfig { terms, tiers: tiers.collect() })
    }

    /// What somebody asks now.
    pub(super) fn ask(&mut self, rng: &mut Rng) -> Option<Command> {
        if self.is_in_doubt && rng.percent(40) {
            return self.bring_back(rng);
        }
        match rng.below(100) {
            0..45 => self.reserve(rng),
            45..57 => rng.pick(&self.asked).cloned(),
            57..67 => self.cancel(rng),
            67..92 => self.pay(rng),
            92..96 => self.bring_back(rng),
            _ if self.is_busy => self.manage(rng),
            _ => self.reserve(rng),
        }
    }

    fn reserve(&mut self, rng: &mut Rng) -> Option<Command> {
        let (buyer, tier) = (*rng.pick(&self.buyers)?, *rng.pick(&self.tiers)?);
        let key = rng.percent(40).then(|| KeyDigest::of(&rng.small(1, 3).to_string()));
        let reserve = Reserve { buyer, tier, quantity: rng.small(1, 3), key };
        self.asked.push(Command::Reserve(reserve));
        Some(Command::Reserve(reserve))
    }

    fn some_hold(&self, rng: &mut Rng) -> Option<HoldView> {
        // Mostly one of the last.
        let back = if rng.percent(70) { 4.min(self.told.len()) } else { self.told.len() };
        self.told.values().rev().nth(rng.index(back)).copied()
    }

    fn cancel(&mut self, rng: &mut Rng) -> Option<Command> {
        let hold = self.some_hold(rng)?;
        let buyer = rng.percent(80).then_some(hold.buyer);
        Some(Command::Cancel { hold: hold.key, buyer })
    }

    /// The next step of a payment.
    fn pay(&mut self, rng: &mut Rng) -> Option<Command> {
        let HoldView { key: hold, buyer, payment, .. } = self.some_hold(rng)?;
        let checkout =
            |key| Command::Checkout(Checkout { hold, buyer: Some(buyer), key, note: None });
        let Some(payment) = payment else { return Some(checkout(None)) };
        let attempt = payment.attempt;
        Some(match payment.status {
            PaymentStatus::Queued => Command::Call { hold, attempt },
            PaymentStatus::Processing if rng.percent(70) => Command::Confirm { hold, attempt },
            PaymentStatus::Processing | PaymentStatus::TooLate => {
                Command::Decline { hold, attempt }
            }
            PaymentStatus::Authorised if rng.percent(60) => self.record(Command::Pay { hold }),
            PaymentStatus::Authorised => {
                self.record(Command::Void { hold, withheld: rng.percent(30) })
            }
            PaymentStatus::Paid if rng.percent(50) => self.record(Command::Refund { hold }),
            PaymentStatus::Declined => checkout(Some(KeyDigest::of(&rng.small(1, 9).to_string()))),
            _ => checkout(None),
        })
    }

    /// The ledger has it first.
    fn record(&mut self, command: Command) -> Command {
        match &command {
            Command::Pay { hold } => {
                self.orders.entry(*hold).and_modify(|order| order.paid = true);
            }
            Command::Void { hold, .. } | Command::Refund { hold } => {
                self.orders.remove(hold);
            }
            _ => {}
        }
        command
    }

    /// A buyer shows a receipt, or the reconciler an order.
    fn bring_back(&mut self, rng: &mut Rng) -> Option<Command> {
        let orders: Vec<&Restore> = self.orders.values().collect();
        if let Some(order) = rng.pick(&orders).filter(|_| rng.percent(40)) {
            return Some(Command::Restore(Box::new(**order)));
        }
        let hold = self.some_hold(rng)?;
        Some(Command::Claim { receipt: hold.receipt, buyer: hold.buyer })
    }

    fn manage(&mut self, rng: &mut Rng) -> Option<Command> {
        Some(match rng.below(4) {
            0 => Command::Pause,
            1 => Command::Resume,
            _ => Command::SetCapacity { tier: *rng.pick(&self.tiers)?, capacity: rng.small(0, 8) },
        })
    }

    /// Somebody was told of a hold.
    pub(super) fn hear(&mut self, hold: &HoldView) {
        self.told.insert(hold.key, *hold);
        let payment = hold.payment.filter(|_| hold.status == HoldStatus::Sold);
        let Some(payment) = payment.filter(|it| it.status == PaymentStatus::Authorised) else {
            return;
        };
        // Money that came late is known by the receipt of the hold that it was for.
        let source = match payment.linked {
            None => Some((hold.receipt, payment.attempt)),
            Some(from) => self.told.get(&from).and_then(|from| {
                Some((from.receipt, from.payment.map(|payment| payment.attempt)?))
            }),
        };
        if let Some((source, attempt)) = source {
            let order = Restore { hold: hold.key, buyer: hold.buyer, source, attempt, paid: false };
            self.orders.entry(hold.key).or_insert(order);
        }
    }

    /// A few of the holds that somebody was told of, to be looked at.
    pub(super) fn wanted(&self, rng: &mut Rng) -> Vec<HoldKey> {
        let count = rng.index(4);
        (0..count).filter_map(|_| self.some_hold(rng)).map(|hold| hold.key).collect()
    }
}
