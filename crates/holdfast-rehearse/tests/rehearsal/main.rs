//! Rehearsals against a tiny shop in this process: an honest one, and every kind of liar.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a measurement prints what it found")]

mod manners;
mod money;
mod report;
mod rush;
mod support;
mod verdict;
