//! Forgetting a buyer.

use holdfast_core::{BuyerId, Command, Outcome, Refusal, SaleId};
use holdfast_engine::SaleRef;
use holdfast_ledger::Ledger;

use crate::saga::{Saga, Trouble};
use crate::world::World;

/// What came of forgetting a buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// The name is nowhere any more where it can be looked up.
    Done {
        /// In how many sales it was found.
        sales: u64,
        /// In how many orders.
        orders: u64,
    },
    /// Something of theirs is under way, or a sale that knows them is not closed.
    NotYet {
        /// In which sale.
        sale: SaleId,
        /// What it is.
        why: &'static str,
    },
}

impl<W: World> Saga<W> {
    /// Puts an alias in a buyer's place in every sale and in the ledger. Whoever is refused, or cut
    /// off, may ask again: the alias is the same.
    pub(crate) async fn forget(&self, buyer: BuyerId) -> Result<Forgotten, Trouble> {
        let alias = buyer.alias(&self.receipts);
        let command = Command::Forget { buyer, alias };
        let found = self.world.look(move |sales| {
            let settled = |(id, sale, clock_ms): (SaleId, &holdfast_core::Sale, u64)| match sale
                .settled(clock_ms, &command)
            {
                Some(Outcome::Forgotten) => None,
                other => Some((id, other)),
            };
            sales.after(None).filter_map(settled).collect::<Vec<_>>()
        });
        let found = found.await?;
        // All of it or nothing.
        for &(sale, outcome) in &found {
            if let Some(Outcome::Refused(Refusal::WrongState(why))) = outcome {
                return Ok(Forgotten::NotYet { sale, why });
            }
        }
        for &(sale, _) in &found {
            let command = Command::Forget { buyer, alias };
            let answer = self.world.execute(SaleRef::Id(sale), command).await?;
            if let Outcome::Refused(Refusal::WrongState(why)) = answer.outcome {
                return Ok(Forgotten::NotYet { sale, why });
            }
        }
        let orders = self.world.ledger().forget(buyer, alias).await?;
        Ok(Forgotten::Done { sales: found.len() as u64, orders })
    }
}
