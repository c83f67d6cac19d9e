//! From a hold to a paid order: payment providers, and one to test against.

pub mod provider;
