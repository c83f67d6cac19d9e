//! Forgetting a buyer, by the naive rules.

use holdfast_core::{BuyerId, Status};

use super::{Model, Reason, Verdict};

impl Model {
    pub(super) fn forget(&mut self, buyer: BuyerId, alias: BuyerId) -> Verdict {
        let is_known = |name: BuyerId| self.holds.iter().any(|hold| hold.buyer == name);
        if !is_known(buyer) {
            return Verdict::Forgotten;
        }
        let is_theirs = |name: BuyerId| name == buyer || name == alias;
        let is_open = self.holds.iter().filter(|hold| is_theirs(hold.buyer)).any(|hold| {
            let payment = hold.payment.as_ref();
            hold.status.is_live() || payment.is_some_and(|payment| payment.status.is_open())
        });
        let may_be_theirs = alias != buyer && !self.losses.is_empty();
        let is_anothers = is_known(alias) && !may_be_theirs;
        if self.status != Status::Closed || is_open || is_anothers {
            return Verdict::Refused(Reason::WrongState);
        }
        for hold in self.holds.iter_mut().filter(|hold| hold.buyer == buyer) {
            hold.buyer = alias;
        }
        Verdict::Forgotten
    }
}
