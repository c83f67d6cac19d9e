//! The saga over a real engine, a real ledger and a bank that is asked over HTTP.

#[path = "saga/help.rs"]
mod help;
#[path = "saga/losses.rs"]
mod losses;
#[path = "saga/shop.rs"]
mod shop;

use std::time::Duration;

use holdfast_checkout::Forgotten;
use holdfast_checkout::provider::simulated::Manners;
use holdfast_checkout::provider::{Manner, PaymentStatus as Money};
use holdfast_core::{HoldStatus, PaymentStatus};
use holdfast_ledger::OrderStatus;
use shop::{Shop, Terms};

#[test]
fn a_hold_is_paid_and_its_order_is_in_the_ledger() {
    let shop = Shop::open(Terms::default());
    let hold = shop.reserve("alice", 2);
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Paid);
    let order = shop.order_of(hold).expect("an order");
    assert_eq!((order.status, order.what.quantity), (OrderStatus::Paid, 2));
    assert_eq!(order.what.total.amount, 2_000);
    assert_eq!(shop.payments(), [(1, Money::Captured)]);
    shop.audit();
}

#[test]
fn a_declined_hold_is_held_again_and_can_be_paid() {
    let shop = Shop::open(Terms::default());
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, Some(Manner::Decline));
    shop.wait_for(hold, PaymentStatus::Declined);
    assert_eq!(shop.hold(hold).status, HoldStatus::Held);
    assert_eq!(shop.order_of(hold), None);
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Paid);
    assert_eq!(shop.payments(), [(1, Money::Declined), (2, Money::Captured)]);
    shop.audit();
}

#[test]
fn nothing_to_pay_asks_nobody() {
    let shop = Shop::open(Terms { price: 0, ..Terms::default() });
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Paid);
    assert_eq!(shop.order_of(hold).map(|order| order.what.provider), Some("none".to_owned()));
    assert_eq!(shop.payments(), []);
    shop.refund(hold);
    shop.wait_for(hold, PaymentStatus::Refunded);
    shop.audit();
}

#[test]
fn money_that_comes_late_gets_another_hold_or_is_given_back() {
    let terms = Terms { hold_seconds: 1, grace_seconds: 0, ..Terms::default() };
    let shop = Shop::open(Terms { capacity: 1, ..terms });
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, Some(Manner::Late));
    shop.wait_for(hold, PaymentStatus::Moved);
    let other = shop.hold(hold).payment.and_then(|payment| payment.linked).expect("another hold");
    shop.wait_for(other, PaymentStatus::Paid);
    assert_eq!(shop.order_of(other).map(|order| order.status), Some(OrderStatus::Paid));
    shop.audit();

    let shop = Shop::open(Terms { capacity: 1, ..terms });
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, Some(Manner::Late));
    shop.wait_until("it expires", || shop.hold(hold).status == HoldStatus::Expired);
    let of_bob = shop.reserve("bob", 1);
    shop.check_out(of_bob, None);
    shop.wait_for(of_bob, PaymentStatus::Paid);
    shop.wait_for(hold, PaymentStatus::Declined);
    assert_eq!(shop.payments(), [(1, Money::Cancelled), (1, Money::Captured)]);
    shop.audit();
}

#[test]
fn a_provider_that_never_answers_keeps_nobodys_unit_for_ever() {
    let terms = Terms { hold_seconds: 1, grace_seconds: 1, ..Terms::default() };
    let shop = Shop::open(terms);
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, Some(Manner::Never));
    shop.wait_for(hold, PaymentStatus::Declined);
    assert_eq!(shop.hold(hold).status, HoldStatus::Expired);
    // What may still be on its way is refused.
    assert_eq!(shop.payments(), [(1, Money::Cancelled)]);
    shop.audit();
}

#[test]
fn whatever_the_provider_does_money_and_units_stay_together() {
    let shop = Shop::open(Terms { capacity: 40, ..Terms::default() });
    let ill = 0.1;
    shop.behave(Manners {
        hang: 0.02,
        error: ill,
        lost: ill,
        lost_error: ill,
        busy: ill,
        ..Manners::default()
    });
    let holds: Vec<_> = (0..40).map(|nth| shop.reserve(&format!("buyer-{nth}"), 1)).collect();
    for (nth, &hold) in holds.iter().enumerate() {
        shop.check_out(hold, (nth % 5 == 0).then_some(Manner::Decline));
    }
    for (nth, &hold) in holds.iter().enumerate() {
        let declines = nth % 5 == 0;
        shop.wait_for(hold, if declines { PaymentStatus::Declined } else { PaymentStatus::Paid });
    }
    shop.behave(Manners::default());
    let captured = shop.payments().iter().filter(|(_, status)| *status == Money::Captured).count();
    assert_eq!(captured, 32);
    shop.audit();
}

#[test]
fn what_the_ledger_refuses_is_given_back_and_withheld() {
    let shop = Shop::open(Terms { capacity: 2, ..Terms::default() });
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Paid);
    // As if the engine had lost count: the ledger knows of one unit only.
    shop.set_ledgers_capacity(1);
    let hold = shop.reserve("bob", 1);
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Void);
    assert_eq!(shop.order_of(hold).map(|order| order.was_refused()), Some(true));
    assert_eq!(shop.payments(), [(1, Money::Captured), (1, Money::Cancelled)]);
    assert_eq!(shop.units(), (0, 0, 1, 1), "free, held, sold, withheld");
    // Set again, the ledger agrees, and the unit is free.
    shop.resize(2);
    assert_eq!(shop.units(), (1, 0, 1, 0));
    shop.audit();
}

#[test]
fn a_refund_returns_the_money_then_the_unit() {
    let shop = Shop::open(Terms { capacity: 1, ..Terms::default() });
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Paid);
    shop.behave(Manners { error: 0.3, lost: 0.3, ..Manners::default() });
    shop.refund(hold);
    shop.wait_for(hold, PaymentStatus::Refunded);
    shop.behave(Manners::default());
    assert_eq!(shop.payments(), [(1, Money::Refunded)]);
    assert_eq!(shop.order_of(hold).map(|order| order.status), Some(OrderStatus::Refunded));
    assert_eq!(shop.units(), (1, 0, 0, 0));
    shop.reserve("bob", 1);
    shop.audit();
}

#[test]
fn what_a_crash_left_is_carried_on() {
    let mut shop = Shop::open(Terms { capacity: 20, ..Terms::default() });
    shop.behave(Manners { latency_ms: 40, ..Manners::default() });
    let holds: Vec<_> = (0..20).map(|nth| shop.reserve(&format!("buyer-{nth}"), 1)).collect();
    for &hold in &holds {
        shop.check_out(hold, None);
    }
    for wait in [10, 60, 110, 160] {
        std::thread::sleep(Duration::from_millis(wait));
        shop.restart();
    }
    for &hold in &holds {
        shop.wait_for(hold, PaymentStatus::Paid);
    }
    assert_eq!(shop.payments(), [(1, Money::Captured); 20]);
    shop.audit();
}

#[test]
fn nobody_loses_a_hold_in_the_queue() {
    let terms = Terms { hold_seconds: 2, grace_seconds: 0, capacity: 40, ..Terms::default() };
    // Four seconds' worth of payments, for holds of two seconds.
    let shop = Shop::open(Terms { per_second: 10, ..terms });
    let holds: Vec<_> = (0..40).map(|nth| shop.reserve(&format!("buyer-{nth}"), 1)).collect();
    for &hold in &holds {
        shop.check_out(hold, None);
    }
    for &hold in &holds {
        shop.wait_for(hold, PaymentStatus::Paid);
    }
    shop.audit();
}

#[test]
fn whoever_has_to_ask_again_does_not_wait_behind_those_whose_time_stands_still() {
    let terms = Terms { hold_seconds: 7, grace_seconds: 0, capacity: 200, ..Terms::default() };
    // Thirteen seconds' worth of payments, for holds of seven; and one call in ten is to come again.
    let shop = Shop::open(Terms { per_second: 15, ..terms });
    shop.behave(Manners { busy: 0.1, ..Manners::default() });
    let holds: Vec<_> = (0..200).map(|nth| shop.reserve(&format!("buyer-{nth}"), 1)).collect();
    for &hold in &holds {
        shop.check_out(hold, None);
    }
    shop.wait_until("all are called", || {
        let is_called =
            |hold| shop.hold(hold).payment.is_some_and(|it| it.status != PaymentStatus::Queued);
        holds.iter().all(|&hold| is_called(hold))
    });
    shop.behave(Manners::default());
    for &hold in &holds {
        shop.wait_for(hold, PaymentStatus::Paid);
    }
    shop.audit();
}

#[test]
fn holds_of_a_whole_day_are_paid_too() {
    let terms = Terms { hold_seconds: 86_400, grace_seconds: 86_400, ..Terms::default() };
    let shop = Shop::open(terms);
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Paid);
    let hold = shop.reserve("bob", 1);
    shop.check_out(hold, Some(Manner::Late));
    shop.wait_until("it is pending", || shop.payments().last() == Some(&(1, Money::Pending)));
}

#[test]
fn who_is_forgotten_is_found_nowhere_and_the_books_still_agree() {
    let shop = Shop::open(Terms::default());
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Paid);
    assert!(matches!(shop.forget("alice"), Forgotten::NotYet { .. }), "the sale is not closed");
    shop.close();
    assert_eq!(shop.forget("alice"), Forgotten::Done { sales: 1, orders: 1 });
    assert_eq!(shop.forget("alice"), Forgotten::Done { sales: 0, orders: 0 });
    let order = shop.order_of(hold).expect("an order");
    assert!(order.what.buyer.as_str().starts_with("forgotten-"), "{order:?}");
    assert_eq!(shop.hold(hold).buyer, order.what.buyer);
    shop.audit();
    // Their money can still be given back.
    shop.refund(hold);
    shop.wait_for(hold, PaymentStatus::Refunded);
    assert_eq!(shop.payments(), [(1, Money::Refunded)]);
    shop.audit();
}
