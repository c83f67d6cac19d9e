//! Every bound of a sale in one place. Ranges of the contract; larger input is refused.

/// The version of the rules. Nodes that share a log must have the same: raise it with any change of
/// what a command means, or of how it is written.
pub const RULES: u32 = 3;

/// Bytes in the id of a sale, a tier or a buyer.
pub const ID_BYTES_MAX: usize = 64;

/// Bytes in the name of a sale or a tier.
pub const NAME_BYTES_MAX: usize = 200;

/// Bytes in the metadata of a sale or an order, as JSON text.
pub const METADATA_BYTES_MAX: usize = 4_096;

/// Bytes in what is kept with a checkout, as JSON text: an order's metadata and a few words more.
pub const NOTE_BYTES_MAX: usize = METADATA_BYTES_MAX + 256;

/// Seconds that a hold lasts, at most: a day.
pub const HOLD_SECONDS_MAX: u32 = 86_400;

/// Seconds of grace that a checkout may add, at most: a day.
pub const CHECKOUT_GRACE_SECONDS_MAX: u32 = 86_400;

/// Tiers in a sale.
pub const TIERS_MAX: usize = 100;

/// Units in a tier.
pub const CAPACITY_MAX: u32 = 10_000_000;

/// Units that a sale may allow one buyer.
pub const MAX_PER_BUYER_MAX: u32 = 1_000;

/// Units in one request.
pub const QUANTITY_MAX: u32 = 1_000;

/// A price in minor units, so that the largest total stays far from overflow.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000;

/// Holds that one buyer may take in one sale, ended ones included. Memory stays bounded, and a
/// buyer cannot renew five minutes for ever.
pub const HOLDS_PER_BUYER_MAX: u8 = 64;

/// Idempotency keys that are remembered for one buyer. They are kept until the sale closes, so
/// the next one is refused rather than an old one forgotten.
pub const KEYS_PER_BUYER_MAX: u8 = 64;

/// How often one hold may go to the checkout: each time the provider is asked.
pub const CHECKOUTS_PER_HOLD_MAX: u8 = 16;

/// How long a hold's clock stands still in all while its payment waits for the provider's budget,
/// in milliseconds.
pub const PAY_QUEUE_MAX_MS: u32 = 300_000;

/// Holds that one sale remembers, ended ones included.
pub const HOLDS_MAX: u32 = 1 << 26;

/// Holds that one tick expires at most, so that no command takes long.
pub const EXPIRE_BATCH_MAX: u32 = 1_000;

/// How far, in milliseconds, the wall anchor may lag before a tick moves it.
pub const ANCHOR_TOLERANCE_MS: u64 = 100;
