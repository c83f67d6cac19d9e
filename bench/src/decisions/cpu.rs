//! Which thread a decision's time is spent on: that one is the limit when it has none left.

use std::fs;

/// Nanoseconds that threads of this process have run so far, as the system counts them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    /// The engine's thread.
    pub(super) engine: u64,
    /// The calling thread, on which the callers are.
    pub(super) callers: u64,
    /// The one that flushes beside it.
    pub(super) flusher: u64,
}

impl Cpu {
    pub(super) fn now() -> Self {
        let mut cpu = Self { callers: ran("/proc/thread-self"), ..Self::default() };
        for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let folder = task.path().to_string_lossy().into_owned();
            match fs::read_to_string(format!("{folder}/comm")).unwrap_or_default().trim_end() {
                "engine" => cpu.engine = ran(&folder),
                "flusher" => cpu.flusher = ran(&folder),
                _ => {}
            }
        }
        cpu
    }

    /// What has been spent since `before`, for each of so many operations.
    pub(super) fn each_since(self, before: Self, operations: usize) -> [f64; 3] {
        let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / operations as f64;
        [
            each(self.engine, before.engine),
            each(self.callers, before.callers),
            each(self.flusher, before.flusher),
        ]
    }
}

fn ran(task: &str) -> u64 {
    let stat = fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();
    stat.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}
