//! The report as text for a terminal, at most 80 columns wide where the words allow.

use std::fmt::Write;

use crate::wire::Counts;
use crate::{Manners, Percentiles, Report};

const WIDTH: usize = 80;

impl Report {
    /// The report as plain text, ending with the verdict.
    pub fn render(&self) -> String {
        let mut text = Text(String::new());
        self.render_plan(&mut text);
        self.render_crowd(&mut text);
        self.render_load(&mut text);
        self.render_verdict(&mut text);
        text.0
    }

    fn render_plan(&self, text: &mut Text) {
        let plan = &self.plan;
        text.line(&format!("Rehearsal {} against {}", self.sale, self.target));
        text.paragraph(&format!(
            "{} buyers, {}; {} units, seed {}, {} {}",
            plan.buyers,
            plan.arrivals,
            plan.capacity,
            plan.seed,
            plan.processes,
            if plan.processes == 1 { "process" } else { "processes" }
        ));
        if let Some(manners) = manners(&plan.manners) {
            text.paragraph(&manners);
        }
        text.line("");
    }

    fn render_crowd(&self, text: &mut Text) {
        let crowd = &self.crowd;
        text.count("won", crowd.won, &Counts::new());
        if crowd.given_back > 0 {
            text.line(&format!("             {:>9}  given back", crowd.given_back));
        }
        text.count("lost", crowd.lost, &crowd.lost_by_code);
        text.count("refused", crowd.refused, &crowd.refused_by_answer);
        text.count("unanswered", crowd.unanswered, &crowd.unanswered_by_reason);
        if crowd.vanished > 0 {
            text.count("vanished", crowd.vanished, &Counts::new());
        }
        let tries = &crowd.tries;
        if tries.begun > self.plan.buyers as u64 {
            text.paragraph(&format!(
                "{} tries: {} won, {} all held, {} sold out, {} sent away (429, 503), {} refused \
                 otherwise, {} unanswered",
                tries.begun,
                tries.won,
                tries.all_held,
                tries.sold_out,
                tries.shed,
                tries.refused,
                tries.unanswered
            ));
        }
        if crowd.connect_retries + crowd.overloaded_retries > 0 {
            text.line(&format!(
                "  retries: {} after a failed connection, {} after \"come back later\"",
                crowd.connect_retries, crowd.overloaded_retries
            ));
        }
        text.line("");
        text.line("  latency, from each buyer's moment");
        text.line("                   p50       p90       p99     p99.9       max");
        let rows = [("winners", self.winners_latency_ms), ("losers", self.losers_latency_ms)];
        for (who, percentiles) in rows {
            text.percentiles(who, percentiles);
        }
        if tries.begun > self.plan.buyers as u64 {
            text.percentiles("each try", self.tries_latency_ms);
        }
    }

    fn render_load(&self, text: &mut Text) {
        let load = &self.load;
        text.percentiles("start lag", Some(load.lag_ms));
        text.percentiles("connecting", load.connect_ms);
        text.line("");
        let offered = load.offered_per_second;
        let offered = offered.map_or("all at once".into(), |rate| format!("{rate:.0}/s"));
        text.paragraph(&format!(
            "offered {offered}, achieved {:.0}/s (peak {:.0}/s of {:.0}/s), answered {:.0}/s, \
             drained in {}",
            load.achieved_per_second,
            load.achieved_per_second_max,
            load.offered_per_second_max,
            load.answered_per_second,
            time(load.drained_ms)
        ));
        text.paragraph(&self.machine());
        if let Some(words) = &load.bottleneck_words {
            text.paragraph(words);
        }
        text.line("");
        if self.waves.len() > 1 {
            self.render_waves(text);
        }
    }

    fn render_waves(&self, text: &mut Text) {
        text.line("  waves               offered/s achieved/s answered/s   shed/s        p99");
        for wave in &self.waves {
            let rate = |rate: Option<f64>| rate.map_or("-".into(), |rate| format!("{rate:.0}"));
            let p99 = wave.latency_ms.map_or("-".into(), |latency| time(latency.p99));
            text.line(&format!("  {}", wave.arrivals));
            text.line(&format!(
                "                     {:>10} {:>10} {:>10} {:>8} {p99:>10}",
                rate(wave.offered_per_second),
                rate(wave.achieved_per_second),
                rate(wave.answered_per_second),
                rate(wave.shed_per_second)
            ));
        }
        text.line("");
    }

    /// What it cost, and what was turned away.
    fn machine(&self) -> String {
        let load = &self.load;
        let crowd: f64 = load.generators.iter().map(|one| one.cpu_seconds).sum();
        let busy = load.machine.busy_percent;
        let busy = busy.map_or(String::new(), |busy| {
            format!("machine {busy:.0} % busy ({} cores), ", load.machine.cores)
        });
        let server = load.server_cpu_seconds;
        let server = server.map_or(String::new(), |cpu| format!(", server {cpu:.1} s"));
        let turned = load.turned_away.map_or(String::new(), |turned| {
            format!(
                "; ListenOverflows +{}, ListenDrops +{}",
                turned.listen_overflows, turned.listen_drops
            )
        });
        format!("{busy}processor time: crowd {crowd:.1} s{server}{turned}")
    }

    fn render_verdict(&self, text: &mut Text) {
        let (verdict, checked) = (&self.verdict, &self.verdict.checked);
        text.line(&format!(
            "  asked again: {} winners, {} holds, {} losers, {} sent away, {} unclear",
            checked.winners_repeated,
            checked.winners_looked,
            checked.losers_looked,
            checked.sent_away_looked,
            checked.unclear_looked
        ));
        text.line(&format!(
            "  judged: {} refusals, {} looks at the public view",
            checked.refusals_judged, checked.views_watched
        ));
        if checked.given_back_looked + checked.returned_asked > 0 {
            text.line(&format!(
                "  given back: {} looked again, {} new buyers asked for what came back",
                checked.given_back_looked, checked.returned_asked
            ));
        }
        if checked.unclear_holding > 0 {
            let count = checked.unclear_holding;
            text.line(&format!("  {count} buyers without a clear answer hold a unit"));
        }
        for broken in &verdict.broken {
            text.paragraph(&format!("  BROKEN, promise {}: {}", broken.promise, broken.what));
        }
        for unverified in &verdict.unverified {
            text.paragraph(&format!("  NOT VERIFIED: {unverified}"));
        }
        let allowed = if self.plan.allow_shed { self.crowd.shed } else { 0 };
        let unclear = self.crowd.refused + self.crowd.unanswered - allowed;
        if unclear > 0 {
            text.line(&format!("  NOT ANSWERED WITH YES OR NO: {unclear} buyers"));
        }
        text.line(if self.ok() {
            "OK: every buyer was answered, every promise that could be seen held"
        } else {
            "NOT OK"
        });
    }
}

/// Text under construction.
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// Breaks at spaces, and indents what follows.
    fn paragraph(&mut self, words: &str) {
        let mut line = String::from(" ");
        for word in words.split_whitespace() {
            if line.len() + 1 + word.len() > WIDTH {
                self.line(&line);
                line = String::from("   ");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }

    fn count(&mut self, what: &str, count: u64, by: &Counts) {
        self.line(&format!("  {what:<10} {count:>9}"));
        for (why, count) in by {
            self.line(&format!("             {count:>9}  {why}"));
        }
    }

    fn percentiles(&mut self, who: &str, percentiles: Option<Percentiles>) {
        let mut line = format!("  {who:<10}");
        match percentiles {
            Some(Percentiles { p50, p90, p99, p999, max, .. }) => {
                for ms in [p50, p90, p99, p999, max] {
                    // Writing into a text cannot fail.
                    let _ = write!(line, "{:>10}", time(ms));
                }
            }
            None => line.push_str("        -"),
        }
        self.line(&line);
    }
}

/// How the crowd behaves, if not plainly.
pub(crate) fn manners(manners: &Manners) -> Option<String> {
    let percent = |share: f64| (share * 100.0 * 1e6).round() / 1e6;
    let Manners { retries, bots, give_back, vanish, .. } = *manners;
    let shares =
        [(retries, "retry"), (bots, "are bots"), (give_back, "give back"), (vanish, "vanish")];
    let words = shares.iter().filter(|(share, _)| *share > 0.0);
    let words: Vec<_> =
        words.map(|(share, what)| format!("{} % {what}", percent(*share))).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// Milliseconds, as people say them.
pub(crate) fn time(ms: f64) -> String {
    match ms {
        ms if ms >= 10_000.0 => format!("{:.1} s", ms / 1_000.0),
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_break_at_the_width_and_lose_no_word() {
        let mut text = Text(String::new());
        let words = "word ".repeat(40);
        text.paragraph(&words);
        assert!(text.0.lines().all(|line| line.len() <= WIDTH), "{}", text.0);
        assert_eq!(text.0.split_whitespace().count(), 40);
        assert_eq!(text.0.lines().count(), 3);
    }

    #[test]
    fn times_keep_their_digits_and_say_their_unit() {
        let times = [0.21, 99.999, 545.2, 10_001.0].map(time);
        assert_eq!(times, ["0.21 ms", "100.00 ms", "545 ms", "10.0 s"]);
    }
}
