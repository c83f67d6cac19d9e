//! Bodies to try things with. The tests send them.

use serde_json::{Value, json};

/// A sale.
pub(crate) fn sale() -> Value {
    json!({
        "name": "Club night",
        "hold_seconds": 300,
        "max_per_buyer": 4,
        "tiers": [{
            "id": "standing",
            "name": "Standing",
            "capacity": 5_000,
            "price": { "amount": 4_500, "currency": "EUR" },
        }],
        "metadata": { "venue": "north" },
    })
}

/// A change of a tier.
pub(crate) fn capacity() -> Value {
    json!({ "capacity": 5_200 })
}

/// A request to hold units, as a buyer makes it.
pub(crate) fn hold() -> Value {
    json!({ "tier": "standing", "quantity": 2 })
}

/// A request to hold units, as a merchant makes it in a buyer's name.
pub(crate) fn hold_for() -> Value {
    json!({ "tier": "standing", "quantity": 1, "buyer": "bob" })
}

/// A request to take a hold to the checkout, as a buyer makes it.
pub(crate) fn checkout() -> Value {
    json!({ "simulate": "approve" })
}

/// A request to take a hold to the checkout, as a merchant makes it.
pub(crate) fn checkout_for() -> Value {
    json!({ "metadata": { "basket": "b-17" } })
}

/// A request to give an order's money back.
pub(crate) fn refund() -> Value {
    json!({ "reason": "the night was called off" })
}

/// What a provider tells.
pub(crate) fn webhook() -> Value {
    json!({
        "id": "evt_1",
        "type": "payment.captured",
        "reference": "hold_17",
        "created": 1_796_126_400,
    })
}
