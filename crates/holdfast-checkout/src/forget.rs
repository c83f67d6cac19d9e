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
        let known = self.world.look(move |sales| {
            let knows = |(id, sale, clock_ms): (SaleId, &holdfast_core::Sale, u64)| {
                sale.hold_of(&buyer, clock_ms).map(|_| id)
            };
            sales.after(None).filter_map(knows).collect::<Vec<SaleId>>()
        });
        let known = known.await?;
        for &sale in &known {
            let command = Command::Forget { buyer, alias };
            let answer = self.world.execute(SaleRef::Id(sale), command).await?;
            if let Outcome::Refused(Refusal::WrongState(why)) = answer.outcome {
                return Ok(Forgotten::NotYet { sale, why });
            }
        }
        let orders = self.world.ledger().forget(buyer, alias).await?;
        Ok(Forgotten::Done { sales: known.len() as u64, orders })
    }
}
