//! Who asks: a merchant by key, a buyer by a token that the merchant's shop has signed.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER_PERMISSIVE;
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
    hashes: Vec<[u8; 32]>,
    /// Whether one of them could be taken for a token. If none is, no buyer's token need be
    /// looked for among them.
    has_token_like: bool,
}

/// Begins what stands for a key without being it: the SHA-256 of the key follows, in hexadecimal.
const HASHED: &str = "sha256:";

/// Digits of a hash.
const HASH_DIGITS: usize = 64;

/// Why something cannot be a merchant's key. It is never shown: it may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MerchantKeyError {
    /// It begins like a key's hash and is none.
    #[error("after {HASHED} a merchant key's hash has {HASH_DIGITS} hexadecimal digits")]
    Hash,
    /// It is what `sha256sum` prints, with the file's name behind the hash.
    #[error(
        "a merchant key is the whole line that sha256sum prints: write {HASHED} and the \
         {HASH_DIGITS} digits, and cut the spaces and the file's name behind them \
         (printf %s \"$key\" | sha256sum | cut -d' ' -f1)"
    )]
    Line,
}

impl MerchantKeys {
    /// Takes the keys' hashes and forgets the keys. A key may be given as its hash: `sha256:` and
    /// 64 hexadecimal digits.
    ///
    /// # Errors
    /// When one begins like a hash and is none, or has behind it what `sha256sum` prints there.
    pub fn new<K: AsRef<str>>(keys: impl IntoIterator<Item = K>) -> Result<Self, MerchantKeyError> {
        let mut known = Self { hashes: Vec::new(), has_token_like: false };
        for key in keys {
            let key = key.as_ref();
            if is_line_of_sha256sum(key) {
                return Err(MerchantKeyError::Line);
            }
            if let Some(hash) = key.strip_prefix(HASHED) {
                known.hashes.push(from_hex(hash).ok_or(MerchantKeyError::Hash)?);
                // What it is the hash of is not known.
                known.has_token_like = true;
            } else {
                known.hashes.push(sha256(key));
                known.has_token_like |= is_token_like(key);
            }
        }
        Ok(known)
    }

    /// The number of the key that this is. Hashes are compared in constant time, so that an
    /// answer's time tells nothing about a key.
    fn number(&self, key: &str) -> Option<usize> {
        let asked = sha256(key);
        let same = |known: &[u8; 32]| verify_slices_are_equal(known, &asked).is_ok();
        let numbered = self.hashes.iter().enumerate();
        numbered.fold(None, |found, (number, known)| if same(known) { Some(number) } else { found })
    }
}

fn sha256(key: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    hash
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let hash = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
    hash.try_into().ok()
}

/// Whether a hash is followed by a space, which no hash is and hardly a key.
fn is_line_of_sha256sum(key: &str) -> bool {
    let line = key.strip_prefix(HASHED).unwrap_or(key);
    let hash = line.split_once(' ').and_then(|(hash, _)| from_hex(hash));
    hash.is_some()
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
        if (!is_token_like || merchants.has_token_like)
            && let Some(number) = merchants.number(credential)
        {
            self.limits.of_key(number)?;
            return Ok(Caller::Merchant);
        }
        if !is_token_like {
            return Err(Problem::new(Code::Unauthorised)
                .because("this is neither a merchant's key nor a token"));
        }
        let buyer = self.options.buyers.buyer(credential);
        let buyer =
            buyer.map_err(|doubt| Problem::new(Code::Unauthorised).because(doubt.to_string()))?;
        self.limits.of_buyer(&buyer)?;
        Ok(Caller::Buyer(buyer))
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
