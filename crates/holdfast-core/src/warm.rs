//! Reading ahead: what a batch of commands will need, fetched together.
//!
//! With millions of holds every command waits for memory several times, one wait after another.
//! The waits of different commands do not depend on each other, so a short loop that only reads
//! lets the processor do many at once; the rules then find everything near. Nothing is changed,
//! and leaving this out changes nothing but the time.

use std::hint::black_box;

use crate::arena::Position;
use crate::{Command, Sale};

/// Commands that are read ahead at a time: what they touch must still be near when they are
/// applied.
const AHEAD: usize = 64;

/// A sale with fewer holds fits the processor's caches: reading ahead would only cost.
const SMALL: u32 = 1 << 15;

impl Sale {
    /// Applies nothing; makes the next [`Sale::apply`] or [`Sale::settled`] of these commands fast.
    pub fn warm<'a>(&self, commands: impl Iterator<Item = &'a Command>) {
        if self.holds.len() < SMALL {
            return;
        }
        let mut found = [None; AHEAD];
        let mut commands = commands.peekable();
        while commands.peek().is_some() {
            let mut count = 0;
            for command in commands.by_ref().take(AHEAD) {
                found[count] = self.warm_index(command);
                count += 1;
            }
            for &buyer in found[..count].iter().flatten() {
                black_box(self.buyers.touch(buyer));
            }
        }
    }

    /// Reads what leads to the command's buyer.
    fn warm_index(&self, command: &Command) -> Option<Position> {
        match command {
            Command::Reserve(reserve) => self.buyers.candidate(&reserve.buyer),
            Command::Cancel { hold, .. } => self.holds.find(*hold).map(|row| self.holds[row].buyer),
            _ => None,
        }
    }
}
