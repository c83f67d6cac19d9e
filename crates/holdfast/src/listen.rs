//! Addresses that cannot be had, and what to do about them.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use anyhow::anyhow;

/// Why nothing listens at the address that `setting` names, and what to do.
pub(crate) fn refused(error: Error, setting: &str, address: SocketAddr) -> anyhow::Error {
    let what = match error.kind() {
        ErrorKind::AddrInUse => {
            "something listens there already: stop it, or choose another port (0 takes a free one)"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address: choose one that it has, or 0.0.0.0 or [::] for all of \
             them"
        }
        ErrorKind::PermissionDenied => {
            "this process may not: ports below 1024 are for root and whoever has \
             CAP_NET_BIND_SERVICE"
        }
        _ => "the system does not let it",
    };
    anyhow!(error).context(format!("{setting} {address}: {what}"))
}
