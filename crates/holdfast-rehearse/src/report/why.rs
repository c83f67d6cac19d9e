//! Why a rehearsal is not OK: the same words wherever it is told.

use super::{Crowd, Money};
use crate::Verdict;
use crate::words::counted;

/// What spoiled it, buyers first; nothing if all is well.
pub(super) fn not_ok(
    crowd: &Crowd,
    money: Option<&Money>,
    verdict: &Verdict,
    allow_shed: bool,
) -> Vec<String> {
    let buyers = |count: u64, one: &str, many: &str, what: &str| {
        let verb = if count == 1 { one } else { many };
        (count > 0).then(|| format!("{} {verb} {what}", counted(count, "buyer")))
    };
    let was = |count, what| buyers(count, "was", "were", what);
    let shed = if allow_shed { 0 } else { crowd.shed };
    let limited = if allow_shed { 0 } else { crowd.limited_wrongly };
    let otherwise = crowd.refused - crowd.limited - crowd.shed;
    let (unclear, refused) = money.map_or((0, 0), |money| (money.unclear, money.refused));
    let broken = match verdict.broken.len() {
        0 => None,
        1 => Some("a promise was seen broken".to_owned()),
        many => Some(format!("promises were seen broken, {many} times")),
    };
    let open = if verdict.cut_short {
        Some("it was cut short")
    } else {
        (!verdict.unverified.is_empty()).then_some("not everything could be verified")
    };
    let reasons = [
        was(crowd.unanswered, "not answered"),
        was(shed, "left with 503 overloaded"),
        was(otherwise, "told something else than yes or no"),
        was(limited, "told 429, though they had not asked too often"),
        was(unclear, "not told how their payment ended"),
        was(refused, "told neither that they have paid nor that they were declined"),
        broken,
        open.map(str::to_owned),
    ];
    reasons.into_iter().flatten().collect()
}
