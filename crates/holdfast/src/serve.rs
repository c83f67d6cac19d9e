//! `holdfast serve`: from settings to a running server, and back down in order.

use std::io::Read;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use holdfast_checkout::LiveCheckout;
use holdfast_core::ReceiptKey;
use holdfast_engine::{Engine, Handle, Service};
use holdfast_front::{Front, Stop};
use holdfast_http::{App, BuyerKeys, MerchantKeys, ProviderName, Scrape, Site};
use holdfast_store::journal::Upkeep;
use holdfast_store::{Clock, FolderLock, Store, SystemClock};

use crate::announce::Announcement;
use crate::counted::Counted;
use crate::demo::{self, Demo};
use crate::folder::{Folder, random_hex, random_seed};
use crate::listen;
use crate::money;
use crate::output::say;
use crate::process::ProcessMetrics;
use crate::secret_file;
use crate::settings::{self, ServeArgs, Settings};
use crate::shared;
use crate::signals;

/// How often the next segment of the journal is looked after.
const UPKEEP_EVERY: Duration = Duration::from_millis(50);

/// Connections that scrapers may have open.
const SCRAPERS_MAX: usize = 64;

/// Runs a server until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let settings = args.decide()?;
    // First what can fail without a trace: keys and secrets, the addresses, then the folder.
    keys(&settings)?;
    money::check(&settings.money)?;
    let front = bind(settings.listen, settings.front, "--listen")?;
    let metrics = settings.metrics_listen.map(bind_metrics).transpose()?;
    let folder = Folder::open(&settings.data_dir)?;
    let Running { service, receipts, counted, _folder } = Running::start(&settings, &folder)?;
    let engine = service.handle();
    let served = serve(settings, &folder, (front, metrics), &engine, receipts, counted);
    // Also where it could not begin: whoever shares the store with it need not wait for it.
    let doubt = service.stop();
    served?;
    tracing::info!("stopped");
    // A supervisor that looks at the exit code is to start a server again that could not go on.
    doubt.map_or(Ok(ExitCode::SUCCESS), |doubt| Err(doubt).context("the store is in doubt"))
}

/// Serves over a running engine, until it is told to stop.
fn serve(
    mut settings: Settings,
    folder: &Folder,
    (front, metrics): (Front, Option<Front>),
    engine: &Handle,
    receipts: ReceiptKey,
    counted: Counted,
) -> anyhow::Result<()> {
    let demo = settings.demo.then(|| demo::equip(&mut settings, folder)).transpose()?;
    let made_key = settings.merchant_keys.is_empty();
    if made_key {
        settings.merchant_keys.push(random_hex()?);
    }
    let (checkout, provider_secret) =
        money::start(&settings, folder, front.address(), engine.clone(), receipts.clone())?;
    let app = app(&settings, receipts, engine.clone(), checkout.checkout(), provider_secret)?;
    let stop = Stop::new();
    let mut registry = holdfast_http::registry();
    counted.register(&mut registry);
    front.metrics().register(&mut registry);
    app.register(&mut registry);
    registry.register_collector(Box::new(ProcessMetrics));
    let scrape = Scrape::new(registry, engine.clone());
    let announcement = Announcement {
        address: front.address(),
        metrics: metrics.as_ref().map(Front::address),
        settings: &settings,
        made_key,
    };
    // Whoever reads that it listens may stop it.
    stop_when_told(&stop, settings.until_eof)?;
    say(&announcement.to_string())?;
    let app = match metrics {
        Some(own) => serve_metrics(own, scrape, stop.clone()).map(|()| app)?,
        None => app.with_scrape(scrape),
    };
    if let Some(demo) = &demo {
        explain(demo, &front, engine)?;
    }
    let served = front.run(&move || Site::on_this_runtime(&app), &stop);
    checkout.stop();
    served.context("serve")
}

/// A running engine, over the store that the settings name.
struct Running {
    service: Service,
    receipts: ReceiptKey,
    counted: Counted,
    /// The data folder is this process's. (A journal takes it by itself.)
    _folder: Option<FolderLock>,
}

impl Running {
    fn start(settings: &Settings, folder: &Folder) -> anyhow::Result<Self> {
        let clock = Arc::new(SystemClock::new());
        match &settings.store {
            settings::Store::Embedded => {
                folder.must_be_alone()?;
                let (journal, flushes) = folder.journal(clock.clone(), settings.journal)?;
                let receipts = folder.receipt_key(!journal.logs().is_empty())?;
                start_upkeep(journal.upkeep())?;
                let service = start_engine(journal, clock, settings)?;
                Ok(Self { service, receipts, counted: Counted::Journal(flushes), _folder: None })
            }
            settings::Store::Redis(redis) => {
                let lock = folder.lock()?;
                let (store, receipts) =
                    shared::open(redis, folder, &(clock.clone() as Arc<dyn Clock>))?;
                let counted = Counted::Redis(Box::new(store.counts()));
                let service = start_engine(store, clock, settings)?;
                Ok(Self { service, receipts, counted, _folder: Some(lock) })
            }
        }
    }
}

fn start_engine<S: Store + Send + 'static>(
    store: S,
    clock: Arc<SystemClock>,
    settings: &Settings,
) -> anyhow::Result<Service> {
    let engine = Engine::open(store, clock, random_seed()?)?;
    #[cfg(feature = "planted")]
    plant();
    Ok(Service::start(engine, settings.engine)?)
}

/// Switches on the bug that the tests name, for the engine's and the checkout's threads to take over;
/// and the place between two steps of a checkout at which the process is to be killed.
#[cfg(feature = "planted")]
fn plant() {
    match std::env::var("HOLDFAST_PLANTED").as_deref() {
        Ok("answers_first") => {
            holdfast_engine::planted::set(Some(holdfast_engine::planted::Bug::AnswersFirst));
        }
        Ok("one_too_many") => {
            holdfast_core::planted::set(Some(holdfast_core::planted::Bug::OneTooMany));
        }
        Ok("naive") => {
            holdfast_checkout::planted::set(Some(holdfast_checkout::planted::Bug::Naive));
        }
        Ok("carries_all") => {
            holdfast_checkout::planted::set(Some(holdfast_checkout::planted::Bug::CarriesAll));
        }
        Ok("tells_once") => {
            holdfast_checkout::planted::set(Some(holdfast_checkout::planted::Bug::TellsOnce));
        }
        Ok("forgets_orders") => {
            holdfast_checkout::planted::set(Some(holdfast_checkout::planted::Bug::ForgetsOrders));
        }
        Ok("forgets_money") => {
            holdfast_checkout::planted::set(Some(holdfast_checkout::planted::Bug::ForgetsMoney));
        }
        Ok("clock_uncapped") => {
            holdfast_store::planted::set(Some(holdfast_store::planted::Bug::ClockUncapped));
        }
        _ => {}
    }
    if let Some(ms) = std::env::var("HOLDFAST_LINGERS_MS").ok().and_then(|ms| ms.parse().ok()) {
        holdfast_checkout::planted::set_lingers(Duration::from_millis(ms));
    }
    holdfast_checkout::planted::on_reach(|place| {
        if std::env::var("HOLDFAST_KILL_AT").is_ok_and(|deadly| deadly == place) {
            // As kill -9 does it: nothing is finished, flushed or said.
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
    });
}

fn app(
    settings: &Settings,
    receipts: ReceiptKey,
    engine: Handle,
    checkout: LiveCheckout,
    provider_secret: String,
) -> anyhow::Result<App> {
    let (merchants, buyers) = keys(settings)?;
    if settings.buyer_keys.is_empty() {
        tracing::warn!("no --buyer-key was given: only merchants can buy, in a buyer's name");
    }
    let limits = settings.limits.clone();
    let options = holdfast_http::Options {
        receipts,
        merchants,
        buyers,
        limits,
        provider: ProviderName::Simulated,
        webhook_secrets: vec![provider_secret.into_bytes()],
    };
    Ok(App::new(engine, checkout, options))
}

/// The keys of all who may ask.
fn keys(settings: &Settings) -> anyhow::Result<(MerchantKeys, BuyerKeys)> {
    let mut buyers = BuyerKeys::default();
    for path in &settings.buyer_keys {
        secret_file::take(path, "buyer_key", |text| buyers.add(text))?;
    }
    Ok((MerchantKeys::new(&settings.merchant_keys)?, buyers))
}

/// Listens, or says why not and what to do.
fn bind(
    address: SocketAddr,
    options: holdfast_front::Options,
    setting: &str,
) -> anyhow::Result<Front> {
    Front::bind(address, options).map_err(|error| listen::refused(error, setting, address))
}

/// Listens for scrapers.
fn bind_metrics(address: SocketAddr) -> anyhow::Result<Front> {
    let options = holdfast_front::Options {
        listeners: 1,
        connections: SCRAPERS_MAX,
        ..holdfast_front::Options::default()
    };
    bind(address, options, "--metrics-listen")
}

/// Lets everything that is counted be scraped at an address of its own.
fn serve_metrics(own: Front, scrape: Scrape, stop: Stop) -> anyhow::Result<()> {
    let work = move || {
        let make = move || scrape.clone();
        if let Err(error) = own.run(&make, &stop) {
            tracing::warn!(%error, "the listener for the metrics ended");
        }
    };
    thread::Builder::new().name("metrics".into()).spawn(work).context("start a thread")?;
    Ok(())
}

fn explain(demo: &Demo, front: &Front, engine: &Handle) -> anyhow::Result<()> {
    let sale = demo::open(engine)?;
    say(&demo.explain(&format!("http://{}", front.address()), &sale))
}

/// Keeps a segment of the journal ready, so that no append waits for one to be made. The thread
/// ends with the process: nothing rests on it.
fn start_upkeep(upkeep: Upkeep) -> anyhow::Result<()> {
    let work = move || {
        loop {
            if let Err(error) = upkeep.prepare_segment() {
                tracing::warn!(%error, "no segment of the journal could be prepared");
                thread::sleep(Duration::from_secs(1));
            }
            thread::sleep(UPKEEP_EVERY);
        }
    };
    thread::Builder::new().name("upkeep".into()).spawn(work).context("start a thread")?;
    Ok(())
}

/// SIGTERM and SIGINT drain the server, and so does the end of standard input if that was asked for.
fn stop_when_told(stop: &Stop, until_eof: bool) -> anyhow::Result<()> {
    let told = stop.clone();
    signals::on_stop(move || {
        tracing::info!("stopping: requests in flight finish");
        told.stop();
    })?;
    if until_eof {
        let ended = stop.clone();
        let wait = move || {
            // An input that fails has ended too.
            while matches!(std::io::stdin().read(&mut [0; 64]), Ok(1..)) {}
            ended.stop();
        };
        thread::Builder::new().name("input".into()).spawn(wait).context("start a thread")?;
    }
    Ok(())
}
