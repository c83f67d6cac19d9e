//! What the page says in words and tables.

use maud::{Markup, html};

use super::table::list;
use crate::render::{manners, payments};
use crate::words::{counted, time};
use crate::{Percentiles, Report};

impl Report {
    /// The verdict, first and in plain words.
    pub(super) fn part_verdict(&self) -> Markup {
        let (crowd, verdict) = (&self.crowd, &self.verdict);
        html! {
            section class=(if self.ok() { "verdict" } else { "verdict not" }) {
                h1 {
                    @if self.ok() {
                        span { "OK. " } "Every buyer who waited was answered, and every promise that could be seen held."
                    } @else {
                        span { "Not OK. " } @for why in self.why_not_ok() { (sentence(why)) " " }
                    }
                }
                p {
                    (count(self.crowd_size())) @if self.crowd_size() == 1 { " buyer" } @else { " buyers" } " wanted " (count(self.plan.capacity.into()))
                    " units. "
                    @match crowd.held_at_end {
                        None => "The server was gone at the end. ",
                        Some(1) => "At the end 1 of them was held. ",
                        Some(held) => { "At the end " (count(held)) " of them were held. " },
                    }
                    (count(crowd.won)) " won one"
                    @if crowd.given_back > 0 {
                        ", and " (count(crowd.given_back)) " of these gave it back"
                    }
                    "; " (count(crowd.lost)) " were told that there is none"
                    @if crowd.vanished > 0 { ", " (count(crowd.vanished)) " did not wait to hear" }
                    @if crowd.limited_rightly > 0 {
                        ", " (count(crowd.limited_rightly)) " that they had asked too often, "
                        "which they had"
                    }
                    @if crowd.refused > crowd.limited_rightly {
                        ", " (count(crowd.refused - crowd.limited_rightly)) " something else"
                    }
                    @if crowd.unanswered > 0 { ", " (count(crowd.unanswered)) " nothing" }
                    @if crowd.not_done > 0 {
                        "; " (count(crowd.not_done)) " were not done when it was cut short"
                    }
                    ". Each try came on a new connection, the first at a moment fixed beforehand."
                }
                @if !verdict.broken.is_empty() || !verdict.unverified.is_empty() {
                    ul {
                        @for broken in &verdict.broken {
                            li { b { "Promise " (broken.promise) " broken: " } (broken.what) }
                        }
                        @for what in &verdict.unverified {
                            li { b { "Not verified: " } (what) }
                        }
                    }
                }
            }
            @for words in self.load.bottleneck_words.iter().chain(&self.load.notes) {
                p class="note" { (words) }
            }
        }
    }

    /// The few numbers that one looks for first.
    pub(super) fn part_figures(&self) -> Markup {
        let load = &self.load;
        let offered = load.offered_per_second;
        let offered = offered.map_or("at once".into(), |rate| format!("{}/s", rounded(rate)));
        let peak = |of: &str, most: f64| format!("{of}, at most {}/s", rounded(most));
        let p99 = |of: Option<Percentiles>| of.map_or("-".into(), |of| time(of.p99));
        let rate = |rate: f64| format!("{}/s", rounded(rate));
        let tries = &self.tries_latency_ms;
        let [won, lost, answered, last] = if self.has_repeated() {
            [
                (p99(tries.won), "99 of 100 tries that won, within"),
                (p99(tries.none_left), "99 of 100 told that there is none, within"),
                (rate(load.answers_per_second_max), "tries answered, at most"),
                (time(load.drained_ms), "until the last answer, with the buyers' own pauses"),
            ]
        } else {
            [
                (p99(self.winners_latency_ms), "99 of 100 winners, within"),
                (p99(self.losers_latency_ms), "99 of 100 losers, within"),
                (rate(load.answered_per_second), "answered"),
                (time(load.drained_ms), "until the last answer"),
            ]
        };
        let achieved = peak("achieved", load.achieved_per_second_max);
        let figures = [
            (offered, peak("offered", load.offered_per_second_max)),
            (load.achieved_per_second.map_or("at once".into(), rate), achieved),
            (answered.0, answered.1.into()),
            (won.0, won.1.into()),
            (lost.0, lost.1.into()),
            (last.0, last.1.into()),
        ];
        html! {
            div class="figures" {
                @for (figure, what) in figures { div { b { (figure) } span { (what) } } }
            }
        }
    }

    pub(super) fn part_answers(&self) -> Markup {
        let (crowd, checked) = (&self.crowd, &self.verdict.checked);
        let by = [
            ("lost", &crowd.lost_by_code),
            ("refused", &crowd.refused_by_answer),
            ("unanswered", &crowd.unanswered_by_reason),
        ];
        let by = by.iter().flat_map(|(what, counts)| {
            counts.iter().map(move |(why, number)| (format!("{what}: {why}"), *number))
        });
        let held = crowd.held_at_end.map_or("not known: the server was gone".into(), count);
        let held = [("units held at the end".to_owned(), held)];
        let given_back = [("won, and given back", crowd.given_back)];
        let last = [
            ("refused rightly: they had asked too often", crowd.limited_rightly),
            ("told 429 though they had not asked too often", crowd.limited_wrongly),
            ("vanished", crowd.vanished),
            ("not done when it was cut short", crowd.not_done),
        ];
        let some = |rows: &[(&str, u64)]| -> Vec<_> {
            let some = rows.iter().filter(|(_, number)| *number > 0);
            some.map(|(what, number)| ((*what).to_owned(), *number)).collect()
        };
        let rows = [("won".to_owned(), crowd.won)].into_iter();
        let rows = rows.chain(some(&given_back)).chain(by).chain(some(&last));
        let rows = rows.chain([("tries in all".to_owned(), crowd.tries.begun)]);
        let rows = rows.map(|(what, number)| (what, count(number)));
        let rows: Vec<_> = held.into_iter().chain(rows).collect();
        html! {
            h2 { "What the buyers got, and what was checked" }
            (list(&rows))
            p class="soft" {
                "A sample, drawn at random, was asked again: " (count(checked.winners_repeated))
                " winners for the same hold, " (count(checked.winners_looked))
                " for what it says, " (count(checked.losers_looked)) " losers, and "
                (count(checked.sent_away_looked)) " who were sent away; and all "
                (count(checked.unclear_looked)) " without a clear answer, of "
                "whom " (count(checked.unclear_holding)) " hold a unit. Each of "
                (count(checked.refusals_judged)) " refusals was held against the units free at "
                "that moment, and " (count(checked.views_watched)) " public views were added up."
                @if checked.given_back_looked > 0 {
                    " Of those who gave back, " (count(checked.given_back_looked)) " looked again; "
                    (count(checked.returned_asked)) " new buyers asked for what had come back."
                }
                @if checked.audited { " The server's own audit was read." }
            }
        }
    }

    pub(super) fn part_machine(&self) -> Markup {
        let load = &self.load;
        let percent = |percent: Option<f64>| percent.map_or("-".into(), |p| format!("{p} %"));
        let crowd: f64 = load.generators.iter().map(|one| one.cpu_seconds).sum();
        let busiest = load.generators.iter().map(|one| one.active_percent).fold(0.0, f64::max);
        html! {
            h2 { "What it cost" }
            dl {
                dt { "machine busy" } dd {
                    (percent(load.machine.busy_percent)) " of "
                    (counted(load.machine.cores as u64, "core")) "; "
                    (percent(load.machine.saturated_percent)) " of the time more than 95 %"
                }
                dt {
                    @if load.machine.others_include_server { "server and others" }
                    @else { "other programs" }
                } dd { (percent(load.machine.others_percent)) " of the machine" }
                dt { "processor time" } dd {
                    "crowd " (format!("{crowd:.2} s")) " in "
                    (counted(load.generators.len() as u64, "generator"))
                    ", the busiest at work " (busiest) " % of the time"
                    @if let Some(server) = load.server_cpu_seconds {
                        "; server " (format!("{server:.2} s"))
                    }
                }
                @if let Some(turned) = load.turned_away {
                    dt { "turned away by the kernel" } dd {
                        (turned.listen_overflows) " ListenOverflows, " (turned.listen_drops)
                        " ListenDrops"
                    }
                }
            }
        }
    }

    /// Everything that is needed to do it again.
    pub(super) fn part_settings(&self) -> Markup {
        let plan = &self.plan;
        html! {
            h2 { "Do it again" }
            pre { (self.command) }
            dl {
                dt { "arrivals" } dd { (plan.arrivals) }
                @if let Some(manners) = manners(&plan.manners) { dt { "manners" } dd { (manners) } }
                @if let Some(payments) = payments(&plan.payments) {
                    dt { "at the checkout" } dd { (payments) }
                }
                dt { "units" } dd { (count(plan.capacity.into())) }
                dt { "seed" } dd { (plan.seed) }
                dt { "connections" } dd {
                    "up to " (count(plan.connections as u64)) " at a time, from "
                    (counted(plan.processes as u64, "process"))
                }
                dt { "patience" } dd { (time(plan.patience_ms)) }
                dt { "buyers come with" } dd {
                    @if plan.buyer_tokens { "tokens of their own" } @else { "the merchant's key" }
                    @if let Some(limit) = &plan.buyer_limit { ", each at most " (limit) }
                }
                dt { "server" } dd { (self.target) ", sale " (self.sale) }
                dt { "started" } dd { (self.started_at) ", with Holdfast " (self.version) }
            }
        }
    }
}

/// With a capital and a point.
pub(super) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// With commas between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate, without more digits than it deserves.
pub(super) fn rounded(rate: f64) -> String {
    if rate < 100.0 {
        return format!("{rate}");
    }
    // A rate is not negative, and far below the limit.
    format!("{rate:.0}").parse().map_or_else(|_| format!("{rate:.0}"), count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 999, 50_000, 1_234_567].map(count), ["0", "999", "50,000", "1,234,567"]);
        assert_eq!([0.5, 99.9, 50_000.4].map(rounded), ["0.5", "99.9", "50,000"]);
    }
}
