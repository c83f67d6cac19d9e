//! What a bank tells of its own accord, and how often.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use holdfast_checkout::provider::simulated::{Manners, Options, Webhooks};
use holdfast_checkout::provider::{Manner, Provider};
use holdfast_checkout::webhook::{Event, Forged, SIGNATURE, TOLERANCE_SECONDS, verify};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Peer, charge, charge_with, eventually, ill, options, reference};

const SECRET: &str = "a-secret-for-webhooks";

/// A webhook as it came.
#[derive(Clone, Debug)]
struct Came {
    signature: String,
    body: Vec<u8>,
}

impl Came {
    fn judge(&self, secret: &str, now: u64) -> Result<Event, Forged> {
        verify(&[secret], &self.signature, &self.body, now, TOLERANCE_SECONDS)
    }

    fn event(&self) -> Event {
        self.judge(SECRET, now()).unwrap()
    }
}

/// Takes webhooks.
#[derive(Clone, Default)]
struct Shop {
    came: Arc<Mutex<Vec<Came>>>,
    /// How many it still refuses.
    refuses: Arc<Mutex<u32>>,
}

impl Shop {
    /// Opens a shop that refuses so many first, and gives a bank's options to tell it.
    async fn open(refuses: u32, manners: Manners) -> (Self, Options) {
        let shop = Self { refuses: Arc::new(Mutex::new(refuses)), ..Self::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let taking = shop.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(taking.clone().take(stream));
            }
        });
        let webhooks = Webhooks { url, secret: SECRET.to_owned() };
        (shop, Options { webhooks: Some(webhooks), ..ill(manners) })
    }

    async fn take(self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut signature, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
                let Some((name, value)) = line.trim().split_once(": ") else {
                    if line.trim().is_empty() {
                        break;
                    }
                    continue;
                };
                match name.to_lowercase().as_str() {
                    SIGNATURE => value.clone_into(&mut signature),
                    "content-length" => length = value.parse().ok()?,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            self.came.lock().unwrap().push(Came { signature, body });
            let answer = if self.refuses() { "503 No" } else { "204 Yes" };
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
    }

    fn refuses(&self) -> bool {
        let mut left = self.refuses.lock().unwrap();
        let refuses = *left > 0;
        *left = left.saturating_sub(1);
        refuses
    }

    async fn wait_for(&self, count: usize) -> Vec<Came> {
        eventually(&format!("{count} webhooks have come"), async || {
            let came = self.came.lock().unwrap();
            (came.len() >= count).then(|| came.clone())
        })
        .await
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn every_change_is_told_signed() {
    let (shop, options) = Shop::open(0, Manners::default()).await;
    let peer = Peer::start(options).await;
    let (client, a) = (peer.client(), reference("hold_a"));
    client.authorise(&charge_with("hold_a", Manner::Late, 50), 0).await.unwrap();
    let mut kinds = Vec::new();
    for count in 1..=4 {
        let came = shop.wait_for(count).await;
        let event = came[count - 1].event();
        assert_eq!(event.reference, a);
        kinds.push((event.kind, event.id));
        match count {
            2 => drop(client.capture(&a, 0).await.unwrap()),
            3 => drop(client.refund(&a, 0).await.unwrap()),
            _ => {}
        }
    }
    kinds.sort_by(|(_, one), (_, other)| one.cmp(other));
    let kinds: Vec<_> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    let expected =
        ["payment.pending", "payment.authorised", "payment.captured", "payment.refunded"];
    assert_eq!(kinds, expected);
    // A refusal changes nothing, and nobody is told of one.
    client.refund(&a, 1).await.unwrap();
    client.cancel(&reference("hold_b"), 0).await.unwrap();
    let last = shop.wait_for(5).await.pop().unwrap();
    assert_eq!(last.event().kind, "payment.cancelled");
}

#[tokio::test]
async fn what_others_make_of_a_webhook_is_not_believed() {
    let (shop, options) = Shop::open(0, Manners::default()).await;
    let peer = Peer::start(options).await;
    peer.client().authorise(&charge("hold_a"), 0).await.unwrap();
    let came = shop.wait_for(1).await.remove(0);
    assert!(came.judge(SECRET, now()).is_ok());
    assert_eq!(came.judge("another-secret", now()), Err(Forged::Signature));
    assert_eq!(came.judge(SECRET, now() + TOLERANCE_SECONDS + 60), Err(Forged::Time));
    let text = String::from_utf8(came.body.clone()).unwrap();
    let altered = Came { body: text.replace("hold_a", "hold_b").into_bytes(), ..came.clone() };
    assert_eq!(altered.judge(SECRET, now()), Err(Forged::Signature));
    let time = now() + 10;
    let (_, rest) = came.signature.split_once(',').unwrap();
    let renewed = Came { signature: format!("t={time},{rest}"), ..came };
    assert_eq!(renewed.judge(SECRET, now()), Err(Forged::Signature));
}

#[tokio::test]
async fn what_is_not_taken_comes_again_signed_anew() {
    let (shop, options) = Shop::open(3, Manners::default()).await;
    let peer = Peer::start(options).await;
    peer.client().authorise(&charge("hold_a"), 0).await.unwrap();
    let came = shop.wait_for(4).await;
    let ids: Vec<_> = came.iter().map(|came| came.event().id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    // Taken, it comes no more.
    peer.client().authorise(&charge("hold_b"), 0).await.unwrap();
    let came = shop.wait_for(5).await;
    assert_eq!(came[4].event().reference, reference("hold_b"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(shop.came.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn webhooks_come_twice_if_the_payment_or_the_bank_is_like_that() {
    let twice = Manners { webhook_twice: 1.0, ..Manners::default() };
    for (manners, manner, copies) in [
        (Manners::default(), Manner::Approve, 1),
        (Manners::default(), Manner::Twice, 2),
        (twice, Manner::Approve, 2),
    ] {
        let (shop, options) = Shop::open(0, manners).await;
        let peer = Peer::start(options).await;
        peer.client().authorise(&charge_with("hold_a", manner, 0), 0).await.unwrap();
        peer.bank.set_manners(Manners::default()).unwrap();
        shop.wait_for(copies).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let came = shop.came.lock().unwrap().clone();
        assert_eq!(came.len(), copies, "{manner:?}");
        assert!(came.iter().all(|one| one.event() == came[0].event()));
    }
}

#[tokio::test]
async fn webhooks_come_in_another_order_late_or_never() {
    let good = Manners::default();
    let (shop, options) = Shop::open(0, Manners { webhook_reordered: 1.0, ..good }).await;
    let peer = Peer::start(options).await;
    peer.client().authorise(&charge("hold_a"), 0).await.unwrap();
    peer.bank.set_manners(good).unwrap();
    peer.client().capture(&reference("hold_a"), 0).await.unwrap();
    let kinds: Vec<_> = shop.wait_for(2).await.iter().map(|came| came.event().kind).collect();
    assert_eq!(kinds, ["payment.captured", "payment.authorised"]);

    let (shop, options) = Shop::open(0, Manners { webhook_late: 1.0, ..good }).await;
    let (peer, begun) = (Peer::start(options).await, Instant::now());
    peer.client().authorise(&charge("hold_a"), 0).await.unwrap();
    shop.wait_for(1).await;
    assert!(begun.elapsed() >= Duration::from_secs(2));

    let (shop, options) = Shop::open(0, Manners { webhook_never: 1.0, ..good }).await;
    let peer = Peer::start(options).await;
    peer.client().authorise(&charge("hold_a"), 0).await.unwrap();
    peer.bank.set_manners(good).unwrap();
    peer.client().authorise(&charge("hold_b"), 0).await.unwrap();
    let came = shop.wait_for(1).await;
    assert_eq!(came[0].event().reference, reference("hold_b"));
}

#[tokio::test]
async fn nobody_to_tell_holds_no_payment_up() {
    let webhooks = Webhooks { url: "http://127.0.0.1:1/".to_owned(), secret: SECRET.to_owned() };
    let peer = Peer::start(Options { webhooks: Some(webhooks), ..options() }).await;
    for number in 0..100 {
        peer.client().authorise(&charge(&format!("hold_{number}")), 0).await.unwrap();
    }
    assert_eq!(peer.payments().await.len(), 100);
}
