//! What became of the holds, and where the money is.

use super::text::Text;
use crate::report::Money;
use crate::words::{counted, money, time};
use crate::{Payments, Percentiles, Report};

impl Report {
    pub(super) fn render_money(&self, text: &mut Text) {
        let Some(found) = &self.money else { return };
        if let Some(nobody) = &found.nobody_paid {
            text.paragraph(&format!("nobody paid: {nobody}"));
            return text.line("");
        }
        text.line("  after the rush, when nothing was measured any more:");
        for (what, count, more) in found.rows() {
            text.line(format!("  {what:<11}{count:>9}  {more}").trim_end());
        }
        for (why, count) in found.refused_by_answer.iter().chain(&found.unclear_by_reason) {
            text.line(&format!("             {count:>9}  {why}"));
        }
        text.paragraph(&found.sum());
        text.paragraph(&found.took());
        for check in &found.checks {
            let held = match check.held {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "NOT SEEN",
            };
            text.paragraph(&format!("{held}: {} ({})", check.what, check.seen));
        }
        text.line("");
    }
}

impl Money {
    /// What became of the holds, with how many of them, where there are any.
    pub(crate) fn rows(&self) -> Vec<(&'static str, u64, String)> {
        let plain = String::new;
        let second = match self.paid_second {
            0 => String::new(),
            count => format!("{count} of them after one payment was declined"),
        };
        let mut late = format!(
            "beside the crowd, {} got another unit, {} paid nothing",
            self.late_with_unit, self.late_without
        );
        if self.late_in_time > 0 {
            late += &format!(", {} were in time, as their holds' end had moved", self.late_in_time);
        }
        let rows = [
            ("paid", self.paid, second),
            ("declined", self.declined, "and gave up".into()),
            ("left", self.left, "their hold, until it runs out".into()),
            ("gave back", self.handed_back, plain()),
            ("too late", self.too_late, "the hold had ended".into()),
            ("paid late", self.late, late),
            ("refused", self.refused, plain()),
            ("unclear", self.unclear, "how it ended".into()),
            ("not done", self.not_done, plain()),
        ];
        rows.into_iter().filter(|(what, count, _)| *what == "paid" || *count > 0).collect()
    }

    /// The money taken, in words.
    pub(crate) fn sum(&self) -> String {
        let budget = self.payments_per_second.map_or(String::new(), |per_second| {
            format!("; the server's budget was {per_second} payments a second")
        });
        let orders = counted(self.orders, "paid order");
        format!("taken: {} for {orders}{budget}", money(self.amount))
    }

    /// How long it took, in words.
    pub(crate) fn took(&self) -> String {
        let percentiles = |of: Option<Percentiles>| match of {
            Some(of) => format!("p50 {}, p99 {}", time(of.p50), time(of.p99)),
            None => "-".into(),
        };
        format!(
            "from checkout to paid: {}; of it queued: {}; all were done after {}, nothing was under \
             way after {}",
            percentiles(self.checkout_to_paid_ms),
            percentiles(self.queued_ms),
            time(self.took_ms),
            time(self.settled_after_ms)
        )
    }
}

/// What winners do, in words; `None`: nobody pays.
pub(crate) fn payments(payments: &Payments) -> Option<String> {
    let percent = super::percent;
    let Payments { pay, declined, hand_back, think_seconds_max, late, .. } = *payments;
    (!payments.is_none()).then(|| {
        format!(
            "of the winners {} % pay, {} % of them declined at first; of the others {} % give back; \
             thoughts of up to {think_seconds_max} s; {late} beside them pay late",
            percent(pay),
            percent(declined),
            percent(hand_back)
        )
    })
}
