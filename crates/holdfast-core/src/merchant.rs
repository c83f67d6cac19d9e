//! What the merchant does to a sale as a whole.

use crate::config::check_capacity;
use crate::sale::{Change, Decision, Sale, Status, wrong_state};
use crate::tier::Tier;
use crate::{Outcome, Refusal, SaleConfig, TierId};

impl Sale {
    pub(crate) fn decide_configure<'a>(&self, config: &'a SaleConfig) -> Decision<'a> {
        config.check().map_err(|invalid| Outcome::Refused(Refusal::Invalid(invalid)))?;
        // A hold in a sale that has not opened was brought back: its opening was lost.
        if self.status != Status::Scheduled || self.holds.len() > 0 {
            return Err(wrong_state("a sale can be changed only before it opens"));
        }
        if self.has_config(config) {
            return Err(Outcome::Configured { created: false });
        }
        Ok(Change::Configure(config))
    }

    pub(crate) fn commit_configure(&mut self, config: &SaleConfig) -> Outcome {
        let created = self.terms.is_none();
        self.terms = Some(config.terms.clone());
        self.tiers = config.tiers.iter().cloned().map(Tier::new).collect();
        Outcome::Configured { created }
    }

    fn has_config(&self, config: &SaleConfig) -> bool {
        self.terms.as_ref() == Some(&config.terms)
            && self.tiers.iter().map(|tier| &tier.config).eq(&config.tiers)
    }

    /// Every move may be repeated; the table of allowed moves stands in docs/transitions.md.
    pub(crate) fn decide_move(&self, to: Status) -> Decision<'static> {
        self.check_configured()?;
        match (self.status, to) {
            (from, to) if from == to => Err(Outcome::Moved(to)),
            (Status::Scheduled, Status::Open)
            | (Status::Open, Status::Paused)
            | (Status::Scheduled | Status::Open | Status::Paused, Status::Closed) => {
                Ok(Change::Move(to))
            }
            (Status::Paused, Status::Open) => Err(wrong_state("the sale is paused: resume it")),
            (Status::Scheduled, _) => Err(wrong_state("the sale has not opened")),
            (Status::Closed, _) => Err(wrong_state("the sale is closed")),
            (_, _) => Err(wrong_state("the sale has opened")),
        }
    }

    pub(crate) fn decide_resume(&self) -> Decision<'static> {
        self.check_configured()?;
        match self.status {
            Status::Paused => Ok(Change::Move(Status::Open)),
            Status::Open => Err(Outcome::Moved(Status::Open)),
            Status::Scheduled => Err(wrong_state("the sale has not opened")),
            Status::Closed => Err(wrong_state("the sale is closed")),
        }
    }

    pub(crate) fn commit_move(&mut self, to: Status) -> Outcome {
        self.status = to;
        if to == Status::Closed {
            self.buyers.forget_keys();
        }
        Outcome::Moved(to)
    }

    pub(crate) fn decide_resize(&self, id: &TierId, capacity: u32) -> Decision<'static> {
        self.check_configured()?;
        let position = self.tiers.iter().position(|tier| tier.config.id == *id);
        let tier = position.ok_or(Outcome::Refused(Refusal::TierNotFound))?;
        check_capacity(capacity).map_err(|invalid| Outcome::Refused(Refusal::Invalid(invalid)))?;
        if self.tiers[tier].config.capacity == capacity && self.tiers[tier].withheld == 0 {
            return Err(Outcome::Resized);
        }
        if self.status == Status::Closed {
            return Err(wrong_state("the sale is closed"));
        }
        if capacity < self.tiers[tier].held + self.tiers[tier].sold {
            return Err(wrong_state("more units than that are held or sold"));
        }
        if self.doubt.until_ms().is_some() && capacity < self.tiers[tier].config.capacity {
            return Err(wrong_state("units may be held that nobody knows of: try again later"));
        }
        Ok(Change::Resize { tier, capacity })
    }

    fn check_configured(&self) -> Result<(), Outcome> {
        if self.terms.is_none() {
            return Err(Outcome::Refused(Refusal::SaleNotFound));
        }
        Ok(())
    }
}
