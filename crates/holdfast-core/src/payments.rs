//! Payments: what a hold that has gone to the checkout has beside its row.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::holds::{Hold, HoldStatus};
use crate::slab::Slab;
use crate::{PAY_QUEUE_MAX_MS, Terms};

/// Where a hold's payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// It waits for the provider's budget; the buyer's time stands still.
    Queued,
    /// The provider is being asked, or will be asked again: it may have authorised.
    Processing,
    /// It came to nothing: declined, or its authorisation was cancelled.
    Declined,
    /// It was authorised after its hold had ended, and no unit is left for it: its authorisation is
    /// to be cancelled.
    TooLate,
    /// It was authorised after its hold had ended, and pays for another hold.
    Moved,
    /// The hold is sold; the capture must follow.
    Authorised,
    /// The amount has been captured.
    Paid,
    /// The order came to nothing.
    Void,
    /// The amount has been given back.
    Refunded,
}

impl PaymentStatus {
    /// Whether something is still to be done about it.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Processing | Self::TooLate | Self::Authorised)
    }

    /// Whether its order has its units.
    pub fn has_units(self) -> bool {
        matches!(self, Self::Authorised | Self::Paid)
    }
}

/// What is remembered of a hold's payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    /// Row of its hold.
    pub(crate) hold: u32,
    /// Row of the hold that it pays for instead of its own; of one that was made for such money, the
    /// hold that it came from. Else [`crate::holds::NONE`].
    pub(crate) linked: u32,
    /// When it began to wait, on the sale clock.
    pub(crate) queued_at_ms: u64,
    /// How long it has waited in all, before that.
    pub(crate) queued_ms: u32,
    /// How often the hold has gone to the checkout, from 1.
    pub(crate) attempt: u8,
    pub(crate) status: PaymentStatus,
    /// What goes into the order with it; dropped once the ledger has it.
    pub(crate) note: Option<Box<str>>,
    /// The ledger had its order before the sale did, for units beyond any limit.
    pub(crate) is_restored: bool,
}

impl Payment {
    /// How long it has waited in all, in milliseconds; at most [`PAY_QUEUE_MAX_MS`].
    pub(crate) fn queued_ms(&self, clock_ms: u64) -> u32 {
        if self.status != PaymentStatus::Queued || planted!(QueueEatsTime) {
            return self.queued_ms;
        }
        let waiting = clock_ms.saturating_sub(self.queued_at_ms);
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.queued_ms.saturating_add(waiting).min(PAY_QUEUE_MAX_MS)
    }

    /// Until when the buyer has time of their own: the hold's deadline and the time queued.
    pub(crate) fn expires_ms(&self, hold: &Hold, clock_ms: u64) -> u64 {
        hold.deadline_ms + u64::from(self.queued_ms(clock_ms))
    }

    /// Until when the payment may come: the buyer's own time and the grace.
    pub(crate) fn pay_by_ms(&self, hold: &Hold, grace_ms: u64, clock_ms: u64) -> u64 {
        self.expires_ms(hold, clock_ms) + grace_ms
    }

    /// When the hold ends if nothing happens: it does not end in the queue.
    pub(crate) fn deadline_ms(&self, hold: &Hold, grace_ms: u64) -> u64 {
        match (hold.status, self.status) {
            (HoldStatus::Paying, PaymentStatus::Queued) if !planted!(QueueEatsTime) => {
                hold.deadline_ms + u64::from(PAY_QUEUE_MAX_MS) + grace_ms
            }
            (HoldStatus::Paying, _) => self.pay_by_ms(hold, grace_ms, 0),
            _ => self.expires_ms(hold, 0),
        }
    }
}

/// All payments of a sale.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payments {
    rows: Slab<Payment>,
    /// Rows of those about which something is still to be done.
    open: BTreeSet<u32>,
}

impl Payments {
    pub(crate) fn len(&self) -> u32 {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Payment> {
        self.rows.iter()
    }

    /// Those about which something is still to be done, in the order in which their holds first
    /// went to the checkout.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Payment> {
        self.open.iter().map(|&row| &self.rows[row])
    }

    /// Adds a payment.
    pub(crate) fn push(&mut self, payment: Payment) -> u32 {
        let is_open = payment.status.is_open();
        let row = self.rows.push(payment);
        if is_open {
            self.open.insert(row);
        }
        row
    }

    /// Changes a payment.
    pub(crate) fn change(&mut self, row: u32, change: impl FnOnce(&mut Payment)) {
        let payment = &mut self.rows[row];
        change(payment);
        if payment.status.is_open() {
            self.open.insert(row);
        } else {
            self.open.remove(&row);
            payment.note = None;
        }
    }
}

impl std::ops::Index<u32> for Payments {
    type Output = Payment;

    fn index(&self, row: u32) -> &Payment {
        &self.rows[row]
    }
}

/// What a checkout adds to the buyer's time, in milliseconds.
pub(crate) fn grace_ms(terms: Option<&Terms>) -> u64 {
    terms.map_or(0, |terms| u64::from(terms.checkout_grace_seconds) * 1_000)
}
