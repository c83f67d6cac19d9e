//! A payment's life, as the client sees it.

use std::collections::BTreeSet;

use holdfast_checkout::provider::PaymentStatus::{
    Authorised, Cancelled, Captured, Declined, Pending, Refunded,
};
use holdfast_checkout::provider::{Manner, Provider, ProviderError};
use tokio::task::JoinSet;

use crate::support::{Peer, charge, charge_with, eventually, options, reference};

#[tokio::test]
async fn a_payment_is_authorised_captured_and_refunded() {
    let peer = Peer::start(options()).await;
    let (client, a) = (peer.client(), reference("hold_a"));
    assert_eq!(client.find(&a).await, Ok(None));
    let payment = client.authorise(&charge("hold_a"), 0).await.unwrap();
    assert_eq!((payment.status, payment.total), (Authorised, charge("hold_a").total));
    assert_eq!(client.find(&a).await, Ok(Some(payment)));
    assert_eq!(client.capture(&a, 0).await.unwrap().status, Captured);
    assert_eq!(client.refund(&a, 0).await.unwrap().status, Refunded);
    assert_eq!(client.find(&a).await.unwrap().unwrap().status, Refunded);
}

#[tokio::test]
async fn what_a_state_does_not_allow_gives_the_payment_as_it_is() {
    let peer = Peer::start(options()).await;
    let (client, a) = (peer.client(), reference("hold_a"));
    client.authorise(&charge("hold_a"), 0).await.unwrap();
    assert_eq!(client.refund(&a, 0).await.unwrap().status, Authorised);
    assert_eq!(client.cancel(&a, 0).await.unwrap().status, Cancelled);
    assert_eq!(client.capture(&a, 0).await.unwrap().status, Cancelled);
    assert_eq!(client.authorise(&charge("hold_a"), 1).await.unwrap().status, Cancelled);
    let unknown = client.capture(&reference("hold_b"), 0).await.unwrap_err();
    assert!(matches!(unknown, ProviderError::Broken(_)), "{unknown}");
}

#[tokio::test]
async fn what_is_cancelled_before_it_is_known_is_never_authorised() {
    let peer = Peer::start(options()).await;
    let client = peer.client();
    let tombstone = client.cancel(&reference("hold_a"), 0).await.unwrap();
    assert_eq!((tombstone.status, tombstone.total.amount), (Cancelled, 0));
    let late = client.authorise(&charge("hold_a"), 0).await.unwrap();
    assert_eq!(late, tombstone);
    // Control: another one is.
    assert_eq!(client.authorise(&charge("hold_b"), 0).await.unwrap().status, Authorised);
    assert_eq!(peer.payments().await.len(), 2);
}

#[tokio::test]
async fn a_late_payment_is_pending_first_and_cannot_be_cancelled_then() {
    let peer = Peer::start(options()).await;
    let (client, a) = (peer.client(), reference("hold_a"));
    let payment = client.authorise(&charge_with("hold_a", Manner::Late, 1_000), 0).await.unwrap();
    assert_eq!(payment.status, Pending);
    assert_eq!(client.cancel(&a, 0).await.unwrap().status, Pending);
    let decided = eventually("it is decided", async || {
        client.find(&a).await.unwrap().filter(|payment| payment.status != Pending)
    });
    assert_eq!(decided.await.status, Authorised);
    // The first call was refused, and its key says so for ever.
    assert_eq!(client.cancel(&a, 0).await.unwrap().status, Authorised);
    assert_eq!(client.cancel(&a, 1).await.unwrap().status, Cancelled);
}

#[tokio::test]
async fn a_payment_is_declined_if_that_is_asked() {
    let peer = Peer::start(options()).await;
    let client = peer.client();
    let payment = client.authorise(&charge_with("hold_a", Manner::Decline, 0), 0).await.unwrap();
    assert_eq!(payment.status, Declined);
    assert!(payment.reason.is_some());
    assert_eq!(client.cancel(&reference("hold_a"), 0).await.unwrap().status, Declined);
}

#[tokio::test]
async fn fifty_who_authorise_at_once_make_one_payment() {
    let peer = Peer::start(options()).await;
    let ids = |same: bool| {
        let client = peer.client();
        async move {
            let mut calls = JoinSet::new();
            for call in 0..50 {
                let client = client.clone();
                let name = if same { "hold_same".to_owned() } else { format!("hold_{call}") };
                calls
                    .spawn(async move { client.authorise(&charge(&name), call).await.unwrap().id });
            }
            calls.join_all().await.into_iter().collect::<BTreeSet<_>>()
        }
    };
    assert_eq!(ids(true).await.len(), 1);
    assert_eq!(peer.payments().await.len(), 1);
    // Control: under fifty references there are fifty.
    assert_eq!(ids(false).await.len(), 50);
}

#[tokio::test]
async fn payments_are_listed_in_the_order_in_which_they_were_made() {
    let peer = Peer::start(options()).await;
    let client = peer.client();
    let names: Vec<_> = (0..12).map(|number| format!("hold_{}", 20 - number)).collect();
    for name in &names {
        client.authorise(&charge(name), 0).await.unwrap();
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = client.list(after.as_deref(), 5).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        listed.extend(page);
    }
    assert!(listed.is_sorted_by(|one, next| one.id < next.id));
    let listed: Vec<_> = listed.iter().map(|payment| payment.reference.as_str()).collect();
    assert_eq!(listed, names);
}

#[tokio::test]
async fn a_reference_is_anything_visible() {
    let peer = Peer::start(options()).await;
    let client = peer.client();
    for text in ["../x", "a/b?c=%2F&d#e", "hold_a.2", "..", "100%+\"'<>\\{}|^`~"] {
        let a = reference(text);
        let payment = client.authorise(&charge(text), 0).await.unwrap();
        assert_eq!(payment.reference, a);
        assert_eq!(client.find(&a).await, Ok(Some(payment)));
        assert_eq!(client.capture(&a, 0).await.unwrap().status, Captured, "{text}");
    }
}
