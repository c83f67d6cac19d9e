//! The trace: a running hash over everything that happens, and on request the words.

use std::fmt::{self, Write};

/// Everything that happened in a run, as one number.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A trace that hashes, and that also keeps its lines if they are wanted.
    pub fn new(keep_lines: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: keep_lines.then(Vec::new) }
    }

    /// Notes that something happened, at a simulated time in microseconds.
    pub fn note(&mut self, at_us: u64, what: fmt::Arguments<'_>) {
        // Hashing cannot fail.
        let _ = writeln!(self, "{at_us} {what}");
        if let Some(lines) = &mut self.lines {
            let (seconds, us) = (at_us / 1_000_000, at_us % 1_000_000);
            lines.push(format!("{seconds:>5}.{us:06} {what}"));
        }
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, if they were kept.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
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
