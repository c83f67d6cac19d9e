//! Server processes that are never left behind.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, test_kill_process_group};

/// How long a server may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that ends when its standard input does (`--until-eof`), so that it cannot outlive this
/// one. Dropping it ends it: by itself within 5 s, else it is killed.
pub struct Process {
    child: Child,
    id: u32,
}

/// Starts what follows, says its number, and when standard input ends kills it and, with the
/// whole group, the shell itself and what the program has forked. When the group's starter dies
/// while one of the group is stopped, the kernel sends all of it SIGHUP: the shell must not heed it.
const UNTIL_EOF: &str = r#"trap '' HUP; "$@" </dev/null >/dev/null 2>&1 & echo $!
cat >/dev/null; kill -9 $! 2>/dev/null; wait; kill -9 0"#;

impl Process {
    /// Starts it. Ctrl-C is for the program that started it, which stops it in order.
    ///
    /// # Errors
    /// When the system cannot start it.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).spawn();
        let child = child.with_context(|| format!("start {name}"))?;
        Ok(Self { id: child.id(), child })
    }

    /// Starts a program that knows nothing of that: a shell between the two kills it when this
    /// process ends or lets go of it, also when it is stopped (SIGSTOP). What it prints is lost.
    ///
    /// # Errors
    /// When the system cannot start a shell.
    pub fn guarded(command: &Command) -> anyhow::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", UNTIL_EOF, "sh", "env"]);
        for (name, value) in command.get_envs() {
            let mut setting = name.to_owned();
            setting.push("=");
            setting.push(value.context("a guarded program keeps all variables")?);
            shell.arg(setting);
        }
        shell.arg(command.get_program()).args(command.get_args());
        let mut guarded = Self::start(&mut shell)?;
        let line = guarded.line()?;
        guarded.id = line.trim().parse().with_context(|| format!("a process number: {line:?}"))?;
        Ok(guarded)
    }

    /// The first line that it prints. To be asked once.
    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let stdout = self.child.stdout.as_mut().context("a server's output is read once")?;
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(line)
    }

    /// Where it listens, as its first line says. To be asked once.
    ///
    /// # Errors
    /// When its first line says something else.
    pub fn address(&mut self) -> anyhow::Result<SocketAddr> {
        let line = self.line()?;
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.with_context(|| format!("the server did not start: {line:?}"))?;
        Ok(address.parse()?)
    }

    /// Its number; of a guarded one the program's, not the shell's.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it did not end by itself and had to be killed.
    pub fn stop(mut self) -> anyhow::Result<()> {
        ensure!(self.end(), "a server did not stop by itself");
        Ok(())
    }

    /// Kills it where it is (SIGKILL). A guarded one is killed in any case when it is dropped.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it ended by itself.
    fn end(&mut self) -> bool {
        drop(self.child.stdin.take());
        let has_ended = within_patience(|| !matches!(self.child.try_wait(), Ok(None)));
        if !has_ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        // What it forked may still be about to write a file.
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        within_patience(|| group.is_none_or(|it| test_kill_process_group(it).is_err()));
        has_ended
    }
}

/// Waits until something is so; whether it is.
fn within_patience(mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        let is_so = is_so();
        if is_so || begun.elapsed() > PATIENCE {
            return is_so;
        }
        sleep(Duration::from_millis(2));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, kill_process_group, test_kill_process};

    use super::*;

    fn pid(id: u32) -> Pid {
        Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
    }

    /// Guards the machine from servers that are left behind. When a test dies whose server is
    /// stopped, the kernel hangs up on the group, and the shell must still be there to kill.
    #[test]
    fn a_shell_that_is_hung_up_on_still_kills() {
        let folder = tempfile::tempdir().unwrap();
        let heeds_nothing = folder.path().join("heeds nothing");
        let mut program = Command::new("sh");
        program.args(["-c", "trap '' HUP; : >\"$1\"; exec sleep 60", "sh"]).arg(&heeds_nothing);
        let guarded = Process::guarded(&program).unwrap();
        let id = pid(guarded.id());
        assert!(within_patience(|| heeds_nothing.exists()));
        kill_process_group(pid(guarded.child.id()), Signal::HUP).unwrap();
        assert!(test_kill_process(id).is_ok());
        drop(guarded);
        assert!(test_kill_process(id).is_err());
    }
}
