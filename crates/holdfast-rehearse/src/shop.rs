//! The server as the rehearsal sees it: every request of the contract that it makes.

use std::net::IpAddr;
use std::time::Duration;

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use crate::dial::Dialer;
use crate::exchange::{Answer, Ask, Failure, exchange};
use crate::token::Signer;
use crate::wire::{CURRENCY, PRICE, Reserve, TIER};
use crate::{Options, RehearseError, Target};

/// Connections that a single request may try.
const CONNECTS_MAX: u32 = 5;
/// The pause after the first connection that failed; it doubles.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Whoever is to come back at once comes back after this.
const COMEBACK_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Buyers' tokens outlive every rehearsal.
const TOKEN_LIFE: Duration = Duration::from_secs(86_400);

/// What it takes to be a crowd for one sale. It holds secrets, so it cannot be printed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    target: Target,
    merchant_key: String,
    buyer_secret: Option<Vec<u8>>,
    source_addresses: Vec<IpAddr>,
    sale: String,
}

/// What a sale is made with.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) capacity: u32,
    pub(crate) hold_seconds: u32,
    pub(crate) checkout_grace_seconds: u32,
}

/// The server, the sale of this rehearsal, and who may ask for what.
pub(crate) struct Shop {
    access: Access,
    dialer: Dialer,
    signer: Option<Signer>,
}

/// The name of a buyer in the sale.
pub(crate) fn buyer_name(buyer: u32) -> String {
    format!("buyer-{buyer:07}")
}

/// What the server calls an id goes into an address as it is: it must not break out of it.
fn hold_path(id: &str) -> Result<String, Failure> {
    if !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Request(format!("the hold's id is {id:?}")));
    }
    Ok(format!("/v1/holds/{id}"))
}

impl Access {
    pub(crate) fn new(options: &Options, sale: String) -> Result<Self, RehearseError> {
        if HeaderValue::from_str(&options.merchant_key).is_err() {
            let reason = "it has characters that a header cannot carry".into();
            return Err(RehearseError::Option { option: "merchant_key", reason });
        }
        Ok(Self {
            target: options.target.clone(),
            merchant_key: options.merchant_key.clone(),
            buyer_secret: options.buyer_secret.clone(),
            source_addresses: options.source_addresses.clone(),
            sale,
        })
    }

    /// The same for another sale on the same server.
    pub(crate) fn to(&self, sale: String) -> Self {
        Self { sale, ..self.clone() }
    }
}

impl Shop {
    pub(crate) fn new(access: Access) -> Self {
        let dialer = Dialer::new(access.target.addresses(), &access.source_addresses);
        let signer = access.buyer_secret.as_deref().map(|secret| Signer::new(secret, TOKEN_LIFE));
        Self { access, dialer, signer }
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn target(&self) -> &Target {
        &self.access.target
    }

    pub(crate) fn sale(&self) -> &str {
        &self.access.sale
    }

    /// A new connection, or why there is none after several attempts, which are counted.
    pub(crate) async fn connect(&self, turn: u32, failed: &mut u32) -> Result<TcpStream, Failure> {
        let mut again = 0;
        loop {
            match self.dialer.dial(turn.wrapping_add(again)).await {
                Ok(stream) => return Ok(stream),
                Err(error) if again + 1 == CONNECTS_MAX => return Err(Failure::Connect(error)),
                Err(_) => {
                    sleep(CONNECT_PAUSE * 2_u32.pow(again)).await;
                    again += 1;
                    *failed += 1;
                }
            }
        }
    }

    /// Asks once.
    pub(crate) async fn once(&self, ask: &[u8], turn: u32) -> Result<Answer, Failure> {
        exchange(self.connect(turn, &mut 0).await?, ask).await
    }

    /// Asks until there is an answer other than "come back later" (429 or 503 with `Retry-After`),
    /// or until there is no time left to come back in.
    pub(crate) async fn ask(
        &self,
        ask: &[u8],
        turn: u32,
        within: Duration,
    ) -> Result<Answer, Failure> {
        let deadline = Instant::now() + within;
        loop {
            let asked = timeout_at(deadline, self.once(ask, turn)).await;
            let answer = asked.unwrap_or(Err(Failure::Late))?;
            let pause = answer.retry_after.filter(|_| matches!(answer.status.as_u16(), 429 | 503));
            let Some(pause) = pause.map(|pause| pause.max(COMEBACK_PAUSE_MIN)) else {
                return Ok(answer);
            };
            if Instant::now() + pause >= deadline {
                return Ok(answer);
            }
            sleep(pause).await;
        }
    }

    /// Makes the sale.
    pub(crate) fn create(&self, terms: Terms) -> Result<Ask, Failure> {
        let body = json!({
            "name": format!("Rehearsal {}", self.sale()),
            "hold_seconds": terms.hold_seconds,
            "checkout_grace_seconds": terms.checkout_grace_seconds,
            "max_per_buyer": 1,
            "admission": "first_come",
            "tiers": [{
                "id": TIER,
                "name": "General",
                "capacity": terms.capacity,
                "price": { "amount": PRICE, "currency": CURRENCY },
            }],
        });
        self.request("PUT", &self.sale_path(""), &self.access.merchant_key, None, Some(&body))
    }

    /// Opens or closes the sale.
    pub(crate) fn step(&self, step: &str) -> Result<Ask, Failure> {
        self.merchants("POST", &format!("/{step}"))
    }

    /// Asks for one unit; with or without the buyer's idempotency key.
    pub(crate) fn reserve(&self, buyer: u32, with_key: bool) -> Result<Ask, Failure> {
        let name = buyer_name(buyer);
        let buyer = self.signer.is_none().then_some(name.as_str());
        let body = Reserve { buyer, tier: TIER, quantity: 1, if_held: "refuse" };
        let key = with_key.then(|| format!("buy-{name}"));
        let path = self.sale_path("/holds");
        self.request("POST", &path, &self.credentials(&name)?, key.as_deref(), Some(&body))
    }

    /// Looks at a hold.
    pub(crate) fn hold(&self, buyer: u32, id: &str) -> Result<Ask, Failure> {
        self.on_hold("GET", buyer, id)
    }

    /// Gives a hold back.
    pub(crate) fn give_back(&self, buyer: u32, id: &str) -> Result<Ask, Failure> {
        self.on_hold("DELETE", buyer, id)
    }

    /// Takes a hold to the checkout, and says how the simulated provider is to behave: no other
    /// takes it, so that no money moves by mistake.
    pub(crate) fn checkout(
        &self,
        buyer: u32,
        hold: &str,
        simulate: &str,
        key: &str,
    ) -> Result<Ask, Failure> {
        let path = format!("{}/checkout", hold_path(hold)?);
        let who = self.credentials(&buyer_name(buyer))?;
        self.request("POST", &path, &who, Some(key), Some(&json!({ "simulate": simulate })))
    }

    /// A page of the sale's orders.
    pub(crate) fn orders(&self, after: Option<&str>) -> Result<Ask, Failure> {
        // What the server says goes into an address as it is: it must not break out of it.
        let after = after.filter(|after| after.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        self.merchants("GET", &format!("/orders?limit=1000{after}"))
    }

    /// Asks what a buyer has.
    pub(crate) fn me(&self, buyer: u32) -> Result<Ask, Failure> {
        let name = buyer_name(buyer);
        let path = match self.signer {
            Some(_) => self.sale_path("/me"),
            None => self.sale_path(&format!("/me?buyer={name}")),
        };
        self.request("GET", &path, &self.credentials(&name)?, None, None::<&()>)
    }

    /// The public view, which nobody needs a key for.
    pub(crate) fn view(&self) -> Ask {
        let mut head = self.head("GET", &self.sale_path(""));
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The server's own audit.
    pub(crate) fn audit(&self) -> Result<Ask, Failure> {
        self.merchants("GET", "/audit")
    }

    fn merchants(&self, method: &str, rest: &str) -> Result<Ask, Failure> {
        let path = self.sale_path(rest);
        self.request(method, &path, &self.access.merchant_key, None, None::<&()>)
    }

    fn on_hold(&self, method: &str, buyer: u32, id: &str) -> Result<Ask, Failure> {
        let path = hold_path(id)?;
        let who = self.credentials(&buyer_name(buyer))?;
        self.request(method, &path, &who, None, None::<&()>)
    }

    fn sale_path(&self, rest: &str) -> String {
        format!("/v1/sales/{}{rest}", self.sale())
    }

    fn credentials(&self, buyer: &str) -> Result<String, Failure> {
        let Some(signer) = &self.signer else { return Ok(self.access.merchant_key.clone()) };
        signer.token(buyer).map_err(|error| Failure::Request(error.to_string()))
    }

    fn head(&self, method: &str, path: &str) -> String {
        let host = self.access.target.authority();
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n")
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        who: &str,
        key: Option<&str>,
        body: Option<&impl Serialize>,
    ) -> Result<Ask, Failure> {
        let mut head = self.head(method, path);
        head.extend(["authorization: Bearer ", who, "\r\n"]);
        if let Some(key) = key {
            head.extend(["idempotency-key: ", key, "\r\n"]);
        }
        let Some(body) = body else {
            if method != "GET" {
                head.push_str("content-length: 0\r\n");
            }
            head.push_str("\r\n");
            return Ok(head.into_bytes());
        };
        let body = serde_json::to_string(body).map_err(|e| Failure::Request(e.to_string()))?;
        let length = body.len().to_string();
        let rest =
            ["content-type: application/json\r\ncontent-length: ", &length, "\r\n\r\n", &body];
        head.extend(rest);
        Ok(head.into_bytes())
    }
}
