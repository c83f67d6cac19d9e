//! One node does what can be done at once about a payment that another carries.

use holdfast_checkout::provider::PaymentStatus as Money;
use holdfast_checkout::provider::{Manner, simulated::Manners};
use holdfast_core::PaymentStatus;

use crate::shop::{Shop, Terms};

#[test]
fn whoever_is_told_of_anothers_payment_brings_it_to_its_end_once_the_money_is_there() {
    let mut shop = Shop::open(Terms { deadline_ms: 10_000, ..Terms::default() });
    let hold = shop.reserve("alice", 1);
    shop.check_out(hold, Some(Manner::Slow));
    shop.wait_until("the money is there", || shop.payments() == [(1, Money::Authorised)]);
    // Whoever carried it stands still, and has not heard.
    shop.stop_checkout();
    assert_eq!(shop.hold(hold).payment.map(|it| it.status), Some(PaymentStatus::Processing));
    shop.help(hold);
    assert_eq!(shop.hold(hold).payment.map(|it| it.status), Some(PaymentStatus::Paid));
    assert_eq!(shop.payments(), [(1, Money::Captured)]);
    shop.start_checkout();
    shop.audit();
}

#[test]
fn whoever_helps_asks_for_no_money_and_not_for_what_is_done() {
    let mut shop = Shop::open(Terms::default());
    let hold = shop.reserve("alice", 1);
    // Nothing that is asked of the provider comes about.
    shop.behave(Manners { error: 1.0, ..Manners::default() });
    shop.check_out(hold, None);
    shop.wait_for(hold, PaymentStatus::Processing);
    shop.stop_checkout();
    shop.behave(Manners::default());
    shop.help(hold);
    assert_eq!(shop.payments(), [], "no money is asked for");
    shop.start_checkout();
    shop.wait_for(hold, PaymentStatus::Paid);
    shop.help(hold);
    assert_eq!(shop.payments(), [(1, Money::Captured)]);
    shop.audit();
}
