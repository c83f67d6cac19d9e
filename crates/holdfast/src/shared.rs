//! The store that several servers share: Redis, and the row in the ledger that says who reigns.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use holdfast_core::{Command, RULES, ReceiptKey};
use holdfast_ledger::{Ledger, LedgerError, SqlLedger};
use holdfast_store::redis::{Control, ControlRow, Dial, Options, RedisStore, Servers, inspect};
use holdfast_store::{Clock, Outage, Store};
use tokio::runtime::Runtime;

use crate::folder::Folder;
use crate::ledger;
use crate::settings::Redis;

/// How long the store may be away when a server starts.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long is not worth a word.
const SAY_AFTER: Duration = Duration::from_secs(1);

/// How often a server looks whether Redis is still set to keep everything.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Connections for the control row: nothing else goes over them.
const CONNECTIONS: u32 = 1;

/// Opens the store in Redis, and says under which key its receipts are signed.
pub(crate) fn open(
    redis: &Redis,
    folder: &Folder,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(RedisStore, ReceiptKey)> {
    let servers = Arc::new(Servers::new(redis.place.clone(), redis.data_nodes));
    refuse_what_lasts(&servers, redis)?;
    let control = LedgerControl::open(&redis.ledger)?;
    let receipts = receipt_key(&control, folder)?;
    let options = Options {
        owner: receipts.fingerprint(),
        rules: RULES,
        data_nodes: redis.data_nodes,
        allow_volatile: redis.allow_volatile,
        opening: Box::new(opening),
        random: Box::new(random),
        replaces: folder.node()?,
    };
    if redis.allow_volatile {
        tracing::warn!(
            "--allow-volatile: Redis may be set so that it forgets what was promised. For a demo only"
        );
    }
    let (begun, mut outage) = (clock.monotonic(), Outage::default());
    let waiting = Arc::clone(clock);
    let mut rest = move |why: &str| {
        let waited = waiting.monotonic().saturating_sub(begun);
        if waited > SAY_AFTER && outage.is_on(why, waited).is_some() {
            tracing::info!(why, "waiting for the store, {PATIENCE:?} at most");
        }
        thread::sleep(Duration::from_millis(20));
    };
    let dial = Arc::clone(&servers) as Arc<dyn Dial>;
    let opened = RedisStore::open(options, dial, Box::new(control), clock, PATIENCE, &mut rest);
    let mut store = opened.with_context(|| format!("open the store at {}", redis.place))?;
    let begun = folder.keep_node(store.name()).and_then(|()| watch(servers, redis));
    // Nobody waits for a node that could not begin.
    begun.inspect_err(|_| store.leave())?;
    Ok((store, receipts))
}

/// Refuses, before anything that is shared is touched, what waiting does not mend. Whatever else is wrong
/// with Redis now may pass.
fn refuse_what_lasts(servers: &Servers, redis: &Redis) -> anyhow::Result<()> {
    let looked = if redis.allow_volatile {
        servers.master().map(drop)
    } else {
        inspect(servers, redis.data_nodes)
    };
    match looked {
        Err(why) if why.is_lasting() => {
            Err(anyhow!("{why}")).with_context(|| format!("look at the store at {}", redis.place))
        }
        _ => Ok(()),
    }
}

/// Looks now and then whether Redis is still set to keep everything, away from the engine's thread, and
/// says if it is not. The thread ends with the process.
fn watch(servers: Arc<Servers>, redis: &Redis) -> anyhow::Result<()> {
    if redis.allow_volatile {
        return Ok(());
    }
    let (data_nodes, every) = (redis.data_nodes, look_every());
    let work = move || {
        let mut is_wrong = false;
        loop {
            thread::sleep(every);
            match inspect(servers.as_ref(), data_nodes) {
                Ok(()) if std::mem::take(&mut is_wrong) => {
                    tracing::info!("Redis is set to keep everything again");
                }
                Err(why) if why.is_lasting() => {
                    is_wrong = true;
                    tracing::error!(
                        %why,
                        "Redis may lose what is promised from now on: the next reign will not begin"
                    );
                }
                // Where it cannot be looked at, the store says so.
                _ => {}
            }
        }
    };
    thread::Builder::new().name("data-nodes".into()).spawn(work).context("start a thread")?;
    Ok(())
}

/// How often it is looked; a test says how often, for it cannot wait as long.
fn look_every() -> Duration {
    #[cfg(feature = "planted")]
    if let Some(ms) = std::env::var("HOLDFAST_LOOK_MS").ok().and_then(|ms| ms.parse().ok()) {
        return Duration::from_millis(ms);
    }
    LOOK_EVERY
}

/// The key of all servers: made by the first, and brought to the others by whoever runs them.
fn receipt_key(control: &LedgerControl, folder: &Folder) -> anyhow::Result<ReceiptKey> {
    let owner = control.runtime.block_on(control.ledger.claim("", false))?;
    if let Some(owner) = owner {
        let advice = "the servers of one ledger sign with one key: copy receipt.key from the data \
                      folder of one that runs into that of this one";
        if !folder.has_receipt_key()? {
            bail!(
                "this data folder has no receipt.key, and the ledger's servers have one: {advice}"
            );
        }
        let key = folder.receipt_key(true)?;
        if key.fingerprint() != owner {
            bail!("this data folder's receipt.key is not the one of the ledger: {advice}");
        }
        return Ok(key);
    }
    let key = folder.receipt_key(false)?;
    let owner = control.runtime.block_on(control.ledger.claim(&key.fingerprint(), true))?;
    if owner.as_deref() != Some(key.fingerprint().as_str()) {
        return Err(anyhow!("another server has begun at the same time: start this one again"));
    }
    Ok(key)
}

/// The entry that opens a sale's log of which something may be lost.
fn opening(lost: Duration, first_lost: u64) -> Vec<u8> {
    let lost_ms = u64::try_from(lost.as_millis()).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    Command::Doubt { lost_ms, first_lost }.encode(&mut bytes);
    bytes
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without it no server gets as far as this: its keys were drawn in the same way.
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random numbers");
    }
    u128::from_le_bytes(bytes)
}

/// The control row in the ledger, for a thread without a runtime.
struct LedgerControl {
    runtime: Runtime,
    ledger: SqlLedger,
}

impl LedgerControl {
    fn open(url: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ledger = runtime.block_on(ledger::postgres(url, CONNECTIONS, ledger::PATIENCE))?;
        Ok(Self { runtime, ledger })
    }
}

impl Control for LedgerControl {
    fn read(&mut self) -> Result<Option<ControlRow>, String> {
        let row = self.runtime.block_on(self.ledger.control()).map_err(|error| away(&error))?;
        Ok(row.map(|row| ControlRow {
            version: row.version,
            epoch: row.epoch,
            document: row.document,
        }))
    }

    fn replace(&mut self, expected: u64, epoch: u32, document: &str) -> Result<bool, String> {
        let set = self.ledger.set_control(expected, epoch, document);
        self.runtime.block_on(set).map_err(|error| away(&error))
    }
}

/// Why Redis cannot be recovered, or joined.
fn away(error: &LedgerError) -> String {
    format!("nobody can say which Redis reigns while the ledger is away: {error}")
}
