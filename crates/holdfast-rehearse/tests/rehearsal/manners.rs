//! Crowds as they really are, before an honest shop and before its liars.

use std::thread;
use std::time::Duration;

use holdfast_rehearse::{Arrivals, Bottleneck, Manners, Options, Report, run};

use crate::support::{BUYER_SECRET, BUYERS, CAPACITY, Server, Ways, broken, options};

/// Everybody wants a unit for two seconds, and half of those who get one give it back meanwhile.
const RESTLESS: Manners = Manners {
    retries: 1.0,
    bots: 0.0,
    give_back: 0.5,
    vanish: 0.0,
    tries_max: 20,
    answer_seconds_max: 1.0,
    bot_pause_seconds: 0.05,
    give_back_seconds_max: 1.0,
};

fn rehearse(ways: Ways, manners: Manners) -> Report {
    let server = Server::start(ways);
    run(&Options { manners, ..options(&server) }, |_| {}).unwrap()
}

#[track_caller]
fn assert_clean(report: &Report) {
    assert_eq!(broken(report), Vec::<u8>::new(), "{}", report.render());
    assert_eq!(report.verdict.unverified, Vec::<String>::new());
    assert!(report.ok(), "{}", report.render());
}

#[test]
fn an_honest_shop_stands_a_real_crowd() {
    let manners = Manners { retries: 0.4, bots: 0.2, give_back: 0.3, vanish: 0.2, ..RESTLESS };
    let report = rehearse(Ways::Honest, manners);
    assert_clean(&report);
    let crowd = &report.crowd;
    assert_eq!(crowd.won + crowd.lost + crowd.vanished, u64::from(BUYERS));
    assert!(crowd.won + report.verdict.checked.unclear_holding >= u64::from(CAPACITY));
    assert!(crowd.given_back > 0 && crowd.vanished > 20, "{crowd:?}");
    assert!(crowd.tries.begun > u64::from(BUYERS), "{crowd:?}");
    let tries = crowd.tries;
    let answered = tries.won + tries.all_held + tries.sold_out + tries.shed + tries.refused;
    assert_eq!(answered + tries.unanswered + crowd.vanished, tries.begun);
    let checked = report.verdict.checked;
    assert!(checked.unclear_looked >= crowd.vanished, "{checked:?}");
    assert_eq!(checked.refusals_judged, tries.all_held);
    assert!(checked.given_back_looked > 0 && checked.views_watched > 0, "{checked:?}");
}

#[test]
fn units_that_come_back_are_sold_again() {
    let report = rehearse(Ways::Honest, RESTLESS);
    assert_clean(&report);
    let crowd = &report.crowd;
    assert!(crowd.won > u64::from(CAPACITY), "{crowd:?}");
    assert_eq!(crowd.held_at_end, Some(crowd.won - crowd.given_back), "{crowd:?}");
    assert!(crowd.held_at_end <= Some(u64::from(CAPACITY)), "{crowd:?}");
    // The crowd has gone when the last units come back: new buyers ask for those.
    let server = Server::start(Ways::Honest);
    let alone = Options {
        arrivals: Arrivals::uniform(5, Duration::ZERO),
        manners: Manners { give_back: 1.0, ..RESTLESS },
        ..options(&server)
    };
    let report = run(&alone, |_| {}).unwrap();
    assert_clean(&report);
    assert_eq!((report.crowd.given_back, report.verdict.checked.returned_asked), (5, 50));
}

#[test]
fn whoever_vanishes_may_hold_a_unit_and_is_counted() {
    let report = rehearse(Ways::Honest, Manners { vanish: 1.0, ..Manners::default() });
    assert_clean(&report);
    assert_eq!(report.crowd.vanished, u64::from(BUYERS));
    let (text, page) = (report.render(), report.page());
    assert!(text.contains("OK: every buyer who waited was answered"), "{text}");
    assert!(page.contains("Every buyer who waited was answered"), "{page}");
    assert_eq!(report.verdict.checked.unclear_looked, u64::from(BUYERS));
    assert_eq!(report.verdict.checked.unclear_holding, u64::from(CAPACITY));
}

#[test]
fn every_liar_is_caught_at_the_promise_it_breaks() {
    let vanishing = Manners { vanish: 1.0, ..Manners::default() };
    let plain = Manners::default();
    let liars: [(Ways, Manners, &[u8], &str); 10] = [
        (Ways::RefusesFirstTries, RESTLESS, &[6, 10], "losers were refused while a unit was free"),
        (Ways::KeepsWhatIsGivenBack, RESTLESS, &[6, 10], "did not get a unit that had come back"),
        (Ways::ForgetsWhatIsGivenBack, RESTLESS, &[2, 6, 10], "still have the hold that they gave"),
        (Ways::RefusesWhatIsGivenBack, RESTLESS, &[2], "could not give their hold back"),
        (Ways::TakesBackOnce, RESTLESS, &[7], "gave their hold back twice were told otherwise"),
        (Ways::SellsBeforeItIsGivenBack, RESTLESS, &[1], "61 units were held at one moment"),
        (Ways::MiscountsForAWhile, RESTLESS, &[1], "public views during the rush did not add up"),
        (Ways::AnotherHoldForTheSameKey, vanishing, &[7], "with its key did not get their hold"),
        (Ways::HoldsForWhoIsSentAway, plain, &[6, 10], "buyers who were sent away hold a unit"),
        (Ways::ForgetsHolds, vanishing, &[3], "winners who looked found no hold"),
    ];
    thread::scope(|scope| {
        for (ways, manners, promises, words) in liars {
            scope.spawn(move || {
                let report = rehearse(ways, manners);
                assert!(!report.ok(), "{ways:?}");
                assert_eq!(broken(&report), promises, "{ways:?}: {}", report.render());
                let lines = &report.verdict.broken;
                let told = lines.iter().any(|broken| broken.what.contains(words));
                assert!(told, "{ways:?}: {lines:?}");
            });
        }
    });
}

#[test]
fn bots_hammer_and_the_polite_ask_once() {
    let bots = Manners { bots: 0.5, tries_max: 5, bot_pause_seconds: 0.01, ..Manners::default() };
    let report = rehearse(Ways::Honest, bots);
    assert_clean(&report);
    // Of 240 losers about half are bots, who ask five times each.
    let tries = report.crowd.tries.begun;
    assert!((500..1_100).contains(&tries), "{tries}");
    let polite = rehearse(Ways::Honest, Manners::default());
    assert_eq!(polite.crowd.tries.begun, u64::from(BUYERS));
}

#[test]
fn the_pauses_of_the_crowd_are_in_the_buyers_latency_and_not_in_the_tries() {
    let bots = Manners { bots: 1.0, tries_max: 5, bot_pause_seconds: 0.1, ..Manners::default() };
    let report = rehearse(Ways::Honest, bots);
    assert_clean(&report);
    // Four pauses of 100 ms; a try takes some hundred microseconds.
    let (whole, tries) = (report.losers_latency_ms.unwrap(), report.tries_latency_ms);
    assert!(whole.p50 > 390.0, "{whole:?}");
    let each = tries.none_left.unwrap();
    assert!(each.p50 < 100.0 && each.count == 5 * whole.count, "{tries:?}");
    assert_eq!(tries.all.unwrap().count, each.count + tries.won.unwrap().count);
    let text = report.render();
    for words in ["latency of each try", "pauses between tries included"] {
        assert!(text.contains(words), "{text}");
    }
    let plain = rehearse(Ways::Honest, Manners::default()).render();
    assert!(plain.contains("latency, from each buyer's moment") && !plain.contains("pauses"));
}

#[test]
fn a_bot_beyond_its_limit_is_refused_rightly_and_one_within_it_is_not() {
    let bots = Manners { bots: 0.5, tries_max: 5, bot_pause_seconds: 0.01, ..Manners::default() };
    let server = Server::for_buyers_with_tokens(Ways::LimitsEachBuyer);
    for (limit, ok) in [("1/h", true), ("10/s", false), ("off", false)] {
        let options = Options {
            manners: bots,
            buyer_secret: Some(BUYER_SECRET.into()),
            buyer_limit: limit.parse().unwrap(),
            ..options(&server)
        };
        let report = run(&options, |_| {}).unwrap();
        let crowd = &report.crowd;
        assert_eq!(report.ok(), ok, "{limit}: {}", report.render());
        assert!(crowd.limited > 50, "{crowd:?}");
        let (rightly, wrongly) = if ok { (crowd.limited, 0) } else { (0, crowd.tries.limited) };
        assert_eq!((crowd.limited_rightly, crowd.tries.limited_wrongly), (rightly, wrongly));
        assert_eq!(report.load.bottleneck, Bottleneck::None);
    }
}

#[test]
fn being_sent_away_can_be_allowed_but_silence_cannot() {
    for (ways, ok) in [(Ways::LimitsTheRate, true), (Ways::LeavesOneUnanswered, false)] {
        let server = Server::start(ways);
        let report = run(&Options { allow_shed: true, ..options(&server) }, |_| {}).unwrap();
        assert_eq!(report.ok(), ok, "{}", report.render());
    }
}
