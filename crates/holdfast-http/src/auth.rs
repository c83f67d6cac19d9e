//! Who asks: a merchant by key, a buyer by a token that the merchant's shop has signed.

use std::fmt;

use holdfast_api::{Code, Problem};
use holdfast_core::BuyerId;
use http::{HeaderMap, header};

use crate::app::App;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Merchant,
    Buyer(BuyerId),
}

/// Keys that make a caller the merchant. Only their hashes are kept.
#[derive(Clone)]
pub struct MerchantKeys {
    hashes: Vec<blake3::Hash>,
    /// Whether one of them could be taken for a token. If none is, no buyer's token need be
    /// looked for among them.
    has_token_like: bool,
}

impl MerchantKeys {
    /// Takes the keys' hashes and forgets the keys.
    pub fn new<K: AsRef<str>>(keys: impl IntoIterator<Item = K>) -> Self {
        let mut known = Self { hashes: Vec::new(), has_token_like: false };
        for key in keys {
            let key = key.as_ref();
            known.hashes.push(blake3::hash(key.as_bytes()));
            known.has_token_like |= is_token_like(key);
        }
        known
    }

    /// Compares hashes in constant time, so that an answer's time tells nothing about a key.
    fn has(&self, key: &str) -> bool {
        let asked = blake3::hash(key.as_bytes());
        self.hashes.iter().fold(false, |found, known| found | (*known == asked))
    }
}

impl fmt::Debug for MerchantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MerchantKeys({})", self.hashes.len())
    }
}

/// A token has two dots. A merchant's key may have them too.
fn is_token_like(credential: &str) -> bool {
    credential.bytes().filter(|&byte| byte == b'.').count() == 2
}

impl App {
    /// Who asks: the merchant, if the bearer's credential is one of the merchant's keys; else the
    /// buyer whose token it is.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let credential = bearer(headers).ok_or_else(|| {
            let scheme = "send Authorization: Bearer, with a merchant's key or a buyer's token";
            Problem::new(Code::Unauthorised).because(scheme)
        })?;
        let merchants = &self.options.merchants;
        let is_token_like = is_token_like(credential);
        if (!is_token_like || merchants.has_token_like) && merchants.has(credential) {
            return Ok(Caller::Merchant);
        }
        if !is_token_like {
            return Err(Problem::new(Code::Unauthorised)
                .because("this is neither a merchant's key nor a token"));
        }
        let buyer = self.options.buyers.buyer(credential);
        buyer
            .map(Caller::Buyer)
            .map_err(|doubt| Problem::new(Code::Unauthorised).because(doubt.to_string()))
    }

    /// Lets only a merchant pass.
    pub(crate) fn merchant(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match self.caller(headers)? {
            Caller::Merchant => Ok(()),
            Caller::Buyer(_) => Err(Problem::new(Code::Forbidden)),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, credential) =
        headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(credential)
}
