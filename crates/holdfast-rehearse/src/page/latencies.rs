//! How long things took: of each try, of each buyer, of each wave.

use maud::{Markup, html};

use super::parts::{count, rounded};
use super::table::table;
use crate::words::time;
use crate::{Percentiles, Report};

impl Report {
    pub(super) fn part_latencies(&self) -> Markup {
        let tries = &self.tries_latency_ms;
        let try_rows = [
            ("A try that won", tries.won),
            ("A try told that there is none", tries.none_left),
            ("A try sent away (429, 503)", tries.sent_away),
            ("Any try that was answered", tries.all),
            ("Of it: a buyer begun late by the crowd", Some(self.load.lag_ms)),
            ("Of it: connecting", self.load.connect_ms),
        ];
        let buyer_rows = [
            ("A winner, from their moment to their hold", self.winners_latency_ms),
            ("A loser, from their moment to their last refusal", self.losers_latency_ms),
        ];
        let heads = ["", "how many", "p50", "p90", "p99", "p99.9", "max"];
        let rows = |rows: &[(&str, Option<Percentiles>)]| -> Vec<_> {
            rows.iter().map(|(who, took)| row(who, *took)).collect()
        };
        html! {
            h2 { "How long the server took" }
            p class="soft" {
                "Each try counts from the moment in which it was due, so that a crowd that is late "
                "cannot hide it; to within one percent."
                @if self.crowd.tries.late > 0 {
                    " Of those that were answered: " (self.late_tries()) ", and not in it."
                }
            }
            (table(&heads, &rows(&try_rows)))
            h2 { "How long it took the buyers" }
            p class="soft" {
                @if self.has_repeated() {
                    "From each buyer's moment to their last answer. The pauses that buyers made "
                    "between their tries are in it, and are not the server's."
                } @else { "Every buyer asked once: the same, by what they got in the end." }
            }
            (table(&heads, &rows(&buyer_rows)))
        }
    }

    pub(super) fn part_waves(&self) -> Markup {
        let rate = |rate: Option<f64>, number: u64| {
            rate.map_or_else(|| format!("({})", count(number)), rounded)
        };
        let p = |took: Option<Percentiles>, of: fn(&Percentiles) -> f64| {
            took.map_or("-".into(), |took| time(of(&took)))
        };
        let heads = [
            "wave",
            "from",
            "buyers",
            "offered",
            "achieved",
            "answered",
            "tries answered",
            "sent away",
            "p50",
            "p99",
            "last try p99",
        ];
        let rows = self.waves.iter().map(|wave| {
            vec![
                wave.arrivals.clone(),
                format!("{} s", wave.begins_ms / 1e3),
                count(wave.buyers),
                rate(wave.offered_per_second, wave.buyers),
                rate(wave.achieved_per_second, wave.achieved),
                rate(wave.answered_per_second, wave.answered),
                rate(wave.answers_per_second, wave.answers),
                rate(wave.shed_per_second, wave.shed),
                p(wave.latency_ms, |took| took.p50),
                p(wave.latency_ms, |took| took.p99),
                p(wave.last_try_latency_ms, |took| took.p99),
            ]
        });
        let rows: Vec<_> = rows.collect();
        html! {
            h2 { "Wave by wave" }
            p class="soft" {
                "Rates are per second while the wave lasted: answered are buyers told yes or no for "
                "good, tries answered are told whatever the answer, and sent away are those answered 429 "
                "or 503. In brackets is how many in all, of a wave that took no time. p50 and p99 "
                "are from the buyers' moments, with their pauses; the last try counts from when it "
                "was due."
            }
            (table(&heads, &rows))
        }
    }
}

fn row(who: &str, took: Option<Percentiles>) -> Vec<String> {
    let mut row = vec![who.to_owned()];
    match took {
        Some(Percentiles { count: number, p50, p90, p99, p999, max }) => {
            row.push(count(number));
            row.extend([p50, p90, p99, p999, max].map(time));
        }
        None => row.extend((0..6).map(|_| "-".to_owned())),
    }
    row
}
