//! The whole description.

use holdfast_api::Code;
use schemars::SchemaGenerator;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::openapi::answer::of_codes;
use crate::openapi::operation::Operation;

const ABOUT: &str = "\
The reservation engine for flash sales: every buyer gets, at once, either units held while they \
pay, or a true \"sold out\".

Every refusal is `application/problem+json` (RFC 9457) with a stable `code`; the schema `Code` is \
the register of them, and each operation lists which it may answer. Any other address is 404 \
`not_found`, any other method 405 `method_not_allowed` (`HEAD` is what `GET` is, without the body). \
A request whose head is no HTTP, or is too long, gets a bare 400, 414 or 431.";

/// Describes these operations.
pub(crate) fn document<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Value {
    let mut read = generator(Contract::Deserialize);
    let mut written = generator(Contract::Serialize);
    let mut paths = json!({});
    for operation in operations {
        paths[operation.path][operation.method] = operation.render(&mut read, &mut written);
    }
    let elsewhere = of_codes(&[Code::NotFound, Code::MethodNotAllowed], &mut written);
    let mut schemas = read.take_definitions(true);
    merge(&mut schemas, written.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT or Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [
            { "url": "/", "description": "The server that this was read from." },
            { "url": "http://127.0.0.1:8080", "description": "One on this machine, with nothing set." },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "not_found": elsewhere["404"],
                "method_not_allowed": elsewhere["405"],
            },
            "securitySchemes": {
                "merchant": {
                    "type": "http", "scheme": "bearer",
                    "description": "A merchant's key.",
                },
                "buyer": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "A token that the merchant's shop has signed for the buyer: \
                                    `sub`, `exp`, and `aud` with \"holdfast\"; HS256 or EdDSA.",
                },
            },
        },
    })
}

fn generator(contract: Contract) -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.definitions_path = "/components/schemas".into();
    settings.contract = contract;
    settings.into_generator()
}

/// A name stands for one schema, whether it is read or written.
fn merge(schemas: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, schema) in more {
        let known = schemas.insert(name.clone(), schema);
        assert!(known.is_none_or(|known| known == schemas[&name]), "{name} is read and written");
    }
}
