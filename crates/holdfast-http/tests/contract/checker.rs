//! Holds answers against the description of the interface.

use std::sync::LazyLock;

use axum::body::Bytes;
use holdfast_testkit::conforms;
use http::{HeaderMap, Method, Response, header};
use serde_json::{Map, Value, json};

/// A description; the served one, or one that was doctored.
pub(crate) struct Description(Value);

impl Description {
    /// What the server says of itself.
    pub(crate) fn served() -> &'static Self {
        static SERVED: LazyLock<Description> = LazyLock::new(|| {
            Description(serde_json::from_slice(&holdfast_http::document()).unwrap())
        });
        &SERVED
    }

    /// Another one.
    pub(crate) fn of(document: Value) -> Self {
        Self(document)
    }

    pub(crate) fn document(&self) -> &Value {
        &self.0
    }

    fn paths(&self) -> &Map<String, Value> {
        self.0["paths"].as_object().unwrap()
    }

    /// All operations: path, method, what is said of it.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.paths().iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (&**path, &**method, operation))
        })
    }

    /// What may be answered to a request of this method at this address.
    fn answers(&self, method: &Method, path: &str) -> Value {
        let Some((_, methods)) = self.paths().iter().find(|(form, _)| has_form(path, form)) else {
            return json!({ "404": self.0["components"]["responses"]["not_found"] });
        };
        match methods.get(method.as_str().to_ascii_lowercase()) {
            Some(operation) => operation["responses"].clone(),
            None => json!({ "405": self.0["components"]["responses"]["method_not_allowed"] }),
        }
    }

    /// Whether this is an answer that is described.
    pub(crate) fn check(
        &self,
        method: &Method,
        path: &str,
        answer: &Response<Bytes>,
    ) -> Result<(), String> {
        let answers = self.answers(method, path);
        let status = answer.status().as_u16().to_string();
        let described = answers.get(&status).ok_or("its status")?;
        self.check_headers(described, answer.headers())?;
        let kind = answer.headers().get(header::CONTENT_TYPE);
        match (kind.map(|kind| kind.to_str().unwrap()), described.get("content")) {
            (None, None) if answer.body().is_empty() => Ok(()),
            (Some(kind), Some(contents)) => {
                let content = contents.get(kind).ok_or("its type")?;
                let text = || Value::from(std::str::from_utf8(answer.body()).unwrap());
                let is_json = kind.ends_with("/json") || kind.ends_with("+json");
                let body =
                    if is_json { serde_json::from_slice(answer.body()).unwrap() } else { text() };
                self.conforms(&content["schema"], &body)
            }
            _ => Err("whether it has a body".to_owned()),
        }
    }

    fn check_headers(&self, described: &Value, headers: &HeaderMap) -> Result<(), String> {
        let none = Map::new();
        for (name, header) in described["headers"].as_object().unwrap_or(&none) {
            let value = headers.get(name).ok_or_else(|| format!("that it has no {name}"))?;
            let value = value.to_str().unwrap();
            let is_number = header["schema"]["type"] == "integer";
            let value = if is_number { value.parse::<u64>().unwrap().into() } else { value.into() };
            self.conforms(&header["schema"], &value).map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(())
    }

    /// Whether this is a body that the operation says it reads.
    pub(crate) fn check_request(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(), String> {
        let method = method.to_ascii_lowercase();
        let mut operations = self.operations();
        let found = operations.find(|(form, is, _)| has_form(path, form) && *is == method);
        let (_, _, operation) = found.ok_or("the operation")?;
        self.conforms(&operation["requestBody"]["content"]["application/json"]["schema"], body)
    }

    fn conforms(&self, schema: &Value, value: &Value) -> Result<(), String> {
        conforms(&self.0, schema, value, "")
    }
}

/// Whether an address is one of a form such as `/v1/sales/{sale}`.
fn has_form(path: &str, form: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let (parts, forms) = (path.split('/'), form.split('/'));
    parts.clone().count() == forms.clone().count()
        && parts.zip(forms).all(|(part, form)| form.starts_with('{') || part == form)
}
