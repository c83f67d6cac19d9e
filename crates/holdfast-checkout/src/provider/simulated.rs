//! A payment provider to test against: a real peer over HTTP, that can behave as ill as real ones.
//!
//! [`Bank`] keeps the payments, [`serve`] lets it be asked, [`Client`] asks it.

mod answer;
mod bank;
mod book;
mod client;
mod clock;
mod connections;
mod courier;
mod exchange;
mod journal;
mod limits;
mod manners;
mod requests;
mod routes;

use std::num::NonZeroU32;

pub use bank::Bank;
pub use client::{Client, ClientOptions, InvalidClient, InvalidUrl};
pub use connections::{NotServed, serve};
pub use journal::BankError;
pub use manners::{InvalidManners, Manners};

/// The file in a bank's folder that has all its payments.
pub const FILE: &str = "payments.jsonl";

/// How often each of a bank's endpoints may be asked, per second, unless said otherwise.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(25).unwrap();

/// What can be chosen of a bank.
#[derive(Clone)]
pub struct Options {
    /// What whoever asks must bring, as `Authorization: Bearer`.
    pub secret: String,
    /// Who is told of each change; `None`: nobody.
    pub webhooks: Option<Webhooks>,
    /// How often each endpoint may be asked, per second: authorise, capture, cancel, refund, look.
    /// `None`: as often as anyone likes.
    pub per_second: Option<NonZeroU32>,
    /// How ill it behaves.
    pub manners: Manners,
    /// Where its chance begins: the same requests in the same order meet the same.
    pub seed: u64,
}

impl Options {
    /// A bank that behaves well, as often as real ones let themselves be asked: 25 times a second.
    pub fn new(secret: impl Into<String>) -> Self {
        Self {
            secret: secret.into(),
            webhooks: None,
            per_second: Some(PER_SECOND),
            manners: Manners::default(),
            seed: 0,
        }
    }
}

/// Who is told of each change.
#[derive(Clone)]
pub struct Webhooks {
    /// Where, such as `http://127.0.0.1:8080/v1/webhooks/simulated`.
    pub url: String,
    /// What the messages are signed with.
    pub secret: String,
}
