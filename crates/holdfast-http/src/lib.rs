//! The HTTP contract, version 1: routes, authentication, answers.
//!
//! Invariants, stated as absences: no rule of a sale is decided here; no key, token or buyer is
//! ever logged here; no code of a problem is spelled here (they are `holdfast_api::Code`).

mod address;
mod app;
mod auth;
mod believed;
mod body;
mod client;
mod counted;
mod csv;
mod export;
mod lanes;
mod limits;
mod metrics;
mod openapi;
mod orders;
mod problem;
mod router;
mod routes;
mod scrape;
mod site;
mod token;
mod views;

pub use app::{App, Options, ProviderName};
pub use auth::{MerchantKeyError, MerchantKeys};
pub use limits::{LimitOptions, Rate, RateError};
pub use router::{document, router};
pub use scrape::{Scrape, registry};
pub use site::Site;
pub use token::{
    AUDIENCE, BuyerKeyError, BuyerKeys, Doubt, SignError, hs256_secret, sign_token, signing_secret,
};
