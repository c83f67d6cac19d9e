//! Who is believed to be whom, and what the others are told.

use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use holdfast_core::BuyerId;
use holdfast_http::{BuyerKeyError, BuyerKeys, MerchantKeys, SignError, sign_token};
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{KEY, SECRET, Shop, code, sale, token};

const NEXT_SECRET: &str = "the secret that will be used from now on";

/// A pair of keys that was made for these tests.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJX9gGmLeVeoBQyVVd9xj6695+2CxVyg34WvT7ICliAE\n\
    -----END PRIVATE KEY-----";
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAI26FVL6EDAmyJ9X5E5Aufo76QW3eULoGX56pb99djoo=\n\
    -----END PUBLIC KEY-----";

const ME: &str = "/v1/sales/club/me";

fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

/// Claims that are believed.
fn claims() -> Value {
    json!({ "sub": "alice", "aud": "holdfast", "exp": now() + 60.0 })
}

/// The same claims with one more, or another.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn sign(claims: &Value) -> String {
    sign_as(&Header::new(Algorithm::HS256), claims, SECRET)
}

fn sign_as(header: &Header, claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(header, claims, &key).unwrap()
}

fn sign_with_private_key(claims: &Value) -> String {
    let key = EncodingKey::from_ed_pem(PRIVATE_KEY.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &key).unwrap()
}

/// A shop with an open sale, and these keys for buyers.
async fn shop(buyers: &[&str]) -> Shop {
    let shop = Shop::with_keys(&[KEY], buyers);
    let (status, _) = shop.merchant("PUT", "/v1/sales/club", sale(5, 300)).await;
    assert_eq!(status, StatusCode::CREATED);
    shop
}

async fn believes(shop: &Shop, token: &str) {
    let (status, me) = shop.ask(token, "GET", ME, Value::Null).await;
    assert_eq!((status, &me["buyer"]), (StatusCode::OK, &json!("alice")), "{me}");
}

/// Whoever is not believed hears why, in words that have this in them.
async fn doubts(shop: &Shop, token: &str, why: &str) {
    let answer = shop.ask(token, "GET", ME, Value::Null).await;
    assert_eq!(code(&answer), (401, "unauthorised"), "{why}");
    let detail = answer.1["detail"].as_str().unwrap();
    assert!(detail.contains(why), "{detail:?} should say {why:?}");
}

#[tokio::test]
async fn a_token_is_believed_in_every_form_that_the_standard_allows() {
    let shop = shop(&[SECRET]).await;
    for claims in [
        claims(),
        with("aud", json!(["till", "holdfast"])),
        with("exp", json!(now().floor() + 60.5)),
        with("exp", json!(4_102_444_800_u64)),
        with("exp", json!(now() - 3.0)),
        with("nbf", json!(now() - 60.0)),
        with("nbf", json!(now() + 3.0)),
        with("iss", json!({ "any": "thing" })),
    ] {
        believes(&shop, &sign(&claims)).await;
    }
    believes(&shop, &token("alice")).await;
}

#[tokio::test]
async fn a_token_that_is_not_believed_says_why() {
    let shop = shop(&[SECRET]).await;
    for (claims, why) in [
        (with("exp", json!(now() - 60.0)), "has expired"),
        (with("exp", json!("tomorrow")), "`exp`"),
        (with("exp", json!(-1)), "`exp`"),
        (with("nbf", json!(now() + 60.0)), "not valid yet"),
        (with("nbf", json!("now")), "must have"),
        (with("aud", json!("till")), "audience"),
        (with("aud", json!(["till"])), "audience"),
        (with("aud", json!([])), "audience"),
        (with("sub", json!("")), "`sub` must have 1 to 64 bytes"),
        (with("sub", json!(7)), "`sub`"),
        (without("sub"), "`sub`"),
        (without("exp"), "`exp`"),
        (without("aud"), "`aud`"),
    ] {
        doubts(&shop, &sign(&claims), why).await;
    }
    let header = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::HS256) };
    doubts(&shop, &sign_as(&header, &claims(), SECRET), "`crit`").await;
    doubts(&shop, "a.b.c", "cannot be read").await;
}

#[tokio::test]
async fn a_key_that_is_not_known_signs_for_nobody_and_hears_nothing_of_the_claims() {
    let shop = shop(&[SECRET]).await;
    for claims in [claims(), with("exp", json!(0)), with("aud", json!("till"))] {
        let forged = sign_as(&Header::new(Algorithm::HS256), &claims, NEXT_SECRET);
        doubts(&shop, &forged, "no buyers' key of this server").await;
    }
    let genuine = token("alice");
    let parts: Vec<_> = genuine.split('.').collect();
    let payload = BASE64URL_NOPAD.encode(with("sub", json!("bob")).to_string().as_bytes());
    doubts(&shop, &format!("{}.{payload}.{}", parts[0], parts[2]), "no buyers' key").await;
}

#[tokio::test]
async fn the_key_says_the_algorithm_and_the_token_does_not() {
    let shop = shop(&[PUBLIC_KEY]).await;
    believes(&shop, &sign_with_private_key(&claims())).await;
    doubts(&shop, &sign_with_private_key(&with("exp", json!(0))), "has expired").await;
    // The public key is known to all: as a secret it must sign nothing.
    for secret in [PUBLIC_KEY, PUBLIC_KEY.trim()] {
        let forged = sign_as(&Header::new(Algorithm::HS256), &claims(), secret);
        doubts(&shop, &forged, "no buyers' key").await;
    }
    for algorithm in ["none", "None", "HS1"] {
        let header = BASE64URL_NOPAD.encode(json!({ "alg": algorithm }).to_string().as_bytes());
        let payload = BASE64URL_NOPAD.encode(claims().to_string().as_bytes());
        doubts(&shop, &format!("{header}.{payload}."), "cannot be read").await;
    }
    // Nor does a shop with a secret take another hash.
    let shop = Shop::with_keys(&[KEY], &[SECRET]);
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        doubts(&shop, &sign_as(&Header::new(algorithm), &claims(), SECRET), "no buyers' key").await;
    }
}

#[tokio::test]
async fn a_token_that_is_remembered_is_believed_no_longer_than_it_is_good() {
    let shop = shop(&[PUBLIC_KEY]).await;
    // The clocks may differ by five seconds: one is left.
    let token = sign_with_private_key(&with("exp", json!(now() - 4.0)));
    for _ in 0..3 {
        believes(&shop, &token).await;
    }
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    doubts(&shop, &token, "has expired").await;
    // What is remembered is the whole token, not a part of it.
    let good = sign_with_private_key(&claims());
    believes(&shop, &good).await;
    let (rest, _) = good.rsplit_once('.').unwrap();
    doubts(&shop, &format!("{rest}.AAAA"), "no buyers' key").await;
}

#[tokio::test]
async fn a_merchants_key_may_be_given_as_its_hash() {
    // printf %s a-merchant-key-for-tests | sha256sum
    let hash = "sha256:6e8a9ee5b8cc1e3091e33925e12a104fd5fc90429f29869b25c78ae79d9fbc15";
    let shop = Shop::with_keys(&[hash], &[SECRET]);
    assert_eq!(shop.merchant("GET", "/v1/sales", Value::Null).await.0, StatusCode::OK);
    let answer = shop.ask(hash, "GET", "/v1/sales", Value::Null).await;
    assert_eq!(code(&answer), (401, "unauthorised"), "the hash is no key");
    for wrong in ["sha256:", "sha256:abc", "sha256:zz"] {
        assert!(MerchantKeys::new([wrong]).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn keys_can_be_changed_while_both_are_known() {
    let shop = shop(&[SECRET, PUBLIC_KEY, NEXT_SECRET]).await;
    let next = |claims: &Value| sign_as(&Header::new(Algorithm::HS256), claims, NEXT_SECRET);
    believes(&shop, &sign(&claims())).await;
    believes(&shop, &sign_with_private_key(&claims())).await;
    believes(&shop, &next(&claims())).await;
    // The reason is that of the key that has signed, wherever it stands.
    doubts(&shop, &sign(&with("exp", json!(0))), "has expired").await;
    doubts(&shop, &next(&with("exp", json!(0))), "has expired").await;
    doubts(&shop, &next(&with("aud", json!("till"))), "audience").await;
}

#[tokio::test]
async fn a_server_without_buyers_keys_says_so() {
    let shop = shop(&[]).await;
    doubts(&shop, &token("alice"), "no buyers' key is configured").await;
}

#[tokio::test]
async fn a_merchants_key_may_look_like_a_token() {
    let keys = ["shop.2026.key", "plain"];
    let shop = Shop::with_keys(&keys, &[SECRET]);
    for key in keys {
        let (status, _) = shop.ask(key, "PUT", "/v1/sales/club", sale(5, 300)).await;
        assert!(status.is_success(), "{key}");
    }
    believes(&shop, &token("alice")).await;
    doubts(&shop, "shop.2026.kez", "cannot be read").await;
    doubts(&shop, "plane", "neither a merchant's key nor a token").await;
    doubts(&shop, "", "Authorization: Bearer").await;
}

/// Whoever has the public key could sign for everybody if its text were taken for a secret.
#[test]
fn a_public_key_in_any_form_is_never_taken_for_a_secret() {
    for file in [
        format!("\u{feff}{PUBLIC_KEY}"),
        format!("Bag Attributes\n    localKeyID: 01\n{PUBLIC_KEY}"),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvbGtzIGFuZCBvdGhlciBmb2xrcw shop".to_owned(),
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#.into(),
        "one line of a secret that is long enough\nand another".to_owned(),
    ] {
        assert!(
            sign_token(&file, &BuyerId::new("alice").unwrap(), Duration::from_secs(60)).is_err()
        );
        let mut keys = BuyerKeys::default();
        let taken = keys.add(&file).is_ok();
        assert_eq!(taken, file.starts_with('\u{feff}'), "{file:?}");
    }
}

#[test]
fn nothing_is_signed_that_no_server_would_take() {
    let alice = BuyerId::new("alice").unwrap();
    let minute = Duration::from_secs(60);
    let sign = |file: &str, lifetime| sign_token(file, &alice, lifetime);
    for file in ["", "short", "31 bytes are one too few, alas!", "   padded to more than 32     "] {
        assert!(matches!(BuyerKeys::default().add(file), Err(BuyerKeyError::Short)), "{file:?}");
        let refused = sign(file, minute).unwrap_err();
        assert!(matches!(refused, SignError::Secret(BuyerKeyError::Short)), "{file:?}");
    }
    for (file, words) in [(PUBLIC_KEY, "it is a public key"), (PRIVATE_KEY, "it is a private key")]
    {
        let refused = sign(file, minute).unwrap_err();
        assert!(matches!(refused, SignError::Pair(_)), "{refused}");
        assert!(refused.to_string().starts_with(words), "{refused}");
    }
    assert!(matches!(BuyerKeys::default().add(PRIVATE_KEY), Err(BuyerKeyError::Private)));
    assert!(matches!(sign(SECRET, Duration::MAX).unwrap_err(), SignError::Lifetime));
    assert!(sign(&format!(" {SECRET}\n"), minute).is_ok());
}
