//! `holdfast serve`: from settings to a running server, and back down in order.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use holdfast_core::ReceiptKey;
use holdfast_engine::{Engine, Handle, Service};
use holdfast_front::{Front, Stop};
use holdfast_http::{App, BuyerKeys, MerchantKeys};
use holdfast_store::journal::Upkeep;
use holdfast_store::{SystemClock, journal::Journal};
use tokio::signal::unix::{SignalKind, signal};

use crate::demo;
use crate::folder::{Folder, random_hex, random_seed};
use crate::settings::{ServeArgs, Settings};

/// How often the next segment of the journal is looked after.
const UPKEEP_EVERY: Duration = Duration::from_millis(50);

/// Runs a server until it is told to stop.
pub(crate) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let mut settings = args.decide()?;
    let made_key = settings.merchant_keys.is_empty();
    if made_key {
        settings.merchant_keys.push(random_hex()?);
    }
    let folder = Folder::open(&settings.data_dir)?;
    let clock = Arc::new(SystemClock::new());
    let journal: Journal = folder.journal(clock.clone())?;
    start_upkeep(journal.upkeep())?;
    let engine = Engine::open(journal, clock, random_seed()?)?;
    #[cfg(feature = "planted")]
    plant();
    let service = Service::start(engine, holdfast_engine::Options::default())?;
    let app = app(&settings, folder.receipt_key()?, service.handle())?;
    let front = Front::bind(settings.listen, holdfast_front::Options::default())
        .with_context(|| format!("listen on {}", settings.listen))?;
    if settings.demo {
        demo::open(&service.handle())?;
    }
    announce(&front, &settings, made_key)?;
    let stop = Stop::new();
    stop_on_signal(stop.clone())?;
    let routes = move || holdfast_http::router(app.on_this_runtime());
    front.run(&routes, &stop).context("serve")?;
    service.stop();
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Switches on the bug that the tests name, for the engine's thread to take over.
#[cfg(feature = "planted")]
fn plant() {
    match std::env::var("HOLDFAST_PLANTED").as_deref() {
        Ok("answers_first") => {
            holdfast_engine::planted::set(Some(holdfast_engine::planted::Bug::AnswersFirst));
        }
        Ok("clock_uncapped") => {
            holdfast_store::planted::set(Some(holdfast_store::planted::Bug::ClockUncapped));
        }
        _ => {}
    }
}

fn app(settings: &Settings, receipts: ReceiptKey, engine: Handle) -> anyhow::Result<App> {
    let mut buyers = BuyerKeys::default();
    for path in &settings.buyer_keys {
        let file = std::fs::read_to_string(path)
            .with_context(|| format!("read the buyers' key {}", path.display()))?;
        buyers.add(&file).with_context(|| format!("the buyers' key {}", path.display()))?;
    }
    let merchants = MerchantKeys::new(&settings.merchant_keys);
    Ok(App::new(engine, holdfast_http::Options { receipts, merchants, buyers }))
}

/// The first line on standard output is the address: whoever started the server may wait for it.
fn announce(front: &Front, settings: &Settings, made_key: bool) -> anyhow::Result<()> {
    let address = format!("http://{}", front.address());
    println!("listening on {address}");
    if made_key {
        println!("merchant key, good until this server stops: {}", settings.merchant_keys[0]);
    }
    if settings.demo {
        demo::explain(&address, &settings.merchant_keys[0]);
    }
    std::io::stdout().flush().context("write to standard output")
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

/// SIGTERM and SIGINT drain the server; a second one ends it at once.
fn stop_on_signal(stop: Stop) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _guard = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let wait = move || {
        runtime.block_on(async {
            let mut next = async || {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            };
            next().await;
            tracing::info!("stopping: requests in flight finish");
            stop.stop();
            next().await;
            std::process::exit(1);
        });
    };
    thread::Builder::new().name("signals".into()).spawn(wait).context("start a thread")?;
    Ok(())
}
