//! The rules of a sale once more, as naively as can be: lists, scanned from end to end.
//!
//! Written from the contract, not from the product's code. It keeps no counter and no index:
//! whatever it says, it counts afresh. That makes it slow, and makes it hard to be wrong in the
//! same way as the product.

mod checkout;
pub(crate) mod config;
mod forget;
mod loss;
mod payment;
mod reserve;
mod verdict;
mod view;

use holdfast_core::{
    ANCHOR_TOLERANCE_MS, BuyerId, CAPACITY_MAX, Command, EXPIRE_BATCH_MAX, HoldKey, HoldStatus,
    KeyDigest, PaymentStatus, SaleConfig, Stamp, Status, TierConfig, TierId,
};

use checkout::set_status;
use loss::Loss;
use payment::Payment;

pub use verdict::{Reason, Verdict};

/// One sale, by the naive rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    number: u32,
    config: Option<SaleConfig>,
    status: Status,
    /// Wall clock minus sale clock, in milliseconds.
    anchor_ms: u64,
    holds: Vec<Hold>,
    keys: Vec<UsedKey>,
    /// When the last entry was made, on the sale clock.
    last_ms: u64,
    losses: Vec<Loss>,
    /// Until when no unit is free, on the sale clock.
    doubt_until_ms: Option<u64>,
    /// Units that were withheld by the ledger's word, until orders came for them.
    withheld_no_more: Vec<(TierId, u64)>,
}

/// A hold, live or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hold {
    key: HoldKey,
    epoch: u32,
    buyer: BuyerId,
    tier: TierId,
    quantity: u32,
    deadline_ms: u64,
    /// The highest anchor of its life, in milliseconds.
    anchor_ms: u64,
    status: HoldStatus,
    /// Its payment, if it has gone to the checkout.
    payment: Option<Payment>,
}

/// An idempotency key and the hold that answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct UsedKey {
    buyer: BuyerId,
    key: KeyDigest,
    hold: usize,
    /// Which checkout of the hold it began; 0: it took the hold.
    attempt: u8,
    /// It came while a checkout was under way that had another note.
    is_joined: bool,
}

impl Model {
    /// A sale without a past.
    pub fn new(number: u32) -> Self {
        Self {
            number,
            config: None,
            status: Status::Scheduled,
            anchor_ms: 0,
            holds: Vec::new(),
            keys: Vec::new(),
            last_ms: 0,
            losses: Vec::new(),
            doubt_until_ms: None,
            withheld_no_more: Vec::new(),
        }
    }

    /// Takes the number that its log was given. Shows in receipts only.
    pub(crate) fn number(&mut self, number: u32) {
        self.number = number;
    }

    /// What would come of a command that would change nothing. `None`: it would change something.
    pub fn settled(&self, clock_ms: u64, command: &Command) -> Option<Verdict> {
        let wrong_state = || Some(Verdict::Refused(Reason::WrongState));
        match (command, &self.config) {
            (Command::Reserve(request), Some(config)) => self.refusal(config, clock_ms, request),
            (Command::Reserve(_), None) => Some(Verdict::Refused(Reason::SaleNotFound)),
            (Command::Cancel { hold, buyer }, _) => {
                let found = self.holds.iter().find(|other| other.key == *hold);
                match found.filter(|found| buyer.is_none_or(|buyer| buyer == found.buyer)) {
                    None => Some(Verdict::Refused(Reason::HoldNotFound)),
                    Some(found) if found.status == HoldStatus::Held => None,
                    Some(found) if found.status == HoldStatus::Paying => wrong_state(),
                    Some(found) if found.status == HoldStatus::Sold => wrong_state(),
                    Some(_) => Some(Verdict::Cancelled(*hold)),
                }
            }
            (Command::Checkout(asked), _) => self.checkout_refusal(clock_ms, asked),
            (
                Command::Call { .. }
                | Command::Decline { .. }
                | Command::Confirm { .. }
                | Command::Pay { .. }
                | Command::Void { .. }
                | Command::Refund { .. },
                _,
            ) => self.next_of_payment(command).err(),
            // Merchants ask seldom: the command is simply tried.
            _ => {
                let mut copy = self.clone();
                let stamp = Stamp { epoch: 0, sequence: u64::MAX >> 10, clock_ms };
                let verdict = copy.apply(stamp, command);
                copy.last_ms = self.last_ms;
                (copy == *self).then_some(verdict)
            }
        }
    }

    /// Does what a command asks, if the rules allow it, and says what came of it.
    pub fn apply(&mut self, stamp: Stamp, command: &Command) -> Verdict {
        self.last_ms = stamp.clock_ms;
        match command {
            Command::Tick { wall_ms } => self.tick(stamp.clock_ms, *wall_ms),
            Command::Configure(config) => self.configure(config),
            Command::Cancel { hold, buyer } => self.cancel(*hold, *buyer),
            Command::Forget { buyer, alias } => self.forget(*buyer, *alias),
            Command::Doubt { lost_ms, first_lost } => self.doubt(stamp, *lost_ms, *first_lost),
            Command::Claim { receipt, buyer } => self.claim(stamp, receipt, *buyer),
            Command::Restore(order) => self.restore(stamp, order),
            Command::Checkout(asked) => self.checkout(stamp, asked),
            Command::Call { .. }
            | Command::Decline { .. }
            | Command::Confirm { .. }
            | Command::Pay { .. }
            | Command::Void { .. }
            | Command::Refund { .. } => self.payment(stamp, command),
            Command::Reserve(_)
            | Command::Open
            | Command::Pause
            | Command::Resume
            | Command::Close
            | Command::SetCapacity { .. }
                if self.config.is_none() =>
            {
                Verdict::Refused(Reason::SaleNotFound)
            }
            Command::Reserve(request) => self.reserve(stamp, request),
            Command::SetCapacity { tier, capacity } => self.set_capacity(*tier, *capacity),
            Command::Open => self.go(Status::Open, &[Status::Scheduled]),
            Command::Pause => self.go(Status::Paused, &[Status::Open]),
            Command::Resume => self.go(Status::Open, &[Status::Paused]),
            Command::Close => {
                let verdict =
                    self.go(Status::Closed, &[Status::Scheduled, Status::Open, Status::Paused]);
                self.keys.clear();
                verdict
            }
        }
    }

    fn configure(&mut self, config: &SaleConfig) -> Verdict {
        if let Some(field) = config::wrong_field(config) {
            return Verdict::Refused(Reason::Invalid(field));
        }
        if self.status != Status::Scheduled || !self.holds.is_empty() {
            return Verdict::Refused(Reason::WrongState);
        }
        let created = self.config.is_none();
        self.config = Some(config.clone());
        Verdict::Configured { created }
    }

    fn go(&mut self, to: Status, from: &[Status]) -> Verdict {
        if self.status != to && !from.contains(&self.status) {
            return Verdict::Refused(Reason::WrongState);
        }
        self.status = to;
        Verdict::Moved(to)
    }

    fn set_capacity(&mut self, id: TierId, capacity: u32) -> Verdict {
        let Some(tier) = self.tier(id) else { return Verdict::Refused(Reason::TierNotFound) };
        if capacity > CAPACITY_MAX {
            return Verdict::Refused(Reason::Invalid("capacity".to_owned()));
        }
        if capacity == tier.capacity && self.withheld(id) == 0 {
            return Verdict::Resized;
        }
        let taken = self.held(id) + self.sold(id);
        // In doubt any unit may be somebody's.
        let taken = if self.doubt_until_ms.is_some() { tier.capacity.into() } else { taken };
        if self.status == Status::Closed || u64::from(capacity) < taken {
            return Verdict::Refused(Reason::WrongState);
        }
        for tier in self.config.iter_mut().flat_map(|config| &mut config.tiers) {
            if tier.id == id {
                tier.capacity = capacity;
            }
        }
        // The ledger agrees to it: by its word nothing is withheld any more.
        self.withheld_no_more.retain(|&(tier, _)| tier != id);
        for hold in self.holds.iter_mut().filter(|hold| hold.tier == id) {
            hold.payment.iter_mut().for_each(|payment| payment.withheld = false);
        }
        Verdict::Resized
    }

    fn cancel(&mut self, key: HoldKey, buyer: Option<BuyerId>) -> Verdict {
        for hold in &mut self.holds {
            if hold.key == key && buyer.is_none_or(|buyer| buyer == hold.buyer) {
                match hold.status {
                    HoldStatus::Held => hold.status = HoldStatus::Cancelled,
                    HoldStatus::Cancelled | HoldStatus::Expired => {}
                    HoldStatus::Paying | HoldStatus::Sold => {
                        return Verdict::Refused(Reason::WrongState);
                    }
                }
                return Verdict::Cancelled(key);
            }
        }
        Verdict::Refused(Reason::HoldNotFound)
    }

    fn tick(&mut self, clock_ms: u64, wall_ms: u64) -> Verdict {
        let opened = self.status == Status::Scheduled
            && self.opens_at_ms().is_some_and(|opens_at_ms| opens_at_ms <= wall_ms);
        let due = self.due(clock_ms);
        let anchor_ms = wall_ms.saturating_sub(clock_ms);
        let clears = self.doubt_until_ms.is_some_and(|until_ms| until_ms <= clock_ms);
        let is_anchored = anchor_ms.abs_diff(self.anchor_ms) <= ANCHOR_TOLERANCE_MS;
        if !opened && !clears && due.is_empty() && is_anchored {
            return Verdict::Ticked { expired: 0, opened: false, more: false };
        }
        self.anchor_ms = anchor_ms;
        for hold in &mut self.holds {
            hold.anchor_ms = hold.anchor_ms.max(anchor_ms);
        }
        if opened {
            self.status = Status::Open;
        }
        if clears {
            self.doubt_until_ms = None;
        }
        let batch = usize::try_from(EXPIRE_BATCH_MAX).unwrap_or(usize::MAX);
        for &hold in due.iter().take(batch) {
            self.run_out(hold);
        }
        let more = due.len() > batch;
        let expired = u32::try_from(due.len().min(batch)).unwrap_or(u32::MAX);
        Verdict::Ticked { expired, opened, more }
    }

    fn run_out(&mut self, at: usize) {
        let hold = &mut self.holds[at];
        hold.status = HoldStatus::Expired;
        // What still waited was never asked of the provider.
        if hold.payment_status() == Some(PaymentStatus::Queued) {
            set_status(hold, PaymentStatus::Declined);
        }
    }

    /// Live holds whose time is up, tier by tier, the earliest first.
    fn due(&self, clock_ms: u64) -> Vec<usize> {
        let grace_ms = self.grace_ms();
        let mut due: Vec<usize> = (0..self.holds.len())
            .filter(|&at| {
                let hold = &self.holds[at];
                hold.status.is_live() && hold.ends_ms(grace_ms) <= clock_ms
            })
            .collect();
        due.sort_by_key(|&at| {
            let hold = &self.holds[at];
            (self.tier_index(hold.tier), hold.ends_ms(grace_ms))
        });
        due
    }

    /// A live hold whose time was up at this moment of the sale clock, if there is one.
    pub(crate) fn overdue(&self, clock_ms: u64) -> Option<HoldKey> {
        self.due(clock_ms).first().map(|&at| self.holds[at].key)
    }

    fn opens_at_ms(&self) -> Option<u64> {
        self.config.as_ref()?.terms.opens_at_ms
    }

    fn tier(&self, id: TierId) -> Option<&TierConfig> {
        self.config.as_ref()?.tiers.iter().find(|tier| tier.id == id)
    }

    fn tier_index(&self, id: TierId) -> Option<usize> {
        self.config.as_ref()?.tiers.iter().position(|tier| tier.id == id)
    }

    fn live_of_tier(&self, tier: TierId) -> impl Iterator<Item = &Hold> {
        self.holds.iter().filter(move |hold| hold.tier == tier && hold.status.is_live())
    }

    /// Units of a tier that are on hold.
    fn held(&self, tier: TierId) -> u64 {
        self.live_of_tier(tier).map(|hold| u64::from(hold.quantity)).sum()
    }
}
