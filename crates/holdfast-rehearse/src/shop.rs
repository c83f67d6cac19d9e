//! The server as the rehearsal sees it: every request of the contract that it makes.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;
use tokio::time::sleep;

use crate::dial::Dialer;
use crate::exchange::{Answer, Ask, Failure, exchange};
use crate::token::Signer;
use crate::wire::{Reserve, TIER};
use crate::{Options, RehearseError, Target};

/// Connections that a single request may try.
const CONNECTS_MAX: u32 = 5;
/// The pause after the first connection that failed; it doubles.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Times that a single request comes back after a 503.
const COMEBACKS_MAX: u32 = 8;
/// Buyers' tokens outlive every rehearsal.
const TOKEN_LIFE: Duration = Duration::from_secs(86_400);

/// The server, the sale of this rehearsal, and who may ask for what.
pub(crate) struct Shop {
    target: Target,
    dialer: Dialer,
    merchant: HeaderValue,
    signer: Option<Signer>,
    sale: String,
}

/// What it took to get an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// Connections that failed and were tried again.
    pub(crate) connect: u32,
    /// Answers that said "come back later", and were obeyed.
    pub(crate) comeback: u32,
}

/// The name of a buyer in the sale.
pub(crate) fn buyer_name(buyer: u32) -> String {
    format!("buyer-{buyer:07}")
}

impl Shop {
    pub(crate) fn new(options: &Options, sale: String) -> Result<Self, RehearseError> {
        let merchant = bearer(&options.merchant_key).map_err(|_| RehearseError::Option {
            option: "merchant_key",
            reason: "it has characters that a header cannot carry".into(),
        })?;
        Ok(Self {
            target: options.target.clone(),
            dialer: Dialer::new(options.target.address()),
            merchant,
            signer: options.buyer_secret.as_deref().map(|s| Signer::new(s, TOKEN_LIFE)),
            sale,
        })
    }

    pub(crate) fn sale(&self) -> &str {
        &self.sale
    }

    /// Asks until there is an answer other than "come back later", or no hope of one.
    pub(crate) async fn ask(
        &self,
        ask: &Ask,
        turn: u32,
        tries: &mut Tries,
    ) -> Result<Answer, Failure> {
        loop {
            let stream = match self.dialer.dial(turn.wrapping_add(tries.connect)).await {
                Ok(stream) => stream,
                Err(_) if tries.connect + 1 < CONNECTS_MAX => {
                    sleep(CONNECT_PAUSE * 2_u32.pow(tries.connect)).await;
                    tries.connect += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let answer = exchange(stream, ask.clone()).await?;
            match answer.retry_after {
                Some(pause) if answer.status == 503 && tries.comeback < COMEBACKS_MAX => {
                    tries.comeback += 1;
                    sleep(pause).await;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// Makes the sale.
    pub(crate) fn create(&self, options: &Options) -> Result<Ask, Failure> {
        let body = json!({
            "name": format!("Rehearsal {}", self.sale),
            "hold_seconds": options.hold_seconds,
            "max_per_buyer": 1,
            "admission": "first_come",
            "tiers": [{
                "id": TIER,
                "name": "General",
                "capacity": options.capacity,
                "price": { "amount": 1_000, "currency": "EUR" },
            }],
        });
        self.request(Method::PUT, &self.sale_path(""), self.merchant.clone(), None, Some(&body))
    }

    /// Opens or closes the sale.
    pub(crate) fn step(&self, step: &str) -> Result<Ask, Failure> {
        let path = self.sale_path(&format!("/{step}"));
        self.request(Method::POST, &path, self.merchant.clone(), None, None::<&()>)
    }

    /// Asks for one unit; with or without the buyer's idempotency key.
    pub(crate) fn reserve(&self, buyer: u32, with_key: bool) -> Result<Ask, Failure> {
        let name = buyer_name(buyer);
        let buyer = self.signer.is_none().then_some(name.as_str());
        let body = Reserve { buyer, tier: TIER, quantity: 1, if_held: "refuse" };
        let key = with_key.then(|| format!("buy-{name}"));
        let path = self.sale_path("/holds");
        self.request(Method::POST, &path, self.credentials(&name)?, key, Some(&body))
    }

    /// Looks at a hold.
    pub(crate) fn hold(&self, buyer: u32, id: &str) -> Result<Ask, Failure> {
        let who = self.credentials(&buyer_name(buyer))?;
        self.request(Method::GET, &format!("/v1/holds/{id}"), who, None, None::<&()>)
    }

    /// Asks what a buyer has.
    pub(crate) fn me(&self, buyer: u32) -> Result<Ask, Failure> {
        let name = buyer_name(buyer);
        let path = match self.signer {
            Some(_) => self.sale_path("/me"),
            None => self.sale_path(&format!("/me?buyer={name}")),
        };
        self.request(Method::GET, &path, self.credentials(&name)?, None, None::<&()>)
    }

    /// The public view, which nobody needs a key for.
    pub(crate) fn view(&self) -> Result<Ask, Failure> {
        Ok(self.head(Method::GET, &self.sale_path("")).body(Full::default())?)
    }

    /// The server's own audit.
    pub(crate) fn audit(&self) -> Result<Ask, Failure> {
        let path = self.sale_path("/audit");
        self.request(Method::GET, &path, self.merchant.clone(), None, None::<&()>)
    }

    fn sale_path(&self, rest: &str) -> String {
        format!("/v1/sales/{}{rest}", self.sale)
    }

    fn credentials(&self, buyer: &str) -> Result<HeaderValue, Failure> {
        let Some(signer) = &self.signer else { return Ok(self.merchant.clone()) };
        let token = signer.token(buyer).map_err(|error| Failure::Broken(error.to_string()))?;
        Ok(bearer(&token).map_err(http::Error::from)?)
    }

    fn head(&self, method: Method, path: &str) -> http::request::Builder {
        let head = Request::builder().method(method).uri(path);
        head.header(HOST, self.target.authority()).header(CONNECTION, "close")
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        who: HeaderValue,
        key: Option<String>,
        body: Option<&impl Serialize>,
    ) -> Result<Ask, Failure> {
        let mut head = self.head(method, path).header(AUTHORIZATION, who);
        if let Some(key) = key {
            head = head.header("idempotency-key", key);
        }
        let Some(body) = body else { return Ok(head.body(Full::default())?) };
        let body = serde_json::to_vec(body).map_err(|e| Failure::Broken(e.to_string()))?;
        let head = head.header(CONTENT_TYPE, "application/json");
        Ok(head.body(Full::new(Bytes::from(body)))?)
    }
}

fn bearer(secret: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {secret}"))?;
    value.set_sensitive(true);
    Ok(value)
}
