//! Orders as CSV (RFC 4180), safe to open in a spreadsheet.

use std::borrow::Cow;

use holdfast_api::{Metadata, Order, OrderStatus, Time};

/// The first line.
pub(crate) const HEAD: &str = "number,id,sale,hold,buyer,tier,quantity,amount,currency,status,\
                               provider,reason,created_at,changed_at,refund_asked_at,metadata\r\n";

/// What makes a spreadsheet take a cell for a formula, at its beginning.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Writes one line.
pub(crate) fn write(order: &Order, to: &mut Vec<u8>) {
    let time = |time: Option<Time>| time.map_or_else(String::new, |time| time.to_string());
    let status = match order.status {
        OrderStatus::Authorised => "authorised",
        OrderStatus::Paid => "paid",
        OrderStatus::Void => "void",
        OrderStatus::Refunded => "refunded",
    };
    let number = order.number.map_or_else(String::new, |number| number.to_string());
    let cells = [
        number.as_str(),
        &*order.id,
        order.sale.as_str(),
        &order.hold,
        order.buyer.as_str(),
        order.tier.as_str(),
        &order.quantity.to_string(),
        &order.total.amount.to_string(),
        order.total.currency.as_str(),
        status,
        &order.provider,
        order.reason.as_deref().unwrap_or_default(),
        &time(order.created_at),
        &time(order.changed_at),
        &time(order.refund_asked_at),
        order.metadata.as_ref().map_or("", Metadata::json),
    ];
    for (place, text) in cells.into_iter().enumerate() {
        if place > 0 {
            to.push(b',');
        }
        to.extend_from_slice(cell(text).as_bytes());
    }
    to.extend_from_slice(b"\r\n");
}

/// A cell as it stands: what would be a formula is made text by an apostrophe, what has commas,
/// quotes or line breaks is quoted.
fn cell(text: &str) -> Cow<'_, str> {
    let text: Cow<'_, str> =
        if text.starts_with(FORMULA) { format!("'{text}").into() } else { text.into() };
    if text.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\"")).into();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_never_a_formula() {
        for (text, written) in [
            ("", ""),
            ("alice", "alice"),
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-1", "'-1"),
            ("@cmd", "'@cmd"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=cmd|' /C calc'!A0,x", "\"'=cmd|' /C calc'!A0,x\""),
            ("a=1", "a=1"),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
    }
}
