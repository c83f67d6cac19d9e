//! Server processes: started on their core, and never left behind.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How long a server may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that ends when its standard input does, so that it cannot outlive this one.
pub(super) struct Process(Child);

impl Process {
    /// Starts it on one core. Ctrl-C is for this program, which stops it in order.
    pub(super) fn start(command: &mut Command, core: usize) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let own = sched_getaffinity(None)?;
        pin(core)?;
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn();
        sched_setaffinity(None, &own)?;
        Ok(Self(child.with_context(|| format!("start {name}"))?))
    }

    /// Where it listens, as its first line says.
    pub(super) fn address(&mut self) -> anyhow::Result<SocketAddr> {
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().context("a server's output is read once")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.with_context(|| format!("the server did not start: {line:?}"))?;
        Ok(address.parse()?)
    }

    /// It and all its children.
    pub(super) fn pids(&self) -> BTreeSet<u32> {
        let (mut found, mut open) = (BTreeSet::new(), vec![self.0.id()]);
        while let Some(pid) = open.pop() {
            found.insert(pid);
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children = children.unwrap_or_default();
            open.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        found
    }

    /// Ends it, and fails if it had to be killed.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        ensure!(self.end(), "a server did not stop by itself");
        Ok(())
    }

    /// Whether it ended by itself.
    fn end(&mut self) -> bool {
        drop(self.0.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return true;
            }
            sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Keeps this thread, and what it starts, on one core.
pub(super) fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    ensure!(core < CpuSet::MAX_CPU, "there is no core {core}");
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("run on core {core}"))
}
