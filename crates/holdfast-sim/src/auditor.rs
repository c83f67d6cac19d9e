//! The auditor: holds a server to its promises by what its clients can see.
//!
//! It knows every request, every reply that arrived, what looks show, and the true time. It knows
//! nothing of the server's insides. Where a reply was lost it reckons with both outcomes until a
//! look shows which one it was.

mod asks;
mod book;
mod follower;
mod known;
mod merchant;
mod payments;
mod promises;
mod refusals;
mod replies;
mod sight;
mod till;
mod time;

use std::fmt;

use holdfast_core::{BuyerId, Command, HoldKey, HoldView, SaleId, SaleView};
use holdfast_engine::{EngineError, Reply};

use book::Book;
pub use follower::Follower;
pub(crate) use follower::is_right;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The promise's number in the design.
    pub promise: u8,
    /// What was seen.
    pub what: String,
}

impl Breach {
    /// A breach of a promise.
    pub fn new(promise: u8, what: impl Into<String>) -> Self {
        Self { promise, what: what.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "promise {}: {}", self.promise, self.what)
    }
}

/// How often each promise was checked, by its number.
pub type Checks = [u64; 12];

/// Something that was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Of which sale, by its place in the plan.
    pub sale: usize,
    /// Who asked: a buyer by their place in the crowd, or the merchant.
    pub who: Option<usize>,
    /// What for.
    pub command: Command,
}

/// A moment in true time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// Since the run began, in microseconds.
    pub now_us: u64,
    /// Of which a process was running, in microseconds.
    pub up_us: u64,
    /// Outages so far; each may cost a buyer one step of the sale clock.
    pub outages: u64,
    /// The wall clock.
    pub wall_ms: u64,
    /// By how much somebody has set it back so far.
    pub behind_ms: u64,
}

/// When a turn was taken, and whether anything was wrong meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Before it.
    pub start: Moment,
    /// After it.
    pub end: Moment,
    /// Nothing was wrong: no fault struck, the disk had room, the engine was not in doubt.
    pub healthy: bool,
}

/// What to look at during a turn.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// These holds.
    pub holds: Vec<HoldKey>,
    /// The latest holds of these buyers.
    pub buyers: Vec<BuyerId>,
}

/// What a look at one sale showed.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The sale as everyone sees it.
    pub view: SaleView,
    /// The holds that were wanted.
    pub holds: Vec<(HoldKey, Option<HoldView>)>,
    /// The latest holds of the buyers that were wanted.
    pub latest: Vec<(BuyerId, Option<HoldView>)>,
}

/// The auditor of all sales of one run.
#[derive(Debug)]
pub struct Auditor {
    books: Vec<Book>,
    checks: Checks,
    /// Somebody was told that an outcome is unknown: until a restart nothing may be claimed.
    in_doubt: bool,
}

impl Auditor {
    /// An auditor of these sales.
    pub fn new(sales: &[SaleId]) -> Self {
        let books = sales.iter().map(|_| Book::default()).collect();
        Self { books, checks: Checks::default(), in_doubt: false }
    }

    /// How often each promise was checked so far.
    pub fn checks(&self) -> &Checks {
        &self.checks
    }

    /// The same, for whoever checks on the auditor's behalf.
    pub fn checks_mut(&mut self) -> &mut Checks {
        &mut self.checks
    }

    /// Before a turn: takes note of what is asked, and complains of units that should have come
    /// back since the turn before.
    ///
    /// # Errors
    /// Promise 6.
    pub fn ask(&mut self, asked: &[Asked], now_us: u64) -> Result<(), Breach> {
        for book in &mut self.books {
            book.begin_turn();
            promises::returned_in_time(book, now_us, &mut self.checks)?;
        }
        for Asked { sale, command, .. } in asked {
            self.books[*sale].note(command);
        }
        Ok(())
    }

    /// What to look at in the turn that begins now.
    pub fn wanted(&self, sale: usize, looks: &[HoldKey], now_us: u64) -> Wanted {
        self.books[sale].wanted(looks, now_us)
    }

    /// A reply, in the order in which they came; `None`: it was lost, or the process died.
    ///
    /// # Errors
    /// Any promise.
    pub fn hear(
        &mut self,
        asked: &Asked,
        reply: Option<&Reply>,
        turn: &Turn,
    ) -> Result<(), Breach> {
        let book = &mut self.books[asked.sale];
        match reply {
            Some(Ok(answer)) => {
                promises::nothing_claimed_in_doubt(self.in_doubt, &mut self.checks)?;
                replies::answer(book, &asked.command, answer, turn, &mut self.checks)
            }
            Some(Err(error)) => {
                promises::no_refusal_without_reason(
                    error,
                    turn.healthy && !self.in_doubt,
                    &mut self.checks,
                )?;
                if !matches!(error, EngineError::Unavailable(_) | EngineError::Overloaded) {
                    book.unsure_of(&asked.command);
                }
                Ok(())
            }
            None => {
                book.unsure_of(&asked.command);
                Ok(())
            }
        }
    }

    /// What the look at the end of a turn showed of a sale; `None`: there is no such sale.
    ///
    /// # Errors
    /// Any promise.
    pub fn look(&mut self, sale: usize, seen: Option<&Seen>, turn: &Turn) -> Result<(), Breach> {
        promises::nothing_claimed_in_doubt(self.in_doubt, &mut self.checks)?;
        self.books[sale].look(seen, turn, &mut self.checks)
    }

    /// Nothing can be seen of any sale just now.
    pub fn blind(&mut self) {
        self.books.iter_mut().for_each(Book::blind);
    }

    /// The engine said that it is in doubt.
    pub fn doubt(&mut self) {
        self.in_doubt = true;
        self.blind();
    }

    /// A new process serves: everything must be looked at.
    pub fn restarted(&mut self) {
        self.in_doubt = false;
        self.books.iter_mut().for_each(Book::restarted);
    }

    /// A reign was taken from an engine, and it answered all the same.
    ///
    /// # Errors
    /// Promise 4.
    pub fn hear_deposed(&mut self, reply: &Reply) -> Result<(), Breach> {
        promises::a_deposed_engine_claims_nothing(reply, &mut self.checks)
    }

    /// The sale as last seen.
    pub fn view(&self, sale: usize) -> Option<&SaleView> {
        self.books[sale].view()
    }

    /// How many holds that somebody was told of still live, as far as is known.
    pub fn open(&self) -> usize {
        self.books.iter().map(Book::open).sum()
    }

    /// Holds that somebody was told of about whose payment something is still to be done.
    pub fn open_payments(&self, sale: usize) -> impl Iterator<Item = HoldView> {
        let views = self.books[sale].told.values().map(|told| told.view);
        views.filter(|view| view.payment.is_some_and(|payment| payment.status.is_open()))
    }

    /// At the very end, when the last hold has ended: every unit is back.
    ///
    /// # Errors
    /// Promise 6.
    pub fn finish(&mut self) -> Result<(), Breach> {
        for book in &self.books {
            promises::every_unit_is_back(book, &mut self.checks)?;
        }
        Ok(())
    }
}
