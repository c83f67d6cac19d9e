//! All sales of a node, found by name or by number.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use holdfast_core::{Sale, SaleId};
use holdfast_store::{LogId, LogInfo, Nodes, Stamp};

use crate::EngineError;
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
    /// What a look has met that nobody may be told.
    met: Mutex<Option<EngineError>>,
}

impl Sales {
    /// Looks at the sales.
    ///
    /// # Errors
    /// Why nobody may be told how one of the sales stands that were looked at.
    pub fn look<R>(&self, look: impl FnOnce(&Self) -> R) -> Result<R, EngineError> {
        let met = || self.met.lock().unwrap_or_else(PoisonError::into_inner).take();
        met();
        let seen = look(self);
        met().map_or(Ok(seen), Err)
    }

    fn note(&self, slot: &Slot) {
        if let Some(trouble) = slot.trouble() {
            *self.met.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble.clone());
        }
    }

    /// A sale and its clock in milliseconds; `None`: there is no such sale.
    pub fn get(&self, sale: SaleRef) -> Option<(&Sale, u64)> {
        let slot = &self.slots[self.find(sale)?];
        self.note(slot);
        slot.sale.is_configured().then_some((&slot.sale, slot.clock_ms))
    }

    /// All sales after this one in the order of their ids, each with its clock in milliseconds.
    pub fn after(&self, after: Option<SaleId>) -> impl Iterator<Item = (SaleId, &Sale, u64)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let slots = self.by_id.range((from, Unbounded)).map(|(_, &at)| &self.slots[at]);
        slots.inspect(|slot| self.note(slot)).filter_map(Slot::shown_as)
    }

    /// All sales of which it is known how they stand, in the order of their ids, as [`Sales::after`] has
    /// them.
    pub fn sound(&self) -> impl Iterator<Item = (SaleId, &Sale, u64)> {
        let slots = self.by_id.values().map(|&at| &self.slots[at]);
        slots.filter(|slot| slot.trouble().is_none()).filter_map(Slot::shown_as)
    }

    /// Whether it is known how a sale stands. One that is not there stands as if it were empty.
    pub fn is_sound(&self, sale: SaleRef) -> bool {
        self.find(sale).is_none_or(|at| self.slots[at].trouble().is_none())
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
        self.note(slot);
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
