//! Tokens that were believed before: a signature that is slow to check is checked once.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use holdfast_core::BuyerId;
use quick_cache::sync::Cache;

/// Tokens that are remembered, at most: about 20 MB.
const TOKENS_MAX: usize = 131_072;

/// What tokens said, by their digests.
pub(crate) struct Believed(Cache<Digest, Said>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

/// What a token said whose signature was good.
#[derive(Clone, Copy)]
pub(crate) struct Said {
    pub(crate) buyer: BuyerId,
    /// When it is no longer believed.
    pub(crate) good_until: SystemTime,
}

impl Default for Believed {
    fn default() -> Self {
        Self(Cache::new(TOKENS_MAX))
    }
}

impl Digest {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl Believed {
    /// Whose token it is, if it was believed before and has not expired since.
    pub(crate) fn buyer(&self, token: &Digest) -> Option<BuyerId> {
        let said = self.0.get(token)?;
        (SystemTime::now() < said.good_until).then_some(said.buyer)
    }

    pub(crate) fn add(&self, token: Digest, said: Said) {
        self.0.insert(token, said);
    }
}
