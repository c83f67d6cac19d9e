//! Reading ahead: what a batch of commands will need, fetched together.
//!
//! With millions of holds every command waits for memory several times, one wait after another.
//! The waits of different commands do not depend on each other, so short loops that only read let
//! the processor do many at once; the rules then find everything near. Nothing is changed, and
//! leaving this out changes nothing but the time.

use std::hint::black_box;

use crate::arena::Position;
use crate::index::Hash;
use crate::{Command, Sale};

/// Commands that are read ahead at a time: what they touch must still be near when they are
/// applied.
const AHEAD: usize = 64;

/// A sale with fewer holds fits the processor's caches: reading ahead would only cost.
const SMALL: u32 = 1 << 15;

/// What leads to a command's buyer.
#[derive(Clone, Copy)]
enum Lead {
    Name(Hash),
    Hold(u32),
    Nothing,
}

impl Sale {
    /// Applies nothing; makes the next [`Sale::apply`] or [`Sale::settled`] of these commands fast.
    pub fn warm<'a>(&self, commands: impl Iterator<Item = &'a Command>) {
        if self.holds.len() < SMALL {
            return;
        }
        let mut leads = [Lead::Nothing; AHEAD];
        let mut commands = commands.peekable();
        while commands.peek().is_some() {
            let mut count = 0;
            for (lead, command) in leads.iter_mut().zip(commands.by_ref()) {
                *lead = self.lead(command);
                count += 1;
            }
            let leads = &leads[..count];
            // Each loop reads only where the one before it led to.
            black_box(leads.iter().fold(0, |read, &lead| read ^ self.touch_lead(lead)));
            let buyers = leads.iter().filter_map(|&lead| self.follow(lead));
            black_box(buyers.fold(0, |read, buyer| read ^ self.buyers.touch(buyer)));
        }
    }

    fn lead(&self, command: &Command) -> Lead {
        match command {
            Command::Reserve(reserve) => Lead::Name(self.buyers.hash(&reserve.buyer)),
            Command::Cancel { hold, .. } => {
                self.holds.guess(*hold).map_or(Lead::Nothing, Lead::Hold)
            }
            _ => Lead::Nothing,
        }
    }

    fn touch_lead(&self, lead: Lead) -> u32 {
        match lead {
            Lead::Name(hash) => self.buyers.touch_index(hash),
            Lead::Hold(row) => self.holds[row].epoch,
            Lead::Nothing => 0,
        }
    }

    fn follow(&self, lead: Lead) -> Option<Position> {
        match lead {
            Lead::Name(hash) => self.buyers.candidate(hash),
            Lead::Hold(row) => Some(self.holds[row].buyer),
            Lead::Nothing => None,
        }
    }
}
