//! How a bank closes.

use std::time::Duration;

use holdfast_checkout::provider::simulated::{Manners, serve};
use holdfast_checkout::provider::{Manner, Provider, ProviderError};
use tokio::net::TcpListener;

use crate::support::{Peer, charge, charge_with, eventually, ill, options};

#[tokio::test]
async fn what_is_being_done_is_answered_and_what_hangs_is_broken_off() {
    let peer = Peer::start(options()).await;
    let client = peer.client();
    let slow = charge_with("hold_slow", Manner::Slow, 0);
    let never = charge_with("hold_never", Manner::Never, 0);
    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.authorise(&slow, 0).await }
    });
    let never = tokio::spawn({
        let client = client.clone();
        async move { client.authorise(&never, 0).await }
    });
    eventually("the slow one has been done", async || {
        (!client.list(None, 1).await.unwrap().is_empty()).then_some(())
    })
    .await;
    let stopped = tokio::time::timeout(Duration::from_secs(5), peer.stop()).await;
    assert!(stopped.is_ok(), "it does not stop");
    assert!(slow.await.unwrap().is_ok());
    let hung = never.await.unwrap();
    assert!(matches!(hung, Err(ProviderError::Unknown(_))), "{hung:?}");
    let gone = client.authorise(&charge("hold_a"), 0).await;
    assert!(matches!(gone, Err(ProviderError::Unknown(_))), "{gone:?}");
}

#[tokio::test]
async fn a_bank_is_served_once_at_a_time() {
    let peer = Peer::start(ill(Manners::default())).await;
    peer.payments().await;
    let bank = peer.bank.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(serve(bank.clone(), listener, std::future::ready(())).await.is_err());
    let _folder = peer.kill().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(serve(bank, listener, std::future::ready(())).await.is_ok());
}
