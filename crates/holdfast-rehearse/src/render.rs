//! The report as text for a terminal, at most 80 columns wide where the words allow.

use std::fmt::Write;

use crate::wire::Counts;
use crate::{Bottleneck, Percentiles, Report};

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
        text.line(&format!(
            "{} buyers over {}, {} units, seed {}",
            plan.buyers,
            time(plan.over_ms),
            plan.capacity,
            plan.seed
        ));
        text.line("");
    }

    fn render_crowd(&self, text: &mut Text) {
        let crowd = &self.crowd;
        text.count("won", crowd.won, &Counts::new());
        text.count("lost", crowd.lost, &crowd.lost_by_code);
        text.count("refused", crowd.refused, &crowd.refused_by_answer);
        text.count("unanswered", crowd.unanswered, &crowd.unanswered_by_reason);
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
    }

    fn render_load(&self, text: &mut Text) {
        let load = &self.load;
        text.percentiles("start lag", Some(load.lag_ms));
        text.line("");
        let scheduled = load.scheduled_per_second;
        let scheduled = scheduled.map_or("all at once".into(), |rate| format!("{rate:.0}/s"));
        text.line(&format!(
            "  scheduled {scheduled}, started {:.0}/s, answered {:.0}/s, drained in {}",
            load.started_per_second,
            load.answered_per_second,
            time(load.drained_ms)
        ));
        let (active, starved, open) =
            (load.active_percent, load.starved_percent, self.plan.connections);
        match load.bottleneck {
            Bottleneck::None => {}
            Bottleneck::Crowd => text.paragraph(&format!(
                "  The crowd itself was a bottleneck: its busiest thread was idle for {:.0} % of \
                 the time and waited for a free core for {starved:.0} %, and buyers were begun up \
                 to {} late. The latencies above are upper bounds: the server may be faster.",
                100.0 - active,
                time(load.lag_ms.max)
            )),
            Bottleneck::Connections => text.paragraph(&format!(
                "  {} buyers found all {open} connections taken and began late: the server was \
                 slow, or the crowd may open too few (--connections, and no more than `ulimit -n` \
                 allows). Their latency counts the wait.",
                load.waited_for_connection
            )),
        }
        text.line("");
    }

    fn render_verdict(&self, text: &mut Text) {
        let (verdict, checked) = (&self.verdict, &self.verdict.checked);
        text.line(&format!(
            "  asked again: {} winners, {} holds, {} losers, {} without clear answer",
            checked.winners_repeated,
            checked.winners_looked,
            checked.losers_looked,
            checked.unclear_looked
        ));
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
        let unclear = self.crowd.refused + self.crowd.unanswered;
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

/// Milliseconds, as people say them.
fn time(ms: f64) -> String {
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
