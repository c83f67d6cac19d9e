//! What became of the holds, and where the money is.

use maud::{Markup, html};

use super::parts::{count, sentence};
use super::table::list;
use crate::report::Money;

impl Money {
    pub(super) fn part(&self) -> Markup {
        html! {
            h2 { "The checkout, after the rush" }
            @if let Some(nobody) = &self.nobody_paid {
                p { "Nobody paid: " (nobody) "." }
            } @else {
                (self.what_became())
                p { (sentence(&self.sum())) " " (sentence(&self.took())) }
                (self.checked())
            }
        }
    }

    fn what_became(&self) -> Markup {
        let rows = self.rows().into_iter().map(|(what, number, more)| {
            let what = if more.is_empty() { what.to_owned() } else { format!("{what}, {more}") };
            (what, count(number))
        });
        let why = self.refused_by_answer.iter().chain(&self.unclear_by_reason);
        let why = why.map(|(why, number)| (why.clone(), count(*number)));
        list(&rows.chain(why).collect::<Vec<_>>())
    }

    fn checked(&self) -> Markup {
        html! {
            dl {
                @for check in &self.checks {
                    dt { @match check.held {
                        Some(true) => "yes",
                        Some(false) => b { "NO" },
                        None => b { "not seen" },
                    } }
                    dd { (check.what) " (" (check.seen) ")" }
                }
            }
        }
    }
}
