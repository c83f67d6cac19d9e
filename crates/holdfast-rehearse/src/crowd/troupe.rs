//! The generators of a rehearsal: one in this process, or several in processes of their own.

use std::ffi::OsString;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::generator::{Counters, Generator, Job, Played};
use super::lines::{Order, Word, monotonic_ns, read, write};
use crate::{RehearseError, Stop};

/// Lines are long: a result is some hundred bytes.
const PIPE_BYTES: usize = 256 << 10;

/// A generator, as the rehearsal sees it.
pub(super) struct Member {
    pub(super) counters: Arc<Counters>,
    failed: Arc<AtomicBool>,
    go: Go,
    /// Its process, if it has one of its own.
    process: Option<u32>,
    ready: Receiver<()>,
    thread: Ending,
}

/// How it is told to start, and to stop.
enum Go {
    Thread(Option<Sender<Instant>>, Stop),
    /// It stops when its input ends.
    Process(Option<ChildStdin>),
}

impl Member {
    /// One on a thread of this process.
    pub(super) fn here(job: Job) -> io::Result<Self> {
        let (counters, stop) = (Arc::<Counters>::default(), Stop::new());
        let (go, start) = channel();
        let (is_ready, ready) = channel();
        let (of, told) = (Arc::clone(&counters), stop.clone());
        let (failed, thread) = spawn(move || {
            let generator = Generator::new(job, of)?;
            let _ = is_ready.send(());
            let start = start.recv().map_err(|_| RehearseError::generator("was never started"))?;
            Ok(generator.play(start, &told)?)
        })?;
        let go = Go::Thread(Some(go), stop);
        Ok(Self { counters, failed, go, process: None, ready, thread })
    }

    /// One in a process of its own: `command` must call [`super::child::generator`].
    pub(super) fn apart(command: &[OsString], job: Job) -> io::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(io::Error::other("there is no command for a generator"));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the rehearsal, which then tells its generators.
            .process_group(0)
            .spawn()?;
        let process = Some(child.id());
        let mut input = child.stdin.take();
        if let Some(input) = &mut input {
            let mut orders = BufWriter::with_capacity(PIPE_BYTES, input);
            write(&mut orders, &Order::Prepare(Box::new(job)))?;
            orders.flush()?;
        }
        let counters = Arc::<Counters>::default();
        let (is_ready, ready) = channel();
        let of = Arc::clone(&counters);
        let (failed, thread) = spawn(move || {
            let played = listen(&mut child, &of, &is_ready);
            // It has said everything, or will never say it.
            let _ = child.kill();
            let status = child.wait()?;
            played.map_err(|why| RehearseError::generator(&format!("{why} ({status})")))
        })?;
        Ok(Self { counters, failed, go: Go::Process(input), process, ready, thread })
    }

    /// Its process, if it has one of its own.
    pub(super) fn process(&self) -> Option<u32> {
        self.process
    }

    /// Waits until it is ready; `false`: it never will be.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.recv().is_ok()
    }

    pub(super) fn start(&mut self, at: Instant) {
        // Whoever cannot be told has died, which their thread will tell.
        match &mut self.go {
            Go::Thread(go, _) => drop(go.as_ref().map(|go| go.send(at))),
            Go::Process(Some(input)) => {
                let order = Order::Start { monotonic_ns: monotonic_ns(at) };
                let _ = write(input, &order).and_then(|()| input.flush());
            }
            Go::Process(None) => {}
        }
    }

    pub(super) fn stop(&mut self) {
        match &mut self.go {
            Go::Thread(go, stop) => {
                go.take();
                stop.stop();
            }
            Go::Process(input) => drop(input.take()),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Whether it ended in another way than with its buyers played.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// What came of it.
    pub(super) fn join(self) -> Result<Played, RehearseError> {
        self.thread.join().unwrap_or_else(|_| Err(RehearseError::generator("panicked")))
    }
}

type Ending = JoinHandle<Result<Played, RehearseError>>;

/// A thread, and whether it failed.
fn spawn(
    work: impl FnOnce() -> Result<Played, RehearseError> + Send + 'static,
) -> io::Result<(Arc<AtomicBool>, Ending)> {
    let failed = Arc::<AtomicBool>::default();
    let of = Arc::clone(&failed);
    let thread = thread::Builder::new().name("generator".into()).spawn(move || {
        let played = work();
        of.store(played.is_err(), Ordering::Relaxed);
        played
    })?;
    Ok((failed, thread))
}

/// Listens to a generator to the end of what it has to say.
fn listen(child: &mut Child, counters: &Counters, ready: &Sender<()>) -> Result<Played, String> {
    let output = child.stdout.take().ok_or("has no output")?;
    let mut output = BufReader::with_capacity(PIPE_BYTES, output);
    let mut buys = Vec::new();
    loop {
        match read(&mut output).map_err(|error| error.to_string())? {
            Some(Word::Ready) => drop(ready.send(())),
            Some(Word::Progress(progress)) => counters.set(&progress),
            Some(Word::Buy(buy)) => buys.push(*buy),
            Some(Word::Done { series, effort }) => return Ok(Played { buys, series, effort }),
            None => return Err("ended before its time".into()),
        }
    }
}
