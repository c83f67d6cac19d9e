//! Nodes of another version: while one of them lives, this one does not begin. Once none does, what
//! they had is taken over as it is.

use super::calls::{Caller, Calls, Refused};
use super::control::{ControlRow, Document};
use super::link::Reply;
use super::node::{Node, Step, said};

impl Node {
    /// Takes the store over from nodes of another version that are all dead, one step at a time.
    pub(super) fn succeed_other_version(
        &mut self,
        row: &ControlRow,
        document: &Document,
    ) -> Step<()> {
        let others = &document.library;
        let still = format!(
            "nodes of another version have this store (library {others}, here {}): stop them. Where \
             they are dead already, this one begins in a few seconds",
            self.options.version()
        );
        let caller = Caller { token: document.token.clone(), ..self.calls.caller.clone() };
        let theirs = Calls::new(others, Caller { epoch: row.epoch, ..caller });
        let ours = std::mem::replace(&mut self.calls, theirs);
        let left = self.watch_them_die();
        self.calls = ours;
        let left = left?;
        if left.is_some() {
            self.awaited = None;
        }
        match left {
            // Their Redis is gone as well: where none of them is left to recover it, this one does.
            None if self.has_waited_for(row) => self.win(Some((row, document))),
            None => Err(still.into()),
            Some(true) => {
                // Nobody is left who could append, and this process has all that they ever confirmed.
                let freed = Document { roll: Vec::new(), ..document.clone() };
                self.control.replace(row.version, row.epoch, &freed.write())?;
                Err("the store is taken over from nodes of another version".into())
            }
            Some(false) => Err(still.into()),
        }
    }

    /// Whether no node but this one is on the process's roll any more: those that are silent are taken off
    /// it. `None`: the process does not reign.
    fn watch_them_die(&mut self) -> Step<Option<bool>> {
        let own = self.calls.caller.node.clone();
        match self.ask(self.calls.watch(&own))? {
            Ok(_) => {}
            Err(Refused::NoReign) => return Ok(None),
            Err(Refused::Other(why)) if why.contains("Function not found") => return Ok(None),
            Err(refused) => return Err(said(&refused)),
        }
        // They hear that this node lives, and it hears whether they do.
        self.insist(self.calls.news(0, &[]))?;
        self.mind_peers()?;
        let roll = self.insist(self.calls.roll())?;
        let is_alone = roll.chunks(2).all(|pair| pair.first().and_then(Reply::text) == Some(&own));
        if is_alone {
            self.insist(self.calls.leave(&own))?;
        }
        Ok(Some(is_alone))
    }
}
