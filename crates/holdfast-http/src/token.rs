//! Buyers' tokens: JSON Web Tokens that the merchant's shop has signed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_core::{BuyerId, InvalidId};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};
use serde::{Deserialize, Serialize};

use crate::believed::{Believed, Digest, Said};

/// What a buyer's token must name as its audience.
pub const AUDIENCE: &str = "holdfast";

/// By how much the shop's clock may be ahead of or behind the server's.
const LEEWAY: Duration = Duration::from_secs(5);

/// An HS256 secret is as long as the hash at least (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Why a buyers' key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BuyerKeyError {
    /// A secret that could be guessed.
    #[error("an HS256 secret has at least {SECRET_BYTES_MIN} bytes")]
    Short,
    /// A private key in PEM: the server needs none, and nothing else is signed with one here.
    #[error("it is a private key; give the server its public key, or an HS256 secret")]
    Private,
    /// A public key in PEM where a secret is needed.
    #[error("it is a public key, and no secret")]
    Public,
    /// A key in a form that is not read. Taken for a secret, it would let everybody sign who has
    /// the public half.
    #[error(
        "it is a key in a form that is not read; give an Ed25519 public key in PEM, or one line of secret"
    )]
    Form,
    /// A PEM that is no Ed25519 public key.
    #[error("not an Ed25519 public key: {0}")]
    Pem(jsonwebtoken::errors::Error),
}

/// Why a token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// No secret, or one that no server takes.
    #[error(transparent)]
    Secret(BuyerKeyError),
    /// Half of a pair of keys where a secret is needed.
    #[error(
        "it is {0}, and only an HS256 secret signs here, one line of at least {SECRET_BYTES_MIN} \
         bytes. The shop signs with a pair of keys. To try a server that has the shop's public key, \
         give it a secret beside that while you try, and sign with the same: openssl rand -hex 32 > \
         try.key, then serve with --buyer-key twice, for the public key and for try.key"
    )]
    Pair(&'static str),
    /// A token that would outlive the calendar.
    #[error("no clock counts to the end of such a lifetime")]
    Lifetime,
    /// The secret does not sign.
    #[error(transparent)]
    Sign(jsonwebtoken::errors::Error),
}

/// Why a token is not believed. What concerns its claims is said only of a token that a known
/// key has signed, so it tells nothing to whoever guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// There is no key to believe.
    #[error("no buyers' key is configured on this server: it can believe no token")]
    NoKeys,
    /// It is no token.
    #[error("the token cannot be read")]
    Unreadable,
    /// It was signed with another key, or not at all.
    #[error("no buyers' key of this server has signed the token")]
    UnknownKey,
    /// It demands an extension.
    #[error("the token's header has `crit`, and this server knows no extension")]
    Critical,
    /// A claim is missing, or has another form.
    #[error("the token must have `sub`, `exp` and `aud`")]
    Claims,
    /// Its time is over.
    #[error("the token has expired: ask the shop for a new one")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet: its `nbf` is in the future")]
    Early,
    /// It is for somebody else.
    #[error("the token is for another audience: its `aud` must name `{AUDIENCE}`")]
    Audience,
    /// Its buyer's name cannot be one.
    #[error("the token's `sub` {0}")]
    Buyer(InvalidId),
}

impl From<&ErrorKind> for Doubt {
    fn from(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::Early,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::MissingRequiredClaim(_)
            | ErrorKind::InvalidClaimFormat(_)
            | ErrorKind::Json(_) => Self::Claims,
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => Self::UnknownKey,
            _ => Self::Unreadable,
        }
    }
}

/// Keys that sign for buyers; several while they are being changed. The algorithm belongs to the
/// key: what a token says of it is never believed.
#[derive(Clone, Default)]
pub struct BuyerKeys {
    keys: Vec<(DecodingKey, Validation)>,
    /// Once there is a key whose signatures are slow to check.
    believed: Option<Arc<Believed>>,
}

impl BuyerKeys {
    /// Adds a key as it stands in its file: an Ed25519 public key in PEM, or an HS256 secret.
    ///
    /// # Errors
    /// When it is neither, or too short to be a secret.
    pub fn add(&mut self, file: &str) -> Result<(), BuyerKeyError> {
        let (key, algorithm) = match hs256_secret(file) {
            Ok(secret) => (DecodingKey::from_secret(secret), Algorithm::HS256),
            Err(BuyerKeyError::Public) => {
                let key = DecodingKey::from_ed_pem(plain(file).as_bytes());
                self.believed.get_or_insert_default();
                (key.map_err(BuyerKeyError::Pem)?, Algorithm::EdDSA)
            }
            Err(error) => return Err(error),
        };
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["sub", "exp", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY.as_secs();
        self.keys.push((key, validation));
        Ok(())
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn buyer(&self, token: &str) -> Result<BuyerId, Doubt> {
        let Some(believed) = &self.believed else { return Ok(self.verify(token)?.buyer) };
        let digest = Digest::of(token);
        if let Some(buyer) = believed.buyer(&digest) {
            return Ok(buyer);
        }
        let said = self.verify(token)?;
        believed.add(digest, said);
        Ok(said.buyer)
    }

    fn verify(&self, token: &str) -> Result<Said, Doubt> {
        let mut doubt = Doubt::NoKeys;
        for (key, validation) in &self.keys {
            match jsonwebtoken::decode::<Subject>(token, key, validation) {
                Ok(token) => return believed(&token),
                Err(error) => doubt = Doubt::from(error.kind()),
            }
            // Only of a token that is not this key's another key may know more.
            if doubt != Doubt::UnknownKey {
                break;
            }
        }
        // A header that is no header is not a matter of claims.
        if doubt == Doubt::Claims && jsonwebtoken::decode_header(token).is_err() {
            return Err(Doubt::Unreadable);
        }
        Err(doubt)
    }
}

fn believed(token: &TokenData<Subject>) -> Result<Said, Doubt> {
    // Whoever does not know an extension that is critical must refuse the token (RFC 7515, 4.1.11).
    if token.header.crit.is_some() {
        return Err(Doubt::Critical);
    }
    let buyer = BuyerId::new(&token.claims.sub).map_err(Doubt::Buyer)?;
    let exp = Duration::try_from_secs_f64(token.claims.exp).ok();
    let exp = exp.and_then(|exp| UNIX_EPOCH.checked_add(exp + LEEWAY)).ok_or(Doubt::Claims)?;
    Ok(Said { buyer, good_until: exp })
}

/// The HS256 secret in a file: one line, without the line's end that editors add.
///
/// # Errors
/// When it is a key of another kind, or so short that it could be guessed.
pub fn hs256_secret(file: &str) -> Result<&[u8], BuyerKeyError> {
    let text = plain(file);
    if text.starts_with("-----BEGIN") {
        let is_private = text.contains("PRIVATE KEY");
        return Err(if is_private { BuyerKeyError::Private } else { BuyerKeyError::Public });
    }
    let is_other_form = ["ssh-", "ecdsa-", "{"].iter().any(|start| text.starts_with(start));
    if is_other_form || text.lines().count() > 1 {
        return Err(BuyerKeyError::Form);
    }
    if text.len() < SECRET_BYTES_MIN { Err(BuyerKeyError::Short) } else { Ok(text.as_bytes()) }
}

/// The HS256 secret in a file with which tokens are to be signed.
///
/// # Errors
/// What else it is, and what to do then.
pub fn signing_secret(file: &str) -> Result<&[u8], SignError> {
    hs256_secret(file).map_err(|error| match error {
        BuyerKeyError::Private => SignError::Pair("a private key"),
        BuyerKeyError::Public => SignError::Pair("a public key"),
        other => SignError::Secret(other),
    })
}

/// A file's text without what editors put around it.
fn plain(file: &str) -> &str {
    file.trim_start_matches('\u{feff}').trim()
}

impl fmt::Debug for BuyerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuyerKeys({})", self.keys.len())
    }
}

/// What is read of a token's claims; the library checks `exp`, `nbf` and `aud` in all the forms
/// that the standard allows.
#[derive(Deserialize)]
struct Subject {
    sub: String,
    /// Seconds after 1970; the standard allows fractions.
    exp: f64,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'static str,
    exp: u64,
}

/// Signs a buyer's token with an HS256 secret, as the merchant's shop would.
///
/// # Errors
/// When no server would take the secret, or the lifetime is beyond every clock.
pub fn sign_token(file: &str, buyer: &BuyerId, lifetime: Duration) -> Result<String, SignError> {
    let key = EncodingKey::from_secret(signing_secret(file)?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let exp = now.checked_add(lifetime).ok_or(SignError::Lifetime)?.as_secs();
    let claims = Claims { sub: buyer.as_str(), aud: AUDIENCE, exp };
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(SignError::Sign)
}
