//! Holds that had been lost with the end of the log and were brought back, by a receipt or by the
//! ledger: their keys are older than those around them.

use std::collections::BTreeMap;

use crate::HoldKey;

/// Where they are, beside the table of all holds. They are few.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recovered {
    rows: BTreeMap<HoldKey, u32>,
    places: BTreeMap<u32, HoldKey>,
}

impl Recovered {
    /// The row of the one with this key.
    pub(crate) fn find(&self, key: HoldKey) -> Option<u32> {
        self.rows.get(&key).copied()
    }

    /// The key that a new hold of the entry which brought it back would have had; `None`: this row
    /// was not brought back.
    pub(crate) fn place(&self, row: u32) -> Option<HoldKey> {
        self.places.get(&row).copied()
    }

    /// Adds one. Its row is greater than every other's.
    pub(crate) fn insert(&mut self, key: HoldKey, row: u32, place: HoldKey) {
        self.rows.insert(key, row);
        self.places.insert(row, place);
    }

    /// Rows of those whose keys are greater, in the order of their keys.
    pub(crate) fn after(&self, key: Option<HoldKey>) -> impl Iterator<Item = u32> {
        let from = key.map_or(0, |key| key.number().saturating_add(1));
        self.rows.range(HoldKey::from_number(from)..).map(|(_, &row)| row)
    }

    /// All rows, and the places of their entries.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, HoldKey)> {
        self.places.iter().map(|(&row, &place)| (row, place))
    }
}
