//! New connections, from enough addresses that the ports do not run out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

/// Source addresses on loopback: one address pair has only some 28,000 ports.
const LOOPBACK_SOURCES: u32 = 64;

/// Opens connections to one address, or to several in turn.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    targets: Vec<SocketAddr>,
    /// Where they come from in turn; empty: the system's choice.
    sources: Vec<IpAddr>,
}

impl Dialer {
    /// From `sources`; if there are none and all targets are on loopback, from many of its addresses.
    pub(crate) fn new(targets: Vec<SocketAddr>, sources: &[IpAddr]) -> Self {
        let loopback = (0..LOOPBACK_SOURCES)
            .map(|turn| IpAddr::from(Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + turn)));
        let is_near = |target: &SocketAddr| target.is_ipv4() && target.ip().is_loopback();
        let sources = if !sources.is_empty() {
            sources.to_vec()
        } else if targets.iter().all(is_near) {
            loopback.collect()
        } else {
            Vec::new()
        };
        Self { targets, sources }
    }

    /// A new connection; `turn` picks the target and the source address.
    pub(crate) async fn dial(&self, turn: u32) -> io::Result<TcpStream> {
        let target = (turn as usize).checked_rem(self.targets.len());
        let target = target.and_then(|index| self.targets.get(index)).copied();
        let target = target.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let domain = Domain::for_address(target);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        if let Some(source) = self.source(turn) {
            socket.set_reuse_address(true)?;
            socket.bind(&source.into())?;
        }
        TcpSocket::from_std_stream(socket.into()).connect(target).await
    }

    fn source(&self, turn: u32) -> Option<SocketAddr> {
        let index = (turn as usize).checked_rem(self.sources.len())?;
        Some((*self.sources.get(index)?, 0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_dialled_from_many_addresses_and_others_from_the_systems_choice() {
        let dialer =
            |target: &str, sources: &[IpAddr]| Dialer::new(vec![target.parse().unwrap()], sources);
        let near = dialer("127.0.0.1:80", &[]);
        let ips = [0, 1, 63, 64].map(|turn| near.source(turn).unwrap().ip().to_string());
        assert_eq!(ips, ["127.0.0.1", "127.0.0.2", "127.0.0.64", "127.0.0.1"]);
        assert_eq!(dialer("192.0.2.1:80", &[]).source(1), None);
        assert_eq!(dialer("[::1]:80", &[]).source(1), None);
        let chosen = dialer("192.0.2.1:80", &["192.0.2.7".parse().unwrap()]);
        assert_eq!(chosen.source(5), Some("192.0.2.7:0".parse().unwrap()));
    }
}
