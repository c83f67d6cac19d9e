//! The embedded store: placeholder.
