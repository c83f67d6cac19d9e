//! Webhooks: what a provider tells without being asked, and the proof that it was the provider.
//!
//! A webhook is a hint. It may come twice, late, in another order or never: look at the payment, and
//! go by what it is now.
//!
//! The proof is in the header [`SIGNATURE`]: `t=<seconds since 1970>,v1=<hex>`, where the hex is the
//! HMAC-SHA256 of the seconds, a dot and the body under a secret that both sides know.

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use crate::provider::Reference;

/// The header with the proof.
pub const SIGNATURE: &str = "holdfast-signature";

/// Signatures in one header that are looked at, at most.
const SIGNATURES_MAX: usize = 8;

/// How old a webhook may be, and how far ahead of our clock, in seconds.
pub const TOLERANCE_SECONDS: u64 = 300;

/// What a webhook tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its id: the same when it is told again.
    pub id: String,
    /// What happened, such as `payment.authorised`. A provider may have kinds that are not known
    /// here.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which payment it happened to.
    pub reference: Reference,
    /// When, in seconds since 1970 UTC.
    pub created: u64,
}

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The header is not a time and at least one signature.
    #[error("the signature must be t=<seconds>,v1=<64 hexadecimal digits>")]
    Unreadable,
    /// None of the signatures is of this body, at that time, under one of the secrets.
    #[error("nobody who knows the secret has signed this")]
    Signature,
    /// It was signed too long ago, or too far ahead of our clock.
    #[error("it was signed too long ago, or ahead of our clock; is the clock right?")]
    Time,
    /// It is signed and is no event that we understand.
    #[error("it is signed, and is not an event about a payment of ours")]
    Event,
}

/// Whether a webhook is the provider's, and what it tells. `secrets` are all that are good now: two
/// while they are being changed. `now` is in seconds since 1970 UTC.
///
/// Takes the same time whichever byte of a signature is wrong.
///
/// # Errors
/// When it is not to be believed.
pub fn verify<S: AsRef<[u8]>>(
    secrets: &[S],
    header: &str,
    body: &[u8],
    now: u64,
    tolerance_seconds: u64,
) -> Result<Event, Forged> {
    let (time, signatures) = read(header).ok_or(Forged::Unreadable)?;
    let signed = signed(time, body);
    // Whoever has no secret set has nobody to believe.
    let secrets = secrets.iter().map(AsRef::as_ref).filter(|secret| !secret.is_empty());
    let is_genuine = secrets.map(key).any(|key| {
        signatures.iter().any(|signature| hmac::verify(&key, &signed, signature).is_ok())
    });
    if !is_genuine {
        return Err(Forged::Signature);
    }
    let seconds: u64 = time.parse().map_err(|_| Forged::Unreadable)?;
    if seconds.abs_diff(now) > tolerance_seconds {
        return Err(Forged::Time);
    }
    serde_json::from_slice(body).map_err(|_| Forged::Event)
}

/// The header that proves a body, signed at `now`, in seconds since 1970 UTC.
pub fn sign(secret: &[u8], body: &[u8], now: u64) -> String {
    let tag = hmac::sign(&key(secret), &signed(&now.to_string(), body));
    format!("t={now},v1={}", HEXLOWER.encode(tag.as_ref()))
}

fn key(secret: &[u8]) -> Key {
    Key::new(HMAC_SHA256, secret)
}

fn signed(time: &str, body: &[u8]) -> Vec<u8> {
    [time.as_bytes(), b".", body].concat()
}

/// The time as it is written, and the signatures. What else is there is for others.
fn read(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", value) if time.replace(value).is_some() => return None,
            ("v1", value) if signatures.len() < SIGNATURES_MAX => {
                signatures.push(HEXLOWER_PERMISSIVE.decode(value.as_bytes()).ok()?);
            }
            _ => {}
        }
    }
    (!signatures.is_empty()).then_some((time?, signatures))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        br#"{"id":"evt_1","type":"payment.authorised","reference":"hold_a","created":1000,"new":1}"#;
    const SECRET: &str = "a-secret-of-the-provider";
    const NOW: u64 = 1_000;

    fn judge(secrets: &[&str], header: &str, body: &[u8], now: u64) -> Result<Event, Forged> {
        verify(secrets, header, body, now, TOLERANCE_SECONDS)
    }

    #[test]
    fn what_is_signed_is_believed_also_with_fields_that_are_new() {
        let event = judge(&[SECRET], &sign(SECRET.as_bytes(), BODY, NOW), BODY, NOW).unwrap();
        assert_eq!((event.id.as_str(), event.kind.as_str()), ("evt_1", "payment.authorised"));
        assert_eq!((event.reference.as_str(), event.created), ("hold_a", 1_000));
    }

    #[test]
    fn the_signature_is_the_one_that_others_compute() {
        // printf '1000.{}' | openssl dgst -sha256 -hmac a-secret-of-the-provider
        let header = sign(SECRET.as_bytes(), b"{}", NOW);
        let digits = "0b92fdbcc42efdbf26dc68d4bf1cdc21ce9d45763aa039fc180fff45a623a7c4";
        assert_eq!(header, format!("t=1000,v1={digits}"));
    }

    #[test]
    fn any_of_several_secrets_will_do_while_they_are_being_changed() {
        let header = sign(SECRET.as_bytes(), BODY, NOW);
        assert!(judge(&["new", SECRET], &header, BODY, NOW).is_ok());
        assert_eq!(judge(&["new"], &header, BODY, NOW), Err(Forged::Signature));
        assert_eq!(judge(&[], &header, BODY, NOW), Err(Forged::Signature));
        assert_eq!(judge(&[""], &sign(b"", BODY, NOW), BODY, NOW), Err(Forged::Signature));
        // And the provider may sign with several.
        let other = sign(b"new", BODY, NOW);
        let both = format!("{other},{}", &header["t=1000,".len()..]);
        assert!(judge(&[SECRET], &both, BODY, NOW).is_ok());
    }

    #[test]
    fn what_was_altered_is_refused() {
        let header = sign(SECRET.as_bytes(), BODY, NOW);
        for at in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[at] ^= 1;
            assert_eq!(judge(&[SECRET], &header, &body, NOW), Err(Forged::Signature), "{at}");
        }
        for at in "t=1000,v1=".len()..header.len() {
            let digit = if &header[at..=at] == "0" { "1" } else { "0" };
            let altered = format!("{}{digit}{}", &header[..at], &header[at + 1..]);
            assert_eq!(judge(&[SECRET], &altered, BODY, NOW), Err(Forged::Signature), "{at}");
        }
        let later = header.replace("t=1000", "t=1001");
        assert_eq!(judge(&[SECRET], &later, BODY, NOW), Err(Forged::Signature));
        // A part of the signature is not the signature.
        assert_eq!(
            judge(&[SECRET], &header[..header.len() - 2], BODY, NOW),
            Err(Forged::Signature)
        );
    }

    #[test]
    fn what_is_too_old_or_from_the_future_is_refused_though_it_is_signed() {
        let header = sign(SECRET.as_bytes(), BODY, NOW);
        for (now, verdict) in [
            (NOW + 300, Ok(())),
            (NOW + 301, Err(Forged::Time)),
            (NOW - 300, Ok(())),
            (NOW - 301, Err(Forged::Time)),
        ] {
            assert_eq!(judge(&[SECRET], &header, BODY, now).map(|_| ()), verdict, "{now}");
        }
    }

    #[test]
    fn a_header_that_is_none_is_refused() {
        let signature = &sign(SECRET.as_bytes(), BODY, NOW)["t=1000,".len()..];
        let headers = ["", "t=1000", signature, "t=1000,v1=", "t=1000,v1=xyz", "t,v1", "=,="];
        for header in headers {
            assert!(judge(&[SECRET], header, BODY, NOW).is_err(), "{header}");
        }
        let twice = format!("t=1000,t=1000,{signature}");
        assert_eq!(judge(&[SECRET], &twice, BODY, NOW), Err(Forged::Unreadable));
    }

    #[test]
    fn what_is_signed_and_no_event_is_refused_as_that() {
        for body in [&b"{}"[..], b"", b"[1]", br#"{"id":"e","type":"t","created":1}"#] {
            let header = sign(SECRET.as_bytes(), body, NOW);
            assert_eq!(judge(&[SECRET], &header, body, NOW), Err(Forged::Event));
        }
    }
}
