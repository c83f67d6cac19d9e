//! The trace: a running hash over everything that happens, and on request the words.

use std::fmt::{self, Write};

/// Gets each line of a trace as it happens.
pub type Show = fn(&str);

/// Everything that happened in a run, as one number.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    show: Option<Show>,
}

impl Trace {
    /// A trace that hashes, and that also shows its lines if somebody wants them.
    pub fn new(show: Option<Show>) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, show }
    }

    /// Notes that something happened, at a simulated time in microseconds.
    pub fn note(&mut self, at_us: u64, what: fmt::Arguments<'_>) {
        // Hashing cannot fail.
        let _ = writeln!(self, "{at_us} {what}");
        if let Some(show) = self.show {
            let (seconds, us) = (at_us / 1_000_000, at_us % 1_000_000);
            show(&format!("{seconds:>5}.{us:06} {what}"));
        }
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// FNV-1a: short, and the same everywhere.
impl Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}
