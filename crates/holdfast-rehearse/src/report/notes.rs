//! What else has to be known to read the figures: what was measured, and what that may mean.

use super::{Crowd, Load};
use crate::exchange::Failure;
use crate::machine::TurnedAway;
use crate::words::{counted, time};
use crate::{BuyerLimit, Options};

/// Other programs that take more than this of the machine are part of what was measured.
const OTHERS_PERCENT_MAX: f64 = 10.0;
/// A connection that takes longer than this was tried again: the system does so after a second.
const CONNECT_AGAIN_MS: f64 = 900.0;

pub(super) fn of(load: &Load, options: &Options, crowd: &Crowd) -> Vec<String> {
    let limits = limits(crowd, options.limit_in_force(), options.buyer_secret.is_some());
    let notes = [limits, unanswered(crowd), accept_queues(load), others(load)];
    notes.into_iter().flatten().collect()
}

/// The server's limits spoke: that is a rule, and says nothing of its speed.
fn limits(crowd: &Crowd, limit: BuyerLimit, with_tokens: bool) -> Option<String> {
    let (all, wrong) = (crowd.tries.limited, crowd.tries.limited_wrongly);
    if all == 0 {
        return None;
    }
    let tries = counted(all, "try");
    let rule = format!(
        "The server answered {tries} with 429: that is a rule of it, and says nothing of its speed."
    );
    if wrong == 0 {
        return Some(rule);
    }
    let lift = "limits the key or the network (its --limit-key, --limit-network): lift that for \
                the rehearsal";
    let advice = match (with_tokens, limit) {
        (false, _) => format!(
            "These buyers come with the merchant's key, and have no limit of their own: so the \
             server {lift}."
        ),
        (true, BuyerLimit::OFF) => format!(
            "But no limit for each buyer was to be expected (--limit-buyer off): tell the rehearsal \
             if there is one. Or the server {lift}."
        ),
        (true, limit) => format!(
            "But {wrong} of them came to buyers who had asked no more often than {limit}. The \
             server may have another limit for each buyer: tell the rehearsal (--limit-buyer). Or \
             it {lift}."
        ),
    };
    Some(format!("{rule} {advice}"))
}

/// Connections that are refused or break tell of a server that is not there, or ends them.
fn unanswered(crowd: &Crowd) -> Option<String> {
    let late = Failure::Late.to_string();
    let reasons = crowd.unanswered_by_reason.iter().filter(|(reason, _)| **reason != late);
    let (reason, count) = reasons.max_by_key(|(_, count)| **count)?;
    Some(format!(
        "{} heard \"{reason}\": the server was not there, could not be reached, or ended the \
         connection.",
        counted(*count, "buyer")
    ))
}

/// The kernel's counters are for all listeners together.
fn accept_queues(load: &Load) -> Option<String> {
    let TurnedAway { listen_overflows, .. } = load.turned_away?;
    if listen_overflows == 0 {
        return None;
    }
    let longest = load.connect_ms.map_or(0.0, |connect| connect.max);
    let sign = if longest >= CONNECT_AGAIN_MS {
        format!(
            "It may well have been: a connection took {}, as one does whose first attempt is dropped.",
            time(longest)
        )
    } else {
        format!("No connection of the crowd took longer than {}.", time(longest))
    };
    Some(format!(
        "{} found an accept queue full (ListenOverflows). Linux counts that for all programs of this \
         network namespace together, so that it is not known whether it was the server's. {sign}",
        counted(listen_overflows, "connection")
    ))
}

fn others(load: &Load) -> Option<String> {
    let machine = &load.machine;
    let others = machine.others_percent.filter(|others| *others >= OTHERS_PERCENT_MAX)?;
    if machine.others_include_server {
        return Some(format!(
            "The server and other programs took {others:.0} % of this machine's processor time. How \
             much of it was the server's is not known: it was not started by the rehearsal."
        ));
    }
    let host = machine.stolen_percent.filter(|stolen| *stolen >= 1.0);
    let host = host.map_or(String::new(), |stolen| format!(" ({stolen:.0} % by its host)"));
    Some(format!(
        "Other programs took {others:.0} % of this machine's processor time meanwhile{host}: on a \
         machine of its own it would have gone better, by how much is not known."
    ))
}
