//! A generator in a process of its own: what it does there.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::generator::{Counters, Generator, Played};
use super::lines::{Order, Word, instant, read, write};
use crate::Stop;

const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Plays a part of a crowd as it is told on `orders`, and tells on `words` what came of it. Ends
/// early when `orders` does, as it does when the rehearsal's own process dies.
///
/// # Errors
/// When there is nobody to take orders from or nobody to tell.
pub fn generator(
    mut orders: impl BufRead + Send + 'static,
    mut words: impl Write + Send,
) -> io::Result<()> {
    let Some(Order::Prepare(job)) = read(&mut orders)? else { return Err(astray()) };
    let counters = Arc::<Counters>::default();
    let generator = Generator::new(*job, Arc::clone(&counters))?;
    write(&mut words, &Word::Ready)?;
    words.flush()?;
    let monotonic_ns = match read(&mut orders)? {
        Some(Order::Start { monotonic_ns }) => monotonic_ns,
        Some(_) => return Err(astray()),
        // The rehearsal ended before its rush.
        None => return Ok(()),
    };
    let stop = Stop::new();
    let told = stop.clone();
    thread::Builder::new().name("orders".into()).spawn(move || {
        // Nothing more is said: it ends, and tells what came of it so far.
        let _ = io::copy(&mut orders, &mut io::sink());
        told.stop();
    })?;
    let played = thread::scope(|scope| {
        let (done, wait) = channel::<()>();
        let words = &mut words;
        scope.spawn(move || {
            while wait.recv_timeout(PROGRESS_EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = Counters::default();
                now.set(&counters);
                let told = write(words, &Word::Progress(now));
                if told.and_then(|()| words.flush()).is_err() {
                    break;
                }
            }
        });
        let played = generator.play(instant(monotonic_ns), &stop);
        drop(done);
        played
    })?;
    tell(&mut words, played)
}

fn tell(words: &mut impl Write, played: Played) -> io::Result<()> {
    let Played { buys, series, effort } = played;
    for buy in buys {
        write(words, &Word::Buy(Box::new(buy)))?;
    }
    write(words, &Word::Done { series, effort })?;
    words.flush()
}

fn astray() -> io::Error {
    io::Error::other("a generator is started by a rehearsal, and not by hand")
}
