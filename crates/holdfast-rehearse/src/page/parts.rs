//! What the page says in words and tables.

use maud::{Markup, html};

use crate::render::{manners, time};
use crate::{Percentiles, Report};

impl Report {
    /// The verdict, first and in plain words.
    pub(super) fn part_verdict(&self) -> Markup {
        let (crowd, verdict) = (&self.crowd, &self.verdict);
        let answered = crowd.won + crowd.lost;
        html! {
            section class=(if self.ok() { "verdict" } else { "verdict not" }) {
                h1 {
                    @if self.ok() {
                        span { "OK. " } "Every buyer was answered, and every promise that could be seen held."
                    } @else {
                        span { "Not OK. " } (self.what_went_wrong())
                    }
                }
                p {
                    (count(self.crowd_size())) " buyers wanted " (count(self.plan.capacity.into()))
                    " units. " (count(crowd.won)) " were given a unit, " (count(crowd.lost))
                    " were told that there is none"
                    @if crowd.vanished > 0 { ", " (count(crowd.vanished)) " did not wait to hear" }
                    @if answered + crowd.vanished < self.crowd_size() {
                        ", " (count(crowd.refused)) " were told something else and "
                        (count(crowd.unanswered)) " were told nothing"
                    }
                    ". Each came on a new connection, at a moment fixed beforehand."
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
            @if let Some(words) = &self.load.bottleneck_words { p class="note" { (words) } }
        }
    }

    fn what_went_wrong(&self) -> String {
        let verdict = &self.verdict;
        if !verdict.broken.is_empty() {
            return "A promise was seen broken.".into();
        }
        if !verdict.unverified.is_empty() {
            return "Not everything could be verified.".into();
        }
        "Not every buyer was told yes or no.".into()
    }

    /// The few numbers that one looks for first.
    pub(super) fn part_figures(&self) -> Markup {
        let load = &self.load;
        let offered = load.offered_per_second;
        let offered = offered.map_or("at once".into(), |rate| format!("{}/s", rounded(rate)));
        let peak = |of: &str, most: f64| format!("{of}, at most {}/s", rounded(most));
        let p99 = |of: Option<Percentiles>| of.map_or("-".into(), |of| time(of.p99));
        let figures = [
            (offered, peak("offered", load.offered_per_second_max)),
            (
                format!("{}/s", rounded(load.achieved_per_second)),
                peak("achieved", load.achieved_per_second_max),
            ),
            (format!("{}/s", rounded(load.answered_per_second)), "answered".into()),
            (p99(self.winners_latency_ms), "99 of 100 winners, within".into()),
            (p99(self.losers_latency_ms), "99 of 100 losers, within".into()),
            (time(load.drained_ms), "until the last answer".into()),
        ];
        html! {
            div class="figures" {
                @for (figure, what) in figures { div { b { (figure) } span { (what) } } }
            }
        }
    }

    pub(super) fn part_latencies(&self) -> Markup {
        let rows = [
            ("Winners, to their hold", self.winners_latency_ms),
            ("Losers, to their last refusal", self.losers_latency_ms),
            ("Each try, to its answer", self.tries_latency_ms),
            ("Of it: begun late by the crowd", Some(self.load.lag_ms)),
            ("Of it: connecting", self.load.connect_ms),
        ];
        html! {
            h2 { "How long it took" }
            p class="soft" {
                "Counted from the scheduled moment, so that a crowd that is late cannot hide it; "
                "to within one percent."
            }
            div class="scroll" { table {
                thead { tr {
                    th { "from the moment of each" }
                    @for head in ["how many", "p50", "p90", "p99", "p99.9", "max"] { th { (head) } }
                } }
                tbody { @for (who, percentiles) in rows { (row(who, percentiles)) } }
            } }
        }
    }

    pub(super) fn part_waves(&self) -> Markup {
        let rate = |rate: Option<f64>| rate.map_or("-".into(), rounded);
        html! {
            h2 { "Wave by wave" }
            p class="soft" {
                "Rates are per second while the wave lasted. Answered: told yes or no."
            }
            div class="scroll" { table {
                thead { tr {
                    th { "wave" }
                    @for head in ["from", "buyers", "offered", "achieved", "answered", "sent away", "p50", "p99"] {
                        th { (head) }
                    }
                } }
                tbody { @for wave in &self.waves { tr {
                    td { (wave.arrivals) }
                    td { (wave.begins_ms / 1e3) " s" }
                    td { (count(wave.buyers)) }
                    td { (rate(wave.offered_per_second)) }
                    td { (rate(wave.achieved_per_second)) }
                    td { (rate(wave.answered_per_second)) }
                    td { (rate(wave.shed_per_second)) }
                    td { (wave.latency_ms.map_or("-".into(), |latency| time(latency.p50))) }
                    td { (wave.latency_ms.map_or("-".into(), |latency| time(latency.p99))) }
                } } }
            } }
        }
    }

    pub(super) fn part_answers(&self) -> Markup {
        let (crowd, checked) = (&self.crowd, &self.verdict.checked);
        let by = [
            ("lost", &crowd.lost_by_code),
            ("refused", &crowd.refused_by_answer),
            ("unanswered", &crowd.unanswered_by_reason),
        ];
        html! {
            h2 { "What the buyers got, and what was checked" }
            div class="scroll" { table { tbody {
                tr { td { "won" } td { (count(crowd.won)) } }
                @if crowd.given_back > 0 {
                    tr { td { "won, and given back" } td { (count(crowd.given_back)) } }
                }
                @for (what, counts) in by {
                    @for (why, number) in counts {
                        tr { td { (what) ": " (why) } td { (count(*number)) } }
                    }
                }
                @if crowd.vanished > 0 {
                    tr { td { "vanished" } td { (count(crowd.vanished)) } }
                }
                tr { td { "tries in all" } td { (count(crowd.tries.begun)) } }
            } } }
            p class="soft" {
                "Asked again: " (count(checked.winners_repeated)) " winners for the same hold, "
                (count(checked.winners_looked)) " for what it says, " (count(checked.losers_looked))
                " losers, " (count(checked.sent_away_looked)) " who were sent away, and all "
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
                    (percent(load.machine.busy_percent)) " of " (load.machine.cores) " cores; "
                    (percent(load.machine.saturated_percent)) " of the time more than 95 %"
                }
                dt { "processor time" } dd {
                    "crowd " (format!("{crowd:.2} s")) " in " (load.generators.len())
                    @if load.generators.len() == 1 { " generator" } @else { " generators" }
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
                dt { "units" } dd { (count(plan.capacity.into())) }
                dt { "seed" } dd { (plan.seed) }
                dt { "connections" } dd {
                    "up to " (count(plan.connections as u64)) " at a time, from "
                    (plan.processes) @if plan.processes == 1 { " process" } @else { " processes" }
                }
                dt { "patience" } dd { (time(plan.patience_ms)) }
                dt { "buyers come with" } dd {
                    @if plan.buyer_tokens { "tokens of their own" } @else { "the merchant's key" }
                }
                dt { "server" } dd { (self.target) ", sale " (self.sale) }
                dt { "held" } dd { (self.started_at) ", with Holdfast " (self.version) }
            }
        }
    }
}

fn row(who: &str, percentiles: Option<Percentiles>) -> Markup {
    html! { tr {
        td { (who) }
        @match percentiles {
            Some(Percentiles { count: number, p50, p90, p99, p999, max }) => {
                td { (count(number)) }
                @for ms in [p50, p90, p99, p999, max] { td { (time(ms)) } }
            }
            None => { @for _ in 0..6 { td { "-" } } }
        }
    } }
}

/// With commas between thousands.
fn count(number: u64) -> String {
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
fn rounded(rate: f64) -> String {
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
