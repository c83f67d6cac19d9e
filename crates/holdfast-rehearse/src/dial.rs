//! New connections, from enough addresses that the ports do not run out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

/// Source addresses on loopback: one address pair has only some 28,000 ports.
const LOOPBACK_SOURCES: u32 = 64;

/// Opens connections to one address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialer {
    target: SocketAddr,
}

impl Dialer {
    pub(crate) fn new(target: SocketAddr) -> Self {
        Self { target }
    }

    /// A new connection; `turn` picks the source address if the target is on loopback.
    pub(crate) async fn dial(&self, turn: u32) -> io::Result<TcpStream> {
        let domain = Domain::for_address(self.target);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = self.source(turn) {
            socket.set_reuse_address(true)?;
            socket.bind(&source.into())?;
        }
        TcpSocket::from_std_stream(socket.into()).connect(self.target).await
    }

    fn source(&self, turn: u32) -> Option<SocketAddr> {
        match self.target.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => {
                let first = u32::from(Ipv4Addr::LOCALHOST);
                let ip = Ipv4Addr::from(first + turn % LOOPBACK_SOURCES);
                Some((ip, 0).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_dialled_from_many_addresses_and_others_from_the_systems_choice() {
        let near = Dialer::new("127.0.0.1:80".parse().unwrap());
        let ips = [0, 1, 63, 64].map(|turn| near.source(turn).unwrap().ip().to_string());
        assert_eq!(ips, ["127.0.0.1", "127.0.0.2", "127.0.0.64", "127.0.0.1"]);
        assert_eq!(Dialer::new("192.0.2.1:80".parse().unwrap()).source(1), None);
        assert_eq!(Dialer::new("[::1]:80".parse().unwrap()).source(1), None);
    }
}
