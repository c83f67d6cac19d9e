//! What a report says of buyers whose ends are known.

use super::*;
use crate::crowd::{Effort, GivenBack, Refusal, Said, Tries};
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
        asked: ms(started),
        ended: ms(ended),
        waited: false,
        doubt: false,
        tries: Tries { asked: 1, ..Tries::default() },
        refusals: Vec::new(),
        ending,
        given_back: None,
    }
}

fn lost() -> Ending {
    Ending::Lost("all_held".into())
}

/// A report on these buyers; a generator that was active for so long; a machine so busy.
fn report(active: u64, busy: f64, buys: Vec<Buy>) -> Report {
    let mut options = Options::new("http://127.0.0.1:1".parse().unwrap(), "key");
    options.arrivals = crate::Arrivals::uniform(u32::try_from(buys.len()).unwrap(), ms(500));
    let effort = Effort { active: ms(active), ..Effort::default() };
    let mut series = Series::for_span(ms(500));
    for buy in &buys {
        series.at(buy.due).lag.record(buy.started.saturating_sub(buy.due));
    }
    let sample = |at| Sample { at: ms(at), tier: None, machine_busy_percent: Some(busy) };
    let samples = [0, 100, 200, 300, 400].map(sample).to_vec();
    let watched = Watched { samples, ..Watched::default() };
    let rush = Rush { buys, series, efforts: vec![effort], watched };
    let capacity = Capacity { processes: 1, connections_each: 10 };
    let about = About { started_at: Timestamp::UNIX_EPOCH, capacity, sale: "sale" };
    Report::new(&options, about, &rush, Verdict::default())
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
    for (active, busy, buy, bottleneck, words) in [
        (10, 10.0, &prompt, Bottleneck::None, ""),
        (10, 10.0, &waited, Bottleneck::Connections, "1 buyers found all connections taken"),
        (390, 60.0, &waited, Bottleneck::Crowd, "97 % of the time"),
        (40, 10.0, &late, Bottleneck::Crowd, "begun up to"),
        (390, 99.0, &late, Bottleneck::Machine, "99 % busy"),
        (10, 99.0, &slow, Bottleneck::Machine, "99 % busy"),
        (10, 99.0, &prompt, Bottleneck::None, ""),
        (10, 10.0, &slow, Bottleneck::Server, "the crowd kept its schedule"),
    ] {
        assert_bottleneck(&report(active, busy, vec![buy.clone()]), bottleneck, words);
    }
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
    let mut series = Series::for_span(options.arrivals.span());
    series.came_to(Class::Shed, ms(1_100), ms(1_200));
    let gave = GivenBack { asked: ms(900), ended: ms(901), said: Said::Yes };
    let mut first = buy(100, 100, 300, Ending::Won(Default::default()));
    first.given_back = Some(gave);
    let mut second = buy(200, 200, 1_400, lost());
    second.refusals.push(Refusal { asked: ms(200), told: ms(1_400), code: "all_held".into() });
    let buys = vec![first, second, buy(1_500, 1_500, 2_000, lost())];
    let rush = Rush { buys, series, efforts: vec![], watched: Watched::default() };
    let waves = waves::of(&options, &rush);
    let rates = |wave: &Wave| (wave.offered_per_second.unwrap(), wave.answered_per_second.unwrap());
    assert_eq!(waves.iter().map(rates).collect::<Vec<_>>(), [(2.0, 1.0), (0.5, 1.0)]);
    assert_eq!(waves[1].shed_per_second, Some(0.5));
    assert_eq!(Crowd::count(&rush).given_back, 1);
}
