//! What a checkout keeps with it, beside what the rules know.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::provider::Manner;

/// What is kept with a checkout until the ledger has its order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Note {
    /// How a simulated provider is to behave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulate: Option<Manner>,
    /// The merchant's own data, as JSON; it stays with the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<RawValue>>,
}

impl Note {
    /// The note as text; `None` if it says nothing.
    pub fn write(&self) -> Option<Box<str>> {
        if self.simulate.is_none() && self.metadata.is_none() {
            return None;
        }
        serde_json::to_string(self).ok().map(Into::into)
    }

    /// Reads a note. What is none says nothing: whoever wrote it was another version.
    pub fn read(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}
