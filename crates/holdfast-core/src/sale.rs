//! The sale: its state, and the one way to change it.

use serde::{Deserialize, Serialize};

use crate::anchor::Anchor;
use crate::arena::Position;
use crate::buyers::Buyers;
use crate::checkout::{NewCheckout, PaymentStep};
use crate::claim::NewClaim;
use crate::doubt::Doubt;
use crate::holds::{HoldStatus, Holds, NONE};
use crate::payments::{PaymentStatus, Payments};
use crate::reserve::NewHold;
use crate::restore::NewRestore;
use crate::tier::Tier;
use crate::{
    BuyerId, Command, HoldIndex, HoldKey, KeyDigest, Outcome, Refusal, SaleConfig, Stamp, Terms,
};

/// Where a sale is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has not opened; everything about it can still change.
    #[default]
    Scheduled,
    /// It sells.
    Open,
    /// No new holds for now.
    Paused,
    /// No new holds ever; live ones finish.
    Closed,
}

/// The whole state of one sale.
#[derive(Clone, Debug)]
pub struct Sale {
    pub(crate) number: u32,
    pub(crate) last: Stamp,
    pub(crate) anchor: Anchor,
    /// `None` until the sale is configured.
    pub(crate) terms: Option<Terms>,
    pub(crate) status: Status,
    pub(crate) tiers: Vec<Tier>,
    pub(crate) holds: Holds,
    pub(crate) buyers: Buyers,
    pub(crate) payments: Payments,
    pub(crate) doubt: Doubt,
}

/// A change that the rules allow, found by looking and not yet made.
pub(crate) enum Change<'a> {
    Tick { wall_ms: u64 },
    Configure(&'a SaleConfig),
    Move(Status),
    Resize { tier: usize, capacity: u32 },
    Hold(NewHold<'a>),
    RememberKey { buyer: Position, key: KeyDigest, hold: u32, attempt: u8 },
    Cancel { hold: u32 },
    Checkout(NewCheckout<'a>),
    Payment { hold: u32, step: PaymentStep },
    Forget { buyer: Position, alias: &'a BuyerId },
    Doubt { lost_ms: u64, first_lost: u64 },
    Claim(NewClaim<'a>),
    Restore(NewRestore<'a>),
}

/// What the rules say of a command: a change to make, or an outcome that changes nothing.
pub(crate) type Decision<'a> = Result<Change<'a>, Outcome>;

impl Sale {
    /// A sale without a past. `number` is its log's number. `seed` spreads its hash tables and
    /// shows in no outcome; draw it at random where strangers choose the buyers' names.
    pub fn new(number: u32, seed: u64) -> Self {
        Self {
            number,
            last: Stamp::default(),
            anchor: Anchor::NONE,
            terms: None,
            status: Status::default(),
            tiers: Vec::new(),
            holds: Holds::default(),
            buyers: Buyers::new(seed),
            payments: Payments::default(),
            doubt: Doubt::default(),
        }
    }

    /// Applies one command of the log. Total: every command has an outcome in every state.
    ///
    /// Stamps come in the log's order, each sequence once.
    pub fn apply(&mut self, stamp: Stamp, command: &Command) -> Outcome {
        debug_assert!(stamp.sequence > self.last.sequence, "entries are applied once, in order");
        debug_assert!(stamp.clock_ms >= self.last.clock_ms, "the sale clock never goes back");
        self.last = stamp;
        match self.decide(stamp.clock_ms, command) {
            Ok(change) => self.commit(change),
            Err(outcome) => outcome,
        }
    }

    /// The outcome of a command that would change nothing now, such as any refusal. Such a
    /// command needs no entry in the log. `None`: it would change something.
    pub fn settled(&self, clock_ms: u64, command: &Command) -> Option<Outcome> {
        self.decide(clock_ms, command).err()
    }

    /// The number of its log.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The stamp of the last entry that was applied.
    pub fn last(&self) -> Stamp {
        self.last
    }

    /// Whether the sale exists: it has been configured.
    pub fn is_configured(&self) -> bool {
        self.terms.is_some()
    }

    /// Where the sale is in its life.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The earliest deadline of a live hold, or the end of the doubt, in milliseconds of the sale clock:
    /// as long as there is one, that clock has to run.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let holds = self.tiers.iter().filter_map(|tier| tier.next_deadline_ms(&self.holds));
        holds.chain(self.doubt.until_ms()).min()
    }

    /// When the sale opens by itself, in milliseconds since 1970 UTC, if that is still to come.
    pub fn opens_at_ms(&self) -> Option<u64> {
        let scheduled = self.status == Status::Scheduled;
        self.terms.as_ref().filter(|_| scheduled).and_then(|terms| terms.opens_at_ms)
    }

    fn decide<'a>(&self, clock_ms: u64, command: &'a Command) -> Decision<'a> {
        match command {
            Command::Tick { wall_ms } => self.decide_tick(clock_ms, *wall_ms),
            Command::Configure(config) => self.decide_configure(config),
            Command::Open => self.decide_move(Status::Open),
            Command::Pause => self.decide_move(Status::Paused),
            Command::Resume => self.decide_resume(),
            Command::Close => self.decide_move(Status::Closed),
            Command::SetCapacity { tier, capacity } => self.decide_resize(tier, *capacity),
            Command::Reserve(reserve) => self.decide_reserve(clock_ms, reserve).map(Change::from),
            Command::Cancel { hold, buyer } => self.decide_cancel(*hold, buyer.as_ref()),
            Command::Checkout(checkout) => self.decide_checkout(clock_ms, checkout),
            Command::Call { hold, attempt } => {
                self.decide_payment(*hold, Some(*attempt), PaymentStep::Call)
            }
            Command::Decline { hold, attempt } => {
                self.decide_payment(*hold, Some(*attempt), PaymentStep::Decline)
            }
            Command::Confirm { hold, attempt } => {
                self.decide_payment(*hold, Some(*attempt), PaymentStep::Confirm)
            }
            Command::Pay { hold } => self.decide_payment(*hold, None, PaymentStep::Pay),
            Command::Void { hold, withheld } => {
                self.decide_payment(*hold, None, PaymentStep::Void { withheld: *withheld })
            }
            Command::Refund { hold } => self.decide_payment(*hold, None, PaymentStep::Refund),
            Command::Forget { buyer, alias } => self.decide_forget(buyer, alias),
            &Command::Doubt { lost_ms, first_lost } => Ok(Change::Doubt { lost_ms, first_lost }),
            Command::Claim { receipt, buyer } => self.decide_claim(clock_ms, receipt, buyer),
            Command::Restore(order) => self.decide_restore(clock_ms, order),
        }
    }

    fn commit(&mut self, change: Change<'_>) -> Outcome {
        match change {
            Change::Tick { wall_ms } => Outcome::Ticked(self.commit_tick(wall_ms)),
            Change::Configure(config) => self.commit_configure(config),
            Change::Move(status) => self.commit_move(status),
            Change::Resize { tier, capacity } => {
                let tier = &mut self.tiers[tier];
                (tier.config.capacity, tier.withheld) = (capacity, 0);
                Outcome::Resized
            }
            Change::Hold(hold) => self.commit_hold(&hold),
            Change::RememberKey { buyer, key, hold, attempt } => {
                self.buyers.push_key(buyer, key, hold, attempt);
                let hold = HoldIndex(hold);
                if attempt == 0 { Outcome::Existing(hold) } else { Outcome::CheckedOut(hold) }
            }
            Change::Cancel { hold } => {
                self.end_hold(hold, HoldStatus::Cancelled);
                Outcome::Cancelled(HoldIndex(hold))
            }
            Change::Checkout(checkout) => self.commit_checkout(&checkout),
            Change::Payment { hold, step } => self.commit_payment(hold, step),
            Change::Forget { buyer, alias } => self.commit_forget(buyer, alias),
            Change::Doubt { lost_ms, first_lost } => self.commit_doubt(lost_ms, first_lost),
            Change::Claim(claim) => self.commit_claim(&claim),
            Change::Restore(restore) => self.commit_restore(&restore),
        }
    }

    fn decide_cancel(&self, key: HoldKey, buyer: Option<&BuyerId>) -> Decision<'static> {
        let Some(row) = self.find_hold(key, buyer) else {
            return Err(Outcome::Refused(Refusal::HoldNotFound));
        };
        match self.holds[row].status {
            HoldStatus::Held => Ok(Change::Cancel { hold: row }),
            HoldStatus::Paying if planted!(CancelsPaying) => Ok(Change::Cancel { hold: row }),
            HoldStatus::Paying => Err(wrong_state("the hold is at the checkout")),
            HoldStatus::Sold => Err(wrong_state("the hold is sold: refund its order")),
            _ if planted!(EndsTwice) => Ok(Change::Cancel { hold: row }),
            HoldStatus::Cancelled | HoldStatus::Expired => Err(Outcome::Cancelled(HoldIndex(row))),
        }
    }

    /// The row of a hold, if it is this buyer's or nobody in particular asks.
    pub(crate) fn find_hold(&self, key: HoldKey, buyer: Option<&BuyerId>) -> Option<u32> {
        let row = self.holds.find(key)?;
        let owner = self.holds[row].buyer;
        buyer.is_none_or(|buyer| self.buyers.is_named(owner, buyer)).then_some(row)
    }

    /// Ends a live hold; its units are held no more.
    pub(crate) fn end_hold(&mut self, row: u32, ending: HoldStatus) {
        self.forget_deadline(row);
        let hold = &mut self.holds[row];
        hold.status = ending;
        if ending == HoldStatus::Expired && hold.payment != NONE {
            // The provider has not been asked for what was still in the queue.
            self.payments.change(hold.payment, |payment| {
                if payment.status == PaymentStatus::Queued {
                    payment.status = PaymentStatus::Declined;
                }
            });
        }
        let (quantity, tier) = (u32::from(hold.quantity), &mut self.tiers[usize::from(hold.tier)]);
        if !(planted!(LosesUnits) && ending == HoldStatus::Expired) {
            tier.held = tier.held.saturating_sub(quantity);
        }
        self.buyers.change(hold.buyer, |buyer| buyer.is_live &= buyer.latest != row);
        tier.settle_due(&self.holds);
    }
}

/// A refusal because something's state does not allow the step.
pub(crate) fn wrong_state(reason: &'static str) -> Outcome {
    Outcome::Refused(Refusal::WrongState(reason))
}
