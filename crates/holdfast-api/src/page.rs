//! Lists that are read page by page.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// What is on this page, in the order of the list.
    pub items: Vec<T>,
    /// Where the next page begins: to be passed on as `after`. `null` on the last page.
    pub next: Option<String>,
}
