//! The limit on open files, and what it leaves for connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are left for all that is no connection: the journal's above all.
const RESERVED: usize = 256;

/// Raises the limit on open files as far as this process may, and says how many connections that
/// allows; no more than are wanted, if that is said.
pub(crate) fn connections(wanted: Option<usize>) -> usize {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where it may not be raised, what there is must do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let most = files.saturating_sub(RESERVED.min(files / 2));
    if let Some(wanted) = wanted.filter(|wanted| *wanted > most) {
        tracing::warn!(wanted, most, "the limit on open files allows fewer connections");
    }
    wanted.map_or(most, |wanted| wanted.min(most))
}
