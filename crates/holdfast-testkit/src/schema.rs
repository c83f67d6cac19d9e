//! As much of JSON Schema as the project's own schemas use. A whole library for it takes longer to build
//! than the server; a keyword that is not known here is an error, so nothing is passed over.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fmt::Display;

use regex_lite::Regex;
use serde_json::{Map, Value};

/// RFC 3339.
const DATE_TIME: &str = r"(?i)^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$";

/// Whether a value is as a schema of this document wants it; `at` is where in the whole it stands.
///
/// # Errors
/// Where and why it is not; also when the schema has a keyword that is not known here.
///
/// # Panics
/// When the schema itself is not well-formed.
pub fn conforms(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(rules) = schema.as_object() else {
        return is(schema == &Value::Bool(true), at, "there is no schema that takes it");
    };
    let place = Place { document, rules, value, at };
    for (keyword, rule) in rules {
        let checked = place
            .as_other_schemas(keyword, rule)
            .or_else(|| place.in_its_parts(keyword, rule))
            .or_else(|| place.in_itself(keyword, rule));
        checked.unwrap_or_else(|| Err(format!("{at}: {keyword} is not known to the tests")))?;
    }
    Ok(())
}

/// A value where it stands, and the rules for it. Each of its checks is `None` for a keyword that
/// is another's.
struct Place<'a> {
    document: &'a Value,
    rules: &'a Map<String, Value>,
    value: &'a Value,
    at: &'a str,
}

impl Place<'_> {
    /// Keywords that have the whole value checked against other schemas.
    fn as_other_schemas(&self, keyword: &str, rule: &Value) -> Option<Result<(), String>> {
        let check = |schema: &Value| conforms(self.document, schema, self.value, self.at);
        let passed = || rows(rule).iter().filter(|schema| check(schema).is_ok()).count();
        Some(match keyword {
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                let schema = self.document.pointer(pointer);
                schema.ok_or_else(|| format!("{rule} is nowhere")).and_then(check)
            }
            "allOf" => rows(rule).iter().try_for_each(check),
            "anyOf" => self.is(passed() > 0, keyword, rule),
            "oneOf" => self.is(passed() == 1, keyword, rule),
            "if" if check(rule).is_ok() => check(&self.rules["then"]),
            "if" | "then" => Ok(()),
            _ => return None,
        })
    }

    /// Keywords about what is in an object or an array.
    fn in_its_parts(&self, keyword: &str, rule: &Value) -> Option<Result<(), String>> {
        let check = |schema: &Value, value: &Value, name: &dyn Display| {
            conforms(self.document, schema, value, &format!("{}/{name}", self.at))
        };
        Some(match keyword {
            "properties" => rule.as_object().unwrap().iter().try_for_each(|(name, schema)| {
                self.value.get(name).map_or(Ok(()), |value| check(schema, value, name))
            }),
            "items" => {
                let mut items = rows(self.value).iter().enumerate();
                items.try_for_each(|(index, value)| check(rule, value, &index))
            }
            "required" => {
                let mut names = rows(rule).iter().map(|name| name.as_str().unwrap());
                self.is(names.all(|name| self.value.get(name).is_some()), keyword, rule)
            }
            "additionalProperties" => {
                let known = self.rules.get("properties").and_then(Value::as_object);
                let is_known = |name: &str| known.is_some_and(|known| known.contains_key(name));
                let mut values = self.value.as_object().into_iter().flatten();
                values.try_for_each(|(name, value)| match is_known(name) {
                    true => Ok(()),
                    false => check(rule, value, name),
                })
            }
            _ => return None,
        })
    }

    /// Keywords about the value itself.
    fn in_itself(&self, keyword: &str, rule: &Value) -> Option<Result<(), String>> {
        let value = self.value;
        let bound = || rule.as_f64().unwrap();
        let holds = match keyword {
            "type" => types(rule).any(|kind| is_of(value, kind)),
            "const" => rule == value,
            "enum" => rows(rule).contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= bound()),
            "maximum" => value.as_f64().is_none_or(|number| number <= bound()),
            "minLength" => length(value).is_none_or(|length| length >= bound()),
            "maxLength" => length(value).is_none_or(|length| length <= bound()),
            "minItems" => rows(value).len() as f64 >= bound(),
            "maxItems" => rows(value).len() as f64 <= bound(),
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "format" if rule == "date-time" => {
                let form = Regex::new(DATE_TIME).unwrap();
                value.as_str().is_none_or(|text| form.is_match(text))
            }
            // The size of a number, which says nothing that a test could see.
            "format" => {
                let format = rule.as_str().unwrap();
                format.starts_with("uint") || matches!(format, "double" | "int64")
            }
            "description" | "examples" | "default" | "title" | "$schema" | "$defs" => true,
            _ => return None,
        };
        Some(self.is(holds, keyword, rule))
    }

    fn is(&self, holds: bool, keyword: &str, rule: &Value) -> Result<(), String> {
        is(holds, self.at, &format!("{keyword} {rule}, but it is {}", self.value))
    }
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
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

fn length(value: &Value) -> Option<f64> {
    value.as_str().map(|text| text.chars().count() as f64)
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            (
                json!({ "format": "date-time" }),
                json!("2026-12-01T12:00:00.000Z"),
                json!("2026-13-01T12:00:00Z"),
            ),
            (json!({ "type": "number" }), json!(1.5), json!("1.5")),
            (
                json!({ "additionalProperties": { "type": "integer" } }),
                json!({ "a": 1 }),
                json!({ "a": 1, "b": "1" }),
            ),
            (json!({ "required": ["a"] }), json!({ "a": 1 }), json!({ "b": 1 })),
            (
                json!({ "properties": { "a": { "const": 1 } } }),
                json!({ "b": 2 }),
                json!({ "a": 2 }),
            ),
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
        for unknown in [json!({ "uniqueItems": true }), json!({ "$ref": "#/nowhere" }), json!(null)]
        {
            assert!(conforms(&document, &unknown, &json!([]), "").is_err(), "{unknown}");
        }
    }
}
