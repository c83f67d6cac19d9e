//! How often a bank lets itself be asked.

use std::num::NonZeroU32;
use std::time::Duration;

use holdfast_checkout::provider::simulated::{Client, Options};
use holdfast_checkout::provider::{Provider, ProviderError};
use tokio::task::JoinSet;

use crate::support::{Peer, SECRET, charge, options, reference};

/// How many of sixty looks at once are sent away.
async fn sent_away(client: &Client) -> usize {
    let mut looks = JoinSet::new();
    for _ in 0..60 {
        let client = client.clone();
        looks.spawn(async move { client.find(&reference("hold_a")).await });
    }
    let looked = looks.join_all().await;
    let is_busy = |looked: &Result<_, _>| matches!(looked, Err(ProviderError::Busy { .. }));
    assert!(looked.iter().all(|looked| looked.is_ok() || is_busy(looked)));
    looked.iter().filter(|looked| is_busy(looked)).count()
}

#[tokio::test]
async fn twenty_five_a_second_unless_said_otherwise() {
    let peer = Peer::start(Options::new(SECRET)).await;
    let sent_away_by_default = sent_away(&peer.client()).await;
    assert!((1..=35).contains(&sent_away_by_default), "{sent_away_by_default}");
    let unlimited = Peer::start(options()).await;
    assert_eq!(sent_away(&unlimited.client()).await, 0);
}

#[tokio::test]
async fn each_endpoint_counts_by_itself_and_says_when_to_come_again() {
    let peer = Peer::start(Options { per_second: NonZeroU32::new(1), ..options() }).await;
    let (client, a) = (peer.client(), reference("hold_a"));
    client.authorise(&charge("hold_a"), 0).await.unwrap();
    let busy = client.authorise(&charge("hold_b"), 0).await.unwrap_err();
    assert_eq!(busy, ProviderError::Busy { retry_after: Duration::from_secs(1) });
    client.capture(&a, 0).await.unwrap();
    client.cancel(&a, 0).await.unwrap();
    client.refund(&a, 0).await.unwrap();
    assert_eq!(client.find(&reference("hold_b")).await, Ok(None));
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.authorise(&charge("hold_b"), 0).await.unwrap();
}
