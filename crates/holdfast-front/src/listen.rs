//! Sockets that listen: several on one address, with a backlog that fits a rush.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Binds `count` listeners to one address. Port 0 takes a free port, the same for all.
///
/// The first listens before it shares its port, so that of two servers on one address the second
/// is refused. Had it shared the port from the start, the kernel would let the other in and give
/// each of them a part of the buyers.
pub(crate) fn bind(
    address: SocketAddr,
    count: usize,
    backlog: u16,
) -> io::Result<Vec<TcpListener>> {
    let first = socket(address)?;
    listen(&first, address, backlog)?;
    first.set_reuse_port(true)?;
    let first = TcpListener::from(first);
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count.max(1) {
        let next = socket(address)?;
        next.set_reuse_port(true)?;
        listen(&next, address, backlog)?;
        listeners.push(next.into());
    }
    Ok(listeners)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the server before this one may linger on the port; they are no server.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn listen(socket: &Socket, address: SocketAddr, backlog: u16) -> io::Result<()> {
    socket.bind(&address.into())?;
    socket.listen(backlog.into())
}
