//! What a report says of buyers whose ends are known.

use super::*;
use crate::crowd::{Answered, Effort, GivenBack, Refusal, Said, Tries};
use crate::machine::{TurnedAway, Usage};
use crate::series::{Class, Series};
use crate::watch::{Sample, Watched};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn buy(due: u64, started: u64, ended: u64, ending: Ending) -> Buy {
    Buy {
        buyer: 0,
        due: ms(due),
        started: ms(started),
        tried: ms(due),
        asked: ms(started),
        ended: ms(ended),
        waited: false,
        doubt: false,
        beyond_limit: false,
        tries: Tries { asked: 1, ..Tries::default() },
        answers: Vec::new(),
        refusals: Vec::new(),
        ending,
        given_back: None,
    }
}

fn class(ending: &Ending) -> Class {
    match ending {
        Ending::Won(_) => Class::Won,
        Ending::Lost(_) => Class::AllHeld,
        Ending::Refused(answer) if answer.starts_with("429") => Class::Limited,
        Ending::Refused(answer) if answer == "503 overloaded" => Class::Shed,
        Ending::Refused(_) => Class::Refused,
        Ending::Unanswered(_) | Ending::Vanished => Class::Unanswered,
    }
}

fn lost() -> Ending {
    Ending::Lost("all_held".into())
}

/// A report on these buyers; a generator that was active for so long; a machine so busy.
fn report(active: u64, busy: f64, buys: Vec<Buy>) -> Report {
    report_with(active, busy, buys, |_| {})
}

fn report_with(active: u64, busy: f64, buys: Vec<Buy>, more: fn(&mut Series)) -> Report {
    let usage = Usage { busy, others: 0.0, stolen: 0.0 };
    let watched = Watched { samples: samples(usage), ..Watched::default() };
    report_of(active, watched, buys, more)
}

fn report_judged(buys: Vec<Buy>, verdict: Verdict) -> Report {
    report_full(10, Watched::default(), buys, |_| {}, verdict)
}

fn samples(usage: Usage) -> Vec<Sample> {
    let sample = |at| Sample { at: ms(at), tier: None, usage: Some(usage) };
    [0, 100, 200, 300, 400].map(sample).to_vec()
}

fn report_of(active: u64, watched: Watched, buys: Vec<Buy>, more: fn(&mut Series)) -> Report {
    report_full(active, watched, buys, more, Verdict::default())
}

fn report_full(
    active: u64,
    watched: Watched,
    buys: Vec<Buy>,
    more: fn(&mut Series),
    verdict: Verdict,
) -> Report {
    let mut options = Options::new("http://127.0.0.1:1".parse().unwrap(), "key");
    options.arrivals = crate::Arrivals::uniform(u32::try_from(buys.len()).unwrap(), ms(500));
    let effort = Effort { active: ms(active), ..Effort::default() };
    let mut series = Series::for_span(ms(500));
    for buy in &buys {
        series.at(buy.due).lag.record(buy.started.saturating_sub(buy.due));
        series.at(buy.started).tries += 1;
        series.at(buy.started).begun += 1;
        series.came_to(class(&buy.ending), buy.tried, buy.ended);
    }
    more(&mut series);
    let rush = Rush { buys, not_done: 0, series, efforts: vec![effort], watched };
    let capacity = Capacity { processes: 1, connections_each: 10 };
    let about = About { started_at: Timestamp::UNIX_EPOCH, capacity, sale: "sale" };
    Report::new(&options, about, &rush, None, verdict)
}

#[track_caller]
fn assert_bottleneck(report: &Report, bottleneck: Bottleneck, words: &str) {
    let said = report.load.bottleneck_words.clone().unwrap_or_default();
    assert_eq!(report.load.bottleneck, bottleneck, "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn latency_counts_from_the_scheduled_moment_not_from_the_start() {
    let report = report(40, 10.0, vec![buy(100, 400, 401, Ending::Won(Default::default()))]);
    let winners = report.winners_latency_ms.unwrap();
    assert!((winners.p50 / 301.0 - 1.0).abs() < 0.01, "{winners:?}");
    assert!((report.load.lag_ms.max / 300.0 - 1.0).abs() < 0.01);
    assert_bottleneck(&report, Bottleneck::Crowd, "up to 30");
    assert_eq!(report.losers_latency_ms, None);
    assert!(report.ok());
}

#[test]
fn what_held_it_back_is_told_apart() {
    let prompt = buy(0, 1, 60, lost());
    let late = buy(0, 400, 401, lost());
    let waited = Buy { waited: true, ..late.clone() };
    let slow = buy(0, 1, 401, lost());
    let shed = buy(0, 1, 60, Ending::Refused("503 overloaded".into()));
    let silent = buy(0, 1, 60, Ending::Unanswered("no answer in time".into()));
    let gone = buy(0, 1, 60, Ending::Unanswered("no connection: refused".into()));
    let limited = buy(0, 1, 60, Ending::Refused("429 rate_limited".into()));
    for (active, busy, buy, bottleneck, words) in [
        (10, 10.0, &prompt, Bottleneck::None, ""),
        (10, 10.0, &waited, Bottleneck::Connections, "1 buyer found all connections taken"),
        (390, 60.0, &waited, Bottleneck::Crowd, "97 % of the time"),
        (40, 10.0, &late, Bottleneck::Crowd, "begun up to"),
        (390, 99.0, &late, Bottleneck::Machine, "99 % busy"),
        (10, 99.0, &slow, Bottleneck::Machine, "99 % busy"),
        (10, 99.0, &prompt, Bottleneck::None, ""),
        (10, 10.0, &slow, Bottleneck::Server, "but one answer in 100 took 401 ms or more."),
        (10, 10.0, &shed, Bottleneck::Server, "1 try was answered 503 overloaded"),
        (10, 10.0, &silent, Bottleneck::Server, "but 1 buyer waited in vain."),
        (10, 10.0, &gone, Bottleneck::None, ""),
        (10, 10.0, &limited, Bottleneck::None, ""),
    ] {
        assert_bottleneck(&report(active, busy, vec![buy.clone()]), bottleneck, words);
    }
}

#[test]
fn what_is_only_suspected_is_said_to_be_no_more() {
    let prompt = || vec![buy(0, 1, 60, lost())];
    let turned_away = Some(TurnedAway { listen_overflows: 1, listen_drops: 1 });
    let usage = Usage { busy: 60.0, others: 41.0, stolen: 3.0 };
    let watched = Watched { samples: samples(usage), turned_away, server_cpu: None };
    let report = report_of(10, watched, prompt(), |_| {});
    assert_bottleneck(&report, Bottleneck::None, "");
    let notes = report.load.notes.join("\n");
    for words in [
        "1 connection found an accept queue full",
        "not known whether it was the server's",
        "The server and other programs took 41 % of this machine's processor time",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    let gone = Ending::Unanswered("no connection: refused".into());
    let notes = self::report(10, 10.0, vec![buy(0, 1, 60, gone)]).load.notes;
    assert!(notes[0].starts_with("1 buyer heard \"no connection: refused\": "), "{notes:?}");
    // The control: nothing to note, nothing noted.
    assert_eq!(self::report(10, 10.0, prompt()).load.notes, Vec::<String>::new());
}

#[test]
fn a_429_is_an_honest_refusal_to_whoever_asked_too_often_and_to_nobody_else() {
    let limited = buy(0, 1, 60, Ending::Refused("429 rate_limited".into()));
    let greedy = Buy { beyond_limit: true, ..limited.clone() };
    let modest = Buy { tries: Tries { limited_wrongly: 1, ..limited.tries }, ..limited };
    // Who came back and got an answer was wronged all the same.
    let patient = Buy { ending: lost(), ..modest.clone() };
    for (buy, ok, words) in [
        (greedy, true, "a rule of it"),
        (modest, false, "--limit-key"),
        (patient, false, "--limit-key"),
    ] {
        let report = report_with(10, 10.0, vec![buy], |series| {
            if series.total(Class::Limited) == 0 {
                series.came_to(Class::Limited, ms(0), ms(1));
            }
        });
        assert_eq!(report.ok(), ok, "{}", report.render());
        let notes = report.load.notes.join("\n");
        assert!(notes.contains(words) && notes.contains("answered 1 try with 429"), "{notes}");
    }
}

#[test]
fn units_held_wins_and_what_was_given_back_are_told_apart() {
    let kept = buy(0, 1, 60, Ending::Won(Default::default()));
    let gave = GivenBack { asked: ms(90), ended: ms(91), said: Said::Yes };
    let gave_back = Buy { given_back: Some(gave), ..kept.clone() };
    let report = report(10, 10.0, vec![kept, gave_back]);
    let crowd = &report.crowd;
    assert_eq!((crowd.held_at_end, crowd.won, crowd.given_back), (Some(1), 2, 1));
    assert!(
        report
            .page()
            .contains("At the end 1 of them was held. 2 won one, and 1 of these gave it back")
    );
}

#[test]
fn whoever_was_not_told_yes_or_no_spoils_the_rehearsal() {
    for (ending, ok) in [
        (Ending::Refused("500".into()), false),
        (Ending::Refused("503 overloaded".into()), false),
        (Ending::Unanswered("late".into()), false),
        (Ending::Vanished, true),
        (lost(), true),
    ] {
        let report = report(0, 0.0, vec![buy(0, 0, 1, ending.clone())]);
        assert_eq!(report.ok(), ok, "{ending:?}");
    }
}

#[test]
fn a_wave_has_its_own_figures() {
    let mut options = Options::new("http://127.0.0.1:1".parse().unwrap(), "key");
    options.arrivals = "2 over 1s, 1 over 2s".parse().unwrap();
    let series = Series::for_span(options.arrivals.span());
    let gave = GivenBack { asked: ms(900), ended: ms(901), said: Said::Yes };
    let mut first = buy(100, 100, 300, Ending::Won(Default::default()));
    first.given_back = Some(gave);
    let mut second = buy(200, 200, 1_400, lost());
    second.refusals.push(Refusal { asked: ms(200), told: ms(1_400), code: "all_held".into() });
    second.answers.push(Answered { at: ms(1_200), class: Class::Shed });
    let buys = vec![first, second, buy(1_500, 1_500, 2_000, lost())];
    let rush = Rush { buys, not_done: 0, series, efforts: vec![], watched: Watched::default() };
    let waves = waves::of(&options, &rush);
    let rates = |wave: &Wave| (wave.offered_per_second.unwrap(), wave.answered_per_second.unwrap());
    assert_eq!(waves.iter().map(rates).collect::<Vec<_>>(), [(2.0, 1.0), (0.5, 1.0)]);
    assert_eq!(waves[1].shed_per_second, Some(0.5));
    assert_eq!(Crowd::count(&rush, &Verdict::default()).given_back, 1);
    // Whoever pauses between tries waited no longer for the server.
    let mut patient = buy(100, 100, 900, lost());
    patient.tried = ms(880);
    let rush = Rush { buys: vec![patient], ..rush };
    let wave = &waves::of(&options, &rush)[0];
    assert!(wave.latency_ms.unwrap().p99 > 700.0);
    assert!(wave.last_try_latency_ms.unwrap().p99 < 30.0);
}

#[test]
fn a_wave_that_takes_no_time_has_its_own_buyers_and_the_pause_after_it_has_none() {
    let mut options = Options::new("http://127.0.0.1:1".parse().unwrap(), "key");
    options.arrivals = "2 at once, pause 1s, 1 over 1s".parse().unwrap();
    let series = Series::for_span(options.arrivals.span());
    let with = |buyer, answers: &[(u64, Class)], buy: Buy| {
        let answers = answers.iter().map(|(at, class)| Answered { at: ms(*at), class: *class });
        Buy { buyer, answers: answers.collect(), ..buy }
    };
    let buys = vec![
        with(0, &[(200, Class::Won)], buy(0, 1, 200, Ending::Won(Default::default()))),
        with(1, &[(300, Class::Shed), (1_400, Class::AllHeld)], buy(0, 1, 1_400, lost())),
        with(2, &[(1_600, Class::AllHeld)], buy(1_500, 1_500, 1_600, lost())),
    ];
    let rush = Rush { buys, not_done: 0, series, efforts: vec![], watched: Watched::default() };
    let waves = waves::of(&options, &rush);
    let counts = |wave: &Wave| [wave.buyers, wave.achieved, wave.answered, wave.answers, wave.shed];
    let all: Vec<_> = waves.iter().map(counts).collect();
    assert_eq!(all, [[2, 2, 2, 3, 1], [0; 5], [1, 1, 1, 1, 0]]);
    assert_eq!((waves[0].answers_per_second, waves[2].answers_per_second), (None, Some(1.0)));
}

#[test]
fn tries_without_an_answer_are_named_beside_the_latencies_of_the_others() {
    let mut slow = buy(0, 1, 401, lost());
    slow.tries = Tries { asked: 2, late: 1, ..slow.tries };
    let report = report_with(10, 10.0, vec![slow], |series| {
        series.at(ms(1)).tries += 1;
        series.came_to(Class::Unanswered, ms(0), ms(100));
    });
    let words = "one answer in 100 of those that came took 401 ms or more, and 1 of 2 tries was not \
                 answered within their time";
    assert_bottleneck(&report, Bottleneck::Server, words);
    let text = report.render();
    for words in ["each try that was answered", "not in it: 1 of 2 tries not answered within"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(report.page().contains("Of those that were answered: 1 of 2 tries not answered"));
}

#[test]
fn no_average_is_above_its_peak_and_a_crowd_at_once_has_none() {
    let buys = vec![buy(0, 0, 1, lost()), buy(0, 1, 2, lost())];
    let report = report(10, 10.0, buys);
    let load = &report.load;
    assert_eq!(load.achieved_per_second, Some(2_000.0));
    assert!(load.achieved_per_second <= Some(load.achieved_per_second_max), "{load:?}");
    assert!(load.answered_per_second <= load.answers_per_second_max, "{load:?}");
    assert_bottleneck(&report, Bottleneck::None, "");
}

#[test]
fn why_it_is_not_ok_is_said_in_the_same_words_everywhere_and_of_buyers_first() {
    let gone = Ending::Unanswered("no connection: refused".into());
    let crowd = vec![buy(0, 1, 60, Ending::Won(Default::default())), buy(0, 1, 60, gone)];
    let verdict = Verdict {
        unverified: vec!["the server is gone".into()],
        server_gone: true,
        ..Verdict::default()
    };
    let (report, again) = (report_judged(crowd.clone(), verdict), report(10, 10.0, crowd));
    let why = ["1 buyer was not answered", "not everything could be verified"];
    assert_eq!(report.why_not_ok(), why);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["why_not_ok"], serde_json::json!(why));
    let (text, page) = (report.render(), report.page());
    assert!(text.contains("NOT OK: 1 buyer was not answered; not everything could be"), "{text}");
    assert!(page.contains("1 buyer was not answered. Not everything could be verified."), "{page}");
    // What a server holds that is gone is not known; of one that is there it is.
    assert_eq!((report.crowd.held_at_end, again.crowd.held_at_end), (None, Some(1)));
    assert!(text.contains("the server was gone") && page.contains("The server was gone"));
    assert!(!again.page().contains("The server was gone"));
}
