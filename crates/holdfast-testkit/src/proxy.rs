//! A way to a server that can be cut, or on which nothing arrives.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::port::Port;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From clients to the server: it hears nothing.
    ToServer,
    /// From the server to clients: it hears and acts, but nobody hears of it.
    ToClient,
    /// Both.
    Both,
}

/// What passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    Flows,
    Frozen(Way),
    Cut,
}

/// A TCP proxy on a port of its own. What is said of it holds for connections that exist and for
/// new ones, of all clients or of those that come from one address (a server of [`crate::Trio`] or
/// a client that is bound to one of 127.0.0.0/8). Dropping it cuts everything.
pub struct Proxy {
    port: Port,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    of_all: Option<Traffic>,
    of: HashMap<IpAddr, Traffic>,
    connections: HashMap<u64, Connection>,
    count: u64,
    is_over: bool,
}

/// Both ends of a connection that passes through.
struct Connection {
    source: IpAddr,
    client: TcpStream,
    server: TcpStream,
}

impl Proxy {
    /// Listens on a free port of loopback and leads to this one.
    ///
    /// # Errors
    /// When no port is free.
    pub fn to(server: u16) -> anyhow::Result<Self> {
        let port = Port::claim()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number()))?;
        let shared = Arc::<Shared>::default();
        let proxy = Self { port, shared: Arc::clone(&shared) };
        thread::Builder::new().name("proxy".into()).spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.lock().is_over {
                    break;
                }
                // A client whose connection fails sees it closed.
                let _ = shared.carry(client, server);
            }
        })?;
        Ok(proxy)
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    /// Breaks all connections, and new ones as soon as they are made.
    pub fn cut(&self) {
        self.shared.set(None, Traffic::Cut);
    }

    /// Cuts those that come from this address.
    pub fn cut_from(&self, source: impl Into<IpAddr>) {
        self.shared.set(Some(source.into()), Traffic::Cut);
    }

    /// Connections stay and new ones are taken, but nothing arrives this way, not even that the other
    /// side has closed. What is under way arrives once it is healed.
    pub fn freeze(&self, way: Way) {
        self.shared.set(None, Traffic::Frozen(way));
    }

    /// Freezes those that come from this address.
    pub fn freeze_from(&self, source: impl Into<IpAddr>, way: Way) {
        self.shared.set(Some(source.into()), Traffic::Frozen(way));
    }

    /// Everything passes again. What was cut stays broken; clients have to come again.
    pub fn heal(&self) {
        let mut state = self.shared.lock();
        state.of_all = None;
        state.of.clear();
        self.shared.changed.notify_all();
    }

    /// How many connections pass through it now.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.shared.lock().is_over = true;
        // Its thread waits for a connection.
        let _ = TcpStream::connect(self.address());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, source: Option<IpAddr>, traffic: Traffic) {
        let mut state = self.lock();
        match source {
            None => state.of_all = Some(traffic),
            Some(source) => _ = state.of.insert(source, traffic),
        }
        if traffic == Traffic::Cut {
            let all = state.connections.values();
            all.filter(|it| source.is_none_or(|source| source == it.source))
                .for_each(Connection::close);
        }
        self.changed.notify_all();
    }

    /// Starts what copies a new connection both ways.
    fn carry(self: &Arc<Self>, client: TcpStream, server: u16) -> std::io::Result<()> {
        let source = client.peer_addr()?.ip();
        if self.lock().traffic(source) == Traffic::Cut {
            return Ok(());
        }
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
        for end in [&client, &server] {
            end.set_nodelay(true)?;
        }
        let ends = [
            (Way::ToServer, client.try_clone()?, server.try_clone()?),
            (Way::ToClient, server.try_clone()?, client.try_clone()?),
        ];
        let number = self.add(Connection { source, client, server });
        for (way, from, to) in ends {
            let shared = Arc::clone(self);
            thread::spawn(move || {
                shared.copy(source, way, &from, &to);
                shared.remove(number);
            });
        }
        Ok(())
    }

    fn add(&self, connection: Connection) -> u64 {
        let mut state = self.lock();
        if state.traffic(connection.source) == Traffic::Cut {
            connection.close();
        }
        state.count += 1;
        let number = state.count;
        state.connections.insert(number, connection);
        number
    }

    /// Once one way has ended, so does the other.
    fn remove(&self, number: u64) {
        if let Some(connection) = self.lock().connections.remove(&number) {
            connection.close();
        }
    }

    /// Copies until one side is gone or cut off.
    fn copy(&self, source: IpAddr, way: Way, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; 65_536];
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            if !self.passes(source, way) || read == 0 || to.write_all(&buffer[..read]).is_err() {
                return;
            }
        }
    }

    /// Waits while it is frozen; whether it may pass then.
    fn passes(&self, source: IpAddr, way: Way) -> bool {
        let mut state = self.lock();
        loop {
            match state.traffic(source) {
                Traffic::Flows => return true,
                Traffic::Cut => return false,
                Traffic::Frozen(frozen) if frozen != way && frozen != Way::Both => return true,
                Traffic::Frozen(_) => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl State {
    /// What is said of one address comes before what is said of all, but for a cut.
    fn traffic(&self, source: IpAddr) -> Traffic {
        match (self.of_all, self.of.get(&source)) {
            (Some(Traffic::Cut), _) => Traffic::Cut,
            (_, Some(&traffic)) => traffic,
            (traffic, None) => traffic.unwrap_or(Traffic::Flows),
        }
    }
}

impl Connection {
    fn close(&self) {
        for end in [&self.client, &self.server] {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}
