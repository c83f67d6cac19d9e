//! What the charts show.

use maud::{Markup, html};

use super::chart::{Chart, Curve, Look, Scale};
use crate::Report;
use crate::report::{self, Bin, Stock};
use crate::words::counted;

type Points = Vec<(f64, Option<f64>)>;

impl Report {
    pub(super) fn part_charts(&self) -> Markup {
        let charts = [self.arrivals(), self.answers(), self.latency(), self.stock(), self.busy()];
        html! {
            h2 { "Over time" }
            @if self.waves.len() > 1 {
                p class="soft" { "Dotted lines stand where a wave of the arrivals begins." }
            }
            div class="charts" { @for chart in charts { (chart.draw()) } }
        }
    }

    fn arrivals(&self) -> Chart {
        let tries = self.crowd.tries.begun > self.crowd_size();
        let mut curves = vec![
            curve("offered: due by the schedule", "grey", Look::Area, self.rate(|bin| bin.due)),
            curve("achieved: begun", "blue", Look::Line, self.rate(|bin| bin.begun)),
        ];
        if tries {
            let tries = self.rate(|bin| bin.tries);
            curves.push(curve("tries, with those made again", "orange", Look::Dashes, tries));
        }
        let about = "buyers a second, as they were due and as they were begun".into();
        self.chart("Arrivals", about, "a second", Scale::Linear, curves)
    }

    fn answers(&self) -> Chart {
        let curves = vec![
            curve("won", "green", Look::Area, self.rate(|bin| bin.won)),
            curve("all held", "blue", Look::Area, self.rate(|bin| bin.all_held)),
            curve("sold out", "teal", Look::Area, self.rate(|bin| bin.sold_out)),
            curve("limited (429)", "grey", Look::Area, self.rate(|bin| bin.limited)),
            curve("shed (503)", "orange", Look::Area, self.rate(|bin| bin.shed)),
            curve("refused otherwise", "purple", Look::Area, self.rate(|bin| bin.refused)),
            curve("no answer", "red", Look::Area, self.rate(|bin| bin.unanswered)),
        ];
        let about = "what tries came to, a second, when they came to it".into();
        self.chart("Answers", about, "a second", Scale::Linear, curves)
    }

    fn latency(&self) -> Chart {
        let points = |of: fn(&Bin) -> Option<f64>| self.points(of);
        let curves = vec![
            curve("99 of 100", "orange", Look::Line, points(|bin| bin.latency_p99_ms)),
            curve("half", "blue", Look::Line, points(|bin| bin.latency_p50_ms)),
            curve(
                "the crowd's own delay, 99 of 100",
                "grey",
                Look::Dashes,
                points(|b| b.lag_p99_ms),
            ),
        ];
        let about = "of tries that were answered, from the moment in which they were due".into();
        self.chart("Latency", about, "ms", Scale::Log, curves)
    }

    fn stock(&self) -> Chart {
        let points = |of: fn(&Stock) -> i64| -> Points {
            let looks = self.timeline.looks.iter();
            looks.map(|l| (l.at_ms / 1e3, l.stock.map(|stock| of(&stock) as f64))).collect()
        };
        let curves = vec![
            curve("sold", "purple", Look::Area, points(|stock| stock.sold)),
            curve("held", "blue", Look::Area, points(|stock| stock.held)),
            curve("withheld", "orange", Look::Area, points(|stock| stock.withheld)),
            curve("free", "green", Look::Area, points(|stock| stock.free)),
        ];
        let about = "of the sale, as its public view told them".into();
        self.chart("Units", about, "units", Scale::Linear, curves)
    }

    fn busy(&self) -> Chart {
        let points = |of: fn(&report::Look) -> Option<f64>| -> Points {
            self.timeline.looks.iter().map(|look| (look.at_ms / 1e3, of(look))).collect()
        };
        let ours = points(|look| Some(look.machine_busy_percent? - look.machine_others_percent?));
        let others = points(|look| look.machine_others_percent);
        let machine = &self.load.machine;
        let (own, rest) = match (machine.has_server, machine.others_include_server) {
            (true, true) => ("the crowd", "the server and other programs"),
            (true, false) => ("the crowd and the server", "other programs"),
            (false, _) => ("the crowd", "other programs"),
        };
        let curves =
            vec![curve(own, "blue", Look::Area, ours), curve(rest, "orange", Look::Area, others)];
        let cores = counted(machine.cores as u64, "core");
        let about = format!("how busy it was, in % of {cores}");
        self.chart("The crowd's machine", about, "%", Scale::Linear, curves)
    }

    fn chart(
        &self,
        title: &'static str,
        about: String,
        unit: &'static str,
        scale: Scale,
        curves: Vec<Curve>,
    ) -> Chart {
        let waves = self.waves.iter().skip(1).map(|wave| wave.begins_ms / 1e3).collect();
        Chart { title, about, unit, scale, seconds: self.seconds(), waves, curves }
    }

    /// How much time is shown: until nothing happened any more.
    fn seconds(&self) -> f64 {
        let happened = |bin: &&Bin| {
            let answers = bin.won + bin.all_held + bin.sold_out + bin.limited + bin.shed;
            bin.due + bin.tries + answers + bin.refused + bin.unanswered + bin.given_back > 0
        };
        let last = self.timeline.bins.iter().rev().find(happened);
        let last = last.map_or(0.0, |bin| bin.at_ms + self.timeline.bin_ms);
        last.max(self.plan.over_ms).max(self.timeline.bin_ms) / 1e3
    }

    /// Per second, in the middle of each bin.
    fn rate(&self, of: fn(&Bin) -> u64) -> Points {
        let width = self.timeline.bin_ms / 1e3;
        self.points(|bin| Some(of(bin) as f64 / width))
    }

    fn points(&self, of: impl Fn(&Bin) -> Option<f64>) -> Points {
        let middle = self.timeline.bin_ms / 2.0;
        self.timeline.bins.iter().map(|bin| ((bin.at_ms + middle) / 1e3, of(bin))).collect()
    }

    pub(super) fn crowd_size(&self) -> u64 {
        self.plan.buyers as u64
    }
}

fn curve(name: &'static str, colour: &'static str, look: Look, points: Points) -> Curve {
    Curve { name, colour, look, points }
}
