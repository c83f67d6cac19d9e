//! Forgetting a buyer's name.

use crate::arena::Position;
use crate::holds::NONE;
use crate::sale::{Change, Decision, Sale, Status, wrong_state};
use crate::{BuyerId, Outcome, PaymentStatus};

impl Sale {
    /// Only once the sale is closed: before that their limit goes by their name.
    pub(crate) fn decide_forget<'a>(&self, buyer: &BuyerId, alias: &'a BuyerId) -> Decision<'a> {
        let Some(known) = self.buyers.find(buyer) else { return Err(Outcome::Forgotten) };
        if self.status != Status::Closed {
            return Err(wrong_state("a buyer is forgotten once the sale is closed"));
        }
        let aliased = self.buyers.find(alias);
        let is_theirs = |buyer: Position| buyer == known || Some(buyer) == aliased;
        let mut theirs = self.holds.iter().filter(|hold| is_theirs(hold.buyer));
        let is_open = theirs.any(|hold| {
            let payment = (hold.payment != NONE).then(|| self.payments[hold.payment].status);
            hold.status.is_live() || payment.is_some_and(PaymentStatus::is_open)
        });
        if is_open {
            return Err(wrong_state("the buyer has a hold, or a payment that is not done"));
        }
        // After a loss orders of theirs may have come back under the alias that the ledger has.
        let may_be_theirs = aliased != Some(known) && self.last_doubt().is_some();
        let is_anothers = aliased.is_some() && !may_be_theirs;
        if is_anothers || self.buyers.is_full() {
            return Err(wrong_state("the alias is somebody's name"));
        }
        Ok(Change::Forget { buyer: known, alias })
    }

    pub(crate) fn commit_forget(&mut self, buyer: Position, alias: &BuyerId) -> Outcome {
        let alias = match self.buyers.find(alias) {
            Some(known) => self.buyers.merge(buyer, known),
            None => self.buyers.rename(buyer, alias),
        };
        for row in 0..self.holds.len() {
            if self.holds[row].buyer == buyer {
                self.holds[row].buyer = alias;
            }
        }
        Outcome::Forgotten
    }
}
