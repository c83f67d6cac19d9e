//! What is said of something that is away: once why, then now and then, and when it is back.

use std::time::Duration;

/// How often the same is said again while it lasts.
const SAY_EVERY: Duration = Duration::from_secs(30);

/// So many reasons are said at once in one outage, each the first time that it is met.
const REASONS_MAX: usize = 5;

/// Whether something is away, and what was said of that. Times are those of any clock that only goes
/// forward.
#[derive(Clone, Debug, Default)]
pub struct Outage {
    /// When it began; `None`: it is not away.
    since: Option<Duration>,
    said_at: Duration,
    reasons: Vec<String>,
    unsaid: u32,
}

impl Outage {
    /// It is away, for this reason. If that is to be said: how many times it was not since the last.
    pub fn is_on(&mut self, why: &str, now: Duration) -> Option<u32> {
        self.since.get_or_insert(now);
        let is_known = self.reasons.iter().any(|reason| reason == why);
        let is_new = !is_known && self.reasons.len() < REASONS_MAX;
        let is_first = self.reasons.is_empty();
        if is_new {
            self.reasons.push(why.to_owned());
        }
        if !is_new && now.saturating_sub(self.said_at) < SAY_EVERY {
            self.unsaid = self.unsaid.saturating_add(1);
            return None;
        }
        self.said_at = now;
        Some(if is_first { 0 } else { std::mem::take(&mut self.unsaid) })
    }

    /// It is there. If it was away: for how long.
    pub fn ends(&mut self, now: Duration) -> Option<Duration> {
        let since = std::mem::take(self).since?;
        Some(now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_alternate_are_said_once_each_and_then_every_half_minute() {
        let mut outage = Outage::default();
        let mut said = Vec::new();
        for second in 0..=61 {
            let why = ["refused", "no master"][second % 2];
            let now = Duration::from_secs(second as u64);
            said.extend(outage.is_on(why, now).map(|unsaid| (second, unsaid)));
        }
        assert_eq!(said, [(0, 0), (1, 0), (31, 29), (61, 29)]);
        let day = Duration::from_secs(86_400);
        assert_eq!(outage.ends(day), Some(day));
        assert_eq!(outage.ends(day), None, "it was said that it is back");
        assert_eq!(outage.is_on("refused", day), Some(0), "a new one is said at once");
    }

    #[test]
    fn reasons_without_end_are_not_all_said() {
        let mut outage = Outage::default();
        let now = Duration::ZERO;
        let said = (0..100).filter(|nth| outage.is_on(&nth.to_string(), now).is_some()).count();
        assert_eq!(said, REASONS_MAX);
    }
}
