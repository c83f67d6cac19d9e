//! A real server process, and just enough HTTP to ask it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub(crate) const KEY: &str = "a-merchant-key-for-tests";

/// A server; killed when dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
    /// From the start of the process until it listened.
    pub(crate) started_in: Duration,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::spawn(&mut command(folder))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let begun = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").map(str::to_owned);
        let address = address.unwrap_or_else(|| panic!("the server said {line:?}"));
        Self { child, address, started_in: begun.elapsed() }
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        ask(&self.address, method, path, body).unwrap()
    }

    /// Makes a sale with one tier, `ga`, and opens it.
    pub(crate) fn open_sale(&self, capacity: u32, hold_seconds: u32) {
        let price = json!({ "amount": 100, "currency": "EUR" });
        let tier = json!({ "id": "ga", "name": "GA", "capacity": capacity, "price": price });
        let sale = json!({ "name": "Club", "hold_seconds": hold_seconds, "tiers": [tier] });
        assert_eq!(self.ask("PUT", "/v1/sales/club", &sale).0, 201);
        assert_eq!(self.ask("POST", "/v1/sales/club/open", &Value::Null).0, 200);
    }

    pub(crate) fn tier(&self) -> Value {
        self.ask("GET", "/v1/sales/club", &Value::Null).1["tiers"][0].clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `holdfast serve` on a free port.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder);
    command.env("HOLDFAST_MERCHANT_KEY", KEY).env("RUST_LOG", "off");
    command
}

/// A command of the binary, as from a shell in `folder` where nothing is set.
pub(crate) fn holdfast(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.current_dir(folder).env("RUST_LOG", "off").stdin(Stdio::null());
    command
}

/// Sends a signal, such as `-TERM`.
pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

/// Waits until `done` gives something, ten seconds at most.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(done) = done() {
            return done;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a finished command said on standard error.
pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn reserve(address: &str, buyer: &str) -> io::Result<(u16, Value)> {
    let body = json!({ "tier": "ga", "quantity": 1, "buyer": buyer });
    ask(address, "POST", "/v1/sales/club/holds", &body)
}

/// One request on a connection of its own.
pub(crate) fn ask(
    address: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> io::Result<(u16, Value)> {
    ask_as(KEY, address, method, path, body)
}

/// The same with another key or token.
pub(crate) fn ask_as(
    key: &str,
    address: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> io::Result<(u16, Value)> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut_off = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut_off)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(cut_off)?, serde_json::from_str(body).unwrap_or(Value::Null)))
}
