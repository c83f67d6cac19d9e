//! The register of codes: what a problem can be, with its status and its title.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($code:ident $text:literal $status:literal $title:literal;)*) => {
        /// What went wrong, for programs. A code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $(
                #[doc = concat!($title, ": `", $text, "`, ", stringify!($status), ".")]
                #[serde(rename = $text)]
                $code,
            )*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// The code as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$code => $status,)* }
            }

            /// What it means, for people; the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)* }
            }

            /// The problem's type, as RFC 9457 wants it: a name, not an address.
            pub fn urn(self) -> &'static str {
                match self { $(Self::$code => concat!("urn:holdfast:problem:", $text),)* }
            }
        }
    };
}

codes! {
    Malformed "malformed" 400 "The request cannot be read";
    Unauthorised "unauthorised" 401 "The caller is not known";
    Forbidden "forbidden" 403 "The caller may not do this";
    NotFound "not_found" 404 "There is nothing at this address";
    SaleNotFound "sale_not_found" 404 "There is no such sale";
    TierNotFound "tier_not_found" 404 "The sale has no such tier";
    HoldNotFound "hold_not_found" 404 "There is no such hold";
    OrderNotFound "order_not_found" 404 "There is no such order";
    MethodNotAllowed "method_not_allowed" 405 "This address does not take this method";
    RequestTimeout "request_timeout" 408 "The request took too long to arrive";
    NotEnough "not_enough" 409 "Fewer units are free than were asked for";
    AllHeld "all_held" 409 "All units are held; some may come back";
    SoldOut "sold_out" 409 "All units are sold";
    LimitReached "limit_reached" 409 "That is more than one buyer may have";
    HoldExists "hold_exists" 409 "The buyer has another hold";
    NotOpen "not_open" 409 "The sale has not opened";
    Paused "paused" 409 "The sale is paused";
    Closed "closed" 409 "The sale is closed";
    WrongState "wrong_state" 409 "The state does not allow this step";
    TooLarge "too_large" 413 "The body is too large";
    UnsupportedMediaType "unsupported_media_type" 415 "The body is not JSON";
    InvalidRequest "invalid_request" 422 "A field is not as it must be";
    KeyReused "key_reused" 422 "The idempotency key was used for another request";
    RateLimited "rate_limited" 429 "That is more requests than are taken at a time";
    Overloaded "overloaded" 503 "The server is busy; nothing was done";
    StoreUnavailable "store_unavailable" 503 "The store takes nothing now; nothing was done";
    OutcomeUnknown "outcome_unknown" 503 "It may or may not have been done; repeat the request";
}

impl Code {
    /// Whether the same request may succeed later: then the answer says after how long.
    pub fn may_be_retried(self) -> bool {
        matches!(self.status(), 429 | 503)
    }
}
