//! The line in front of a listener: how long whoever is accepted stood in it, and whether they are
//! still there.

use std::time::Duration;

use tokio::net::TcpStream;

/// Whoever closes their half so long after the last byte of their request did not mean to wait: they
/// have given up. Sooner it may be the usual way to say that the request is whole.
///
/// What cannot be known: a client that closes altogether right after its request looks like one that
/// closes its half, until something is written to it. And one that closes its half this late, and
/// waits all the same, looks like one that has given up.
#[cfg(target_os = "linux")]
const GIVEN_UP: Duration = Duration::from_millis(500);

/// A new connection, as the kernel knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stood {
    /// How long its request has been there; without one, how long the connection has. To the
    /// kernel's tick, which is 1 to 10 ms.
    pub(crate) waited: Duration,
    /// The peer has reset the connection, or has closed its half long after its request.
    pub(crate) has_gone: bool,
}

impl Stood {
    /// How a connection stands that has just been accepted. Where the kernel does not tell, it has
    /// waited for nothing and is there.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(stream: &TcpStream) -> Self {
        tcp_info::of(stream).map_or_else(
            |_| Self::default(),
            |info| {
                let [data, last] = [info.tcpi_last_data_recv, info.tcpi_last_ack_recv]
                    .map(|ms| Duration::from_millis(ms.into()));
                let has_gone = match info.tcpi_state {
                    tcp_info::CLOSE => true,
                    tcp_info::CLOSE_WAIT => data.saturating_sub(last) >= GIVEN_UP,
                    _ => false,
                };
                Self { waited: data, has_gone }
            },
        )
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_: &TcpStream) -> Self {
        Self::default()
    }
}

/// What Linux says of a TCP socket.
#[cfg(target_os = "linux")]
mod tcp_info {
    use nix::sys::socket::getsockopt;
    use nix::sys::socket::sockopt::GetStruct;
    use tokio::net::TcpStream;

    /// The peer, or we, have reset it; and: the peer has closed its half (`tcp_states.h`).
    pub(super) const CLOSE: u8 = 7;
    pub(super) const CLOSE_WAIT: u8 = 8;

    #[derive(Clone, Copy)]
    struct TcpInfo;

    nix::getsockopt_impl!(
        TcpInfo,
        libc::IPPROTO_TCP,
        libc::TCP_INFO,
        libc::tcp_info,
        GetStruct<libc::tcp_info>
    );

    pub(super) fn of(stream: &TcpStream) -> nix::Result<libc::tcp_info> {
        getsockopt(stream, TcpInfo)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, Shutdown, TcpStream as Client};
    use std::thread::sleep;

    use socket2::SockRef;
    use tokio::net::TcpListener;

    use super::*;

    /// How a client is seen that has waited to be accepted for twice the time.
    async fn seen(ask: impl FnOnce(Client) -> Option<Client>) -> Stood {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut client = Client::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let _client = ask(client);
        let (stream, _) = listener.accept().await.unwrap();
        Stood::of(&stream)
    }

    #[tokio::test]
    async fn who_waits_in_line_is_told_from_who_has_left_it() {
        let waits = seen(|client| {
            sleep(GIVEN_UP * 2);
            Some(client)
        });
        let waits = waits.await;
        assert!(waits.waited >= GIVEN_UP * 3 / 2 && !waits.has_gone, "{waits:?}");

        let asks_for_no_more = seen(|client| {
            client.shutdown(Shutdown::Write).unwrap();
            sleep(GIVEN_UP * 2);
            Some(client)
        });
        assert!(!asks_for_no_more.await.has_gone, "it closed its half and waits");

        let gave_up = seen(|client| {
            sleep(GIVEN_UP * 2);
            drop(client);
            None
        });
        assert!(gave_up.await.has_gone);

        let broke_off = seen(|client| {
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
            None
        });
        assert!(broke_off.await.has_gone, "it was reset");
    }
}
