//! What is asked beside the body: in the path, after the `?`, in a header.

use holdfast_api::schema::{BuyerId, HoldId, OrderId, SaleId, TierId};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::address::{LIMIT_DEFAULT, LIMIT_MAX};
use crate::openapi::operation::SchemaOf;
use crate::routes::holds::KEY_BYTES_MAX;

/// One parameter.
#[derive(Clone, Copy)]
pub(crate) struct Parameter {
    name: &'static str,
    place: &'static str,
    description: &'static str,
    /// Whether it must be there; what is in the path always is.
    is_required: bool,
    schema: SchemaOf,
    example: Option<&'static str>,
}

/// How many rows a page has.
pub(crate) const LIMIT: Parameter = Parameter {
    name: "limit",
    place: "query",
    description: "Rows on the page, at most.",
    is_required: false,
    schema: |_| {
        json_schema!({
            "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT,
        })
    },
    example: None,
};

/// After which sale a page begins.
pub(crate) const AFTER_SALE: Parameter = after(SchemaGenerator::subschema_for::<SaleId>);

/// After which hold a page begins.
pub(crate) const AFTER_HOLD: Parameter =
    after(|_| json_schema!({ "type": "string", "pattern": "^[0-9]{1,19}$" }));

/// After which order a page begins.
pub(crate) const AFTER_ORDER: Parameter = AFTER_HOLD;

const fn after(schema: SchemaOf) -> Parameter {
    Parameter {
        name: "after",
        place: "query",
        description: "Where the page begins: `next` of the page before. From the first row without it.",
        is_required: false,
        schema,
        example: None,
    }
}

/// Whom a merchant asks for.
pub(crate) const BUYER: Parameter = Parameter {
    name: "buyer",
    place: "query",
    description: "For whom. A merchant must say it; of a buyer it is refused, for the token says it.",
    is_required: false,
    schema: SchemaGenerator::subschema_for::<BuyerId>,
    example: None,
};

/// What makes a repeated request the same request.
pub(crate) const IDEMPOTENCY_KEY: Parameter = Parameter {
    name: "Idempotency-Key",
    place: "header",
    description: "The same request under the same key is one request, until the sale closes.",
    is_required: false,
    schema: |_| json_schema!({ "type": "string", "pattern": format!("^[!-~]{{1,{KEY_BYTES_MAX}}}$") }),
    example: None,
};

/// What proves that a message is the provider's.
pub(crate) const SIGNATURE: Parameter = Parameter {
    name: "Holdfast-Signature",
    place: "header",
    description: "`t=` and when it was signed, in seconds since 1970 UTC; `,v1=` and the HMAC-SHA256, in \
                  hexadecimal, of that number, a dot and the body under a secret of the provider.",
    is_required: true,
    schema: |_| json_schema!({ "type": "string", "pattern": "^t=[0-9]+(,v1=[0-9a-f]{64})+$" }),
    example: None,
};

/// The variable parts of a path, such as `/v1/sales/{sale}`.
pub(crate) fn in_path(path: &str) -> Vec<Parameter> {
    let name = |part: &str| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned());
    path.split('/').filter_map(name).filter_map(|name| of_path(&name)).collect()
}

fn of_path(name: &str) -> Option<Parameter> {
    match name {
        "sale" => Some(part::<SaleId>("sale", "Which sale.", Some("club"))),
        "tier" => Some(part::<TierId>("tier", "Which tier of it.", Some("standing"))),
        "hold" => Some(part::<HoldId>("hold", "Which hold.", None)),
        "order" => Some(part::<OrderId>("order", "Which order.", None)),
        "buyer" => Some(part::<BuyerId>("buyer", "Which buyer.", Some("carol"))),
        "provider" => Some(Parameter {
            schema: |_| json_schema!({ "type": "string", "enum": ["simulated"] }),
            ..part::<SaleId>("provider", "Which provider.", Some("simulated"))
        }),
        _ => None,
    }
}

fn part<T: JsonSchema>(
    name: &'static str,
    description: &'static str,
    example: Option<&'static str>,
) -> Parameter {
    let schema = SchemaGenerator::subschema_for::<T>;
    Parameter { name, place: "path", description, is_required: true, schema, example }
}

impl Parameter {
    /// It as it is written down.
    pub(crate) fn render(&self, generator: &mut SchemaGenerator) -> Value {
        let schema: Schema = (self.schema)(generator);
        let mut parameter = json!({
            "name": self.name,
            "in": self.place,
            "description": self.description,
            "required": self.is_required,
            "schema": schema,
        });
        if let Some(example) = self.example {
            parameter["example"] = json!(example);
        }
        parameter
    }
}
