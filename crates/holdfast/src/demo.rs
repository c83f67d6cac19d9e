//! The demo: a sale that is open at once, and words on what to do with it.

use holdfast_core::{
    Admission, Command, Currency, Money, SaleConfig, SaleId, Terms, TierConfig, TierId,
};
use holdfast_engine::{Handle, SaleRef};

const SALE: &str = "demo";

/// Makes the demo sale and opens it; one that is there from before stays as it is.
pub(crate) fn open(engine: &Handle) -> anyhow::Result<()> {
    let sale = SaleRef::Id(SaleId::new(SALE)?);
    let config = Command::Configure(Box::new(config()?));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        engine.execute(sale, config).await?;
        engine.execute(sale, Command::Open).await?;
        Ok(())
    })
}

fn config() -> anyhow::Result<SaleConfig> {
    let terms = Terms {
        name: "Holdfast demo night".to_owned(),
        opens_at_ms: None,
        hold_seconds: 300,
        checkout_grace_seconds: 120,
        max_per_buyer: 4,
        admission: Admission::FirstCome,
        metadata: None,
    };
    let tiers =
        vec![tier("standing", "Standing", 5_000, 4_500)?, tier("seated", "Seated", 200, 9_500)?];
    Ok(SaleConfig { terms, tiers })
}

fn tier(id: &str, name: &str, capacity: u32, amount: u64) -> anyhow::Result<TierConfig> {
    let currency = Currency::new("EUR").ok_or_else(|| anyhow::anyhow!("EUR is a currency"))?;
    let price = Money { amount, currency };
    Ok(TierConfig { id: TierId::new(id)?, name: name.to_owned(), capacity, price })
}

/// Says what to open or paste next.
pub(crate) fn explain(address: &str, key: &str) {
    println!(
        "
The sale \"{SALE}\" is open: 5,000 units standing, 200 seated. Nobody can pay yet: holds only.

Look at it:
  curl -s {address}/v1/sales/{SALE}

Hold two units for five minutes (say it twice: it is the same hold):
  curl -s {address}/v1/sales/{SALE}/holds \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{\"tier\":\"standing\",\"quantity\":2,\"buyer\":\"you\"}}'

Count every promise afresh:
  curl -s {address}/v1/sales/{SALE}/audit -H 'Authorization: Bearer {key}'

Send 50,000 buyers in 30 seconds, from another terminal:
  cargo run --release -- rehearse --target {address} --merchant-key {key}

Stop with Ctrl-C. Start again: every hold is still there."
    );
}
