//! Ports that stay one's own, also while the server that has one is dead.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use anyhow::bail;

/// Below those that the system gives to clients (32768 and more, on Linux): one of those could be
/// taken while a server is restarted, and a client could even be connected to itself by it.
const RANGE: Range<u16> = 20_000..32_000;

/// Where ports are claimed: who listens there has the same port of 127.0.0.1.
const CLAIMS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A port of 127.0.0.1 that no other test takes for as long as this is kept.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: TcpListener,
}

impl Port {
    /// Finds one that is free.
    ///
    /// # Errors
    /// When there is none.
    pub fn claim() -> anyhow::Result<Self> {
        let length = RANGE.end - RANGE.start;
        // Anywhere: a client of a server that is gone should not find another test's.
        let first = RandomState::new().hash_one(()) % u64::from(length);
        let first = u16::try_from(first)?;
        for step in 0..length {
            let number = RANGE.start + (first + step) % length;
            let Ok(claim) = TcpListener::bind((CLAIMS, number)) else { continue };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _claim: claim });
            }
        }
        bail!("no port of 127.0.0.1 from {} to {} is free", RANGE.start, RANGE.end);
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Guards parallel tests from each other's servers: also where nobody listens, a port is
    /// given to one only. The control: what is given back is found again.
    #[test]
    fn a_port_is_claimed_once() {
        let ports: Vec<_> = (0..200).map(|_| Port::claim().unwrap()).collect();
        let numbers: BTreeSet<_> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        let claim = (CLAIMS, ports[0].number());
        assert!(TcpListener::bind(claim).is_err());
        drop(ports);
        assert!(TcpListener::bind(claim).is_ok());
    }
}
