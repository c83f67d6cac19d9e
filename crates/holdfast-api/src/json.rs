//! Reading a request's JSON, and saying which field is wrong.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::field::OUT_OF_RANGE;
use crate::{Code, Problem};

/// A JSON object. Serde by itself would also take an array with the fields' values in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Object<T>(pub T);

impl<T: JsonSchema> JsonSchema for Object<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Why a request's body is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// It is not JSON.
    Malformed(String),
    /// It is JSON, but a field is unknown, missing or not as it must be.
    Invalid {
        /// The field's path; `body` for the whole of it.
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Malformed(why) => Problem::new(Code::Malformed).because(why),
            JsonError::Invalid { field, why } => Problem::invalid(field, why),
        }
    }
}

/// Reads a body that must be one JSON object.
///
/// # Errors
/// Whether it is not JSON at all, or which field is wrong and why.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, JsonError> {
    match serde_json::from_slice::<Object<T>>(body) {
        Ok(Object(value)) => Ok(value),
        Err(_) => Err(explain::<T>(body)),
    }
}

/// Reads a body again that could not be read, to find out why: only a wrong one pays for that.
fn explain<T: DeserializeOwned>(body: &[u8]) -> JsonError {
    if let Err(error) = std::str::from_utf8(body) {
        return JsonError::Malformed(error.to_string());
    }
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(body) {
        return JsonError::Malformed(error.to_string());
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, Object<T>>(&mut json) {
        Ok(_) => JsonError::Malformed("more than one JSON value".to_owned()),
        Err(error) => {
            let why = error.inner().to_string();
            let field = field(&error.path().to_string(), &why);
            JsonError::Invalid { field, why: plain(without_position(&why)).to_owned() }
        }
    }
}

/// The path of the wrong field. Of one that is missing or there twice serde knows only the
/// parent's path, and says the name in its message alone.
fn field(path: &str, why: &str) -> String {
    let parent = if path == "." { "" } else { path };
    let named = why.strip_prefix("missing field `").or(why.strip_prefix("duplicate field `"));
    match (parent, named.and_then(|rest| rest.split('`').next())) {
        ("", None) => "body".to_owned(),
        ("", Some(name)) => name.to_owned(),
        (parent, None) => parent.to_owned(),
        (parent, Some(name)) => format!("{parent}.{name}"),
    }
}

/// A message without "at line 1 column 20", which says nothing beside the field's path.
fn without_position(why: &str) -> &str {
    why.rfind(" at line ").map_or(why, |end| &why[..end])
}

/// A message without the names of Rust's types.
fn plain(why: &str) -> &str {
    match why.rsplit_once(", expected ") {
        Some((found, "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64")) => {
            if found.starts_with("invalid value: integer ") {
                OUT_OF_RANGE
            } else {
                "must be a whole number"
            }
        }
        _ => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PostHold, PutSale};

    fn wrong<T: DeserializeOwned + fmt::Debug>(body: &str) -> (String, String) {
        match from_json::<T>(body.as_bytes()).unwrap_err() {
            JsonError::Invalid { field, why } => (field, why),
            error @ JsonError::Malformed(_) => panic!("{body}: {error:?}"),
        }
    }

    fn wrong_field<T: DeserializeOwned + fmt::Debug>(body: &str) -> String {
        wrong::<T>(body).0
    }

    #[test]
    fn names_the_field_of_a_hold_that_is_wrong() {
        for (body, field) in [
            (r#"{"quantity":1}"#, "tier"),
            (r#"{"tier":"ga"}"#, "quantity"),
            (r#"{"tier":"ga","quantity":-1}"#, "quantity"),
            (r#"{"tier":"ga","quantity":1.5}"#, "quantity"),
            (r#"{"tier":"ga","quantity":99999999999}"#, "quantity"),
            (r#"{"tier":"ga","quantity":"1"}"#, "quantity"),
            (r#"{"tier":"g a","quantity":1}"#, "tier"),
            (r#"{"tier":"ga","quantity":1,"if_held":"join"}"#, "if_held"),
            (r#"{"tier":"ga","quantity":1,"if_held":null}"#, "if_held"),
            (r#"{"tier":"ga","quantity":1,"if_held":1}"#, "if_held"),
            (r#"{"tier":"ga","quantity":1,"if_held":["refuse"]}"#, "if_held"),
            (r#"{"tier":"ga","quantity":1,"if_held":{"refuse":null}}"#, "if_held"),
            (r#"{"tier":"ga","quantity":1e400}"#, "quantity"),
            (r#"{"tier":"\ud800","quantity":1}"#, "tier"),
            (r#"{"tier":"ga","quantity":1,"buyer":""}"#, "buyer"),
            (r#"{"tier":"ga","quantity":1,"colour":"red"}"#, "colour"),
            (r#"{"tier":"ga","quantity":1,"quantity":2}"#, "quantity"),
            (r#"["ga",1]"#, "body"),
            ("1", "body"),
            ("null", "body"),
        ] {
            assert_eq!(wrong_field::<PostHold>(body), field, "{body}");
        }
    }

    #[test]
    fn names_the_field_of_a_sale_that_is_wrong() {
        let tier = r#"{"id":"ga","name":"GA","capacity":1,"price":{"amount":1,"currency":"EUR"}}"#;
        for (rest, field) in [
            (r#""name":"x""#.to_owned(), "tiers"),
            (r#""name":"x","tiers":{}"#.to_owned(), "tiers"),
            (format!(r#""name":"x","tiers":[{tier},1]"#), "tiers[1]"),
            (format!(r#""name":"x","tiers":[{tier},["vip","VIP",1,[1,"EUR"]]]"#), "tiers[1]"),
            (format!(r#""name":"x","tiers":[{tier},{{"id":"vip"}}]"#), "tiers[1].name"),
            (format!(r#""name":"x","tiers":[{}]"#, tier.replace("EUR", "eur")), TIER_CURRENCY),
            (
                format!(
                    r#""name":"x","tiers":[{}]"#,
                    tier.replace(r#""capacity":1"#, r#""capacity":-1"#)
                ),
                "tiers[0].capacity",
            ),
            (
                format!(
                    r#""name":"x","tiers":[{}]"#,
                    tier.replace(r#""amount":1"#, r#""amount":1.5"#)
                ),
                "tiers[0].price.amount",
            ),
            (
                format!(r#""name":"x","tiers":[{}]"#, tier.replace(r#""amount":1,"#, "")),
                "tiers[0].price.amount",
            ),
            (
                format!(
                    r#""name":"x","tiers":[{}]"#,
                    tier.replace(r#""amount":1"#, r#""amount":1,"tax":1"#)
                ),
                "tiers[0].price.tax",
            ),
            (format!(r#""name":"x","tiers":[{tier}],"opens_at":"soon""#), "opens_at"),
            (format!(r#""name":"x","tiers":[{tier}],"admission":"draw""#), "admission"),
            (format!(r#""name":"x","tiers":[{tier}],"admission":null"#), "admission"),
            (
                format!(r#""name":"x","tiers":[{tier}],"admission":{{"first_come":null}}"#),
                "admission",
            ),
            (format!(r#""name":"x","tiers":[{tier}],"opens_at":"2026-11-24 18:00Z""#), "opens_at"),
            (format!(r#""name":"x","tiers":[{tier}],"metadata":[1]"#), "metadata"),
            (format!(r#""name":"x","tiers":[{tier}],"metadata":"x""#), "metadata"),
        ] {
            assert_eq!(wrong_field::<PutSale>(&format!("{{{rest}}}")), field, "{rest}");
        }
    }

    const TIER_CURRENCY: &str = "tiers[0].price.currency";

    #[test]
    fn says_what_is_wrong_without_the_names_of_types() {
        for (quantity, why) in [
            ("1.5", "must be a whole number"),
            ("\"1\"", "must be a whole number"),
            ("null", "must be a whole number"),
            ("[]", "must be a whole number"),
            ("-1", "is out of range"),
            ("99999999999", "is out of range"),
        ] {
            let body = format!(r#"{{"tier":"ga","quantity":{quantity}}}"#);
            assert_eq!(wrong::<PostHold>(&body), ("quantity".to_owned(), why.to_owned()));
        }
        let body = r#"{"name":"x","tiers":[],"hold_seconds":1.5}"#;
        assert_eq!(wrong::<PutSale>(body).1, "must be a whole number");
    }

    #[test]
    fn a_whole_number_may_have_a_point() {
        for quantity in ["2", "2.0", "2e0", "0.2e1", "20e-1"] {
            let body = format!(r#"{{"tier":"ga","quantity":{quantity}}}"#);
            assert_eq!(from_json::<PostHold>(body.as_bytes()).unwrap().quantity, 2, "{quantity}");
        }
        for quantity in ["-1.0", "1e10", "1e20", "-1e300"] {
            let body = format!(r#"{{"tier":"ga","quantity":{quantity}}}"#);
            let why = ("quantity".to_owned(), "is out of range".to_owned());
            assert_eq!(wrong::<PostHold>(&body), why, "{quantity}");
        }
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in ["", "{", r#"{"tier":}"#, "{} {}", "{'tier':1}", "\u{feff}{}", r#"{"a":1}x"#] {
            let error = from_json::<PostHold>(body.as_bytes()).unwrap_err();
            assert!(matches!(error, JsonError::Malformed(_)), "{body:?}: {error:?}");
        }
        let error = from_json::<PostHold>(b"{\"tier\":\"\xff\",\"quantity\":1}").unwrap_err();
        assert!(matches!(error, JsonError::Malformed(_)), "{error:?}");
    }

    #[test]
    fn metadata_is_kept_as_it_came() {
        let json = r#"{"b":1.10, "a":{"b":[1e400]}}"#;
        let body = format!(r#"{{"name":"x","tiers":[],"metadata": {json} }}"#);
        let sale = from_json::<PutSale>(body.as_bytes()).unwrap();
        let config = holdfast_core::SaleConfig::from(sale);
        assert_eq!(config.terms.metadata.as_deref(), Some(json));
    }
}
