//! The auditor against an honest shop, and against one liar for each promise it can see broken.

use std::thread;
use std::time::{Duration, Instant};

use holdfast_rehearse::{Arrivals, Manners, Options, Phase, RehearseError, Report, run};

use crate::support::{BUYER_SECRET, BUYERS, CAPACITY, Server, Ways, broken, options, rehearse};

#[track_caller]
fn assert_clean(report: &Report) {
    assert!(report.ok(), "{}", report.render());
    assert_eq!((broken(report), &report.verdict.unverified), (vec![], &vec![]));
    let crowd = &report.crowd;
    assert_eq!((crowd.won, crowd.lost), (u64::from(CAPACITY), u64::from(BUYERS - CAPACITY)));
    assert_eq!(crowd.lost_by_code["all_held"], crowd.lost);
    assert_eq!((crowd.refused, crowd.unanswered), (0, 0));
    let checked = &report.verdict.checked;
    assert_eq!((checked.winners_repeated, checked.winners_looked), (60, 60));
    assert_eq!((checked.losers_looked, checked.audited), (200, true));
}

#[test]
fn an_honest_shop_is_found_honest() {
    let report = rehearse(Ways::Honest);
    assert_clean(&report);
    assert_eq!(report.winners_latency_ms.unwrap().count, 60);
    assert_eq!(report.losers_latency_ms.unwrap().count, 240);
    let text = report.render();
    assert!(text.lines().last().unwrap().starts_with("OK"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
}

#[test]
fn buyers_may_bring_tokens_of_their_own() {
    let server = Server::for_buyers_with_tokens(Ways::Honest);
    let with = |secret: &[u8]| Options { buyer_secret: Some(secret.into()), ..options(&server) };
    assert_clean(&run(&with(BUYER_SECRET), |_| {}).unwrap());
}

#[test]
fn a_secret_that_is_not_the_servers_is_found_out_before_the_crowd_comes() {
    let server = Server::for_buyers_with_tokens(Ways::Honest);
    let wrong = Options { buyer_secret: Some(b"another".into()), ..options(&server) };
    let mut phases = Vec::new();
    let error = run(&wrong, |progress| phases.push(progress.phase)).unwrap_err().to_string();
    for words in ["the server said 401 unauthorised", "--buyer-key", "--buyer-secret"] {
        assert!(error.contains(words), "{error}");
    }
    assert_eq!((phases, server.closed()), (vec![Phase::Opening, Phase::Closing], 1));
}

#[test]
fn the_sale_is_closed_by_whoever_has_to_come_back_for_it() {
    let server = Server::start(Ways::ClosesTheSecondTime);
    assert_clean(&run(&options(&server), |_| {}).unwrap());
    assert_eq!(server.closed(), 1);
    // Nobody waits for ever: what is still open is said to be.
    let begun = Instant::now();
    let report = rehearse(Ways::NeverCloses);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let unverified = &report.verdict.unverified;
    let words = "the sale may still be open: the server said 429 rate_limited";
    assert_eq!((report.ok(), unverified), (false, &vec![words.to_owned()]));
}

#[test]
fn whoever_is_told_to_come_back_comes_back_with_the_same_key() {
    let report = rehearse(Ways::Overloaded);
    assert_clean(&report);
    assert_eq!(report.crowd.overloaded_retries, u64::from(BUYERS));
    // Bots would have come anyway.
    let server = Server::start(Ways::Overloaded);
    let bots = Manners { bots: 1.0, tries_max: 3, bot_pause_seconds: 0.01, ..Manners::default() };
    let report = run(&Options { manners: bots, ..options(&server) }, |_| {}).unwrap();
    assert!(report.crowd.shed + report.crowd.tries.shed > 0, "{:?}", report.crowd);
    assert_eq!(report.crowd.overloaded_retries, 0);
}

#[test]
fn fewer_buyers_than_units_all_win() {
    let server = Server::start(Ways::Honest);
    let few = Options { arrivals: Arrivals::uniform(10, Duration::ZERO), ..options(&server) };
    let report = run(&few, |_| {}).unwrap();
    assert!(report.ok(), "{}", report.render());
    assert_eq!((report.crowd.won, report.losers_latency_ms), (10, None));
}

#[test]
fn every_liar_is_caught_at_the_promise_it_breaks() {
    let liars: [(Ways, &[u8], &str); 15] = [
        (Ways::OversellsByOne, &[1], "61 buyers hold a unit, but there are 60"),
        (Ways::SellsOneShort, &[6, 10], "60 buyers should hold a unit, but 59 do"),
        (Ways::GivesOneHoldTwice, &[1], "1 of 60 winners hold what another winner holds"),
        (Ways::GivesTwoUnits, &[10], "60 of 60 winners were given another hold"),
        (Ways::GivesHalfTheTime, &[8], "60 of 60 winners were given less than the whole time"),
        (Ways::AnotherHoldForTheSameKey, &[7], "with its key did not get their hold again"),
        (Ways::AnotherHoldWithoutAKey, &[7], "without a key did not get their hold again"),
        (Ways::ForgetsHolds, &[3], "60 of 60 winners who looked found no hold"),
        (Ways::EndsHoldsEarlier, &[8], "60 of 60 winners found their hold ended, or ending"),
        (Ways::SaysSoldOut, &[10], "240 of 240 losers were told what cannot be true"),
        (Ways::RefusesTheFirst, &[10], "losers were refused while a unit was free"),
        (Ways::GivesLosersAHold, &[10], "200 of 200 losers hold a unit"),
        (Ways::CountsOneFreeTooMany, &[1], "1 free + 60 held + 0 sold + 0 withheld is not 60"),
        (Ways::FailsItsAudit, &[2], "a hold ended twice"),
        (Ways::AuditsOneHoldTooFew, &[1], "it counted 59 live holds, but 60 buyers"),
    ];
    thread::scope(|scope| {
        for (ways, promises, words) in liars {
            scope.spawn(move || assert_caught(ways, promises, words));
        }
    });
}

fn assert_caught(ways: Ways, promises: &[u8], words: &str) {
    let report = rehearse(ways);
    assert!(!report.ok(), "{ways:?}");
    assert_eq!(broken(&report), promises, "{ways:?}: {}", report.render());
    let lines = &report.verdict.broken;
    assert!(lines.iter().any(|broken| broken.what.contains(words)), "{ways:?}: {lines:?}");
    assert_eq!(report.verdict.unverified, Vec::<String>::new(), "{ways:?}");
}

#[test]
fn a_view_that_hides_a_hold_is_caught_after_it_had_time_to_catch_up() {
    let report = rehearse(Ways::CountsOneHeldTooFew);
    assert_eq!(broken(&report), [1]);
    let what = &report.verdict.broken[0].what;
    assert!(what.contains("1 free + 59 held + 0 sold + 0 withheld, but 60 buyers"), "{what}");
}

#[test]
fn who_is_left_without_an_answer_is_told_apart_from_who_lost() {
    let report = rehearse(Ways::LeavesOneUnanswered);
    assert!(!report.ok());
    assert_eq!((report.crowd.unanswered, report.crowd.won), (1, 60));
    assert_eq!(report.crowd.unanswered_by_reason["no answer in time"], 1);
    assert_eq!(report.crowd.tries.late, 1);
    // The loop is open: nobody else waited for the one who did.
    let losers = report.losers_latency_ms.unwrap();
    assert!(losers.max < 1_000.0, "{losers:?}");
    assert_eq!(broken(&report), Vec::<u8>::new());
    assert_eq!(
        (report.verdict.checked.unclear_looked, report.verdict.checked.unclear_holding),
        (1, 0)
    );
}

#[test]
fn a_unit_held_by_someone_unanswered_is_not_mistaken_for_a_lost_one() {
    let report = rehearse(Ways::LeavesAWinnerUnanswered);
    assert!(!report.ok());
    assert_eq!((report.crowd.unanswered, report.crowd.won), (1, 59));
    assert_eq!(report.verdict.checked.unclear_holding, 1);
    assert_eq!(broken(&report), Vec::<u8>::new());
}

#[test]
fn a_server_that_dies_leaves_buyers_unanswered_and_the_verdict_open() {
    let mut server = Some(Server::start(Ways::Honest));
    let few = Options {
        arrivals: Arrivals::uniform(20, Duration::from_millis(300)),
        ..options(server.as_ref().unwrap())
    };
    let report = run(&few, |progress| {
        if progress.phase == Phase::Rush {
            drop(server.take());
        }
    });
    let report = report.unwrap();
    assert!(!report.ok());
    assert!(report.crowd.unanswered > 0, "{:?}", report.crowd);
    assert!(report.crowd.connect_retries > 0, "{:?}", report.crowd);
    let unverified = &report.verdict.unverified;
    assert!(unverified[0].contains("the server is gone"), "{unverified:?}");
    assert!(unverified[1].contains("the sale may still be open"), "{unverified:?}");
    assert_eq!(unverified.len(), 2);
    assert_eq!(report.crowd.held_at_end, None);
    assert!(report.render().contains("not answered; not everything"), "{}", report.render());
    let notes = &report.load.notes;
    assert!(notes.iter().any(|note| note.contains("the server was not there")), "{notes:?}");
    assert_eq!(broken(&report), Vec::<u8>::new());
}

#[test]
fn another_answer_than_yes_or_no_is_not_good_enough() {
    let report = rehearse(Ways::LimitsTheRate);
    assert!(!report.ok());
    assert_eq!(report.crowd.refused_by_answer["429 rate_limited"], 1);
    assert_eq!(broken(&report), Vec::<u8>::new());
}

#[test]
fn a_crowd_that_may_not_open_connections_shows_it_as_lag_and_latency() {
    let server = Server::start(Ways::LeavesOneUnanswered);
    let options = Options {
        connections: Some(1),
        arrivals: Arrivals::uniform(BUYERS, Duration::from_millis(100)),
        patience: Duration::from_secs(1),
        ..options(&server)
    };
    let report = run(&options, |_| {}).unwrap();
    // The first buyer is never answered and holds the only connection for a second.
    assert!(report.load.lag_ms.p50 > 800.0, "{:?}", report.load);
    assert!(report.load.waited_for_connection > 0);
    assert_eq!(report.load.bottleneck, holdfast_rehearse::Bottleneck::Connections);
    let losers = report.losers_latency_ms.or(report.winners_latency_ms).unwrap();
    assert!(losers.p50 > 800.0, "{losers:?}");
}

#[test]
fn progress_is_told_in_order_and_to_the_end() {
    let server = Server::start(Ways::Honest);
    let mut told = Vec::new();
    run(&options(&server), |progress| told.push(progress)).unwrap();
    let mut phases: Vec<_> = told.iter().map(|progress| progress.phase).collect();
    phases.dedup();
    assert_eq!(phases, [Phase::Opening, Phase::Rush, Phase::Verdict, Phase::Closing]);
    let last = told.last().unwrap();
    assert_eq!((last.started, last.won, last.lost), (BUYERS, CAPACITY, BUYERS - CAPACITY));
}

#[test]
fn without_a_sale_there_is_no_rehearsal() {
    let server = Server::start(Ways::Honest);
    let stranger = Options { merchant_key: "guessed".into(), ..options(&server) };
    let error = run(&stranger, |_| {}).unwrap_err();
    assert!(matches!(error, RehearseError::Sale { step: "make the sale", .. }));
    assert_eq!(error.to_string(), "could not make the sale: the server said 401 unauthorised");
}

#[track_caller]
fn assert_cut_short(report: &Report, phase: Phase) {
    assert!(report.cut_short && !report.ok(), "{phase:?}: {}", report.render());
    assert!(phase != Phase::Opening);
    let crowd = &report.crowd;
    assert_eq!(crowd.not_done > 0, phase == Phase::Rush, "{crowd:?}");
    let done = crowd.won + crowd.lost + crowd.refused + crowd.unanswered;
    assert_eq!(done + crowd.not_done, report.plan.buyers as u64);
    assert!(crowd.won > 2 && Some(crowd.won) == crowd.held_at_end, "{crowd:?}");
    assert!(report.verdict.unverified[0].starts_with("the rehearsal was cut short: "));
    assert_eq!(broken(report), Vec::<u8>::new());
    let text = report.render();
    assert!(text.contains("CUT SHORT") && text.ends_with("it was cut short\n"), "{text}");
    assert!(report.page().contains("It was cut short"));
}

#[test]
fn a_rehearsal_that_is_stopped_closes_its_sale_and_ends_at_once() {
    for phase in [Phase::Opening, Phase::Rush, Phase::Verdict] {
        let server = Server::start(Ways::Honest);
        let slow = Options {
            arrivals: Arrivals::uniform(BUYERS, Duration::from_secs(20)),
            ..options(&server)
        };
        let quick = Options { arrivals: Arrivals::uniform(10, Duration::ZERO), ..options(&server) };
        let options = if phase == Phase::Verdict { quick } else { slow };
        let begun = Instant::now();
        let ended = run(&options, |progress| {
            if progress.phase == phase && (phase != Phase::Rush || progress.won > 2) {
                options.stop.stop();
            }
        });
        match ended {
            Err(error) => assert!(matches!(error, RehearseError::Stopped), "{error}"),
            Ok(report) => assert_cut_short(&report, phase),
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let opened = usize::from(phase != Phase::Opening);
        assert_eq!(server.closed(), opened, "{phase:?}: the sale was left open");
    }
}
