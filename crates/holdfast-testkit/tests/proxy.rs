//! The kit's proxy cuts and freezes what it says, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use holdfast_testkit::{Proxy, Way};

/// How long a byte is awaited that is not to come.
const A_WHILE: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(5);

/// A proxy before a server that says every byte again.
fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &client, &mut &client));
        }
    });
    Proxy::to(port).unwrap()
}

/// What comes back for a byte.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Byte(u8),
    Nothing,
    Closed,
}

fn say(mut to: &TcpStream, byte: u8, within: Duration) -> Reply {
    if to.write_all(&[byte]).is_err() {
        return Reply::Closed;
    }
    hear(to, within)
}

fn hear(mut from: &TcpStream, within: Duration) -> Reply {
    from.set_read_timeout(Some(within)).unwrap();
    let mut byte = [0];
    match from.read(&mut byte) {
        Ok(1) => Reply::Byte(byte[0]),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Reply::Nothing,
        _ => Reply::Closed,
    }
}

fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).unwrap()
}

/// A client with an address of its own.
fn connect_from(source: Ipv4Addr, proxy: &Proxy) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&proxy.address().into()).unwrap();
    socket.into()
}

#[test]
fn a_cut_breaks_what_is_there_and_what_comes() {
    let proxy = echo();
    let old = connect(&proxy);
    assert_eq!(say(&old, 1, LONG), Reply::Byte(1));
    assert_eq!(proxy.connections(), 1);
    proxy.cut();
    assert_eq!(hear(&old, LONG), Reply::Closed);
    assert_eq!(hear(&connect(&proxy), LONG), Reply::Closed);
    proxy.heal();
    assert_eq!(say(&old, 2, LONG), Reply::Closed);
    assert_eq!(say(&connect(&proxy), 3, LONG), Reply::Byte(3));
}

#[test]
fn what_is_frozen_arrives_once_it_is_healed() {
    for way in [Way::Both, Way::ToServer, Way::ToClient] {
        let proxy = echo();
        let old = connect(&proxy);
        assert_eq!(say(&old, 1, LONG), Reply::Byte(1));
        proxy.freeze(way);
        let new = connect(&proxy);
        assert_eq!(say(&old, 2, A_WHILE), Reply::Nothing, "{way:?}");
        assert_eq!(say(&new, 3, A_WHILE), Reply::Nothing, "{way:?}");
        proxy.heal();
        assert_eq!(hear(&old, LONG), Reply::Byte(2), "{way:?}");
        assert_eq!(hear(&new, LONG), Reply::Byte(3), "{way:?}");
    }
}

/// One way only: the server hears and acts, or has answered before.
#[test]
fn one_way_is_frozen_and_the_other_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::to(listener.local_addr().unwrap().port()).unwrap();
    let mut client = connect(&proxy);
    let (mut server, _) = listener.accept().unwrap();
    for (way, client_hears, server_hears) in [
        (Way::ToClient, Reply::Nothing, Reply::Byte(1)),
        (Way::ToServer, Reply::Byte(2), Reply::Nothing),
    ] {
        proxy.freeze(way);
        client.write_all(&[1]).unwrap();
        server.write_all(&[2]).unwrap();
        let within = |reply: &Reply| if *reply == Reply::Nothing { A_WHILE } else { LONG };
        assert_eq!(hear(&client, within(&client_hears)), client_hears, "{way:?}");
        assert_eq!(hear(&server, within(&server_hears)), server_hears, "{way:?}");
        proxy.heal();
        let late = if client_hears == Reply::Nothing { &client } else { &server };
        assert!(matches!(hear(late, LONG), Reply::Byte(_)));
    }
}

#[test]
fn one_address_is_cut_and_another_is_not() {
    let proxy = echo();
    let (one, other) = (Ipv4Addr::new(127, 0, 0, 31), Ipv4Addr::new(127, 0, 0, 32));
    let (first, second) = (connect_from(one, &proxy), connect_from(other, &proxy));
    assert_eq!(say(&first, 1, LONG), Reply::Byte(1));
    assert_eq!(say(&second, 1, LONG), Reply::Byte(1));
    proxy.cut_from(one);
    assert_eq!(hear(&first, LONG), Reply::Closed);
    assert_eq!(hear(&connect_from(one, &proxy), LONG), Reply::Closed);
    assert_eq!(say(&second, 2, LONG), Reply::Byte(2));
    proxy.freeze_from(other, Way::Both);
    assert_eq!(say(&second, 3, A_WHILE), Reply::Nothing);
    assert_eq!(say(&connect(&proxy), 4, LONG), Reply::Byte(4));
    proxy.heal();
    assert_eq!(hear(&second, LONG), Reply::Byte(3));
}

/// Guards tests from each other: nothing passes a proxy that is gone.
#[test]
fn a_proxy_that_is_dropped_is_gone() {
    let proxy = echo();
    let (client, address) = (connect(&proxy), proxy.address());
    assert_eq!(say(&client, 1, LONG), Reply::Byte(1));
    proxy.freeze(Way::Both);
    drop(proxy);
    assert_eq!(hear(&client, LONG), Reply::Closed);
    let mut left = 500;
    while TcpStream::connect(address).is_ok() {
        left -= 1;
        assert!(left > 0, "it still listens");
        thread::sleep(Duration::from_millis(10));
    }
}
