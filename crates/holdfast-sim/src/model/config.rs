//! The ranges of a sale's configuration, by the naive rules.

use holdfast_core::{
    AMOUNT_MAX, CAPACITY_MAX, CHECKOUT_GRACE_SECONDS_MAX, HOLD_SECONDS_MAX, MAX_PER_BUYER_MAX,
    METADATA_BYTES_MAX, Money, NAME_BYTES_MAX, SaleConfig, TIERS_MAX,
};

/// The path of the first field that is out of its range: terms first, then tier by tier.
pub(crate) fn wrong_field(config: &SaleConfig) -> Option<String> {
    let terms = &config.terms;
    let mut wrong = vec![
        (is_wrong_name(&terms.name), "name".to_owned()),
        (terms.hold_seconds == 0 || terms.hold_seconds > HOLD_SECONDS_MAX, "hold_seconds".into()),
        (
            terms.checkout_grace_seconds > CHECKOUT_GRACE_SECONDS_MAX,
            "checkout_grace_seconds".into(),
        ),
        (
            terms.max_per_buyer == 0 || terms.max_per_buyer > MAX_PER_BUYER_MAX,
            "max_per_buyer".into(),
        ),
        (
            terms.metadata.as_ref().is_some_and(|json| json.len() > METADATA_BYTES_MAX),
            "metadata".into(),
        ),
        (config.tiers.is_empty() || config.tiers.len() > TIERS_MAX, "tiers".into()),
    ];
    for (index, tier) in config.tiers.iter().enumerate() {
        let path = |field| format!("tiers[{index}].{field}");
        let same_id = config.tiers.iter().take(index).any(|other| other.id == tier.id);
        wrong.push((is_wrong_name(&tier.name), path("name")));
        wrong.push((tier.capacity > CAPACITY_MAX, path("capacity")));
        wrong.push((tier.price.amount > AMOUNT_MAX, path("price.amount")));
        wrong.push((same_id, path("id")));
    }
    wrong.into_iter().find_map(|(is_wrong, path)| is_wrong.then_some(path))
}

fn is_wrong_name(name: &str) -> bool {
    name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control)
}

/// What several units cost.
pub(super) fn total(price: Money, quantity: u32) -> Money {
    Money { amount: price.amount * u64::from(quantity), currency: price.currency }
}
