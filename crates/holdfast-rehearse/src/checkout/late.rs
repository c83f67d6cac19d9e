//! Those whose money comes after their hold has ended: in a sale of their own, whose holds are
//! short, since in the crowd's sale everybody would have to wait for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::settle::{Settled, settle};
use super::{Payer, Till, Way};
use crate::Options;
use crate::exchange::{Ask, Failure};
use crate::payments::{Fate, Intent};
use crate::run::{NOT_OF_THE_CROWD, answer};
use crate::shop::{Shop, Terms, buyer_name};
use crate::wire::Hold;

/// How long their holds last: long enough to go to the checkout.
const HOLD_SECONDS: u32 = 5;
/// The pause of those who wait for their units. Late money comes a second after the holds' end.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// They are counted downwards, so that nobody in the crowd has the name of one of them.
const LAST: u32 = NOT_OF_THE_CROWD - 1;

/// What came of them.
#[derive(Default)]
pub(super) struct Late {
    pub(super) ways: Vec<Way>,
    pub(super) settled: Option<Settled>,
    /// Why it could not be held.
    pub(super) failed: Option<String>,
}

/// The server and their sale, if there are any.
pub(super) fn shop(till: &Till, options: &Options) -> Option<Arc<Shop>> {
    let sale = format!("{}-late", till.shop.sale());
    let shop = || Arc::new(Shop::new(till.shop.access().to(sale)));
    (options.payments.late > 0).then(shop)
}

/// Makes their sale and plays it to the end, on the till's time.
pub(super) async fn play(till: &Till, shop: Option<Arc<Shop>>, buyers: u32) -> Late {
    let mut late = Late::default();
    let Some(shop) = shop else { return late };
    let terms = Terms { capacity: buyers, hold_seconds: HOLD_SECONDS, checkout_grace_seconds: 0 };
    for (step, ask) in [("made", shop.create(terms)), ("opened", shop.step("open"))] {
        if let Err(reason) = ok(&shop, ask).await {
            late.failed = Some(format!("the sale {} could not be {step}: {reason}", shop.sale()));
            return late;
        }
    }
    let till = Arc::new(till.of(&shop));
    let mut payers = JoinSet::new();
    for number in 0..buyers {
        let (till, buyer) = (Arc::clone(&till), LAST - number);
        payers.spawn(async move { till.buy_and_pay_late(buyer).await });
    }
    // Some of the units that come back are gone before the money comes.
    let mut others = JoinSet::new();
    for number in 0..buyers / 2 {
        let (shop, buyer) = (Arc::clone(&shop), LAST - buyers - number);
        others.spawn(async move { take_what_returns(&shop, buyer).await });
    }
    for way in payers.join_all().await {
        match way {
            Ok(way) => late.ways.push(way),
            Err(reason) => late.failed = Some(reason),
        }
    }
    drop(others);
    late.settled = Some(settle(&shop, till.deadline).await);
    late
}

/// Takes a unit as soon as one comes back.
async fn take_what_returns(shop: &Shop, buyer: u32) {
    sleep(Duration::from_secs(HOLD_SECONDS.into())).await;
    loop {
        match answer(shop, shop.reserve(buyer, true), buyer).await {
            Ok(said) if said.status == 201 => return,
            _ => sleep(ASK_EVERY).await,
        }
    }
}

async fn ok(shop: &Shop, ask: Result<Ask, Failure>) -> Result<(), String> {
    match answer(shop, ask, 0).await {
        Ok(said) if said.status.is_success() => Ok(()),
        Ok(said) => Err(format!("the server said {}", said.summary())),
        Err(failure) => Err(failure.to_string()),
    }
}

impl Till {
    /// The same for another sale.
    fn of(&self, shop: &Arc<Shop>) -> Self {
        Self {
            shop: Arc::clone(shop),
            turns: Arc::clone(&self.turns),
            // They are not part of the crowd.
            counters: Arc::default(),
            ..*self
        }
    }

    async fn buy_and_pay_late(&self, buyer: u32) -> Result<Way, String> {
        let intent =
            Intent { fate: Fate::PaysLate, think: Duration::ZERO, think_again: Duration::ZERO };
        match answer(&self.shop, self.shop.reserve(buyer, true), buyer).await {
            Ok(said) if said.status == 201 => {
                let hold: Hold = serde_json::from_slice(&said.body).unwrap_or_default();
                Ok(self.go(Payer { buyer, hold, intent }).await)
            }
            other => {
                let said = other.map_or_else(|failure| failure.to_string(), |said| said.summary());
                let (name, sale) = (buyer_name(buyer), self.shop.sale());
                Err(format!("{name}, who was to pay late in {sale}, got no hold: {said}"))
            }
        }
    }
}
