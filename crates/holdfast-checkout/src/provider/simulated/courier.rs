//! Who tells others of changes: signed, as ill as was asked for, and again until they take it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Full;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::Webhooks;
use super::bank::News;
use super::book::Change;
use super::clock::now_seconds;
use super::exchange::{Exchange, InvalidUrl, address};
use super::manners::Delivery;
use crate::provider::{Manner, PaymentStatus};
use crate::webhook::{self, Event};

/// How often one message is sent, at most.
const TRIES: u32 = 10;

/// How long after the first try the second one comes; each later wait is twice as long. The last try
/// comes about 50 s after the first.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How long whoever is told may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How late a late message is.
const LATE: Duration = Duration::from_secs(2);

/// How long a message waits, at most, for the next one to go first.
const REORDERED: Duration = Duration::from_secs(2);

/// Messages that are being sent at once, at most.
const AT_ONCE: usize = 64;

/// Whom to tell.
#[derive(Clone)]
pub(super) struct Address {
    uri: Uri,
    secret: String,
}

impl Address {
    pub(super) fn of(webhooks: &Webhooks) -> Result<Self, InvalidUrl> {
        Ok(Self { uri: address(&webhooks.url)?, secret: webhooks.secret.clone() })
    }
}

/// A message to send.
struct Message {
    /// Its place among all messages.
    number: u64,
    body: Bytes,
    delivery: Delivery,
}

/// Sends messages.
#[derive(Clone)]
struct Courier {
    address: Address,
    exchange: Exchange,
    /// The latest message that has been sent in its turn.
    sent: watch::Sender<u64>,
}

/// Tells what is new until nothing can come any more. Dropped, it sends nothing any more.
pub(super) async fn tell(address: &Address, news: &mut mpsc::Receiver<News>) {
    let courier = Courier {
        address: address.clone(),
        exchange: Exchange::new(),
        sent: watch::Sender::new(0),
    };
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut sending = JoinSet::new();
    let mut number = 0;
    while let Some(News { change, mut delivery }) = news.recv().await {
        number += 1;
        delivery.twice |= change.kept.manner == Some(Manner::Twice);
        let message = Message { number, body: body(&change), delivery };
        let Ok(seat) = room.clone().acquire_owned().await else { return };
        let courier = courier.clone();
        sending.spawn(async move {
            courier.deliver(message).await;
            drop(seat);
        });
        while sending.try_join_next().is_some() {}
    }
}

fn body(change: &Change) -> Bytes {
    let payment = &change.kept.payment;
    let event = Event {
        id: format!("evt_{:012}", change.line),
        kind: kind(payment.status).to_owned(),
        reference: payment.reference.clone(),
        created: change.at_ms / 1_000,
    };
    serde_json::to_vec(&event).unwrap_or_default().into()
}

fn kind(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::Pending => "payment.pending",
        PaymentStatus::Authorised => "payment.authorised",
        PaymentStatus::Declined => "payment.declined",
        PaymentStatus::Captured => "payment.captured",
        PaymentStatus::Cancelled => "payment.cancelled",
        PaymentStatus::Refunded => "payment.refunded",
    }
}

impl Courier {
    async fn deliver(&self, message: Message) {
        let Message { number, body, delivery } = message;
        if delivery.never {
            return;
        }
        if delivery.late {
            tokio::time::sleep(LATE).await;
        }
        if delivery.reordered {
            let mut sent = self.sent.subscribe();
            let later = sent.wait_for(|sent| *sent > number);
            let _ = tokio::time::timeout(REORDERED, later).await;
        }
        let copies = if delivery.twice { 2 } else { 1 };
        for _ in 0..copies {
            self.send(&body).await;
        }
        self.sent.send_if_modified(|sent| {
            let is_later = number > *sent;
            *sent = number.max(*sent);
            is_later
        });
    }

    /// Sends until it is taken, a bounded number of times.
    async fn send(&self, body: &Bytes) {
        let mut wait = FIRST_WAIT;
        for attempt in 1..=TRIES {
            match self.is_taken(body.clone()).await {
                Ok(()) => return,
                Err(why) => tracing::debug!(attempt, why, "a webhook was not taken"),
            }
            if attempt < TRIES {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        }
        tracing::warn!(tries = TRIES, "a webhook was never taken: it is given up");
    }

    async fn is_taken(&self, body: Bytes) -> Result<(), String> {
        let Address { uri, secret } = &self.address;
        let signature = webhook::sign(secret.as_bytes(), &body, now_seconds());
        let request = Request::post(uri.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(webhook::SIGNATURE, signature)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let reply = self.exchange.ask(request, DEADLINE).await?;
        if reply.status.is_success() { Ok(()) } else { Err(format!("answered {}", reply.status)) }
    }
}
