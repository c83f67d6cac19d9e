//! What comes back: what was asked for, or a problem.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_api::{Code, Problem};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::openapi::operation::SchemaOf;
use crate::problem::PRIVATE_TEXT;

/// The schema of text.
const TEXT: SchemaOf = |_| json_schema!({ "type": "string" });

/// An answer that gives what was asked for.
pub(crate) struct Answer {
    pub(crate) status: u16,
    what: &'static str,
    /// What it may be, by its type.
    bodies: Vec<(&'static str, SchemaOf)>,
    cache_control: Option<&'static str>,
}

impl Answer {
    /// JSON, for whoever asked.
    pub(crate) fn json<T: JsonSchema>(status: u16, what: &'static str) -> Self {
        let schema = SchemaGenerator::subschema_for::<T>;
        let bodies = vec![("application/json", schema as SchemaOf)];
        Self { status, what, bodies, cache_control: Some(PRIVATE_TEXT) }
    }

    /// Text of some type.
    pub(crate) fn text(kind: &'static str, what: &'static str) -> Self {
        Self { status: 200, what, bodies: vec![(kind, TEXT)], cache_control: None }
    }

    /// It was done, and there is no more to say.
    pub(crate) fn nothing(what: &'static str) -> Self {
        Self { status: 204, what, bodies: Vec::new(), cache_control: Some(PRIVATE_TEXT) }
    }

    /// The same, or text of some type, as the reader likes it.
    pub(crate) fn or_text(mut self, kind: &'static str) -> Self {
        self.bodies.push((kind, TEXT));
        self
    }

    /// The same, but caches may keep it.
    pub(crate) fn kept(self, cache_control: &'static str) -> Self {
        Self { cache_control: Some(cache_control), ..self }
    }

    /// It as it is written down.
    pub(crate) fn render(&self, generator: &mut SchemaGenerator) -> Value {
        let mut answer = json!({ "description": self.what });
        for (kind, schema) in &self.bodies {
            answer["content"][*kind] = json!({ "schema": schema(generator) });
        }
        if let Some(value) = self.cache_control {
            answer["headers"]["Cache-Control"] = header(&json!({ "const": value }));
        }
        answer
    }
}

fn header(schema: &Value) -> Value {
    json!({ "required": true, "schema": schema })
}

/// The problems that have these codes, by status.
pub(crate) fn of_codes(codes: &[Code], generator: &mut SchemaGenerator) -> Value {
    let mut by_status = BTreeMap::<u16, BTreeSet<Code>>::new();
    for &code in codes {
        by_status.entry(code.status()).or_default().insert(code);
    }
    let rendered = |(status, codes): (&u16, &BTreeSet<Code>)| {
        (status.to_string(), problem(*status, codes, generator))
    };
    by_status.iter().map(rendered).collect()
}

fn problem(status: u16, codes: &BTreeSet<Code>, generator: &mut SchemaGenerator) -> Value {
    let say = |code: &Code| format!("`{}`: {}.", code.as_str(), code.title());
    let description: Vec<_> = codes.iter().map(say).collect();
    let mut schema: Schema = generator.subschema_for::<Problem>();
    let which = json!({ "status": { "const": status }, "code": { "enum": codes } });
    schema.insert("properties".to_owned(), which);
    let mut headers = json!({ "Cache-Control": header(&json!({ "const": PRIVATE_TEXT })) });
    if codes.contains(&Code::Unauthorised) {
        headers["WWW-Authenticate"] = header(&json!({ "const": "Bearer" }));
    }
    if codes.contains(&Code::MethodNotAllowed) {
        headers["Allow"] = header(&json!({ "type": "string" }));
    }
    if codes.iter().any(|code| code.may_be_retried()) {
        headers["Retry-After"] = header(&json!({ "type": "integer", "minimum": 1 }));
    }
    json!({
        "description": description.join(" "),
        "headers": headers,
        "content": { "application/problem+json": { "schema": schema } },
    })
}
