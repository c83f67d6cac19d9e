//! Asks a bank, as any provider is asked.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::REPLAYED;
pub use super::exchange::InvalidUrl;
use super::exchange::{Exchange, Reply, address};
use crate::provider::{Charge, LIST_MAX, Payment, Provider, ProviderError, Reference, Step};

/// How long to wait when we are told to wait and not for how long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// However long we are told to wait, we ask again after that.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// What can be chosen of a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// How long an answer may take; 10 s by default.
    pub deadline: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10) }
    }
}

/// Asks a bank over HTTP, on connections that it keeps. Cheap to clone; it belongs to the runtime on
/// which it is used first.
#[derive(Clone, Debug)]
pub struct Client {
    exchange: Exchange,
    base: String,
    authorisation: HeaderValue,
    options: ClientOptions,
}

/// Why a client cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClient {
    /// The bank's address is none.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The secret cannot be sent.
    #[error("the provider's secret has visible ASCII characters only")]
    Secret,
}

/// What the bank sends when it finds payments.
#[derive(Deserialize)]
struct Found {
    payments: Vec<Payment>,
}

/// What the bank sends when it refuses.
#[derive(Deserialize)]
struct Refused {
    #[serde(default)]
    message: String,
    payment: Option<Payment>,
}

impl Client {
    /// A client of the bank at an address like `http://127.0.0.1:8090`.
    ///
    /// # Errors
    /// When that is no such address, or the secret cannot be sent.
    pub fn new(url: &str, secret: &str, options: ClientOptions) -> Result<Self, InvalidClient> {
        let uri = address(url)?;
        if uri.query().is_some() {
            return Err(InvalidUrl(url.to_owned()).into());
        }
        let mut authorisation = HeaderValue::from_str(&format!("Bearer {secret}"))
            .map_err(|_| InvalidClient::Secret)?;
        authorisation.set_sensitive(true);
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { exchange: Exchange::new(), base, authorisation, options })
    }

    async fn step(
        &self,
        step: Step,
        reference: &Reference,
        body: Bytes,
        call: u32,
    ) -> Result<Payment, ProviderError> {
        let encoded = utf8_percent_encode(reference.as_str(), NON_ALPHANUMERIC);
        let path = match step {
            Step::Authorise => "/payments".to_owned(),
            Step::Capture => format!("/payments/{encoded}/capture"),
            Step::Cancel => format!("/payments/{encoded}/cancel"),
            Step::Refund => format!("/payments/{encoded}/refund"),
        };
        let key = step.key(reference, call);
        let reply = self.ask(Method::POST, &path, Some(&key), body).await?;
        let is_replayed = reply.headers.contains_key(REPLAYED);
        let payment = payment(&reply)?;
        if payment.reference != *reference {
            return Err(ProviderError::Broken("it answered with another payment".to_owned()));
        }
        if !is_replayed {
            return Ok(payment);
        }
        // What was true when the key was new may be so no longer.
        let found = self.find(reference).await?;
        found.ok_or_else(|| ProviderError::Broken("it has lost a payment".to_owned()))
    }

    async fn look(&self, query: &[(&str, &str)]) -> Result<Vec<Payment>, ProviderError> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let path = format!("/payments?{query}");
        let reply = self.ask(Method::GET, &path, None, Bytes::new()).await?;
        if reply.status == StatusCode::OK {
            return read(&reply).map(|Found { payments }| payments);
        }
        Err(not_understood(&reply))
    }

    /// One request; every answer that is no answer to it is an error.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<Reply, ProviderError> {
        let broken = |error: http::Error| ProviderError::Broken(error.to_string());
        let uri: Uri = format!("{}{path}", self.base)
            .parse()
            .map_err(|error: http::uri::InvalidUri| ProviderError::Broken(error.to_string()))?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::AUTHORIZATION, self.authorisation.clone())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::new(body)).map_err(broken)?;
        let reply = self.exchange.ask(request, self.options.deadline).await;
        let reply = reply.map_err(ProviderError::Unknown)?;
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(ProviderError::Busy { retry_after: retry_after(&reply) });
        }
        if reply.status.is_server_error() || reply.status == StatusCode::REQUEST_TIMEOUT {
            return Err(ProviderError::Unknown(format!("it answered {}", reply.status)));
        }
        Ok(reply)
    }
}

impl Provider for Client {
    async fn authorise(&self, charge: &Charge, call: u32) -> Result<Payment, ProviderError> {
        let body = serde_json::to_vec(charge);
        let body = body.map_err(|error| ProviderError::Broken(error.to_string()))?;
        self.step(Step::Authorise, &charge.reference, body.into(), call).await
    }

    async fn find(&self, reference: &Reference) -> Result<Option<Payment>, ProviderError> {
        let found = self.look(&[("reference", reference.as_str())]).await?;
        if found.len() > 1 || found.iter().any(|payment| payment.reference != *reference) {
            return Err(ProviderError::Broken("it answered with other payments".to_owned()));
        }
        Ok(found.into_iter().next())
    }

    async fn capture(&self, reference: &Reference, call: u32) -> Result<Payment, ProviderError> {
        self.step(Step::Capture, reference, Bytes::new(), call).await
    }

    async fn cancel(&self, reference: &Reference, call: u32) -> Result<Payment, ProviderError> {
        self.step(Step::Cancel, reference, Bytes::new(), call).await
    }

    async fn refund(&self, reference: &Reference, call: u32) -> Result<Payment, ProviderError> {
        self.step(Step::Refund, reference, Bytes::new(), call).await
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Payment>, ProviderError> {
        let limit = limit.clamp(1, LIST_MAX).to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(after.map(|after| ("after", after)));
        self.look(&query).await
    }
}

/// The payment that a step was answered with, taken or refused.
fn payment(reply: &Reply) -> Result<Payment, ProviderError> {
    match reply.status {
        StatusCode::OK | StatusCode::CREATED => read(reply),
        StatusCode::CONFLICT => {
            let Refused { message, payment } = read(reply)?;
            payment.ok_or(ProviderError::Broken(message))
        }
        _ => Err(not_understood(reply)),
    }
}

fn read<T: DeserializeOwned>(reply: &Reply) -> Result<T, ProviderError> {
    serde_json::from_slice(&reply.body).map_err(|error| {
        ProviderError::Broken(format!(
            "it answered {}, and not as we know it: {error}",
            reply.status
        ))
    })
}

fn not_understood(reply: &Reply) -> ProviderError {
    let said: Option<Refused> = serde_json::from_slice(&reply.body).ok();
    let said = said.map_or_else(String::new, |refused| format!(": {}", refused.message));
    ProviderError::Broken(format!("it answered {}{said}", reply.status))
}

fn retry_after(reply: &Reply) -> Duration {
    let value = reply.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = value.and_then(|value| value.parse().ok());
    seconds.map_or(RETRY_AFTER, Duration::from_secs).min(RETRY_AFTER_MAX)
}
