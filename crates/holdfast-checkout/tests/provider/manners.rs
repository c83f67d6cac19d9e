//! Each ill manner, as the client sees it.

use std::time::{Duration, Instant};

use holdfast_checkout::provider::simulated::Manners;
use holdfast_checkout::provider::{Manner, Payment, PaymentStatus, Provider, ProviderError};
use serde_json::json;

use crate::support::{Peer, charge, charge_with, ill, options, reference};

/// Long for a call that is answered, short for one that is not.
const SHORT: Duration = Duration::from_secs(1);

fn kind(answer: &Result<Payment, ProviderError>) -> &'static str {
    match answer {
        Ok(payment) => payment.status.as_str(),
        Err(ProviderError::Busy { .. }) => "busy",
        Err(ProviderError::Unknown(_)) => "unknown",
        Err(ProviderError::Broken(_)) => "broken",
    }
}

#[tokio::test]
async fn the_bank_is_as_ill_as_it_was_told_to_be() {
    let good = Manners::default();
    for (manners, seen, was_done) in [
        (good, "authorised", Some(PaymentStatus::Authorised)),
        (Manners { decline: 1.0, ..good }, "declined", Some(PaymentStatus::Declined)),
        (Manners { hang: 1.0, ..good }, "unknown", None),
        (Manners { error: 1.0, ..good }, "unknown", None),
        (Manners { lost: 1.0, ..good }, "unknown", Some(PaymentStatus::Authorised)),
        (Manners { lost_error: 1.0, ..good }, "unknown", Some(PaymentStatus::Authorised)),
        (Manners { busy: 1.0, ..good }, "busy", None),
    ] {
        let peer = Peer::start(ill(manners)).await;
        let answer = peer.client_with(SHORT).authorise(&charge("hold_a"), 0).await;
        assert_eq!(kind(&answer), seen, "{manners:?}: {answer:?}");
        let payments = peer.payments().await;
        let done = payments.first().map(|payment| payment.status);
        assert_eq!((done, payments.len()), (was_done, usize::from(was_done.is_some())));
    }
}

#[tokio::test]
async fn a_look_meets_the_same() {
    let good = Manners::default();
    for (manners, seen) in [
        (Manners { hang: 1.0, ..good }, "unknown"),
        (Manners { error: 1.0, ..good }, "unknown"),
        (Manners { lost: 1.0, ..good }, "unknown"),
        (Manners { busy: 1.0, ..good }, "busy"),
        (Manners { decline: 1.0, ..good }, "authorised"),
    ] {
        let peer = Peer::start(options()).await;
        peer.client().authorise(&charge("hold_a"), 0).await.unwrap();
        peer.bank.set_manners(manners).unwrap();
        let found = peer.client_with(SHORT).find(&reference("hold_a")).await;
        assert_eq!(kind(&found.map(Option::unwrap)), seen, "{manners:?}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_not_asked_again_behind_our_back() {
    let peer = Peer::start(options()).await;
    let client = peer.client();
    // The connection is one that has been used before.
    client.authorise(&charge("hold_a"), 0).await.unwrap();
    peer.bank.set_manners(Manners { lost: 1.0, ..Manners::default() }).unwrap();
    let lost = client.authorise(&charge("hold_b"), 0).await;
    assert_eq!(kind(&lost), "unknown");
    assert_eq!(peer.payments().await.len(), 2);
    peer.bank.set_manners(Manners::default()).unwrap();
    assert_eq!(kind(&client.authorise(&charge("hold_b"), 0).await), "authorised");
}

#[tokio::test]
async fn a_payment_is_slow_or_never_answered_if_that_is_asked() {
    let peer = Peer::start(options()).await;
    let client = peer.client_with(SHORT);
    for (manner, seen, was_done) in [
        (Manner::Approve, "authorised", true),
        (Manner::Slow, "unknown", true),
        (Manner::Never, "unknown", false),
    ] {
        let answer = client.authorise(&charge_with(manner.as_str(), manner, 0), 0).await;
        assert_eq!(kind(&answer), seen, "{manner:?}");
        let found = client.find(&reference(manner.as_str())).await.unwrap();
        assert_eq!(found.is_some(), was_done, "{manner:?}");
    }
    // What was never answered can be given up, and nothing comes of it later.
    let never = reference("never");
    assert_eq!(client.cancel(&never, 0).await.unwrap().status, PaymentStatus::Cancelled);
}

#[tokio::test]
async fn a_slow_payment_is_answered_after_all() {
    let peer = Peer::start(options()).await;
    let begun = Instant::now();
    let slow = peer.client().authorise(&charge_with("hold_a", Manner::Slow, 0), 0).await;
    assert_eq!(kind(&slow), "authorised");
    assert!(begun.elapsed() >= Duration::from_secs(3));
}

#[tokio::test]
async fn answers_are_held_back_for_as_long_as_was_said() {
    let peer = Peer::start(ill(Manners { latency_ms: 200, ..Manners::default() })).await;
    let begun = Instant::now();
    peer.client().authorise(&charge("hold_a"), 0).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn manners_change_while_the_bank_runs() {
    let peer = Peer::start(options()).await;
    let set = peer.ask("PUT", "/manners", "", r#"{"decline":1}"#).await;
    assert_eq!((set.status, &set.json()["decline"]), (200, &json!(1.0)));
    assert_eq!(kind(&peer.client().authorise(&charge("hold_a"), 0).await), "declined");
    for bad in [r#"{"decline":1.5}"#, r#"{"declines":1}"#, "", r#"{"lost":-1}"#] {
        assert_eq!(peer.ask("PUT", "/manners", "", bad).await.status, 400, "{bad}");
    }
    assert_eq!(peer.ask("GET", "/manners", "", "").await.json()["decline"], json!(1.0));
    // What is not said is good again.
    peer.ask("PUT", "/manners", "", "{}").await;
    assert_eq!(kind(&peer.client().authorise(&charge("hold_b"), 0).await), "authorised");
}

#[tokio::test]
async fn the_same_seed_meets_the_same() {
    let run = async |seed| {
        let manners = Manners { decline: 0.3, error: 0.2, busy: 0.2, ..Manners::default() };
        let peer =
            Peer::start(holdfast_checkout::provider::simulated::Options { seed, ..ill(manners) });
        let (peer, mut seen) = (peer.await, Vec::new());
        for number in 0..40 {
            let answer = peer.client().authorise(&charge(&format!("hold_{number}")), 0).await;
            seen.push(kind(&answer));
        }
        seen
    };
    let seen = run(7).await;
    assert_eq!(seen, run(7).await);
    assert_ne!(seen, run(8).await);
    for kind in ["authorised", "declined", "unknown", "busy"] {
        assert!(seen.contains(&kind), "{seen:?}");
    }
}
