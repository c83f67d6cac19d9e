//! A way to PostgreSQL that can be cut where it hurts.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

/// Lets everything through.
const OPEN: u8 = 0;
/// Breaks the connection that the next commit comes by.
const BEFORE: u8 = 1;
/// Lets the next commit through, and breaks its connection instead of bringing the answer.
const AFTER: u8 = 2;

/// Breaks nothing, and brings no answer to the next commit nor to anything after it.
const SILENT: u8 = 3;

/// What happens to the connection that the next commit comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    BeforeTheCommit,
    BeforeItsAnswer,
    Silent,
}

pub(crate) struct Proxy {
    port: u16,
    state: Arc<AtomicU8>,
}

impl Proxy {
    /// Listens on a free port, for as long as the process lives.
    pub(crate) fn to(port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self { port: listener.local_addr()?.port(), state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client whose connection fails sees it closed.
                let _ = carry(client, port, &state);
            }
        });
        Ok(proxy)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    pub(crate) fn cut_next(&self, cut: Cut) {
        let state = match cut {
            Cut::BeforeTheCommit => BEFORE,
            Cut::BeforeItsAnswer => AFTER,
            Cut::Silent => SILENT,
        };
        self.state.store(state, Ordering::SeqCst);
    }

    /// Whether what was to happen has happened.
    pub(crate) fn has_cut(&self) -> bool {
        self.state.load(Ordering::SeqCst) == OPEN
    }
}

fn carry(client: TcpStream, port: u16, state: &Arc<AtomicU8>) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port))?;
    let is_muted = Arc::new(AtomicU8::new(OPEN));
    let there = (client.try_clone()?, server.try_clone()?, Arc::clone(state));
    let muted = Arc::clone(&is_muted);
    thread::spawn(move || {
        let (client, server, state) = there;
        let commits = |piece: &[u8]| piece.windows(6).any(|word| word == b"COMMIT");
        copy(&client, &server, |piece| match state.load(Ordering::SeqCst) {
            OPEN => true,
            _ if !commits(piece) => true,
            cut => {
                state.store(OPEN, Ordering::SeqCst);
                muted.store(cut, Ordering::SeqCst);
                cut != BEFORE
            }
        });
    });
    thread::spawn(move || {
        copy(&server, &client, |_| match is_muted.load(Ordering::SeqCst) {
            SILENT => loop {
                thread::park();
            },
            state => state == OPEN,
        });
    });
    Ok(())
}

/// Copies until a piece is not to pass, or one side is gone; then both are.
fn copy(mut from: &TcpStream, mut to: &TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let piece = &buffer[..length];
        if !passes(piece) || to.write_all(piece).is_err() {
            break;
        }
    }
    for side in [from, to] {
        let _ = side.shutdown(Shutdown::Both);
    }
}
