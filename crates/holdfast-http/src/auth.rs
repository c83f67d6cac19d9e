//! Who asks: a merchant by key, a buyer by a token that the merchant's shop has signed.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_api::{Code, Problem};
use holdfast_core::BuyerId;
use http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::app::App;

/// What a buyer's token must name as its audience.
pub const AUDIENCE: &str = "holdfast";

/// Seconds by which the shop's clock may be ahead of or behind the server's.
const LEEWAY_SECONDS: u64 = 5;

/// An HS256 secret is as long as the hash at least (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Merchant,
    Buyer(BuyerId),
}

/// Keys that make a caller the merchant. Only their hashes are kept.
#[derive(Clone)]
pub struct MerchantKeys(Vec<blake3::Hash>);

impl MerchantKeys {
    /// Takes the keys' hashes and forgets the keys.
    pub fn new<K: AsRef<str>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(keys.into_iter().map(|key| blake3::hash(key.as_ref().as_bytes())).collect())
    }

    /// Compares hashes in constant time, so that an answer's time tells nothing about a key.
    fn has(&self, key: &str) -> bool {
        let asked = blake3::hash(key.as_bytes());
        self.0.iter().fold(false, |found, known| found | (*known == asked))
    }
}

impl fmt::Debug for MerchantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MerchantKeys({})", self.0.len())
    }
}

/// Why a buyers' key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BuyerKeyError {
    /// A secret that could be guessed.
    #[error("an HS256 secret has at least {SECRET_BYTES_MIN} bytes")]
    Short,
    /// A PEM that is no Ed25519 public key.
    #[error("not an Ed25519 public key: {0}")]
    Pem(jsonwebtoken::errors::Error),
}

/// Keys that sign for buyers; several while they are being changed. The algorithm belongs to the
/// key: what a token says of it is never believed.
#[derive(Clone, Default)]
pub struct BuyerKeys(Vec<(DecodingKey, Validation)>);

impl BuyerKeys {
    /// Adds a key as it stands in its file: an Ed25519 public key in PEM, or an HS256 secret.
    ///
    /// # Errors
    /// When it is neither, or too short to be a secret.
    pub fn add(&mut self, file: &str) -> Result<(), BuyerKeyError> {
        let file = file.trim();
        let (key, algorithm) = if file.starts_with("-----BEGIN") {
            let key = DecodingKey::from_ed_pem(file.as_bytes()).map_err(BuyerKeyError::Pem)?;
            (key, Algorithm::EdDSA)
        } else if file.len() < SECRET_BYTES_MIN {
            return Err(BuyerKeyError::Short);
        } else {
            (DecodingKey::from_secret(file.as_bytes()), Algorithm::HS256)
        };
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["sub", "exp", "aud"]);
        validation.leeway = LEEWAY_SECONDS;
        self.0.push((key, validation));
        Ok(())
    }

    fn buyer(&self, token: &str) -> Option<BuyerId> {
        let claims = |(key, validation): &(DecodingKey, Validation)| {
            jsonwebtoken::decode::<Claims>(token, key, validation).ok()
        };
        BuyerId::new(&self.0.iter().find_map(claims)?.claims.sub).ok()
    }
}

impl fmt::Debug for BuyerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuyerKeys({})", self.0.len())
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    aud: String,
    exp: u64,
}

/// Signs a buyer's token with an HS256 secret, as the merchant's shop would.
///
/// # Errors
/// When the secret cannot sign.
pub fn sign_token(
    secret: &str,
    buyer: &BuyerId,
    lifetime: Duration,
) -> Result<String, jsonwebtoken::errors::Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let exp = (now + lifetime).as_secs();
    let claims = Claims { sub: buyer.to_string(), aud: AUDIENCE.to_owned(), exp };
    let key = EncodingKey::from_secret(secret.trim().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
}

impl App {
    /// Who asks. A bearer token with two dots is a buyer's, any other a merchant's key.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let unknown = || Problem::new(Code::Unauthorised);
        let value = headers.get(header::AUTHORIZATION).ok_or_else(unknown)?;
        let (scheme, token) =
            value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(unknown)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unknown());
        }
        if token.matches('.').count() == 2 {
            return self.options.buyers.buyer(token).map(Caller::Buyer).ok_or_else(unknown);
        }
        if self.options.merchants.has(token) { Ok(Caller::Merchant) } else { Err(unknown()) }
    }

    /// Lets only a merchant pass.
    pub(crate) fn merchant(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match self.caller(headers)? {
            Caller::Merchant => Ok(()),
            Caller::Buyer(_) => Err(Problem::new(Code::Forbidden)),
        }
    }
}
