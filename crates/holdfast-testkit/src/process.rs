//! Server processes that are never left behind.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// How long a server may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that ends when its standard input does (`--until-eof`), so that it cannot outlive this
/// one. Dropping it ends it: by itself within 5 s, else it is killed.
pub struct Process(Child);

impl Process {
    /// Starts it. Ctrl-C is for the program that started it, which stops it in order.
    ///
    /// # Errors
    /// When the system cannot start it.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn();
        Ok(Self(child.with_context(|| format!("start {name}"))?))
    }

    /// Where it listens, as its first line says. To be asked once.
    ///
    /// # Errors
    /// When its first line says something else.
    pub fn address(&mut self) -> anyhow::Result<SocketAddr> {
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().context("a server's output is read once")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.with_context(|| format!("the server did not start: {line:?}"))?;
        Ok(address.parse()?)
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it did not end by itself and had to be killed.
    pub fn stop(mut self) -> anyhow::Result<()> {
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
