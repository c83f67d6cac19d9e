//! The report as a page: one file that needs nothing else, for a screen in the dark or in the
//! light, of a desk or of a phone.

mod chart;
mod charts;
mod latencies;
mod money;
mod parts;
mod table;

use maud::{DOCTYPE, PreEscaped, html};

use crate::Report;

const STYLE: &str = include_str!("page/page.css");

impl Report {
    /// The report as HTML, with its charts.
    pub fn page(&self) -> String {
        let title = format!("Rehearsal: {}", if self.ok() { "OK" } else { "not OK" });
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        (self.part_verdict())
                        (self.part_figures())
                        (self.part_charts())
                        (self.part_latencies())
                        @if self.waves.len() > 1 { (self.part_waves()) }
                        (self.part_answers())
                        @if let Some(money) = &self.money { (money.part()) }
                        (self.part_machine())
                        (self.part_settings())
                    }
                }
            }
        };
        page.into_string()
    }
}
