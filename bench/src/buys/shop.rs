//! The merchant: makes the sale that is to be bought from.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::server::ENOUGH;
use super::{GONE, OPEN, SALE};

/// Makes the sale, opens it, and takes the only unit of the tier that is gone.
pub(super) fn open(address: SocketAddr, key: &str) -> anyhow::Result<()> {
    let tier = |id: &str, capacity: u32| {
        let price = json!({ "amount": 4_500, "currency": "EUR" });
        json!({ "id": id, "name": id, "capacity": capacity, "price": price })
    };
    let tiers = [tier(OPEN, ENOUGH), tier(GONE, 1)];
    let sale = json!({ "name": "Benchmark", "hold_seconds": 300, "tiers": tiers });
    let hold = json!({ "tier": GONE, "quantity": 1, "buyer": "somebody" });
    let ask = |method, path: &str, body| ask(address, key, method, path, &body);
    ask("PUT", "", sale)?;
    ask("POST", "/open", Value::Null)?;
    ask("POST", "/holds", hold)
}

fn ask(
    address: SocketAddr,
    key: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<()> {
    let body = body.to_string();
    let request = format!(
        "{method} /v1/sales/{SALE}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Authorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 20"), "{method} {path}: {answer}");
    Ok(())
}
