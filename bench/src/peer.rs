//! The floors as real processes: a bare axum handler, and a bare epoll responder.

mod axum;
mod epoll;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A floor to serve, until standard input ends.
#[derive(clap::Subcommand)]
pub(crate) enum Peer {
    /// Holdfast's listener and authentication around an axum handler that decides nothing.
    Axum {
        /// File with the HS256 secret that signs for buyers.
        #[arg(long)]
        buyer_key: PathBuf,
        /// Holds that it gives before it says that all units are held.
        #[arg(long, default_value_t = u64::MAX)]
        units: u64,
    },
    /// One thread that answers every request with the same bytes.
    Epoll,
}

pub(crate) fn run(peer: &Peer) -> anyhow::Result<()> {
    // It ends with whoever started it, however that dies.
    std::thread::spawn(|| {
        while matches!(std::io::stdin().read(&mut [0; 64]), Ok(1..)) {}
        std::process::exit(0);
    });
    match peer {
        Peer::Axum { buyer_key, units } => axum::serve(buyer_key, *units),
        Peer::Epoll => epoll::serve(),
    }
}

fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    Ok(out.flush()?)
}
