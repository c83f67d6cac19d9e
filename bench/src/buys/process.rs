//! Processes on a core of their own.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, ensure};
use holdfast_testkit::Process;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Starts a process on one core.
pub(super) fn start(command: &mut Command, core: usize) -> anyhow::Result<Process> {
    let own = sched_getaffinity(None)?;
    pin(core)?;
    let process = Process::start(command);
    sched_setaffinity(None, &own)?;
    process
}

/// A process and all its children.
pub(super) fn pids(process: &Process) -> BTreeSet<u32> {
    let (mut found, mut open) = (BTreeSet::new(), vec![process.id()]);
    while let Some(pid) = open.pop() {
        found.insert(pid);
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        open.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    found
}

/// Keeps this thread, and what it starts, on one core.
pub(super) fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    ensure!(core < CpuSet::MAX_CPU, "there is no core {core}");
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("run on core {core}"))
}
