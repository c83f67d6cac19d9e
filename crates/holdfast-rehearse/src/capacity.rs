//! How many connections the crowd can have open, and how many processes that takes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Options;

/// Files that a process needs besides its connections.
const FILES_SPARE: usize = 128;
/// Processes that are started unasked, at most.
const PROCESSES_AUTO_MAX: usize = 32;

/// How the crowd is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) processes: usize,
    /// Connections that each process may have open.
    pub(crate) connections_each: usize,
}

impl Capacity {
    /// Enough for every buyer to be there at the same time, if it can be. Raises this process's
    /// limit of open files as far as it may.
    pub(crate) fn of(options: &Options, buyers: usize) -> Self {
        Self::with_files(options, buyers, raise_files())
    }

    fn with_files(options: &Options, buyers: usize, files: usize) -> Self {
        let most_each = files.saturating_sub(FILES_SPARE).max(1);
        let wanted = options.connections.unwrap_or(buyers).min(buyers).max(1);
        let needed = wanted.div_ceil(most_each).clamp(1, PROCESSES_AUTO_MAX);
        let needed = if options.generator.is_some() { needed } else { 1 };
        let processes = options.processes.unwrap_or(needed).clamp(1, buyers.max(1));
        Self { processes, connections_each: wanted.div_ceil(processes).min(most_each) }
    }

    pub(crate) fn connections(self) -> usize {
        self.processes * self.connections_each
    }
}

/// Open files that this process may have.
fn raise_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_processes_as_the_connections_need() {
        let mut options = Options::new("http://127.0.0.1:1".parse().unwrap(), "key");
        let capacity = |options: &Options| {
            let Capacity { processes, connections_each } =
                Capacity::with_files(options, 50_000, 20_128);
            (processes, connections_each)
        };
        assert_eq!(capacity(&options), (1, 20_000), "there is no command for more");
        options.generator = Some(vec!["true".into()]);
        assert_eq!(capacity(&options), (3, 16_667));
        options.processes = Some(2);
        assert_eq!(capacity(&options), (2, 20_000));
        (options.processes, options.connections) = (None, Some(8_000));
        assert_eq!(capacity(&options), (1, 8_000));
    }
}
