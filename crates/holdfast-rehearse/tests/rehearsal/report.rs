//! The report as it is written: JSON that keeps to its schema, and a page that needs nothing else.

use std::fs;
use std::path::Path;
use std::time::Duration;

use holdfast_rehearse::{Arrivals, Options, Report, run, schema};
use holdfast_testkit::conforms;
use serde_json::Value;

use crate::support::{Server, Ways, options, rehearse};

/// The schema that is published.
fn published() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rehearsal.schema.json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn json(report: &Report) -> Value {
    serde_json::to_value(report).unwrap()
}

#[test]
fn the_published_schema_is_the_one_that_is_kept() {
    let again = "holdfast rehearse --json-schema > docs/rehearsal.schema.json";
    assert_eq!(published(), schema(), "write it afresh: {again}");
}

#[test]
fn every_report_keeps_to_the_schema_and_nothing_else_does() {
    let schema = published();
    for ways in [Ways::Honest, Ways::SellsOneShort, Ways::LimitsTheRate] {
        let report = json(&rehearse(ways));
        assert_eq!(conforms(&schema, &schema, &report, ""), Ok(()), "{ways:?}");
        // The control: what is missing or of another kind is noticed.
        for (field, value) in [("crowd", Value::Null), ("ok", "yes".into())] {
            let mut wrong = report.clone();
            wrong[field] = value;
            assert!(conforms(&schema, &schema, &wrong, "").is_err(), "{field}");
        }
    }
}

#[test]
fn the_report_keeps_its_field_names() {
    let report = json(&rehearse(Ways::Honest));
    let names: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "command",
        "crowd",
        "cut_short",
        "load",
        "losers_latency_ms",
        "money",
        "ok",
        "plan",
        "sale",
        "schema",
        "started_at",
        "target",
        "timeline",
        "tries_latency_ms",
        "verdict",
        "version",
        "waves",
        "why_not_ok",
        "winners_latency_ms",
    ];
    assert_eq!(names, expected);
    assert_eq!(report["schema"], 5);
    assert_eq!(report["crowd"]["won"], 60);
    assert_eq!(report["load"]["bottleneck"].as_str().map(str::is_empty), Some(false));
    assert!(report["losers_latency_ms"]["p999"].is_f64());
    let bins = report["timeline"]["bins"].as_array().unwrap();
    let sum = |field: &str| bins.iter().map(|bin| bin[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("due"), sum("begun"), sum("won"), sum("all_held")), (300, 300, 60, 240));
    let looks = report["timeline"]["looks"].as_array().unwrap();
    assert_eq!(looks.last().unwrap()["stock"]["held"], 60, "{looks:?}");
}

#[test]
fn the_page_is_whole_in_itself_and_takes_nothing_for_markup() {
    let server = Server::start(Ways::SellsOneShort);
    let arrivals = "300 over 300ms, pause 1s".parse().unwrap();
    let command = "holdfast rehearse --arrivals '<b>&'".into();
    let report = run(&Options { arrivals, command, ..options(&server) }, |_| {}).unwrap();
    let page = report.page();
    let target = format!("http://{}", server.address);
    let elsewhere = page.replace(&target, "");
    for word in ["http", "//", "src=", "href=", "url(", "@import", "<script", "<b>&"] {
        assert!(!elsewhere.contains(word), "{word}");
    }
    assert!(page.contains("&lt;b&gt;&amp;"), "{page}");
    for word in ["Not OK.", "Promise 6 broken: ", "<svg", "Arrivals", "Wave by wave", "all held"] {
        assert!(page.contains(word), "{word}");
    }
    // Every element that is opened is closed, and no number went wrong.
    for element in ["svg", "figure", "table", "section", "path", "dl"] {
        let opened = page.matches(&format!("<{element}")).count();
        assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

#[test]
fn a_crowd_at_once_comes_at_the_start_and_not_before() {
    let server = Server::start(Ways::Honest);
    let few = Options { arrivals: Arrivals::uniform(20, Duration::ZERO), ..options(&server) };
    let report = run(&few, |_| {}).unwrap();
    assert!(report.ok(), "{}", report.render());
    // Before the start there is no time: answers then would take none.
    let winners = report.winners_latency_ms.unwrap();
    assert!(winners.p50 > 0.0, "{winners:?}");
    let wave = &report.waves[0];
    assert_eq!((wave.achieved, wave.answers, wave.answers_per_second), (20, 20, None));
    let load = &report.load;
    assert_eq!((load.offered_per_second, load.achieved_per_second), (None, None));
    assert!(load.answered_per_second <= load.answers_per_second_max, "{load:?}");
    let text = report.render();
    assert!(text.contains("offered all at once (at the peak"), "{text}");
    assert!(!text.contains(" 0.00 ms late") && !text.contains("100 % of the time"), "{text}");
}
