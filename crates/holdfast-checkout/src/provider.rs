//! Payment providers: what is asked of them, and what they answer.
//!
//! Money moves in two steps. To authorise sets the full amount aside, to capture takes it; until
//! then it can be cancelled, after that refunded. A call whose answer was lost may have acted, so
//! every call may be repeated: a payment is known by a reference of ours, and a provider has at most
//! one payment under it.

mod reference;
pub mod simulated;

use std::future::Future;
use std::time::Duration;

use holdfast_core::Money;
use serde::{Deserialize, Serialize};

pub use reference::{InvalidReference, Reference};

/// Payments in one answer of [`Provider::list`], at most.
pub const LIST_MAX: u32 = 100;

/// Who is asked for the money.
///
/// A call that the payment's status does not allow changes nothing and gives the payment as it is:
/// judge by its status, and of [`Provider::authorise`] also by its total.
///
/// `call` counts the tries of one step on one reference, from 0. It is part of the idempotency key
/// ([`Step::key`]), and a provider may keep the first answer to a key, also a failure and also a
/// refusal by status, and answer the same again without acting. So raise it once a step was answered
/// and has not come about: after [`ProviderError::Unknown`] look first ([`Provider::find`]), then
/// repeat with the next number. That is safe always, for a reference has one payment.
pub trait Provider: Send + Sync {
    /// Sets the full amount aside. One payment per reference: where there is one it is given as it
    /// is, also a cancelled one, also of another total.
    ///
    /// # Errors
    /// See [`ProviderError`].
    fn authorise(
        &self,
        charge: &Charge,
        call: u32,
    ) -> impl Future<Output = Result<Payment, ProviderError>> + Send;

    /// The payment under a reference; `None`: there is none yet. A call that is still on its way may
    /// make one after that.
    ///
    /// # Errors
    /// See [`ProviderError`].
    fn find(
        &self,
        reference: &Reference,
    ) -> impl Future<Output = Result<Option<Payment>, ProviderError>> + Send;

    /// Takes the full amount of an authorised payment.
    ///
    /// # Errors
    /// See [`ProviderError`]; `Broken` also if there is no such payment.
    fn capture(
        &self,
        reference: &Reference,
        call: u32,
    ) -> impl Future<Output = Result<Payment, ProviderError>> + Send;

    /// Gives an authorised payment up: the amount is free again. Of a reference that the provider
    /// does not know it makes a cancelled payment of nothing, so that an authorise that is still on
    /// its way is refused. A pending payment stays as it is: try again when it is decided.
    ///
    /// # Errors
    /// See [`ProviderError`].
    fn cancel(
        &self,
        reference: &Reference,
        call: u32,
    ) -> impl Future<Output = Result<Payment, ProviderError>> + Send;

    /// Gives the full amount of a captured payment back.
    ///
    /// # Errors
    /// See [`ProviderError`]; `Broken` also if there is no such payment.
    fn refund(
        &self,
        reference: &Reference,
        call: u32,
    ) -> impl Future<Output = Result<Payment, ProviderError>> + Send;

    /// At most `limit` payments, 1 to [`LIST_MAX`], whose ids come after `after`, in the order of
    /// their ids, which is that in which they were made.
    ///
    /// # Errors
    /// See [`ProviderError`].
    fn list(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Payment>, ProviderError>> + Send;
}

/// What is to be authorised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// What we call the payment.
    pub reference: Reference,
    /// The full amount.
    #[serde(flatten)]
    pub total: Money,
    /// How a simulated provider is to behave; real ones never hear of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manner: Option<Manner>,
    /// After how many milliseconds a payment of the manner `late` is authorised; at most a day.
    pub late_ms: u64,
}

/// How a simulated provider behaves towards one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// Authorises it at once.
    Approve,
    /// Declines it.
    Decline,
    /// Authorises it, and answers after three seconds.
    Slow,
    /// Answers `pending`, and authorises it later.
    Late,
    /// Authorises it, and tells of each change twice.
    Twice,
    /// Never answers, and makes no payment.
    Never,
}

impl Manner {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Approve, Self::Decline, Self::Slow, Self::Late, Self::Twice, Self::Never];

    /// As it is spelt.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Decline => "decline",
            Self::Slow => "slow",
            Self::Late => "late",
            Self::Twice => "twice",
            Self::Never => "never",
        }
    }

    /// The manner that is spelt so.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|manner| manner.as_str() == text)
    }
}

/// A payment as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// What the provider calls it.
    pub id: String,
    /// What we call it.
    pub reference: Reference,
    /// The full amount.
    #[serde(flatten)]
    pub total: Money,
    /// Where it is in its life.
    pub status: PaymentStatus,
    /// Why it was declined or cancelled, if that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a payment is in its life: pending, then authorised or declined; authorised, then captured
/// or cancelled; captured, then refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Nobody knows yet.
    Pending,
    /// The full amount is set aside.
    Authorised,
    /// The amount is not to be had. That is the end.
    Declined,
    /// The full amount has been taken.
    Captured,
    /// It was given up before it was captured. That is the end.
    Cancelled,
    /// The full amount has been given back. That is the end.
    Refunded,
}

impl PaymentStatus {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Authorised,
        Self::Declined,
        Self::Captured,
        Self::Cancelled,
        Self::Refunded,
    ];

    /// As it is spelt.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Authorised => "authorised",
            Self::Declined => "declined",
            Self::Captured => "captured",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
        }
    }

    /// The status that is spelt so.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A call that moves money, or may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Set the amount aside.
    Authorise,
    /// Take it.
    Capture,
    /// Give up what was set aside.
    Cancel,
    /// Give back what was taken.
    Refund,
}

impl Step {
    /// The idempotency key of a call. To authorise it is the reference, for the other steps that and
    /// the step's name; a repeat has its number behind that. A key is one request for ever: a
    /// provider refuses another request under it.
    pub fn key(self, reference: &Reference, call: u32) -> String {
        let step = match self {
            Self::Authorise => "",
            Self::Capture => "-capture",
            Self::Cancel => "-cancel",
            Self::Refund => "-refund",
        };
        match call {
            0 => format!("{reference}{step}"),
            _ => format!("{reference}{step}-{call}"),
        }
    }
}

/// Why there is no payment in answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider is asked too often. It has done nothing.
    #[error("the provider is asked too often; again after {retry_after:?}")]
    Busy {
        /// When to ask again.
        retry_after: Duration,
    },
    /// No answer, or a failure: it may have acted. Look, then repeat.
    #[error("it is not known what the provider did: {0}")]
    Unknown(String),
    /// It is not our provider, or does not take our secret, or says what nobody understands: a human
    /// must look at the configuration.
    #[error("the provider cannot be worked with: {0}")]
    Broken(String),
}
