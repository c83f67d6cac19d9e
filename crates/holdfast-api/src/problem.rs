//! What is answered instead of what was asked for: RFC 9457.

use std::borrow::Cow;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Hold, Time, schema};

/// A problem, as `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("allOf" = schema::what_codes_bring()))]
pub struct Problem {
    /// The problem's type; says the same as `code`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// What the code means, for people.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, for programs.
    pub code: Code,
    /// What went wrong this time, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub detail: Option<Cow<'static, str>>,
    /// Which field of the request is wrong, such as `tiers[1].capacity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub field: Option<Cow<'static, str>>,
    /// With `not_enough`: how many units are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub free: Option<u32>,
    /// With `all_held`: when a unit can next come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub next_return_at: Option<Time>,
    /// With `not_open`: when the sale opens, if that is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub opens_at: Option<Time>,
    /// With `hold_exists`: the hold that the buyer has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Hold")]
    pub hold: Option<Hold>,
    /// After how many seconds the same request may succeed; goes into `Retry-After`.
    #[serde(skip)]
    pub retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem that says no more than its code.
    pub fn new(code: Code) -> Self {
        Self {
            kind: Cow::Borrowed(code.urn()),
            title: Cow::Borrowed(code.title()),
            status: code.status(),
            code,
            detail: None,
            field: None,
            free: None,
            next_return_at: None,
            opens_at: None,
            hold: None,
            retry_after_seconds: code.may_be_retried().then_some(1),
        }
    }

    /// A field of the request that is not as it must be.
    pub fn invalid(field: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) -> Self {
        let field = Some(field.into());
        Self { field, ..Self::new(Code::InvalidRequest).because(why) }
    }

    /// The same problem with words on this occurrence of it.
    #[must_use]
    pub fn because(self, why: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(why.into()), ..self }
    }

    /// The same problem with a time after which the request may be repeated, in whole seconds.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
        Self { retry_after_seconds: Some(seconds), ..self }
    }
}
