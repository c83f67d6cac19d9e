//! How far a rehearsal is, on a terminal; elsewhere nothing is shown.

use std::time::Duration;

use holdfast_rehearse::{Phase, Progress};
use indicatif::{ProgressBar, ProgressStyle};

use crate::telemetry;

const TEMPLATE: &str = "{prefix:8} {wide_bar} {pos}/{len} {elapsed}\n{msg}";

/// A bar on standard error, and what the buyers got so far under it.
pub(super) struct Show {
    bar: ProgressBar,
    /// Buyers answered at some earlier moment, for the rate since then.
    earlier: (Duration, u64),
    rate: f64,
}

impl Show {
    pub(super) fn new() -> anyhow::Result<Self> {
        let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(TEMPLATE)?);
        Ok(Self { bar, earlier: (Duration::ZERO, 0), rate: 0.0 })
    }

    pub(super) fn see(&mut self, progress: Progress) {
        let Progress { won, lost, refused, unanswered, vanished, .. } = progress;
        let done: u64 = [won, lost, refused, unanswered, vanished].into_iter().map(u64::from).sum();
        if progress.phase == Phase::Paying {
            return self.see_checkout(progress);
        }
        self.bar.set_length(u64::from(progress.buyers));
        self.bar.set_prefix(match progress.phase {
            Phase::Opening => "opening",
            Phase::Rush => "rush",
            Phase::Verdict => "verdict",
            Phase::Paying => "checkout",
            Phase::Closing => "closing",
        });
        let since = progress.elapsed.saturating_sub(self.earlier.0);
        if since >= Duration::from_secs(1) {
            self.rate = done.saturating_sub(self.earlier.1) as f64 / since.as_secs_f64();
            self.earlier = (progress.elapsed, done);
        }
        let waiting = u64::from(progress.started).saturating_sub(done);
        self.bar.set_message(format!(
            "{:.0}/s  won {won}  lost {lost}  refused {refused}  unanswered {unanswered}  \
             vanished {vanished}  under way {waiting}",
            self.rate
        ));
        self.bar.set_position(done);
    }

    /// Of those at the checkout, the bar shows who was told how it ended.
    fn see_checkout(&self, progress: Progress) {
        let Progress { payers, at_checkout, paid, declined, .. } = progress;
        self.bar.set_length(u64::from(at_checkout));
        self.bar.set_prefix("checkout");
        let waiting = at_checkout.saturating_sub(paid + declined);
        self.bar.set_message(format!(
            "{payers} hold a unit  at the checkout {at_checkout}  paid {paid}  declined {declined}  \
             under way {waiting}"
        ));
        self.bar.set_position(u64::from(paid + declined));
    }

    /// Says something on standard error, above the bar if there is one.
    pub(super) fn notice(&self) -> impl Fn(&str) + Send + 'static {
        let bar = self.bar.clone();
        move |words| bar.suspend(|| telemetry::note(words))
    }

    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}
