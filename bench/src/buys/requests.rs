//! Requests, written out and signed before anything is measured.

use std::time::Duration;

use anyhow::ensure;
use holdfast_core::BuyerId;

use super::{GONE, OPEN, SALE, Workload};

/// In a mix, one buy of so many wins.
const WINS_EVERY: usize = 10;
/// How long the tokens are good for; longer than any benchmark.
const LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// One buy for each of many buyers, all of one length.
pub(super) struct Requests {
    bytes: Vec<u8>,
    length: usize,
    /// Where in each the name of the tier stands.
    tier_at: usize,
    is_mix: bool,
}

impl Requests {
    pub(super) fn new(secret: &str, buyers: usize) -> anyhow::Result<Self> {
        const { assert!(OPEN.len() == GONE.len(), "names are written over each other") };
        let (mut bytes, mut length) = (Vec::new(), 0);
        for number in 0..buyers.max(1) {
            let buyer = BuyerId::new(&format!("{number:016x}"))?;
            let request = request(&holdfast_http::sign_token(secret, &buyer, LIFETIME)?);
            if number == 0 {
                length = request.len();
                bytes.reserve_exact(length * buyers);
            }
            ensure!(request.len() == length, "requests have different lengths");
            bytes.extend_from_slice(request.as_bytes());
        }
        let tier_at = length - BODY.len() + BODY.find(OPEN).unwrap_or(0);
        Ok(Self { bytes, length, tier_at, is_mix: false })
    }

    /// Which tier each buyer asks for.
    pub(super) fn set(&mut self, workload: Workload) {
        self.is_mix = workload == Workload::Mix;
        for number in 0..self.count() {
            let at = number * self.length + self.tier_at;
            let tier = if self.wins(number) { OPEN } else { GONE };
            self.bytes[at..at + tier.len()].copy_from_slice(tier.as_bytes());
        }
    }

    /// A request, and the status with which it must be answered. Whoever asks for more than there
    /// are gets one again; a server that remembers its buyers answers that with another status.
    pub(super) fn get(&self, number: usize) -> (&[u8], u16) {
        let number = number % self.count();
        let status = if self.wins(number) { 201 } else { 409 };
        (&self.bytes[number * self.length..][..self.length], status)
    }

    fn wins(&self, number: usize) -> bool {
        !self.is_mix || number.is_multiple_of(WINS_EVERY)
    }

    fn count(&self) -> usize {
        self.bytes.len() / self.length
    }
}

const BODY: &str = r#"{"tier":"open","quantity":1}"#;

fn request(token: &str) -> String {
    format!(
        "POST /v1/sales/{SALE}/holds HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_mix_one_in_ten_wins() {
        let mut requests = Requests::new("0123456789abcdef0123456789abcdef", 100).unwrap();
        let wins = |requests: &Requests| {
            let win = |&number: &usize| {
                let (bytes, status) = requests.get(number);
                let is_open = bytes.ends_with(BODY.as_bytes());
                assert_eq!(is_open, status == 201);
                is_open
            };
            (0..100).filter(win).count()
        };
        assert_eq!(wins(&requests), 100);
        requests.set(Workload::Mix);
        assert_eq!(wins(&requests), 10);
        requests.set(Workload::Fresh);
        assert_eq!(wins(&requests), 100);
        assert_eq!(requests.get(3), requests.get(103));
    }
}
