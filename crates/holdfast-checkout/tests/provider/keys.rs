//! Idempotency keys.

use holdfast_checkout::provider::simulated::Manners;
use holdfast_checkout::provider::{PaymentStatus, Provider, ProviderError};
use serde_json::json;

use crate::support::{Peer, charge, ill, options, reference};

const BODY: &str = r#"{"reference":"hold_a","amount":4500,"currency":"EUR"}"#;
const PATH: &str = "/payments";

#[tokio::test]
async fn a_key_gets_its_first_answer_again_and_nothing_is_done() {
    let peer = Peer::start(options()).await;
    let first = peer.ask("POST", PATH, "k1", BODY).await;
    assert_eq!((first.status, first.headers.get("idempotent-replayed")), (201, None));
    peer.ask("POST", "/payments/hold_a/capture", "k2", "").await;
    let again = peer.ask("POST", PATH, "k1", BODY).await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    // Control: under another key, and without one, it is judged by what is so now.
    for key in ["k3", ""] {
        let other = peer.ask("POST", PATH, key, BODY).await;
        assert_eq!((other.status, &other.json()["payment"]["status"]), (409, &json!("captured")));
    }
}

#[tokio::test]
async fn another_request_under_a_key_is_refused() {
    let peer = Peer::start(options()).await;
    peer.ask("POST", PATH, "k1", BODY).await;
    let dearer = BODY.replace("4500", "4501");
    let other = BODY.replace("hold_a", "hold_b");
    for (path, body) in [(PATH, dearer.as_str()), (PATH, &other), ("/payments/hold_a/capture", "")]
    {
        let refused = peer.ask("POST", path, "k1", body).await;
        let error = &refused.json()["error"];
        assert_eq!((refused.status, error), (409, &json!("key_reused")), "{path} {body}");
    }
    // How it is written is no difference, nor is how the bank is asked to behave.
    let same = r#"{"amount": 4500, "manner": "late", "reference": "hold_a", "currency": "EUR"}"#;
    assert_eq!(peer.ask("POST", PATH, "k1", same).await.status, 201);
    let payments = peer.payments().await;
    assert_eq!((payments.len(), payments[0].status), (1, PaymentStatus::Authorised));
    // The client says that this is no payment.
    let mut charge = charge("hold_c");
    peer.client().authorise(&charge, 0).await.unwrap();
    charge.total.amount += 1;
    let refused = peer.client().authorise(&charge, 0).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Broken(_)), "{refused}");
}

#[tokio::test]
async fn a_failure_is_remembered_too_until_the_call_has_another_number() {
    for (fault, was_done) in [
        (Manners { error: 1.0, ..Manners::default() }, false),
        (Manners { lost_error: 1.0, ..Manners::default() }, true),
    ] {
        let peer = Peer::start(ill(fault)).await;
        let client = peer.client();
        let failed = client.authorise(&charge("hold_a"), 0).await;
        assert!(matches!(failed, Err(ProviderError::Unknown(_))), "{failed:?}");
        peer.bank.set_manners(Manners::default()).unwrap();
        // The bank is well again, and the key still fails.
        let again = client.authorise(&charge("hold_a"), 0).await;
        assert!(matches!(again, Err(ProviderError::Unknown(_))), "{again:?}");
        let found = client.find(&reference("hold_a")).await.unwrap();
        assert_eq!(found.is_some(), was_done);
        let payment = client.authorise(&charge("hold_a"), 1).await.unwrap();
        assert_eq!(payment.status, PaymentStatus::Authorised);
        assert_eq!(peer.payments().await.len(), 1);
    }
}

#[tokio::test]
async fn too_often_is_not_remembered() {
    let peer = Peer::start(ill(Manners { busy: 1.0, ..Manners::default() })).await;
    let busy = peer.client().authorise(&charge("hold_a"), 0).await;
    assert!(matches!(busy, Err(ProviderError::Busy { .. })), "{busy:?}");
    peer.bank.set_manners(Manners::default()).unwrap();
    assert!(peer.client().authorise(&charge("hold_a"), 0).await.is_ok());
}

#[tokio::test]
async fn the_client_does_not_take_an_old_answer_for_a_new_one() {
    let peer = Peer::start(options()).await;
    let client = peer.client();
    client.authorise(&charge("hold_a"), 0).await.unwrap();
    client.cancel(&reference("hold_a"), 0).await.unwrap();
    // The bank answers again that it has been authorised.
    let body = serde_json::to_string(&charge("hold_a")).unwrap();
    let replayed = peer.ask("POST", PATH, "hold_a", &body).await;
    assert_eq!(replayed.json()["status"], "authorised");
    let again = client.authorise(&charge("hold_a"), 0).await.unwrap();
    assert_eq!(again.status, PaymentStatus::Cancelled);
}
