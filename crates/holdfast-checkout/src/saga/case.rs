//! One hold's case, and what the engine knows of it.

use holdfast_core::{
    HoldKey, HoldStatus, HoldView, OrderName, PaymentStatus, Receipt, ReceiptKey, SaleId,
};
use holdfast_engine::{SaleRef, Sales};
use holdfast_ledger::{Fence, OrderId};

use super::{Saga, Trouble};
use crate::note::Note;
use crate::provider::Reference;
use crate::world::World;

/// A hold that has gone to the checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Case {
    /// The sale's number.
    pub sale: u32,
    /// The hold.
    pub hold: HoldKey,
}

impl Case {
    /// The case of a payment, as the provider knows it; `None`: not one of ours.
    pub fn of(reference: &Reference) -> Option<Self> {
        let (hold, _) = reference.parts();
        let Receipt { sale, key, .. } = Receipt::read(hold)?.receipt;
        Some(Self { sale, hold: key })
    }
}

/// Which way a case's money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// From the buyer.
    There,
    /// To the buyer.
    Back,
}

/// What the engine knows of a case.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) sale: u32,
    pub(crate) fence: Fence,
    pub(crate) hold: HoldView,
    pub(crate) status: PaymentStatus,
    pub(crate) attempt: u8,
    pub(crate) linked: Option<HoldKey>,
    /// The sale's last entry that says that something may have been lost.
    pub(super) doubt: Option<u64>,
    pub(crate) note: Note,
    /// What the provider knows the payment by.
    pub(crate) reference: Reference,
    /// What the order is called, now or later.
    pub(crate) order: OrderId,
    /// How long a payment may take at most, in milliseconds. It never changes: a call that is
    /// repeated must say the same.
    pub(crate) patience_ms: u64,
}

impl Facts {
    /// Whether the hold has its units and waits for its money.
    pub(super) fn is_paying(&self) -> bool {
        self.hold.status == HoldStatus::Paying
    }

    /// Whether there is nothing to pay.
    pub(crate) fn is_free(&self) -> bool {
        self.hold.total.amount == 0
    }
}

/// What is read off the engine in one look.
struct Seen {
    id: SaleId,
    epoch: u32,
    hold: HoldView,
    /// The hold whose money it is, if that is another one.
    source: Option<HoldView>,
    doubt: Option<u64>,
    note: Note,
    patience_ms: u64,
}

impl Seen {
    fn read(sales: &Sales, case: Case) -> Option<Self> {
        let by_number = SaleRef::Number(case.sale);
        let (sale, clock_ms) = sales.get(by_number)?;
        let hold = sale.hold_by_key(case.hold, clock_ms)?;
        let payment = hold.payment?;
        let linked = payment.linked.filter(|_| payment.status != PaymentStatus::Moved);
        let terms = sale.terms()?;
        let seconds = u64::from(terms.hold_seconds) + u64::from(terms.checkout_grace_seconds);
        Some(Self {
            id: sales.id(case.sale)?,
            epoch: sales.epoch(by_number)?,
            hold,
            source: linked.and_then(|source| sale.hold_by_key(source, clock_ms)),
            doubt: sale.last_doubt(),
            note: Note::read(sale.note(case.hold)),
            patience_ms: seconds * 1_000,
        })
    }

    fn facts(self, case: Case, receipts: &ReceiptKey) -> Option<Facts> {
        let payment = self.hold.payment?;
        let source = self.source.unwrap_or(self.hold);
        let attempt = source.payment.map_or(payment.attempt, |payment| payment.attempt);
        let hold_id = source.receipt.id(receipts, &source.buyer);
        let order = OrderName { sale: case.sale, hold: case.hold }.id(receipts);
        Some(Facts {
            sale: case.sale,
            fence: Fence { sale: self.id, epoch: self.epoch },
            hold: self.hold,
            status: payment.status,
            attempt: payment.attempt,
            linked: payment.linked,
            doubt: self.doubt,
            note: self.note,
            reference: Reference::marked(&hold_id, attempt.into(), receipts).ok()?,
            order: OrderId::new(order)?,
            patience_ms: self.patience_ms,
        })
    }
}

impl<W: World> Saga<W> {
    /// What the engine knows of a case; `None`: there is no such hold, or it has not been at the
    /// checkout.
    pub(crate) async fn facts(&self, case: Case) -> Result<Option<Facts>, Trouble> {
        let seen = self.world.look(move |sales| Seen::read(sales, case)).await?;
        Ok(seen.and_then(|seen| seen.facts(case, &self.receipts)))
    }
}
