//! The limit on open files, and what it leaves for connections.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are left for all that is no connection: the journal's above all.
const RESERVED: usize = 256;

/// How many connections there may be, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connections {
    /// As many as the operator wants; `None`: as many as there can be.
    wanted: Option<usize>,
    /// The limit on open files.
    files: usize,
    /// Of those, what is left for all else.
    reserved: usize,
}

/// Raises the limit on open files as far as this process may, and says how many connections that
/// allows; no more than are wanted, if that is said.
pub(crate) fn connections(wanted: Option<usize>) -> Connections {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where it may not be raised, what there is must do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let connections = Connections { wanted, files, reserved: RESERVED.min(files / 2) };
    let possible = connections.possible();
    if let Some(wanted) = wanted.filter(|wanted| *wanted > possible) {
        tracing::warn!(wanted, possible, "the limit on open files allows fewer connections");
    }
    connections
}

impl Connections {
    /// How many there may be.
    pub(crate) fn most(self) -> usize {
        let possible = self.possible();
        self.wanted.map_or(possible, |wanted| wanted.min(possible))
    }

    fn possible(self) -> usize {
        self.files - self.reserved
    }
}

impl fmt::Display for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, files, reserved } = self;
        let most = self.most();
        let left = format!("{files} files may be open (ulimit -n), {reserved} are for the rest");
        match wanted {
            None => write!(f, "{most} at most: {left}"),
            Some(wanted) if *wanted == most => write!(f, "{most} at most, as was set"),
            Some(wanted) => write!(f, "{most} at most, not the {wanted} that were set: {left}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_how_many_connections_there_may_be_and_why() {
        let with = |wanted| Connections { wanted, files: 1_024, reserved: RESERVED };
        for (wanted, most, words) in [
            (None, 768, "768 at most: 1024 files may be open"),
            (Some(500), 500, "500 at most, as was set"),
            (Some(5_000), 768, "768 at most, not the 5000 that were set: 1024 files"),
        ] {
            let connections = with(wanted);
            assert_eq!(connections.most(), most);
            assert!(connections.to_string().starts_with(words), "{connections}");
        }
    }
}
