//! As much of JSON Schema as the description uses. A whole library for it takes longer to build
//! than the server; a keyword that is not known here is an error, so nothing is passed over.

use holdfast_api::Time;
use regex_lite::Regex;
use serde_json::{Value, json};

/// Whether a value is as a schema of this document wants it; if not, where and why.
pub(crate) fn conforms(
    document: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
) -> Result<(), String> {
    let Some(rules) = schema.as_object() else {
        return is(schema == &Value::Bool(true), at, "there is no schema");
    };
    for (keyword, rule) in rules {
        let is = |holds: bool| is(holds, at, &format!("{keyword} {rule}, but it is {value}"));
        let conforms_to = |schema: &Value| conforms(document, schema, value, at);
        let all = |rule: &Value| rule.as_array().unwrap().iter().try_for_each(conforms_to);
        let passed = |rule: &Value| {
            rule.as_array().unwrap().iter().filter(|schema| conforms_to(schema).is_ok()).count()
        };
        match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                conforms_to(
                    document.pointer(pointer).ok_or_else(|| format!("{rule} is nowhere"))?,
                )?;
            }
            "allOf" => all(rule)?,
            "anyOf" => is(passed(rule) > 0)?,
            "oneOf" => is(passed(rule) == 1)?,
            "if" if conforms_to(rule).is_ok() => conforms_to(&rules["then"])?,
            "type" => is(types(rule).any(|kind| is_of(value, kind)))?,
            "const" => is(rule == value)?,
            "enum" => is(rule.as_array().unwrap().contains(value))?,
            "minimum" => is(number(value).is_none_or(|number| number >= rule.as_f64().unwrap()))?,
            "maximum" => is(number(value).is_none_or(|number| number <= rule.as_f64().unwrap()))?,
            "minLength" => is(length(value).is_none_or(|length| length >= rule.as_u64().unwrap()))?,
            "maxLength" => is(length(value).is_none_or(|length| length <= rule.as_u64().unwrap()))?,
            "minItems" => is(rows(value).len() as u64 >= rule.as_u64().unwrap())?,
            "maxItems" => is(rows(value).len() as u64 <= rule.as_u64().unwrap())?,
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                is(value.as_str().is_none_or(|text| pattern.is_match(text)))?;
            }
            "format" if rule == "date-time" => {
                is(serde_json::from_value::<Time>(value.clone()).is_ok())?;
            }
            "format" => is(rule.as_str().unwrap().starts_with("uint"))?,
            "required" => {
                let mut names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                is(names.all(|name| value.get(name).is_some()))?;
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        conforms(document, schema, value, &format!("{at}/{name}"))?;
                    }
                }
            }
            "additionalProperties" if rule == &Value::Bool(true) => {}
            "additionalProperties" => {
                let known = rules["properties"].as_object().unwrap();
                is(rule == &Value::Bool(false)
                    && value.as_object().unwrap().keys().all(|name| known.contains_key(name)))?;
            }
            "items" => {
                for (index, value) in rows(value).iter().enumerate() {
                    conforms(document, rule, value, &format!("{at}/{index}"))?;
                }
            }
            "if" | "then" | "description" | "examples" | "default" => {}
            _ => return Err(format!("{at}: {keyword} is not known to the tests")),
        }
    }
    Ok(())
}

fn is(holds: bool, at: &str, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{at}: {why}")) }
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    let one = rule.as_str().into_iter();
    one.chain(rows(rule).iter().filter_map(Value::as_str))
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => number(value).is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn length(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The control: what each keyword takes, and what it does not.
#[test]
fn what_does_not_conform_is_caught() {
    let document = json!({ "components": { "word": { "enum": ["a"] } } });
    for (schema, good, bad) in [
        (json!({ "$ref": "#/components/word" }), json!("a"), json!("b")),
        (json!({ "type": ["string", "null"] }), json!(null), json!(1)),
        (json!({ "type": "integer" }), json!(1.0), json!(1.5)),
        (json!({ "const": 1 }), json!(1), json!(2)),
        (json!({ "minimum": 1, "maximum": 2 }), json!(2), json!(3)),
        (json!({ "minimum": 1, "maximum": 2 }), json!(1), json!(0)),
        (json!({ "minLength": 2 }), json!("\u{e4}\u{e4}"), json!("\u{e4}")),
        (json!({ "maxLength": 1 }), json!("\u{e4}"), json!("aa")),
        (json!({ "minItems": 1 }), json!([1]), json!([])),
        (json!({ "maxItems": 1 }), json!([1]), json!([1, 2])),
        (json!({ "items": { "type": "null" } }), json!([null]), json!([null, 1])),
        (json!({ "pattern": r"^[^\u0000-\u001F]+$" }), json!("a b"), json!("a\nb")),
        (json!({ "format": "date-time" }), json!("2026-12-01T12:00:00.000Z"), json!("2026-12-01")),
        (json!({ "required": ["a"] }), json!({ "a": 1 }), json!({ "b": 1 })),
        (json!({ "properties": { "a": { "const": 1 } } }), json!({ "b": 2 }), json!({ "a": 2 })),
        (
            json!({ "properties": { "a": {} }, "additionalProperties": false }),
            json!({ "a": 1 }),
            json!({ "a": 1, "b": 1 }),
        ),
        (json!({ "allOf": [{ "minimum": 1 }, { "maximum": 2 }] }), json!(2), json!(3)),
        (json!({ "anyOf": [{ "maximum": 1 }, { "minimum": 3 }] }), json!(3), json!(2)),
        (json!({ "oneOf": [{ "maximum": 2 }, { "minimum": 2 }] }), json!(3), json!(2)),
        (json!({ "if": { "minimum": 2 }, "then": { "maximum": 3 } }), json!(1), json!(4)),
    ] {
        assert_eq!(conforms(&document, &schema, &good, ""), Ok(()), "{schema}");
        assert!(conforms(&document, &schema, &bad, "").is_err(), "{schema} takes {bad}");
    }
    for unknown in [json!({ "uniqueItems": true }), json!({ "$ref": "#/nowhere" }), json!(null)] {
        assert!(conforms(&document, &unknown, &json!([]), "").is_err(), "{unknown}");
    }
}
