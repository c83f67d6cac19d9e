//! Sales that the ledger has been told of.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use holdfast_core::{CAPACITY_MAX, Command, Outcome, SaleId, Status, TierId};
use holdfast_engine::{Answer, SaleRef};
use holdfast_ledger::{Fence, Ledger};
use tokio::sync::Mutex as Turn;

use crate::saga::{Saga, Trouble};
use crate::world::World;

/// Under which reign the ledger has been told of each sale and its tiers, by the sale's number.
#[derive(Debug, Default)]
pub(crate) struct KnownSales {
    told: Mutex<BTreeMap<u32, u32>>,
    /// Capacities are changed in one place at a time, the ledger's and the engine's together.
    turn: Turn<()>,
}

impl KnownSales {
    fn is_known(&self, sale: u32, epoch: u32) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(&sale) == Some(&epoch)
    }

    fn know(&self, sale: u32, epoch: u32) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(sale, epoch);
    }
}

impl<W: World> Saga<W> {
    /// Sees to it that the ledger knows the sale, its reign and its tiers.
    pub(crate) async fn know_sale(&self, sale: u32, epoch: u32) -> Result<(), Trouble> {
        if self.sales.is_known(sale, epoch) {
            return Ok(());
        }
        let _turn = self.sales.turn.lock().await;
        self.introduce(sale).await
    }

    /// The same, for whoever has the turn.
    async fn introduce(&self, sale: u32) -> Result<(), Trouble> {
        let Some((fence, tiers)) = self.tiers(sale).await? else { return Ok(()) };
        if self.sales.is_known(sale, fence.epoch) {
            return Ok(());
        }
        self.world.ledger().reign(fence).await?;
        for (tier, capacity) in tiers {
            self.tell_capacity(fence, tier, capacity).await?;
        }
        self.sales.know(sale, fence.epoch);
        Ok(())
    }

    /// Changes how many units a tier has: more in the ledger first, less in the engine first, so
    /// that the ledger never refuses what the engine has sold.
    pub(crate) async fn resize(
        &self,
        sale: SaleId,
        tier: TierId,
        capacity: u32,
    ) -> Result<Answer, Trouble> {
        let _turn = self.sales.turn.lock().await;
        let command = Command::SetCapacity { tier, capacity };
        let by_id = SaleRef::Id(sale);
        let opened = self.world.look(move |sales| {
            let (sale, _) = sales.get(by_id)?;
            (sale.status() != Status::Scheduled).then(|| sale.number())
        });
        // Before it opens anything about it may change, and the ledger has not heard of it.
        let Some(number) = opened.await? else {
            return Ok(self.world.execute(by_id, command).await?);
        };
        self.introduce(number).await?;
        let Some((fence, tiers)) = self.tiers(number).await? else {
            return Ok(self.world.execute(by_id, command).await?);
        };
        let had = tiers.iter().find(|(id, _)| *id == tier).map_or(capacity, |&(_, had)| had);
        if capacity > had && capacity <= CAPACITY_MAX {
            self.tell_capacity(fence, tier, capacity).await?;
        }
        let answer = self.world.execute(by_id, command).await?;
        let has = if answer.outcome == Outcome::Resized { capacity } else { had };
        if tiers.iter().any(|(id, _)| *id == tier) {
            self.tell_capacity(fence, tier, has).await?;
        }
        Ok(answer)
    }

    async fn tell_capacity(
        &self,
        fence: Fence,
        tier: TierId,
        capacity: u32,
    ) -> Result<(), Trouble> {
        if let Err(sold) = self.world.ledger().set_capacity(fence, tier, capacity).await? {
            tracing::error!(sale = %fence.sale, %tier, capacity, sold, "the ledger has sold more");
        }
        Ok(())
    }

    async fn tiers(&self, number: u32) -> Result<Option<(Fence, Vec<(TierId, u32)>)>, Trouble> {
        let look = move |sales: &holdfast_engine::Sales| {
            let by_number = SaleRef::Number(number);
            let (sale, _) = sales.get(by_number)?;
            let (id, epoch): (SaleId, u32) = (sales.id(number)?, sales.epoch(by_number)?);
            let tiers = sale.config()?.tiers;
            let capacities = tiers.into_iter().map(|tier| (tier.id, tier.capacity)).collect();
            Some((Fence { sale: id, epoch }, capacities))
        };
        Ok(self.world.look(look).await?)
    }
}
