//! What a hold has beside it once it has gone to the checkout, by the naive rules.

use holdfast_core::{
    BuyerId, HoldKey, HoldStatus, PAY_QUEUE_MAX_MS, PaymentStatus, PaymentView, TierId,
};

use super::{Hold, Model};

/// A hold's payment: of several, one after the other, the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    /// How many payments of the whole sale came before it.
    pub(super) nth: usize,
    pub(super) status: PaymentStatus,
    /// How often the hold has gone to the checkout.
    pub(super) attempt: u8,
    /// When it waited for the provider: from, and until; `None`: it still waits.
    pub(super) waits: Vec<(u64, Option<u64>)>,
    /// The hold at the other end of money that came late.
    pub(super) linked: Option<HoldKey>,
    pub(super) note: Option<Box<str>>,
    /// The order came to nothing, and its units are withheld.
    pub(super) withheld: bool,
}

impl Payment {
    /// How long it has waited in all, as far as that counts.
    pub(super) fn waited_ms(&self, clock_ms: u64) -> u64 {
        let waits = self.waits.iter();
        let all: u64 = waits.map(|(from, to)| to.unwrap_or(clock_ms).saturating_sub(*from)).sum();
        all.min(PAY_QUEUE_MAX_MS.into())
    }

    pub(super) fn stop_waiting(&mut self, clock_ms: u64) {
        for (_, to) in &mut self.waits {
            to.get_or_insert(clock_ms);
        }
    }
}

impl Hold {
    pub(super) fn payment_status(&self) -> Option<PaymentStatus> {
        Some(self.payment.as_ref()?.status)
    }

    /// How often it has gone to the checkout.
    pub(super) fn attempt(&self) -> u8 {
        self.payment.as_ref().map_or(0, |payment| payment.attempt)
    }

    /// Whether its order has its units.
    pub(super) fn is_ordered(&self) -> bool {
        let has_units = [PaymentStatus::Authorised, PaymentStatus::Paid];
        self.status == HoldStatus::Sold
            && self.payment_status().is_some_and(|status| has_units.contains(&status))
    }

    /// Until when the buyer has time of their own, on the sale clock.
    pub(super) fn expires_ms(&self, clock_ms: u64) -> u64 {
        self.deadline_ms + self.payment.as_ref().map_or(0, |payment| payment.waited_ms(clock_ms))
    }

    /// When it ends if nobody does anything, on the sale clock.
    pub(super) fn ends_ms(&self, grace_ms: u64) -> u64 {
        // Whoever still waits will have waited as long as counts.
        let expires_ms = self.expires_ms(u64::MAX);
        if self.status == HoldStatus::Paying { expires_ms + grace_ms } else { expires_ms }
    }
}

impl Model {
    /// The payments about which something is still to be done, and the notes that are kept with
    /// them; in the order in which their holds first went to the checkout.
    pub fn open_payments(&self) -> Vec<(HoldKey, Option<&str>)> {
        let open = |payment: &&(HoldKey, &Payment)| payment.1.status.is_open();
        let all = self.holds.iter().filter_map(|hold| Some((hold.key, hold.payment.as_ref()?)));
        let all: Vec<_> = all.collect();
        let mut found: Vec<_> = all.iter().filter(open).collect();
        found.sort_by_key(|(_, payment)| payment.nth);
        found.iter().map(|(hold, payment)| (*hold, payment.note.as_deref())).collect()
    }

    pub(super) fn payment_view(&self, hold: &Hold, clock_ms: u64) -> Option<PaymentView> {
        let payment = hold.payment.as_ref()?;
        let pay_by_ms = self.told_ms(hold, clock_ms) + self.grace_ms() + hold.anchor_ms;
        Some(PaymentView {
            status: payment.status,
            attempt: payment.attempt,
            pay_by_ms: (hold.status == HoldStatus::Paying).then_some(pay_by_ms),
            linked: payment.linked,
        })
    }

    /// What a checkout adds to a buyer's time.
    pub(super) fn grace_ms(&self) -> u64 {
        let terms = self.config.as_ref().map(|config| &config.terms);
        terms.map_or(0, |terms| u64::from(terms.checkout_grace_seconds) * 1_000)
    }

    /// Units of a tier that are sold.
    pub(super) fn sold(&self, tier: TierId) -> u64 {
        let sold = self.holds.iter().filter(|hold| hold.tier == tier && hold.is_ordered());
        sold.map(|hold| u64::from(hold.quantity)).sum()
    }

    /// Units of a tier that nobody can prove free, by the ledger's word.
    pub(super) fn withheld(&self, tier: TierId) -> u64 {
        let withheld = |payment: &Payment| payment.withheld;
        let of_tier = self.holds.iter().filter(|hold| hold.tier == tier);
        let withheld = of_tier.filter(|hold| hold.payment.as_ref().is_some_and(withheld));
        let all: u64 = withheld.map(|hold| u64::from(hold.quantity)).sum();
        let no_more = self.withheld_no_more.iter().filter(|(id, _)| *id == tier);
        all - no_more.map(|(_, units)| units).sum::<u64>()
    }

    /// Units of a buyer's orders.
    pub(super) fn ordered(&self, buyer: BuyerId) -> u32 {
        let theirs = self.holds.iter().filter(|hold| hold.buyer == buyer && hold.is_ordered());
        theirs.map(|hold| hold.quantity).sum()
    }
}
