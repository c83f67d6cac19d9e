//! Sales that the ledger has been told of.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use holdfast_core::{CAPACITY_MAX, Command, SaleId, Status, TierId};
use holdfast_engine::{Answer, SaleRef};
use holdfast_ledger::{Fence, Ledger};
use tokio::sync::Mutex as Turn;

use crate::saga::{Saga, Trouble};
use crate::world::World;

/// How often, and after what time, capacities are looked at again that differ.
const LOOKS: usize = 5;
const LOOK_AGAIN: Duration = Duration::from_millis(400);

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

    /// Whoever has changed something about them may not have come to its end: they are told again.
    pub(crate) fn forget(&self) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The ledger may have been told something else meanwhile.
    fn doubt(&self, sale: u32) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(&sale);
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
        let mut told = Vec::new();
        let mut there = tiers;
        // Another node may change it meanwhile, and tell too: whoever tells last looks after that.
        while told != there {
            #[cfg(feature = "planted")]
            if let Some(time) = crate::planted::lingers() {
                self.world.sleep(time).await;
            }
            for &(tier, capacity) in &there {
                self.tell_capacity(fence, tier, capacity).await?;
            }
            told = there;
            if planted!(TellsOnce) {
                break;
            }
            there = self.tiers(sale).await?.map(|(_, tiers)| tiers).unwrap_or_default();
        }
        self.sales.know(sale, fence.epoch);
        Ok(())
    }

    /// Changes how many units a tier has: more in the ledger first, less in the engine first, so
    /// that the ledger never refuses what the engine has sold. Where several nodes do so at once, the
    /// engine's order says which is the last, and all tell that.
    pub(crate) async fn resize(
        &self,
        sale: SaleId,
        tier: TierId,
        capacity: u32,
    ) -> Result<Answer, Trouble> {
        let _turn = self.sales.turn.lock().await;
        let command = Command::SetCapacity { tier, capacity };
        let by_id = SaleRef::Id(sale);
        if let Some(number) = self.opened(sale).await? {
            self.introduce(number).await?;
            if let Some((fence, tiers)) = self.tiers(number).await? {
                let grows = |&(id, had): &(TierId, u32)| id == tier && had < capacity;
                if capacity <= CAPACITY_MAX && tiers.iter().any(grows) {
                    self.tell_capacity(fence, tier, capacity).await?;
                }
            }
            // If this is cut short, the ledger is told again before the next order.
            self.sales.doubt(number);
        }
        let answer = self.world.execute(by_id, command).await?;
        if let Some(number) = self.opened(sale).await? {
            self.sales.doubt(number);
            self.introduce(number).await?;
        }
        Ok(answer)
    }

    /// A sale's number, once it has opened. Before that anything about it may change, and the ledger
    /// has not heard of it.
    async fn opened(&self, sale: SaleId) -> Result<Option<u32>, Trouble> {
        let opened = self.world.look(move |sales| {
            let (sale, _) = sales.get(SaleRef::Id(sale))?;
            (sale.status() != Status::Scheduled).then(|| sale.number())
        });
        Ok(opened.await?)
    }

    /// What engine and ledger say differently of how many units a sale has. A change is under way for
    /// a moment: it is looked at again until they agree, or two seconds are over.
    pub(crate) async fn unequal_capacities(&self, sale: SaleId) -> Result<Vec<String>, Trouble> {
        let mut unequal = Vec::new();
        for _ in 0..LOOKS {
            let Some(number) = self.opened(sale).await? else { return Ok(Vec::new()) };
            let Some((_, tiers)) = self.tiers(number).await? else { return Ok(Vec::new()) };
            let totals = self.world.ledger().totals(sale).await?;
            let told = |tier| totals.iter().find(|total| total.tier == tier);
            let differs = |(tier, has): (TierId, u32)| {
                let told = told(tier)?.capacity;
                let what = || format!("tier {tier}: the engine has {has} units, the ledger {told}");
                (told != has).then(what)
            };
            unequal = tiers.into_iter().filter_map(differs).collect();
            if unequal.is_empty() {
                break;
            }
            self.world.sleep(LOOK_AGAIN).await;
        }
        Ok(unequal)
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
