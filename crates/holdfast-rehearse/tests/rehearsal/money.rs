//! The winners pay, and the verdict follows the money: at an honest till, and at one for each way to
//! cheat that can be seen.

use std::thread;

use holdfast_rehearse::{Money, Options, Payments, Phase, Report, run};

use crate::support::{BUYER_SECRET, CAPACITY, Server, Ways, broken, options};

/// Everything happens, and soon.
const SOON: Payments = Payments {
    pay: 0.7,
    declined: 0.4,
    hand_back: 0.4,
    think_seconds_max: 0.2,
    late: 3,
    settle_seconds_max: 60.0,
};

fn paying(server: &Server) -> Options {
    Options { payments: SOON, ..options(server) }
}

fn rehearse(ways: Ways) -> Report {
    let server = Server::start(ways);
    run(&paying(&server), |_| {}).unwrap()
}

fn money(report: &Report) -> &Money {
    report.money.as_ref().unwrap()
}

#[track_caller]
fn assert_clean(report: &Report) {
    assert!(report.ok(), "{}", report.render());
    assert_eq!((broken(report), &report.verdict.unverified), (vec![], &vec![]));
}

#[test]
fn winners_pay_are_declined_give_back_and_leave_as_the_seed_says() {
    let report = rehearse(Ways::Honest);
    assert_clean(&report);
    let found = money(&report);
    assert_eq!(found.nobody_paid, None);
    let done = found.paid + found.declined + found.handed_back + found.left;
    assert_eq!(done, u64::from(CAPACITY), "{found:?}");
    for some in [found.paid, found.paid_second, found.declined, found.handed_back, found.left] {
        assert!(some > 0, "{found:?}");
    }
    assert_eq!(found.declines, found.declined + found.paid_second);
    assert_eq!((found.late_with_unit, found.late_without), (2, 1));
    assert_eq!((found.orders, found.amount), (found.paid + 2, (found.paid + 2) * 1_000));
    assert_eq!(found.checkout_to_paid_ms.unwrap().count, found.paid);
    assert!(found.checks.iter().all(|check| check.held == Some(true)), "{:?}", found.checks);
    assert_eq!(found.checks.len(), 9);
    // The same seed, the same crowd.
    let again = rehearse(Ways::Honest);
    assert_eq!(money(&again).handed_back, found.handed_back);
    assert_eq!(money(&again).left, found.left);
    // The rush is as it is without a checkout.
    assert_eq!(report.crowd.held_at_end, Some(u64::from(CAPACITY)));
    let text = report.render();
    assert!(text.contains("yes: what is captured is what the paid orders cost"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(report.page().contains("nobody has an order who did not pay"));
}

#[test]
fn buyers_with_tokens_pay_too_and_come_back_to_a_till_that_is_crowded() {
    let server = Server::for_buyers_with_tokens(Ways::TillIsCrowded);
    let options = Options { buyer_secret: Some(BUYER_SECRET.into()), ..paying(&server) };
    let mut told = Vec::new();
    let report = run(&options, |progress| told.push(progress)).unwrap();
    assert_clean(&report);
    assert!(money(&report).paid > 0);
    assert_eq!(server.closed(), 2);
    told.dedup_by_key(|progress| progress.phase);
    let phases: Vec<_> = told.iter().map(|progress| progress.phase).collect();
    let expected = [Phase::Opening, Phase::Rush, Phase::Verdict, Phase::Paying, Phase::Closing];
    assert_eq!(phases, expected);
}

#[test]
fn nobody_pays_where_money_is_real() {
    let report = rehearse(Ways::ChargesForReal);
    assert_clean(&report);
    let found = money(&report);
    assert!(found.nobody_paid.as_ref().unwrap().contains("not the simulated one"), "{found:?}");
    assert_eq!((found.paid, found.orders), (0, 0));
    assert!(report.render().contains("nobody paid: the server's provider is not the simulated"));
}

#[test]
fn a_shop_without_a_checkout_is_not_said_to_be_good() {
    let report = rehearse(Ways::HasNoCheckout);
    assert!(!report.ok());
    let unverified = &report.verdict.unverified;
    assert!(unverified[0].contains("went to the checkout: 404 not_found"), "{unverified:?}");
}

#[test]
fn money_that_was_to_be_late_is_in_time_only_where_a_hold_was_seen_to_last_longer() {
    let report = rehearse(Ways::MovesEnds);
    assert_clean(&report);
    let found = money(&report);
    assert_eq!((found.late, found.late_in_time), (3, 3), "{found:?}");
    assert!(report.render().contains("3 were in time"), "{}", report.render());

    let report = rehearse(Ways::HeedsNoEnd);
    assert!(!report.ok(), "{}", report.render());
    let found = money(&report);
    assert_eq!(found.refused_by_answer.get("paid in time, and was to be late"), Some(&3));
    assert_eq!((found.late, found.late_in_time), (0, 0), "{found:?}");
}

#[test]
fn every_cheat_at_the_till_is_caught() {
    let captured = "not so: what is captured is what the paid orders cost";
    let cheats: [(Ways, &[u8], &str); 10] = [
        (Ways::LosesAnOrder, &[3, 5], "which is not in the list"),
        (Ways::ChargesWhoOnlyHolds, &[5], "not so: nobody has an order who did not pay; 1 of"),
        (Ways::CapturesWithoutAnOrder, &[5], "not so: nothing is captured without a unit"),
        (Ways::CapturesAnotherAmount, &[5], captured),
        (Ways::SellsForAnotherAmount, &[5], "costs; 1 of"),
        (Ways::SellsWithoutAnOrder, &[5], "not so: as many units are sold as orders have"),
        (Ways::OrdersTwice, &[7], "not so: no hold and no buyer has two orders; 1 of"),
        (Ways::ForgetsToCapture, &[3, 5], "0 under way, 1 authorised and not captured"),
        (Ways::ChargesTheDeclined, &[5], "not so: nobody has an order who did not pay"),
        (Ways::EndsDeclinedHolds, &[8], "'s is expired"),
    ];
    thread::scope(|scope| {
        for (ways, promises, words) in cheats {
            scope.spawn(move || {
                let report = rehearse(ways);
                assert!(!report.ok(), "{ways:?}");
                assert_eq!(broken(&report), promises, "{ways:?}: {}", report.render());
                let lines = &report.verdict.broken;
                assert!(lines.iter().any(|it| it.what.contains(words)), "{ways:?}: {lines:?}");
                assert_eq!(report.verdict.unverified, Vec::<String>::new(), "{ways:?}");
                assert!(report.render().contains("NO: "), "{}", report.render());
            });
        }
    });
}

#[test]
fn what_never_ends_is_waited_for_no_longer_than_was_said() {
    for (ways, words) in [
        (Ways::NeverSettles, "whether every payment has ended: 1 under way"),
        (Ways::NeverSaysHowItEnds, "not told how theirs ended, after 1 s"),
    ] {
        let server = Server::start(ways);
        let payments = Payments { settle_seconds_max: 1.0, ..SOON };
        let report = run(&Options { payments, ..paying(&server) }, |_| {}).unwrap();
        assert!(!report.ok(), "{ways:?}");
        assert_eq!(broken(&report), Vec::<u8>::new(), "{ways:?}: {}", report.render());
        let unverified = &report.verdict.unverified;
        assert!(unverified.iter().any(|what| what.contains(words)), "{ways:?}: {unverified:?}");
        let unclear = money(&report).unclear;
        assert_eq!(unclear > 0, ways == Ways::NeverSaysHowItEnds, "{unclear}");
    }
}

#[test]
fn a_rehearsal_that_is_stopped_at_the_checkout_closes_both_its_sales() {
    let server = Server::start(Ways::NeverSaysHowItEnds);
    let options = paying(&server);
    let report = run(&options, |progress| {
        if progress.phase == Phase::Paying && progress.at_checkout > 0 {
            options.stop.stop();
        }
    });
    let report = report.unwrap();
    assert!(report.cut_short && !report.ok(), "{}", report.render());
    assert!(money(&report).not_done > 0);
    assert_eq!(broken(&report), Vec::<u8>::new());
    assert_eq!(server.closed(), 2);
}
