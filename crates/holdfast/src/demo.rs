//! The demo: a sale that is open at once, keys that outlive a restart, and words on what to do.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use holdfast_core::{
    Admission, Command, Currency, Money, Outcome, Refusal, SaleConfig, SaleId, SaleView, Status,
    Terms, TierConfig, TierId,
};
use holdfast_engine::{Handle, SaleRef};

use crate::folder::Folder;
use crate::settings::Settings;

const SALE: &str = "demo";
const MERCHANT_KEY: &str = "demo-merchant.key";
const BUYER_KEY: &str = "demo-buyer.key";

/// Where the demo's commands find a merchant key that the operator gave. Which of them they use is
/// for the operator to say; only its hash may be known here.
const MERCHANT_VARIABLE: &str = "MERCHANT_KEY";

/// Makes curl end its answer's line, so that the prompt is not behind it.
const CURL: &str = "curl -s -w '\\n'";

/// How the demo's commands come by their keys. No key is printed: the commands read them.
pub(crate) struct Demo {
    /// The merchant's key, as a shell puts it between double quotes.
    merchant: String,
    /// The file that has it; `None`: it is for the operator to set.
    merchant_file: Option<PathBuf>,
    /// The secret that signs for buyers; `None`: only the shop can sign.
    buyer_key: Option<PathBuf>,
}

/// The demo's sale, as it stands.
pub(crate) struct DemoSale {
    /// Whether it was made just now.
    is_new: bool,
    view: SaleView,
}

/// Gives the server the demo's own keys where the operator gave none. They are kept in the data
/// folder, so that what was pasted once works after a restart.
pub(crate) fn equip(settings: &mut Settings, folder: &Folder) -> anyhow::Result<Demo> {
    let mut merchant_file = None;
    if settings.merchant_keys.is_empty() {
        settings.merchant_keys.push(folder.secret(MERCHANT_KEY)?);
        merchant_file = Some(folder.file(MERCHANT_KEY)?);
    }
    let merchant = merchant_file
        .as_deref()
        .map_or_else(|| format!("${MERCHANT_VARIABLE}"), |file| format!("$(cat {})", quote(file)));
    if settings.buyer_keys.is_empty() {
        folder.secret(BUYER_KEY)?;
        settings.buyer_keys.push(folder.file(BUYER_KEY)?);
    }
    let is_secret = |path: &&PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|text| holdfast_http::hs256_secret(&text).is_ok())
    };
    let buyer_key = settings.buyer_keys.iter().find(is_secret);
    let buyer_key = buyer_key.map(|path| path.canonicalize()).transpose()?;
    Ok(Demo { merchant, merchant_file, buyer_key })
}

/// Makes the demo sale and opens it; one that is there from before stays as it is.
pub(crate) fn open(engine: &Handle) -> anyhow::Result<DemoSale> {
    let sale = SaleRef::Id(SaleId::new(SALE)?);
    let config = Command::Configure(Box::new(config()?));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let is_new = match engine.execute(sale, config).await?.outcome {
            Outcome::Configured { .. } => true,
            Outcome::Refused(Refusal::WrongState(_)) => false,
            other => bail!("the demo's sale could not be made: {other:?}"),
        };
        if is_new {
            let opened = engine.execute(sale, Command::Open).await?.outcome;
            let open = Outcome::Moved(Status::Open);
            anyhow::ensure!(opened == open, "the demo's sale could not be opened: {opened:?}");
        }
        let view = engine.look(move |sales| {
            let (sale, clock_ms) = sales.get(sale)?;
            sale.view(clock_ms)
        });
        let view = view.await?.context("the demo's sale is not there")?;
        Ok(DemoSale { is_new, view })
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

impl DemoSale {
    /// What is true of the sale, in a sentence or two.
    fn describe(&self) -> String {
        let free = |tier: &holdfast_core::TierView| {
            format!("{} of {} {} free", tier.free, tier.config.capacity, tier.config.id)
        };
        let free = self.view.tiers.iter().map(free).collect::<Vec<_>>().join(", ");
        let from = if self.is_new { "" } else { ", from an earlier start" };
        match self.view.status {
            Status::Open => format!(
                "The sale \"{SALE}\" is open{from}: {free}. Payments are simulated: no money moves."
            ),
            Status::Paused => format!(
                "The sale \"{SALE}\" is there{from}, and it is paused: {free}. Nobody can hold \
                 units until it is resumed."
            ),
            Status::Closed => format!(
                "The sale \"{SALE}\" is there{from}, and it is closed for good: {free}. For a new \
                 one, start with another --data-dir."
            ),
            Status::Scheduled => format!("The sale \"{SALE}\" has not opened{from}: {free}."),
        }
    }
}

impl Demo {
    /// What is there, and what to paste next.
    pub(crate) fn explain(&self, address: &str, sale: &DemoSale) -> String {
        let key = &self.merchant;
        let program = program();
        let mut text = format!("\n{}\n", sale.describe());
        if self.merchant_file.is_none() {
            text += &format!(
                "
Some commands take a merchant key of yours from ${MERCHANT_VARIABLE}: the key itself, not its hash. Set it
where you paste them:
  export {MERCHANT_VARIABLE}=…
"
            );
        }
        text += &format!("\nLook at it:\n  {CURL} {address}/v1/sales/{SALE}\n");
        if sale.view.status == Status::Paused {
            text += &format!(
                "
Resume it:
  {CURL} -X POST {address}/v1/sales/{SALE}/resume \\
    -H \"Authorization: Bearer {key}\"
"
            );
        }
        if sale.view.status == Status::Open {
            text += &self.explain_holds(address, &program);
        }
        text += &format!(
            "
Count every promise afresh:
  {CURL} {address}/v1/sales/{SALE}/audit -H \"Authorization: Bearer {key}\"

Send 50,000 buyers in 30 seconds at a sale of their own, from another terminal:
  {}

Stop with Ctrl-C. Start again at the same address: every hold and every order is still there, and
these commands still work. How payments go, and go wrong on demand: docs/checkout.md.",
            self.rehearse(address, &program)
        );
        text
    }

    /// The command that rehearses against the demo. The key is in none of its arguments, which
    /// everybody on the machine can see for as long as it runs.
    fn rehearse(&self, address: &str, program: &str) -> String {
        let command = format!("{program} rehearse --target {address}");
        match &self.merchant_file {
            Some(file) => format!("{command} --merchant-key-file {}", quote(file)),
            None => format!("HOLDFAST_MERCHANT_KEY=\"${MERCHANT_VARIABLE}\" {command}"),
        }
    }

    fn explain_holds(&self, address: &str, program: &str) -> String {
        let key = &self.merchant;
        let as_buyer = match &self.buyer_key {
            Some(path) => format!(
                "
Hold two units for five minutes as a buyer, with a token such as the shop's login would sign
(say it twice: it is the same hold):
  {CURL} {address}/v1/sales/{SALE}/holds -H 'Content-Type: application/json' \\
    -H \"Authorization: Bearer $({program} token --buyer you --buyer-key {})\" \\
    -d '{{\"tier\":\"standing\",\"quantity\":2}}'
",
                quote(path)
            ),
            None => "
To hold units as a buyer, send a token that your shop has signed: with a public key nothing can be
signed here.
"
            .to_owned(),
        };
        format!(
            "{as_buyer}
Hold a unit as the merchant, in a buyer's name:
  {CURL} {address}/v1/sales/{SALE}/holds -H 'Content-Type: application/json' \\
    -H \"Authorization: Bearer {key}\" \\
    -d '{{\"tier\":\"seated\",\"quantity\":1,\"buyer\":\"somebody\"}}'

Pay for that one (say it again: it is the same payment, and soon it is paid):
  {CURL} -X POST {address}/v1/holds/$(curl -s '{address}/v1/sales/{SALE}/me?buyer=somebody' \
    -H \"Authorization: Bearer {key}\" | grep -o 'hold_[A-Za-z0-9_-]*' | head -1)/checkout \
    -H \"Authorization: Bearer {key}\"

See the orders, as JSON or, with -H 'Accept: text/csv', as a table:
  {CURL} {address}/v1/sales/{SALE}/orders -H \"Authorization: Bearer {key}\"
"
        )
    }
}

/// This program, as a shell can start it from anywhere.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "holdfast".to_owned(), |path| quote(&path))
}

/// A path as a shell reads it; in quotes only if it needs them.
fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_shell() {
        assert_eq!(quote(Path::new("/tmp/a-b_c.key")), "/tmp/a-b_c.key");
        assert_eq!(quote(Path::new("/tmp/my data")), "'/tmp/my data'");
        assert_eq!(quote(Path::new("it's")), r"'it'\''s'");
    }
}
