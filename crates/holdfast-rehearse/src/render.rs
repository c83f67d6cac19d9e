//! The report as text for a terminal.

mod money;
mod text;

pub(crate) use money::payments;
use text::Text;

use crate::report::{TriesLatency, Wave};
use crate::wire::Counts;
use crate::words::{counted, time};
use crate::{Manners, Percentiles, Report};

impl Report {
    /// The report as plain text, ending with the verdict.
    pub fn render(&self) -> String {
        let mut text = Text(String::new());
        self.render_plan(&mut text);
        self.render_crowd(&mut text);
        self.render_latencies(&mut text);
        self.render_load(&mut text);
        self.render_money(&mut text);
        self.render_verdict(&mut text);
        text.0
    }

    fn render_plan(&self, text: &mut Text) {
        let plan = &self.plan;
        text.line(&format!("Rehearsal {} against {}", self.sale, self.target));
        text.paragraph(&format!(
            "{}, {}; {}, seed {}, {}",
            counted(plan.buyers as u64, "buyer"),
            plan.arrivals,
            counted(plan.capacity.into(), "unit"),
            plan.seed,
            counted(plan.processes as u64, "process")
        ));
        if self.cut_short {
            let buyers = plan.buyers as u64;
            text.paragraph(&format!(
                "CUT SHORT: {} of {} were done; everything below is as it was until then",
                buyers - self.crowd.not_done,
                counted(buyers, "buyer")
            ));
        }
        for words in [manners(&plan.manners), payments(&plan.payments)].into_iter().flatten() {
            text.paragraph(&words);
        }
        text.line("");
    }

    fn render_crowd(&self, text: &mut Text) {
        let crowd = &self.crowd;
        let units = self.plan.capacity;
        text.line(&match crowd.held_at_end {
            Some(held) => format!("  held       {held:>9}  of {units} units, at the end"),
            None => format!("  held               -  of {units} units: the server was gone"),
        });
        text.count("won", crowd.won, &Counts::new());
        if crowd.given_back > 0 {
            text.line(&format!("             {:>9}  gave it back", crowd.given_back));
        }
        text.count("lost", crowd.lost, &crowd.lost_by_code);
        text.count("refused", crowd.refused, &crowd.refused_by_answer);
        if crowd.limited_wrongly > 0 {
            text.paragraph(&format!(
                "{} told 429, in the end or before, though they had not asked too often",
                counted(crowd.limited_wrongly, "buyer")
            ));
        }
        if crowd.limited_rightly > 0 {
            text.line(&format!(
                "             {:>9}  rightly: they had asked too often",
                crowd.limited_rightly
            ));
        }
        text.count("unanswered", crowd.unanswered, &crowd.unanswered_by_reason);
        for (what, count) in [("vanished", crowd.vanished), ("not done", crowd.not_done)] {
            if count > 0 {
                text.count(what, count, &Counts::new());
            }
        }
        if self.has_repeated() {
            self.render_tries(text);
        }
        if crowd.connect_retries + crowd.overloaded_retries > 0 {
            text.line(&format!(
                "  came back: {} after a failed connection, {} as they were told to",
                crowd.connect_retries, crowd.overloaded_retries
            ));
        }
        text.line("");
    }

    fn render_tries(&self, text: &mut Text) {
        let tries = &self.crowd.tries;
        text.paragraph(&format!(
            "{}: {} won, {} all held, {} sold out, {} limited (429), {} shed (503), {} refused \
             otherwise, {} unanswered",
            counted(tries.begun, "try"),
            tries.won,
            tries.all_held,
            tries.sold_out,
            tries.limited,
            tries.shed,
            tries.refused,
            tries.unanswered
        ));
    }

    fn render_latencies(&self, text: &mut Text) {
        const HEAD: &str = "                   p50       p90       p99     p99.9       max";
        let TriesLatency { all, won, none_left, sent_away } = self.tries_latency_ms;
        let buyers = [("winners", self.winners_latency_ms), ("losers", self.losers_latency_ms)];
        if self.has_repeated() {
            text.line("  latency of each try that was answered, from when it was due");
            text.line(HEAD);
            text.percentiles("won", won);
            text.percentiles("none left", none_left);
            if sent_away.is_some() {
                text.percentiles("sent away", sent_away);
            }
            text.percentiles("all", all);
            if self.crowd.tries.late > 0 {
                text.line(&format!("  not in it: {}", self.late_tries()));
            }
        } else {
            text.line("  latency, from each buyer's moment to their answer");
            text.line(HEAD);
            buyers.iter().for_each(|(who, took)| text.percentiles(who, *took));
        }
        text.percentiles("start lag", Some(self.load.lag_ms));
        text.percentiles("connecting", self.load.connect_ms);
        if self.has_repeated() {
            text.line("  the buyers' whole way, from their moment, pauses between tries included");
            buyers.iter().for_each(|(who, took)| text.percentiles(who, *took));
        }
        text.line("");
    }

    fn render_load(&self, text: &mut Text) {
        let load = &self.load;
        let offered = load.offered_per_second;
        let offered = offered.map_or("all at once".into(), |rate| format!("{rate:.0}/s"));
        let achieved = load.achieved_per_second;
        let achieved = achieved.map_or(String::new(), |rate| format!(", achieved {rate:.0}/s"));
        let came = format!(
            "buyers: offered {offered}{achieved} (at the peak {:.0}/s were due and {:.0}/s begun)",
            load.offered_per_second_max, load.achieved_per_second_max
        );
        let (answered, drained) = (load.answered_per_second, time(load.drained_ms));
        text.paragraph(&if self.has_repeated() {
            format!(
                "{came}; tries: at most {:.0}/s begun, {:.0}/s answered; with their pauses, buyers \
                 were done with at {answered:.0}/s, the last after {drained}",
                load.tries_per_second_max, load.answers_per_second_max
            )
        } else {
            format!("{came}, answered {answered:.0}/s, drained in {drained}")
        });
        text.paragraph(&self.machine());
        for words in load.bottleneck_words.iter().chain(&load.notes) {
            text.paragraph(words);
        }
        text.line("");
        if self.waves.len() > 1 {
            self.render_waves(text);
        }
    }

    fn render_waves(&self, text: &mut Text) {
        let p99 = |took: Option<Percentiles>| took.map_or("-".into(), |took| time(took.p99));
        let row = |head: &str, cells: [String; 7]| {
            let [offered, achieved, answered, answers, away, p99, last] = cells;
            let (answers, last) = match self.has_repeated() {
                true => (format!("{answers:>9}"), format!("{last:>9}")),
                false => (String::new(), String::new()),
            };
            format!(
                "  {head:<13}{offered:>9}{achieved:>9}{answered:>9}{answers}{away:>10}{p99:>9}{last}"
            )
        };
        let heads = ["offered", "achieved", "answered", "tries", "sent away", "p99", "last try"];
        text.line(&row("per second:", heads.map(str::to_owned)));
        for wave in &self.waves {
            let rate = |rate: Option<f64>, count: u64| {
                rate.map_or(format!("({count})"), |rate| format!("{rate:.0}"))
            };
            text.line(&format!("  {}", wave.arrivals));
            let cells = [
                rate(wave.offered_per_second, wave.buyers),
                rate(wave.achieved_per_second, wave.achieved),
                rate(wave.answered_per_second, wave.answered),
                rate(wave.answers_per_second, wave.answers),
                rate(wave.shed_per_second, wave.shed),
                p99(wave.latency_ms),
                p99(wave.last_try_latency_ms),
            ];
            text.line(&row("", cells));
        }
        let mut words = "answered are buyers told yes or no for good".to_owned();
        if self.has_repeated() {
            words += ", tries are those answered, whatever the answer";
        }
        if !self.waves.iter().all(Wave::took_time) {
            words += "; in brackets is how many in all, of a wave that took no time";
        }
        text.paragraph(&words);
        text.line("");
    }

    /// What it cost, and what was turned away.
    fn machine(&self) -> String {
        let load = &self.load;
        let crowd: f64 = load.generators.iter().map(|one| one.cpu_seconds).sum();
        let busy = load.machine.busy_percent;
        let busy = busy.map_or(String::new(), |busy| {
            format!("machine {busy:.0} % busy ({}), ", counted(load.machine.cores as u64, "core"))
        });
        let others = load.machine.others_percent;
        let others = others.map_or(String::new(), |others| {
            let who =
                if load.machine.others_include_server { "server and others" } else { "others" };
            format!("{who} {others:.0} %, ")
        });
        let server = load.server_cpu_seconds;
        let server = server.map_or(String::new(), |cpu| format!(", server {cpu:.1} s"));
        let turned = load.turned_away.map_or(String::new(), |turned| {
            format!(
                "; ListenOverflows +{}, ListenDrops +{}",
                turned.listen_overflows, turned.listen_drops
            )
        });
        format!("{busy}{others}processor time: crowd {crowd:.1} s{server}{turned}")
    }

    fn render_verdict(&self, text: &mut Text) {
        let (verdict, checked) = (&self.verdict, &self.verdict.checked);
        text.paragraph(&format!(
            "a sample, drawn at random, was asked again: {} for the same hold and {} for what it says, {}, {} \
             sent away; and all {} without a clear answer",
            counted(checked.winners_repeated, "winner"),
            checked.winners_looked,
            counted(checked.losers_looked, "loser"),
            checked.sent_away_looked,
            checked.unclear_looked
        ));
        text.paragraph(&format!(
            "held against the units that were free then: all of {}; added up: {}",
            counted(checked.refusals_judged, "refusal"),
            counted(checked.views_watched, "public view")
        ));
        if checked.given_back_looked + checked.returned_asked > 0 {
            text.line(&format!(
                "  given back: {} looked again, {} asked for what came back",
                checked.given_back_looked,
                counted(checked.returned_asked, "new buyer")
            ));
        }
        if checked.unclear_holding > 0 {
            let buyers = counted(checked.unclear_holding, "buyer");
            text.line(&format!("  hold a unit without a clear answer: {buyers}"));
        }
        for broken in &verdict.broken {
            text.paragraph(&format!("  BROKEN, promise {}: {}", broken.promise, broken.what));
        }
        for unverified in &verdict.unverified {
            text.paragraph(&format!("  NOT VERIFIED: {unverified}"));
        }
        match self.ok() {
            true => text.line(
                "OK: every buyer who waited was answered, every promise that could be seen held",
            ),
            false => text.last(&format!("NOT OK: {}", self.why_not_ok().join("; "))),
        }
    }
}

fn percent(share: f64) -> f64 {
    (share * 100.0 * 1e6).round() / 1e6
}

/// How the crowd behaves, if not plainly.
pub(crate) fn manners(manners: &Manners) -> Option<String> {
    let Manners { retries, bots, give_back, vanish, .. } = *manners;
    let shares =
        [(retries, "retry"), (bots, "are bots"), (give_back, "give back"), (vanish, "vanish")];
    let words = shares.iter().filter(|(share, _)| *share > 0.0);
    let words: Vec<_> =
        words.map(|(share, what)| format!("{} % {what}", percent(*share))).collect();
    (!words.is_empty()).then(|| words.join(", "))
}
