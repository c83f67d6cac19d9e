//! Snapshots: a whole sale as bytes, so that a restart need not replay everything.
//!
//! Only what cannot be derived is written. Counters, deadlines, chains and tables are built again
//! from the holds, by the same code that built them at first where that is possible.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::anchor::Anchor;
use crate::arena::Position;
use crate::codec::Tail;
use crate::doubt::Doubt;
use crate::holds::{Hold, HoldKey, HoldStatus, NONE, NTH_MAX};
use crate::payments::{Payment, PaymentStatus};
use crate::sale::{Sale, Status};
use crate::tier::Tier;
use crate::{BuyerId, CodecError, KeyDigest, Stamp, Terms, TierConfig};

/// The format that this version writes and reads.
const FORMAT: u32 = 3;

#[derive(Serialize, Deserialize)]
struct Head {
    number: u32,
    last: Stamp,
    anchor: Anchor,
    terms: Option<Terms>,
    status: Status,
    tiers: Vec<TierRow>,
    buyers: u64,
    holds: u32,
    payments: u32,
    keys: u32,
    doubt: Doubt,
    /// Rows of holds that were brought back, and their places.
    recovered: Vec<(u32, HoldKey)>,
    /// Of their buyers, by place, the row of the latest hold: not always the last one.
    latest: BTreeMap<u32, u32>,
}

#[derive(Serialize, Deserialize)]
struct TierRow {
    config: TierConfig,
    sold: u32,
    withheld: u32,
}

/// A hold whose buyer is named by their place among the buyers: where records lie in memory is
/// nothing that a snapshot should know.
#[derive(Serialize, Deserialize)]
struct HoldRow {
    key: HoldKey,
    deadline_ms: u64,
    epoch: u32,
    buyer: u32,
    /// Row of its payment, or [`NONE`].
    payment: u32,
    quantity: u16,
    tier: u8,
    status: HoldStatus,
}

#[derive(Serialize, Deserialize)]
struct PaymentRow {
    hold: u32,
    linked: u32,
    queued_at_ms: u64,
    queued_ms: u32,
    attempt: u8,
    status: PaymentStatus,
    note: Option<Box<str>>,
    is_restored: bool,
}

#[derive(Serialize, Deserialize)]
struct KeyRow {
    buyer: u32,
    digest: KeyDigest,
    hold: u32,
    attempt: u8,
}

impl Sale {
    /// The sale as bytes. Equal states have equal bytes, whatever way they came about.
    pub fn to_snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let known: Vec<Position> = self.buyers.iter().collect();
        let place = |buyer| known.binary_search(&buyer).map_or(u32::MAX, narrow);
        put(&mut bytes, &FORMAT);
        put(&mut bytes, &self.head(place));
        for &buyer in &known {
            put(&mut bytes, &self.buyers.name(buyer));
        }
        for payment in self.payments.iter() {
            put(&mut bytes, &PaymentRow::of(payment));
        }
        for hold in self.holds.iter() {
            put(&mut bytes, &HoldRow::of(hold, place(hold.buyer)));
        }
        for (place, &buyer) in known.iter().enumerate() {
            let mut keys: Vec<_> = self.buyers.keys_of(buyer).collect();
            keys.reverse();
            for key in keys {
                let (digest, hold, attempt) = (key.digest, key.hold, key.attempt);
                put(&mut bytes, &KeyRow { buyer: narrow(place), digest, hold, attempt });
            }
        }
        bytes
    }

    /// Reads a snapshot. `seed` as for [`Sale::new`].
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are something else, of a newer format, or contradict
    /// themselves.
    pub fn from_snapshot(bytes: &[u8], seed: u64) -> Result<Self, CodecError> {
        let mut reader = Reader(bytes);
        let found: u32 = reader.take()?;
        if found != FORMAT {
            return Err(CodecError::OtherSnapshot { found, supported: FORMAT });
        }
        let head: Head = reader.take()?;
        let mut sale = Self::new(head.number, seed);
        (sale.last, sale.anchor) = (head.last, head.anchor);
        (sale.terms, sale.status) = (head.terms, head.status);
        sale.doubt = if planted!(ForgetsDoubt) { Doubt::default() } else { head.doubt };
        let tiers = head.tiers.into_iter();
        sale.tiers = tiers
            .map(|row| Tier { sold: row.sold, withheld: row.withheld, ..Tier::new(row.config) })
            .collect();
        for _ in 0..head.buyers {
            let name: Option<BuyerId> = reader.take()?;
            sale.buyers.push(&name.ok_or_else(|| contradiction("a buyer without a name"))?);
        }
        let known: Vec<Position> = sale.buyers.iter().collect();
        for _ in 0..head.payments {
            sale.restore_payment(reader.take()?, head.holds)?;
        }
        let mut recovered = head.recovered.into_iter().peekable();
        for row in 0..head.holds {
            let place = recovered.next_if(|&(other, _)| other == row).map(|(_, place)| place);
            sale.restore_hold(&reader.take()?, &known, place)?;
        }
        if recovered.next().is_some() {
            return Err(contradiction("a hold brought back that is not there"));
        }
        for (buyer, row) in head.latest {
            sale.restore_latest(known.get(buyer as usize).copied(), row)?;
        }
        for _ in 0..head.keys {
            sale.restore_key(&reader.take()?, &known)?;
        }
        if reader.0.is_empty() { Ok(sale) } else { Err(contradiction("bytes left over")) }
    }

    fn head(&self, place: impl Fn(Position) -> u32) -> Head {
        let row = |tier: &Tier| TierRow {
            config: tier.config.clone(),
            sold: tier.sold,
            withheld: tier.withheld,
        };
        Head {
            number: self.number,
            last: self.last,
            anchor: self.anchor.clone(),
            terms: self.terms.clone(),
            status: self.status,
            tiers: self.tiers.iter().map(row).collect(),
            buyers: self.buyers.len() as u64,
            holds: self.holds.len(),
            payments: self.payments.len(),
            keys: self.buyers.key_count(),
            doubt: self.doubt.clone(),
            recovered: self.holds.recovered().collect(),
            latest: self
                .holds
                .recovered()
                .map(|(row, _)| self.holds[row].buyer)
                .map(|buyer| (place(buyer), self.buyers.get(buyer).latest))
                .collect(),
        }
    }

    fn restore_hold(
        &mut self,
        row: &HoldRow,
        known: &[Position],
        brought_back_at: Option<HoldKey>,
    ) -> Result<(), CodecError> {
        let &HoldRow { key, deadline_ms, epoch, buyer, payment, quantity, tier, status } = row;
        let buyer = known.get(buyer as usize).copied();
        let buyer = buyer.ok_or_else(|| contradiction("a hold without its buyer"))?;
        if usize::from(tier) >= self.tiers.len() {
            return Err(contradiction("a hold without its tier"));
        }
        if payment != NONE && payment >= self.payments.len() {
            return Err(contradiction("a hold without its payment"));
        }
        let hold = Hold { key, deadline_ms, epoch, buyer, payment, quantity, tier, status };
        let place = brought_back_at.unwrap_or(key);
        let is_next = self.holds.last_place().is_none_or(|last| last < place);
        let is_lost = place == key || (key < place && self.holds.find(key).is_none());
        if !is_next || !is_lost || place > self.last_key() {
            return Err(contradiction("a hold out of order"));
        }
        let row = match brought_back_at {
            Some(place) => self.holds.bring_back(hold, place),
            None => self.holds.push(hold),
        };
        let is_live = hold.status.is_live();
        let has_units = payment != NONE && self.payments[payment].status.has_units();
        let ordered = if has_units { quantity } else { 0 };
        self.buyers.change(hold.buyer, |buyer| {
            (buyer.latest, buyer.is_live) = (row, is_live);
            buyer.holds = buyer.holds.saturating_add(1);
            buyer.ordered = buyer.ordered.saturating_add(ordered);
        });
        if is_live {
            let tier = &mut self.tiers[usize::from(tier)];
            tier.held += u32::from(quantity);
            if self.holds.is_punctual(row) {
                tier.due.push_back(row);
            } else {
                self.remember_deadline(row);
            }
        }
        Ok(())
    }

    /// Of a buyer with a hold that was brought back.
    fn restore_latest(&mut self, buyer: Option<Position>, row: u32) -> Result<(), CodecError> {
        let is_theirs =
            |buyer: &Position| row < self.holds.len() && self.holds[row].buyer == *buyer;
        let buyer = buyer.filter(is_theirs);
        let buyer = buyer.ok_or_else(|| contradiction("a buyer without their latest hold"))?;
        let is_live = self.holds[row].status.is_live();
        self.buyers.change(buyer, |buyer| (buyer.latest, buyer.is_live) = (row, is_live));
        Ok(())
    }

    fn restore_payment(&mut self, row: PaymentRow, holds: u32) -> Result<(), CodecError> {
        if row.hold >= holds || (row.linked != NONE && row.linked >= holds) {
            return Err(contradiction("a payment without its hold"));
        }
        self.payments.push(row.into());
        Ok(())
    }

    fn restore_key(&mut self, row: &KeyRow, known: &[Position]) -> Result<(), CodecError> {
        let buyer = known.get(row.buyer as usize).copied();
        let buyer = buyer.ok_or_else(|| contradiction("a key without its buyer"))?;
        if row.hold >= self.holds.len() {
            return Err(contradiction("a key without its hold"));
        }
        self.buyers.push_key(buyer, row.digest, row.hold, row.attempt);
        Ok(())
    }

    /// The last key that a hold can have so far.
    pub(crate) fn last_key(&self) -> HoldKey {
        HoldKey::new(self.last.sequence, NTH_MAX)
    }
}

impl HoldRow {
    fn of(hold: &Hold, buyer: u32) -> Self {
        let &Hold { key, deadline_ms, epoch, payment, quantity, tier, status, .. } = hold;
        Self { key, deadline_ms, epoch, buyer, payment, quantity, tier, status }
    }
}

impl PaymentRow {
    fn of(payment: &Payment) -> Self {
        let &Payment {
            hold, linked, queued_at_ms, queued_ms, attempt, status, is_restored, ..
        } = payment;
        let note = payment.note.clone();
        Self { hold, linked, queued_at_ms, queued_ms, attempt, status, note, is_restored }
    }
}

impl From<PaymentRow> for Payment {
    fn from(row: PaymentRow) -> Self {
        let PaymentRow {
            hold,
            linked,
            queued_at_ms,
            queued_ms,
            attempt,
            status,
            note,
            is_restored,
        } = row;
        Self { hold, linked, queued_at_ms, queued_ms, attempt, status, note, is_restored }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<T: DeserializeOwned>(&mut self) -> Result<T, CodecError> {
        let (value, rest) = postcard::take_from_bytes(self.0)
            .map_err(|error| CodecError::Snapshot(error.to_string()))?;
        self.0 = rest;
        Ok(value)
    }
}

fn put<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    let written = postcard::to_extend(value, Tail(bytes));
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
}

/// A place among the buyers, of whom there are fewer than 2^32.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn contradiction(what: &str) -> CodecError {
    CodecError::Snapshot(what.to_owned())
}
