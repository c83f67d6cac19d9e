//! A bank behind a real socket, and just enough HTTP to ask it in other ways than the client does.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use holdfast_checkout::provider::simulated::{
    Bank, BankError, Client, ClientOptions, Manners, Options, serve,
};
use holdfast_checkout::provider::{Charge, Manner, Payment, Provider, Reference};
use holdfast_core::{Currency, Money};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const SECRET: &str = "a-secret-of-the-bank";

/// How long whatever must come may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bank that is served.
pub(crate) struct Peer {
    pub(crate) bank: Bank,
    pub(crate) url: String,
    pub(crate) folder: TempDir,
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

/// An answer as it stands on the wire; the headers' names in small letters.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

/// A bank that behaves well and may be asked as often as a test likes.
pub(crate) fn options() -> Options {
    Options { per_second: None, ..Options::new(SECRET) }
}

pub(crate) fn ill(manners: Manners) -> Options {
    Options { manners, ..options() }
}

impl Peer {
    pub(crate) async fn start(options: Options) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), options).await
    }

    /// Starts in a folder that a bank may have been killed in just now.
    pub(crate) async fn start_in(folder: TempDir, options: Options) -> Self {
        let bank =
            eventually("the folder is free", async || match open(folder.path(), options.clone()) {
                Err(BankError::InUse(_)) => None,
                opened => Some(opened.map_err(|error| error.to_string()).unwrap()),
            });
        let bank = bank.await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let serving = serve(bank.clone(), listener, async move { drop(stopped.await) });
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { bank, url, folder, task, stop }
    }

    /// Breaks every connection at once, and leaves only the folder.
    pub(crate) async fn kill(self) -> TempDir {
        self.task.abort();
        let _ = self.task.await;
        self.folder
    }

    pub(crate) fn client(&self) -> Client {
        self.client_with(Duration::from_secs(10))
    }

    /// A client that does not wait long.
    pub(crate) fn client_with(&self, deadline: Duration) -> Client {
        Client::new(&self.url, SECRET, ClientOptions { deadline }).unwrap()
    }

    /// One request on a connection of its own; `None`: the connection broke without an answer.
    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Reply> {
        let mut stream =
            TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: bank\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, text) = answer.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Some(Reply { status, headers: headers.collect(), text: text.to_owned() })
    }

    /// The same with the secret.
    pub(crate) async fn ask(&self, method: &str, path: &str, key: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {SECRET}");
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        let headers = if key.is_empty() { &headers[..1] } else { &headers[..] };
        self.raw(method, path, headers, body).await.expect("no answer")
    }

    /// Closes the bank in order.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }

    /// All payments that the bank has, whatever its manners.
    pub(crate) async fn payments(&self) -> Vec<Payment> {
        let manners = self.bank.manners();
        self.bank.set_manners(Manners::default()).unwrap();
        let payments = self.client().list(None, 100).await.unwrap();
        self.bank.set_manners(manners).unwrap();
        payments
    }
}

pub(crate) fn open(folder: &Path, options: Options) -> Result<Bank, BankError> {
    Bank::open(folder, options)
}

pub(crate) fn reference(text: &str) -> Reference {
    Reference::new(text).unwrap()
}

pub(crate) fn charge(text: &str) -> Charge {
    charge_with(text, Manner::Approve, 0)
}

pub(crate) fn charge_with(text: &str, manner: Manner, late_ms: u64) -> Charge {
    let total = Money { amount: 4_500, currency: Currency::new("EUR").unwrap() };
    Charge { reference: reference(text), total, manner: Some(manner), late_ms }
}

/// Waits until there is something, ten seconds at most.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
