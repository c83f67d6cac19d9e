//! After a loss: orders, money and buyers that the sale has lost.

use holdfast_checkout::Forgotten;
use holdfast_checkout::provider::Manner;
use holdfast_checkout::provider::PaymentStatus as Money;
use holdfast_checkout::provider::simulated::Manners;
use holdfast_core::{HoldKey, HoldStatus, HoldView, PaymentStatus};
use holdfast_ledger::OrderStatus;

use crate::shop::{Shop, Terms};

/// Somebody pays, somebody is refunded, and somebody's payment is pending, when the engine loses all of it.
/// Returns the holds of those who have paid, and of the others.
fn lose_payments(shop: &mut Shop) -> ([HoldKey; 2], [HoldKey; 2]) {
    let kept = shop.keep();
    let paid = ["alice", "bob"].map(|buyer| shop.reserve(buyer, 1));
    let others = ["refunded", "late"].map(|buyer| shop.reserve(buyer, 1));
    shop.check_out(others[1], Some(Manner::Late));
    for hold in [paid[0], paid[1], others[0]] {
        shop.check_out(hold, None);
        shop.wait_for(hold, PaymentStatus::Paid);
    }
    shop.refund(others[0]);
    shop.wait_for(others[0], PaymentStatus::Refunded);
    shop.lose(kept);
    (paid, others)
}

const LOSS: Terms = Terms {
    capacity: 8,
    price: 1_000,
    hold_seconds: 2,
    grace_seconds: 2,
    per_second: 500,
    deadline_ms: 500,
};

#[test]
fn after_a_loss_orders_come_back_and_money_that_nobody_waits_for_goes_back() {
    let mut shop = Shop::open(LOSS);
    let (paid, [refunded, late]) = lose_payments(&mut shop);
    let status = |hold| Some(shop.find(hold)?.payment?.status);
    shop.wait_until("orders are back", || {
        paid.iter().all(|&hold| status(hold) == Some(PaymentStatus::Paid))
            && status(refunded) == Some(PaymentStatus::Refunded)
    });
    assert_eq!(shop.find(late), None);
    let stand = || shop.payments().into_iter().map(|(_, status)| status);
    shop.wait_until("nothing is set aside", || stand().any(|it| it == Money::Cancelled));
    assert_eq!(stand().filter(|it| *it == Money::Captured).count(), 2);
    assert_eq!(shop.units(), (6, 0, 2, 0), "free, held, sold, withheld");
    shop.audit();
}

const ONE_UNIT: Terms = Terms { capacity: 1, hold_seconds: 2, grace_seconds: 0, ..LOSS };

/// A slow answer is waited for.
const SLOW: Terms = Terms { deadline_ms: 10_000, ..LOSS };

/// Somebody's money is set aside, and their hold is lost before anybody hears of that.
fn lose_hold(shop: &mut Shop) -> HoldView {
    let kept = shop.keep();
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, Some(Manner::Slow));
    shop.wait_until("it is set aside", || shop.payments() == [(1, Money::Authorised)]);
    let view = shop.hold(hold);
    shop.lose(kept);
    assert_eq!(shop.find(hold), None);
    view
}

#[test]
fn what_is_set_aside_for_a_hold_that_nobody_knows_goes_back_once_the_doubt_is_over() {
    let mut shop = Shop::open(SLOW);
    lose_hold(&mut shop);
    shop.wait_until("it goes back", || shop.payments() == [(1, Money::Cancelled)]);
    assert_eq!(shop.units(), (8, 0, 0, 0), "free, held, sold, withheld");
    shop.audit();
}

#[test]
fn whoever_claims_the_hold_pays_with_what_was_set_aside() {
    let mut shop = Shop::open(SLOW);
    let hold = lose_hold(&mut shop);
    shop.claim(&hold);
    shop.check_out(hold.key, None);
    shop.wait_for(hold.key, PaymentStatus::Paid);
    shop.wait_until("the doubt is over", || shop.units().0 > 0);
    assert_eq!(shop.payments(), [(1, Money::Captured)]);
    shop.audit();
}

/// Alice's money comes late and pays for another hold, while the sale knows last that Bob has the unit
/// and that her time is up. Returns the hold of her order.
fn lose_late_order(shop: &mut Shop) -> HoldKey {
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, Some(Manner::Late));
    shop.wait_until("it expires", || shop.hold(hold).status == HoldStatus::Expired);
    let of_bob = shop.reserve("bob", 1);
    let kept = shop.keep();
    shop.cancel(of_bob);
    shop.wait_for(hold, PaymentStatus::Moved);
    let order = shop.hold(hold).payment.and_then(|payment| payment.linked).expect("another hold");
    shop.wait_for(order, PaymentStatus::Paid);
    shop.lose(kept);
    order
}

#[test]
fn an_order_that_waits_for_a_unit_keeps_its_money() {
    let mut shop = Shop::open(ONE_UNIT);
    let order = lose_late_order(&mut shop);
    shop.wait_for_lost(order, PaymentStatus::Paid);
    assert_eq!(shop.payments(), [(1, Money::Captured)]);
    shop.wait_until("the doubt is over", || shop.is_certain());
    assert_eq!(shop.units(), (0, 0, 1, 0), "free, held, sold, withheld");
    shop.audit();
}

#[test]
fn a_refund_that_was_asked_for_goes_on_and_gives_the_money_back_once() {
    let mut shop = Shop::open(LOSS);
    let kept = shop.keep();
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Paid);
    // It is on its way to the provider.
    shop.behave(Manners { latency_ms: 300, ..Manners::default() });
    shop.refund(hold);
    shop.lose(kept);
    shop.behave(Manners::default());
    shop.wait_for_lost(hold, PaymentStatus::Refunded);
    assert_eq!(shop.order_of(hold).map(|order| order.status), Some(OrderStatus::Refunded));
    assert_eq!(shop.payments(), [(1, Money::Refunded)]);
    shop.wait_until("the doubt is over", || shop.is_certain());
    assert_eq!(shop.units(), (8, 0, 0, 0), "free, held, sold, withheld");
    shop.audit();
}

/// A buyer pays, and is forgotten once the sale is closed; then it loses that.
fn lose_forgotten(shop: &mut Shop, kept: u64, hold: HoldKey) {
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Paid);
    shop.close();
    assert_eq!(shop.forget("alice"), Forgotten::Done { sales: 1, orders: 1 });
    shop.lose(kept);
    shop.wait_for_lost(hold, PaymentStatus::Paid);
    shop.wait_until("the doubt is over", || shop.is_certain());
}

#[test]
fn the_order_of_a_forgotten_buyer_comes_back_without_the_name_and_can_be_refunded() {
    let mut shop = Shop::open(LOSS);
    let kept = shop.keep();
    let hold = shop.reserve("alice", 1);
    lose_forgotten(&mut shop, kept, hold);
    assert!(shop.hold(hold).buyer.as_str().starts_with("forgotten-"));
    shop.audit();
    shop.refund(hold);
    shop.wait_for(hold, PaymentStatus::Refunded);
    assert_eq!(shop.payments(), [(1, Money::Refunded)]);
    shop.audit();
}

#[test]
fn whoever_is_known_by_name_again_is_told_of_and_can_be_forgotten_again() {
    let mut shop = Shop::open(LOSS);
    let known = shop.reserve("alice", 1);
    let kept = shop.keep();
    shop.cancel(known);
    let hold = shop.reserve("alice", 1);
    lose_forgotten(&mut shop, kept, hold);
    // The hold that she gave back she has again, under her name; the order came under the alias.
    assert_eq!(shop.hold(known).buyer.as_str(), "alice");
    shop.close();
    shop.wait_until("it runs out", || !shop.hold(known).status.is_live());
    assert_eq!(shop.forget("alice"), Forgotten::Done { sales: 1, orders: 0 });
    assert_eq!(shop.hold(known).buyer, shop.hold(hold).buyer);
    shop.audit();
}

/// The controls: without its protection each of these ends otherwise.
#[cfg(feature = "planted")]
mod caught {
    use super::*;
    use holdfast_checkout::planted::{Bug, set};

    #[test]
    fn the_audit_tells_of_orders_that_do_not_come_back() {
        set(Some(Bug::ForgetsOrders));
        let mut shop = Shop::open(LOSS);
        lose_payments(&mut shop);
        shop.wait_until("the doubt is over", || shop.units().0 > 0);
        let told = shop.money_audit().differences;
        assert!(told.iter().any(|it| it.what.contains("its hold is not sold")), "{told:?}");
    }

    #[test]
    fn money_that_nobody_gave_back_stays_set_aside() {
        set(Some(Bug::ForgetsMoney));
        let mut shop = Shop::open(SLOW);
        lose_hold(&mut shop);
        shop.wait_until("the doubt is over", || shop.units().0 > 0);
        let told = shop.money_audit().differences;
        assert!(told.iter().any(|it| it.what.contains("authorised, and no order")), "{told:?}");
    }

    #[test]
    fn an_order_whose_money_goes_back() {
        set(Some(Bug::HurriesOn));
        let mut shop = Shop::open(ONE_UNIT);
        let order = lose_late_order(&mut shop);
        shop.wait_until("it is refunded", || shop.payments() == [(1, Money::Refunded)]);
        shop.wait_for_lost(order, PaymentStatus::Paid);
        assert_ne!(shop.money_audit().differences, []);
    }
}
