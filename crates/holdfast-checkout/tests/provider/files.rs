//! What a bank knows after it was killed.

use std::fs;

use holdfast_checkout::provider::PaymentStatus::{Authorised, Captured, Pending};
use holdfast_checkout::provider::simulated::{BankError, FILE};
use holdfast_checkout::provider::{Manner, Provider};

use crate::support::{Peer, charge, charge_with, eventually, open, options, reference};

#[tokio::test]
async fn a_killed_bank_knows_all_it_has_said() {
    let peer = Peer::start(options()).await;
    let client = peer.client();
    client.authorise(&charge("hold_a"), 0).await.unwrap();
    client.authorise(&charge_with("hold_b", Manner::Late, 2_000), 0).await.unwrap();
    client.capture(&reference("hold_a"), 0).await.unwrap();
    client.cancel(&reference("hold_c"), 0).await.unwrap();
    let (before, body) = (peer.payments().await, serde_json::to_string(&charge("hold_a")).unwrap());

    let peer = Peer::start_in(peer.kill().await, options()).await;
    let client = peer.client();
    assert_eq!(peer.payments().await, before);
    assert_eq!((before[0].status, before[1].status), (Captured, Pending));
    let replayed = peer.ask("POST", "/payments", "hold_a", &body).await;
    assert_eq!(
        (replayed.status, replayed.headers.contains_key("idempotent-replayed")),
        (201, true)
    );
    let late = eventually("the late payment is authorised", async || {
        client.find(&reference("hold_b")).await.unwrap().filter(|late| late.status == Authorised)
    });
    late.await;
    let next = client.authorise(&charge("hold_d"), 0).await.unwrap();
    assert!(before.iter().all(|payment| payment.id < next.id), "{next:?}");
}

#[tokio::test]
async fn a_last_line_that_was_cut_anywhere_is_as_if_never_begun() {
    let peer = Peer::start(options()).await;
    let client = peer.client();
    client.authorise(&charge("hold_a"), 0).await.unwrap();
    let first = peer.payments().await;
    client.authorise(&charge("hold_b"), 0).await.unwrap();
    let mut folder = peer.kill().await;
    let text = fs::read(folder.path().join(FILE)).unwrap();
    let lines: Vec<_> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let [one, two] = lines[..] else { panic!("two calls, two lines") };
    for cut in [0, 1, two.len() / 2, two.len() - 1] {
        fs::write(folder.path().join(FILE), [one, &two[..cut]].concat()).unwrap();
        let peer = Peer::start_in(folder, options()).await;
        assert_eq!(peer.payments().await, first, "{cut}");
        // What is written next stands on a line of its own.
        peer.client().authorise(&charge("hold_c"), 0).await.unwrap();
        let peer = Peer::start_in(peer.kill().await, options()).await;
        assert_eq!(peer.payments().await.len(), 2, "{cut}");
        folder = peer.kill().await;
    }
    // Control: a whole line is kept.
    fs::write(folder.path().join(FILE), &text).unwrap();
    assert_eq!(Peer::start_in(folder, options()).await.payments().await.len(), 2);
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_the_line() {
    let peer = Peer::start(options()).await;
    for name in ["hold_a", "hold_b", "hold_c"] {
        peer.client().authorise(&charge(name), 0).await.unwrap();
    }
    let folder = peer.kill().await;
    let path = folder.path().join(FILE);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let missing = [lines[0], lines[2], ""].join("\n");
    for damaged in [text.replacen("\"line\":2", "\"lane\":2", 1), missing] {
        fs::write(&path, damaged).unwrap();
        let refused = eventually("the folder is free", async || {
            let refused = open(folder.path(), options()).err();
            refused.filter(|refused| !matches!(refused, BankError::InUse(_)))
        });
        let refused = refused.await.to_string();
        assert!(refused.contains("payments.jsonl, line 2, is damaged"), "{refused}");
    }
}

#[tokio::test]
async fn a_folder_has_one_bank() {
    let peer = Peer::start(options()).await;
    let refused = open(peer.folder.path(), options()).err().unwrap();
    assert!(matches!(refused, BankError::InUse(_)), "{refused}");
}
