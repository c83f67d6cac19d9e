//! Buyers' own tokens, as a shop's login would issue them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

const AUDIENCE: &str = "holdfast";

/// Signs tokens with the merchant's HS256 secret.
pub(crate) struct Signer {
    key: EncodingKey,
    /// Seconds since 1970 UTC.
    expires: u64,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'static str,
    exp: u64,
}

impl Signer {
    /// Its tokens are good for `life` from now on.
    pub(crate) fn new(secret: &[u8], life: Duration) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { key: EncodingKey::from_secret(secret), expires: (now + life).as_secs() }
    }

    pub(crate) fn token(&self, buyer: &str) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims { sub: buyer, aud: AUDIENCE, exp: self.expires };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.key)
    }
}
