//! The server's address, or those of several that sell the same sales.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use http::Uri;
use serde::{Deserialize, Serialize};

use crate::RehearseError;

/// A server to rehearse against: `http://host:port`, resolved once; or several that share their
/// sales, with commas. Buyers come to each in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What goes into the `Host` header.
    authority: String,
    address: SocketAddr,
    /// Others that share the first one's sales, as they were given.
    others: Vec<(String, SocketAddr)>,
}

impl Target {
    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where all of them listen, the first one first.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let others = self.others.iter().map(|(_, address)| *address);
        std::iter::once(self.address).chain(others).collect()
    }

    /// Whether it is this machine: one of its addresses is the server's.
    pub(crate) fn is_here(&self) -> bool {
        std::net::UdpSocket::bind((self.address.ip(), 0)).is_ok()
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { authority: address.to_string(), address, others: Vec::new() }
    }
}

impl FromStr for Target {
    type Err = RehearseError;

    /// Takes `http://host:port`, or several with commas; without a port, 80. Resolves the names, so it
    /// may block.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = text.split(',').map(resolve);
        let (authority, address) = all.next().unwrap_or_else(|| resolve(text))?;
        Ok(Self { authority, address, others: all.collect::<Result<_, _>>()? })
    }
}

/// One server's authority and address.
fn resolve(text: &str) -> Result<(String, SocketAddr), RehearseError> {
    let wrong = |reason: String| RehearseError::Target { target: text.to_owned(), reason };
    let uri: Uri = text.parse().map_err(|error| wrong(format!("not an address: {error}")))?;
    if uri.scheme_str() != Some("http") {
        return Err(wrong("it must start with http:// (a rehearsal speaks no TLS)".into()));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong("it must end after the port".into()));
    }
    let authority = uri.authority().ok_or_else(|| wrong("it names no host".into()))?;
    let host = authority.host().trim_matches(['[', ']']);
    let port = authority.port_u16().unwrap_or(80);
    let mut found = (host, port).to_socket_addrs().map_err(|e| wrong(e.to_string()))?;
    let address = found.next().ok_or_else(|| wrong("its name has no address".into()))?;
    Ok((authority.to_string(), address))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)?;
        self.others.iter().try_for_each(|(authority, _)| write!(f, ",http://{authority}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_and_shown_as_given() {
        for text in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:80"] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
        let target: Target = "http://127.0.0.1/".parse().unwrap();
        assert_eq!(target.address(), "127.0.0.1:80".parse().unwrap());
    }

    #[test]
    fn what_cannot_be_rehearsed_against_is_refused() {
        for text in ["https://127.0.0.1", "127.0.0.1:80", "http://127.0.0.1/shop", "", "http://"] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }
}
