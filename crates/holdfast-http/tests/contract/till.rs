//! The checkout behind a shop: a ledger in SQLite, and a payment provider that is asked over HTTP.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use holdfast_checkout::provider::simulated::{self, Bank, Client, ClientOptions};
use holdfast_checkout::{Live, LiveCheckout, Options, Saga, Service};
use holdfast_core::ReceiptKey;
use holdfast_engine::Handle;
use holdfast_http::ProviderName;
use holdfast_ledger::SqlLedger;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

const SECRET: &str = "a-secret-of-the-bank";

/// How often the provider may be asked, per second: no test waits for it.
pub(crate) const PER_SECOND: u32 = 1_000;

/// A running checkout.
pub(crate) struct Till {
    pub(crate) ledger: PathBuf,
    service: Service<Live<SqlLedger, Client>>,
    serving: JoinHandle<()>,
    _stop: oneshot::Sender<()>,
}

impl Till {
    /// Keeps its files in a folder.
    pub(crate) fn start(
        folder: &Path,
        engine: Handle,
        receipts: ReceiptKey,
        per_second: u32,
    ) -> Self {
        let options = simulated::Options { per_second: None, ..simulated::Options::new(SECRET) };
        let bank = Bank::open(&folder.join("bank"), options).unwrap();
        let (stop, stopped) = oneshot::channel();
        let (url, serving) = serve(bank, stopped);
        let ledger = folder.join("orders.sqlite");
        let file = ledger.clone();
        let make = async move || {
            let ledger = SqlLedger::sqlite(&file).await?;
            let client = Client::new(&url, SECRET, ClientOptions::default()).unwrap();
            let world = Live::new(engine, ledger, client);
            let name = ProviderName::Simulated.as_str();
            Ok::<_, holdfast_ledger::LedgerError>(Saga::new(world, receipts, per_second, name))
        };
        let options = Options { reconcile_every: Duration::from_millis(100) };
        Self { ledger, service: Service::start(make, options).unwrap(), serving, _stop: stop }
    }

    pub(crate) fn checkout(&self) -> LiveCheckout {
        self.service.checkout()
    }

    pub(crate) fn stop(self) {
        let Self { service, serving, _stop: stop, .. } = self;
        service.stop();
        drop(stop);
        serving.join().unwrap();
    }
}

/// Lets a bank be asked at an address, on a thread of its own.
fn serve(bank: Bank, stopped: oneshot::Receiver<()>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let serving = async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        simulated::serve(bank, listener, async move { drop(stopped.await) }).await.unwrap();
    };
    (url, thread::spawn(move || runtime.block_on(serving)))
}
