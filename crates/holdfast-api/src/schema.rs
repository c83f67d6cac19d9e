//! How the interface is described: JSON schemas of what has a form of its own on the wire.
//!
//! Structs derive theirs. Here is the rest: ids and words, whose types are the rules' and know
//! no schema, and what is written by hand in this crate.

use std::borrow::Cow;

use holdfast_core::{
    Admission as AdmissionWord, Availability as AvailabilityWord, HoldStatus as HoldStatusWord,
    ID_BYTES_MAX, METADATA_BYTES_MAX, NAME_BYTES_MAX, Status as StatusWord,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Code, Metadata, Time};

/// Bytes in a refund's reason, at most.
pub const REASON_BYTES_MAX: usize = 200;

/// Text without control characters. What JSON Schema counts are characters; the limits are on
/// bytes of UTF-8, and said in words.
const PRINTABLE: &str = r"^[^\u0000-\u001F\u007F-\u009F]+$";

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident: $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}
        described!($name: $schema);
    )*};
}

macro_rules! described {
    ($name:ident: $schema:expr) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

forms! {
    /// `holdfast_core::SaleId` as it is described.
    SaleId: slug("The name of a sale, as it stands in addresses.", "club");
    /// `holdfast_core::TierId` as it is described.
    TierId: slug("The name of a tier within its sale.", "standing");
    /// `holdfast_core::BuyerId` as it is described.
    BuyerId: json_schema!({
        "description": format!("A buyer, as the merchant names them: at most {ID_BYTES_MAX} bytes of UTF-8."),
        "type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX, "pattern": PRINTABLE,
        "examples": ["alice"],
    });
    /// A hold's id as it is described.
    HoldId: json_schema!({
        "description": "The id of a hold, as the server made it: cannot be guessed.",
        "type": "string", "pattern": "^hold_[A-Za-z0-9_-]+$", "maxLength": 64,
    });
    /// An order's id as it is described.
    OrderId: json_schema!({
        "description": "The id of an order, as the server made it: cannot be guessed.",
        "type": "string", "pattern": "^order_[A-Za-z0-9_-]+$", "maxLength": 64,
    });
    /// A refund's reason as it is described.
    Reason: json_schema!({
        "description": format!("What people read: at most {REASON_BYTES_MAX} bytes of UTF-8."),
        "type": "string", "minLength": 1, "maxLength": REASON_BYTES_MAX, "pattern": PRINTABLE,
    });
    /// The name of a sale or a tier as it is described.
    Name: json_schema!({
        "description": format!("What people read: at most {NAME_BYTES_MAX} bytes of UTF-8."),
        "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX, "pattern": PRINTABLE,
    });
    /// `holdfast_core::Currency` as it is described.
    Currency: json_schema!({
        "description": "An ISO 4217 code.", "type": "string", "pattern": "^[A-Z]{3}$",
        "examples": ["EUR"],
    });
    /// `holdfast_core::Status` as it is described.
    Status: words(&[StatusWord::Scheduled, StatusWord::Open, StatusWord::Paused, StatusWord::Closed]);
    /// `holdfast_core::Admission` as it is described.
    Admission: words(&[AdmissionWord::FirstCome]);
    /// `holdfast_core::Availability` as it is described.
    Availability: words(&[
        AvailabilityWord::Available, AvailabilityWord::AllHeld, AvailabilityWord::SoldOut,
    ]);
    /// `holdfast_core::HoldStatus` as it is described.
    HoldStatus: words(&[
        HoldStatusWord::Held, HoldStatusWord::Paying, HoldStatusWord::Sold,
        HoldStatusWord::Cancelled, HoldStatusWord::Expired,
    ]);
}

described!(Time: json_schema!({
    "description": "A moment from 1970 on, as RFC 3339 writes it. Answers are in UTC, with milliseconds.",
    "type": "string", "format": "date-time", "pattern": "^(19[7-9]|[2-9][0-9])", "examples": ["2026-12-01T12:00:00.000Z"],
}));

described!(Metadata: json_schema!({
    "description": format!(
        "The merchant's own data, kept as it came: at most {METADATA_BYTES_MAX} bytes of JSON."
    ),
    "type": "object",
}));

described!(Code: json_schema!({
    "description": register(), "type": "string",
    "enum": Code::ALL,
}));

/// An amount of money.
#[derive(Clone, Copy, Debug, JsonSchema)]
pub struct Money {
    /// Minor units: cents of a euro, yen of a yen.
    pub amount: u64,
    /// What they are units of.
    pub currency: Currency,
}

fn slug(description: &str, example: &str) -> Schema {
    json_schema!({
        "description": description, "type": "string", "examples": [example],
        "pattern": format!("^[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,{}}}$", ID_BYTES_MAX - 1),
    })
}

fn words<T: Serialize>(words: &[T]) -> Schema {
    json_schema!({ "type": "string", "enum": words })
}

/// The register of codes as a table for people.
fn register() -> String {
    let head = "What went wrong, for programs. A code never changes its meaning.\n\n\
                | code | status | meaning |\n|---|---|---|\n";
    let row =
        |code: &Code| format!("| `{}` | {} | {} |\n", code.as_str(), code.status(), code.title());
    Code::ALL.iter().map(row).fold(head.to_owned(), |table, row| table + &row)
}

/// Which codes never come without which field.
pub(crate) fn what_codes_bring() -> Value {
    let brings = |code: Code, field: &str| {
        json!({
            "if": { "properties": { "code": { "const": code } } },
            "then": { "required": [field] },
        })
    };
    json!([
        brings(Code::InvalidRequest, "field"),
        brings(Code::NotEnough, "free"),
        brings(Code::HoldExists, "hold"),
    ])
}
