//! All sales of a node, found by name or by number.

use std::collections::BTreeMap;

use holdfast_core::{Sale, SaleId};
use holdfast_store::{LogId, LogInfo, Nodes, Stamp};

use crate::audit::Belief;
use crate::slot::Slot;

/// Names a sale: as a merchant does, or as a hold's receipt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaleRef {
    /// By its id.
    Id(SaleId),
    /// By its number.
    Number(u32),
}

/// All sales, as they stand.
#[derive(Default)]
pub struct Sales {
    pub(crate) slots: Vec<Slot>,
    by_id: BTreeMap<SaleId, usize>,
    by_number: BTreeMap<u32, usize>,
    pub(crate) nodes: Option<Nodes>,
}

impl Sales {
    /// A sale and its clock in milliseconds; `None`: there is no such sale.
    pub fn get(&self, sale: SaleRef) -> Option<(&Sale, u64)> {
        let slot = &self.slots[self.find(sale)?];
        slot.sale.is_configured().then_some((&slot.sale, slot.clock_ms))
    }

    /// All sales after this one in the order of their ids, each with its clock in milliseconds.
    pub fn after(&self, after: Option<SaleId>) -> impl Iterator<Item = (SaleId, &Sale, u64)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let slots = self.by_id.range((from, Unbounded)).map(|(id, &at)| (*id, &self.slots[at]));
        slots
            .filter(|(_, slot)| slot.sale.is_configured())
            .map(|(id, slot)| (id, &slot.sale, slot.clock_ms))
    }

    /// A sale's id by its number.
    pub fn id(&self, number: u32) -> Option<SaleId> {
        self.by_number.get(&number).map(|&at| self.slots[at].id)
    }

    /// The reign under which this node writes to a sale; `None`: there is no such sale.
    pub fn epoch(&self, sale: SaleRef) -> Option<u32> {
        Some(self.slots[self.find(sale)?].epoch.0)
    }

    /// The nodes that sell the same sales, as this one knows it; `None`: it has them for itself.
    pub fn nodes(&self) -> Option<&Nodes> {
        self.nodes.as_ref()
    }

    /// What this node believes of a sale, to be held against the records.
    pub(crate) fn belief(&self, sale: SaleRef) -> Option<Belief> {
        let slot = &self.slots[self.find(sale)?];
        let last = slot.sale.last();
        let last = Stamp { epoch: slot.epoch, sequence: last.sequence, clock_ms: last.clock_ms };
        let name = slot.id.to_string();
        let log = LogInfo { id: slot.log, name, last, epoch: slot.epoch, trimmed: 0 };
        Some(Belief { log, view: slot.sale.view(slot.clock_ms)? })
    }

    pub(crate) fn find(&self, sale: SaleRef) -> Option<usize> {
        match sale {
            SaleRef::Id(id) => self.by_id.get(&id).copied(),
            SaleRef::Number(number) => self.by_number.get(&number).copied(),
        }
    }

    pub(crate) fn push(&mut self, slot: Slot) -> usize {
        let at = self.slots.len();
        let LogId(number) = slot.log;
        self.by_id.insert(slot.id, at);
        self.by_number.insert(number, at);
        self.slots.push(slot);
        at
    }
}
