//! What must be so of the money.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::MoneyCheck;
use super::evidence::{Evidence, has_unit};
use crate::checkout::{Said, Way};
use crate::shop::buyer_name;
use crate::wire::{CURRENCY, Order, PRICE};
use crate::words::{counted, money};

/// What was found: whether it is so, `None` if that cannot be seen, and what was seen.
type Found = (Option<bool>, String);

const NOT_READ: &str = "that could not be read";

/// All of them; `patience` is how long was waited for what is under way.
pub(super) fn all(evidence: &Evidence<'_>, patience: Duration) -> Vec<MoneyCheck> {
    let check = |promise, what: &str, (held, seen): Found| MoneyCheck {
        promise,
        what: what.to_owned(),
        held,
        seen,
    };
    let captured = "what is captured is what the paid orders cost";
    let told = "whoever was told that they have paid has the paid order";
    vec![
        check(5, "every payment has ended", ended(evidence, patience)),
        check(5, captured, if_read(captured_is_paid(evidence))),
        check(5, "nothing is captured without a unit", if_read(captured_has_units(evidence))),
        check(5, "as many units are sold as orders have", if_read(sold_is_ordered(evidence))),
        check(3, told, if_orders(evidence, |orders| told_is_listed(evidence, orders))),
        check(7, "no hold and no buyer has two orders", if_orders(evidence, one_each)),
        check(5, "each order is for what its unit costs", if_orders(evidence, full_price)),
        check(
            5,
            "nobody has an order who did not pay",
            if_orders(evidence, |orders| only_payers(evidence, orders)),
        ),
        check(
            8,
            "whoever is declined keeps their hold until its time is up",
            declined_hold(evidence),
        ),
    ]
}

/// What is under way may end yet: it is not known to be wrong, and not known to be right.
fn ended(evidence: &Evidence<'_>, patience: Duration) -> Found {
    let is_open = |way: &&&Way| way.began && matches!(way.said, Said::Unclear(_));
    let open = evidence.ways.iter().filter(is_open).count();
    let orders = evidence.orders.iter().flatten();
    let uncaptured = orders.filter(|order| order.status == "authorised").count();
    let Some(counted) = evidence.counted else { return (None, NOT_READ.into()) };
    let seen = format!(
        "{} under way, {uncaptured} authorised and not captured, {open} not told how theirs ended",
        counted.under_way
    );
    match (counted.under_way, open, uncaptured) {
        (0, 0, 0) => (Some(true), seen),
        (0, 0, _) => (Some(false), seen),
        _ => (None, format!("{seen}, after {} s", patience.as_secs())),
    }
}

fn captured_is_paid(evidence: &Evidence<'_>) -> Option<Found> {
    evidence.orders.as_ref()?;
    let counted = evidence.counted?;
    let (paid, amount) = (evidence.paid().count() as u64, evidence.paid_amount());
    let provider = (counted.captured, counted.captured_amount);
    let seen = format!(
        "{} captured for {}, {} paid for {}",
        provider.0,
        money(provider.1),
        crate::words::counted(paid, "order"),
        money(amount)
    );
    let ledger = (counted.paid, counted.paid_amount);
    if ledger != (paid, amount) {
        let (paid, amount) = ledger;
        let audit = format!("{seen}; the server's audit counts {paid} for {}", money(amount));
        return Some((settled(evidence, false), audit));
    }
    Some((settled(evidence, provider == (paid, amount)), seen))
}

fn captured_has_units(evidence: &Evidence<'_>) -> Option<Found> {
    let (captured, sold) = (evidence.counted?.captured, evidence.sold?);
    let seen = format!("{captured} captured, {} sold", counted(sold, "unit"));
    Some((settled(evidence, captured <= sold), seen))
}

fn sold_is_ordered(evidence: &Evidence<'_>) -> Option<Found> {
    let ordered = evidence.orders.as_ref()?.iter().filter(|order| has_unit(order)).count() as u64;
    let sold = evidence.sold?;
    let seen = format!("{} sold, {}", counted(sold, "unit"), counted(ordered, "order"));
    Some((settled(evidence, sold == ordered), seen))
}

/// Counts that were read one after the other may differ while something is under way.
fn settled(evidence: &Evidence<'_>, held: bool) -> Option<bool> {
    let is_settled = evidence.counted.is_some_and(|counted| counted.under_way == 0);
    (held || is_settled).then_some(held)
}

fn told_is_listed(evidence: &Evidence<'_>, orders: &[Order]) -> Found {
    let by_id: HashMap<&str, &Order> = orders.iter().map(|it| (it.id.as_str(), it)).collect();
    let told = evidence.ways.iter().filter(|way| was_told_an_order(way));
    each(told, |way| {
        let name = buyer_name(way.buyer);
        let Some(id) = &way.order else { return Err(format!("{name} was told of no order")) };
        let Some(order) = by_id.get(id.as_str()) else {
            return Err(format!("{name} was told {id}, which is not in the list"));
        };
        // Money that comes late pays for another hold than its own.
        let is_theirs = order.buyer == name && (way.said != Said::Paid || order.hold == way.hold);
        let has = format!("{id}, told to {name}, is {} and {}'s", order.status, order.buyer);
        if is_theirs && order.status == "paid" { Ok(()) } else { Err(has) }
    })
}

fn was_told_an_order(way: &Way) -> bool {
    way.said == Said::Paid || way.said == Said::TooLate && way.order.is_some()
}

fn one_each(orders: &[Order]) -> Found {
    let (mut holds, mut buyers) = (HashSet::new(), HashSet::new());
    each(orders.iter(), |order| {
        let is_first = holds.insert(&order.hold) & buyers.insert(&order.buyer);
        let second = || format!("{} has {} for {} too", order.buyer, order.id, order.hold);
        is_first.then_some(()).ok_or_else(second)
    })
}

fn full_price(orders: &[Order]) -> Found {
    each(orders.iter(), |order| {
        let Order { id, quantity, total, .. } = order;
        let is_right = (*quantity, total.amount) == (1, PRICE) && total.currency == CURRENCY;
        let other = || format!("{id} is for {quantity} at {} {}", total.amount, total.currency);
        is_right.then_some(()).ok_or_else(other)
    })
}

fn only_payers(evidence: &Evidence<'_>, orders: &[Order]) -> Found {
    // Whoever was not told how it ended may have an order.
    let may_have = |way: &&&Way| {
        way.wants_to_pay() && (was_told_an_order(way) || matches!(way.said, Said::Unclear(_)))
    };
    let payers: HashSet<String> =
        evidence.ways.iter().filter(may_have).map(|way| buyer_name(way.buyer)).collect();
    each(orders.iter().filter(|order| has_unit(order)), |order| {
        let stranger = || format!("{} has {}", order.buyer, order.id);
        payers.contains(&order.buyer).then_some(()).ok_or_else(stranger)
    })
}

fn declined_hold(evidence: &Evidence<'_>) -> Found {
    let declined = evidence.ways.iter().filter(|way| way.said == Said::Declined);
    // A hold whose time is up may end.
    each(declined.filter(|way| way.has_time()), |way| {
        let other = || format!("{}'s is {}", buyer_name(way.buyer), way.status);
        (way.status == "held").then_some(()).ok_or_else(other)
    })
}

fn if_orders(evidence: &Evidence<'_>, check: impl FnOnce(&[Order]) -> Found) -> Found {
    if_read(evidence.orders.as_deref().map(check))
}

fn if_read(found: Option<Found>) -> Found {
    found.unwrap_or_else(|| (None, NOT_READ.into()))
}

/// Whether it is so of each, and how many there were; or of how many not, and the first.
fn each<T>(
    items: impl Iterator<Item = T>,
    mut check: impl FnMut(T) -> Result<(), String>,
) -> Found {
    let (mut all, mut wrong, mut first) = (0_u64, 0_u64, String::new());
    for item in items {
        all += 1;
        if let Err(why) = check(item) {
            if wrong == 0 {
                first = why;
            }
            wrong += 1;
        }
    }
    if wrong == 0 {
        return (Some(true), format!("all of {all}"));
    }
    (Some(false), format!("{wrong} of {all}; first: {first}"))
}
