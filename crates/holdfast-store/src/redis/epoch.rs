//! The way to the epoch in force: taken up where it is open, won where nobody reigns, and stood by for
//! where another node has won it.

use std::time::Duration;

use super::calls::{Caller, Calls, Refused};
use super::control::{ControlRow, Document};
use super::gather::Gathering;
use super::node::{Need, Node, Step, said};
use super::why::Why;

/// How long another node may take to open the epoch that it has won.
const WINNER_PATIENCE: Duration = Duration::from_secs(8);

impl Node {
    /// One attempt to be under the reign in force.
    pub(super) fn heal(&mut self) -> Step<()> {
        self.connect()?;
        let is_under = self.adopted > 0 && !self.is_sealed && self.gathering.is_none();
        if is_under && self.need == Need::Nothing {
            match self.ask_news()? {
                Ok(_) => return Ok(()),
                Err(Refused::RolledBack(_)) => self.need(Need::Recovery),
                Err(Refused::NotOnRoll) => {}
                Err(Refused::NoReign) => {
                    // Another server may be the master by now.
                    self.link = None;
                    self.connect()?;
                }
                Err(refused) => return Err(said(&refused)),
            }
        }
        let Some(row) = self.control.read()? else { return self.win(None) };
        let document = Document::read(&row.document)?;
        if document.library != self.options.version() && !document.roll.is_empty() {
            return self.succeed_other_version(&row, &document);
        }
        let (ours, theirs) = (self.options.data_nodes, document.data_nodes);
        if ours != theirs && !document.roll.is_empty() {
            return Err(Why::lasting(format!(
                "this node says that Redis has {ours} data nodes (--redis-data-nodes), and the others \
                 say {theirs}: all must say the same. To change it, stop all nodes"
            )));
        }
        if document.is_open {
            self.gathering = None;
            return self.enter(&row, &document);
        }
        if self.gathering.is_none() && document.winner == self.calls.caller.node {
            // It has won, and the row's answer was lost.
            self.gathering = Some(Gathering::new(row.version));
        }
        match &self.gathering {
            Some(gathering) if gathering.is_of(&row) => self.gather(&row, &document),
            _ => self.stand_by(&row, &document),
        }
    }

    /// Takes up an epoch that is open; begins the next one if the server does not know it.
    fn enter(&mut self, row: &ControlRow, document: &Document) -> Step<()> {
        self.awaited = None;
        let mut calls =
            Calls::new(&self.options.version(), self.caller(row.epoch, &document.token));
        let is_on_roll = match self.ask(calls.roll())? {
            Err(Refused::NoReign) => return self.win(Some((row, document))),
            _ if self.need == Need::Recovery && row.epoch == self.adopted => {
                return self.win(Some((row, document)));
            }
            Err(Refused::NotOnRoll) => false,
            Ok(_) => true,
            Err(refused) => return Err(said(&refused)),
        };
        if !is_on_roll || !document.roll.contains(&calls.caller.node) {
            self.join(row, document, &mut calls)?;
        }
        self.adopt(calls)
    }

    /// Puts this node on the row's roll, and then on the process's: as somebody else, if it was on one
    /// of them before and was left behind.
    fn join(&mut self, row: &ControlRow, document: &Document, calls: &mut Calls) -> Step<()> {
        let before = self.calls.caller.node.clone();
        if self.adopted > 0 || document.roll.contains(&before) {
            self.calls.caller.node = self.options.draw();
            calls.caller.node.clone_from(&self.calls.caller.node);
        }
        let mut joined = document.clone();
        // What it knew as who it was, it knows as who it is.
        joined.roll.retain(|node| *node != before);
        joined.roll.push(calls.caller.node.clone());
        // Whoever comes first after all have left says it anew.
        joined.data_nodes = self.options.data_nodes;
        if !self.control.replace(row.version, row.epoch, &joined.write())? {
            return Err("the control row has moved on".into());
        }
        self.insist(calls.join(&calls.caller.node))?;
        if let Some(dead) = self.options.replaces.take().filter(|dead| joined.roll.contains(dead)) {
            self.insist(calls.leave(&dead))?;
            self.chores.is_due_soon = true;
        }
        Ok(())
    }

    /// From here on this node speaks under these calls' epoch, with its logs.
    pub(super) fn adopt(&mut self, calls: Calls) -> Step<()> {
        let before = std::mem::replace(&mut self.calls, calls);
        self.news = 0;
        self.told.clear();
        if let Err(why) = self.take_up_logs() {
            // What was adopted before is over either way; but it is what is handed over.
            self.calls.caller = Caller { node: self.calls.caller.node.clone(), ..before.caller };
            return Err(why);
        }
        self.adopted = self.calls.caller.epoch;
        self.is_sealed = false;
        self.need = Need::Nothing;
        self.peers.begin();
        self.current_at = Some(self.clock.monotonic());
        Ok(())
    }

    pub(super) fn caller(&self, epoch: u32, token: &str) -> Caller {
        Caller { token: token.to_owned(), epoch, node: self.calls.caller.node.clone() }
    }

    /// Wins the next epoch, if no other node does.
    pub(super) fn win(&mut self, known: Option<(&ControlRow, &Document)>) -> Step<()> {
        // A server that nobody follows any more can confirm nothing: it is not for it to reign.
        let replies = self.send(&[self.wait()])?;
        if !self.is_confirmed(replies.first()) {
            // Perhaps it is not the master any more.
            self.link = None;
            return Err(self.unconfirmed());
        }
        let (version, epoch) = known.map_or((0, 0), |(row, _)| (row.version, row.epoch));
        let epoch = epoch.checked_add(1).ok_or("the epochs are used up")?;
        let known = known.map(|(_, document)| document.clone()).unwrap_or_default();
        // Nobody else is about, as when the first one starts.
        let is_ordinary = known.roll.is_empty();
        let document = Document {
            is_open: false,
            token: self.options.draw(),
            winner: self.calls.caller.node.clone(),
            library: self.options.version(),
            data_nodes: self.options.data_nodes,
            doubts: known.doubts + 1,
            ..known
        };
        if !self.control.replace(version, epoch, &document.write())? {
            return Err("another node recovers the store".into());
        }
        if is_ordinary {
            tracing::info!(epoch, "this node begins the store's next epoch");
        } else {
            tracing::warn!(epoch, "this node recovers the store");
        }
        self.gathering = Some(Gathering::new(version + 1));
        Err("this node recovers the store".into())
    }

    /// Another node has won an epoch and opens it: hands over what is known here, and does what it
    /// is asked to do.
    fn stand_by(&mut self, row: &ControlRow, document: &Document) -> Step<()> {
        self.gathering = None;
        if self.has_waited_for(row) {
            return self.win(Some((row, document)));
        }
        if document.roll.contains(&self.calls.caller.node) {
            let calls =
                Calls::new(&self.options.version(), self.caller(row.epoch, &document.token));
            self.is_sealed = !planted!(GoesOnAfterHandingOver);
            let handed = self.ask(calls.hand_over(self.positions()))?;
            match handed {
                Ok(_) => self.do_duties(&calls)?,
                Err(Refused::NoReign) => self.link = None,
                Err(refused) => return Err(said(&refused)),
            }
        }
        Err("another node recovers the store".into())
    }

    /// Whether whoever is to change this row has had their time.
    pub(super) fn has_waited_for(&mut self, row: &ControlRow) -> bool {
        let now = self.clock.monotonic();
        let since = match self.awaited {
            Some((version, since)) if version == row.version => since,
            _ => now,
        };
        let is_over = now.saturating_sub(since) > WINNER_PATIENCE;
        self.awaited = (!is_over).then_some((row.version, since));
        is_over
    }
}
