//! The winner of an epoch makes its logs whole: it hears every node of the roll, has what Redis lacks
//! written back by whoever knows it, and opens the epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::calls::{Calls, Refused, number, small};
use super::control::{ControlRow, Document};
use super::link::Reply;
use super::mirror::pack;
use super::node::{INDEX, Node, Step, said};
use super::trust::Trust;
use super::why::Why;
use crate::Batch;

/// How long the nodes of the roll are waited for.
const NODES_PATIENCE: Duration = Duration::from_secs(3);

/// How long all of it may take before it is begun anew, without whoever has not kept their word.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far sequences jump where entries may have been lost: no key that may have been given is
/// given again. More than a sale can have holds. In the index fewer: few sales are made while a store
/// falls apart.
const GAP: u64 = 1 << 24;
const INDEX_GAP: u64 = 1 << 12;

/// What may have been stamped and is not known, where nobody is left who could say.
const LOST_MAX: Duration = Duration::from_secs(600);

/// An epoch that this node has won and not opened yet.
#[derive(Debug)]
pub(super) struct Gathering {
    version: u64,
    /// The process that knows of the epoch, and since when the nodes can hand over to it.
    begun: Option<(String, Duration)>,
    is_inspected: bool,
    /// It was said who is missing.
    has_said: bool,
    /// A log was opened with an entry that says that something may be lost.
    has_doubted: bool,
}

/// Where a log ends: the epoch whose log it is, and its last sequence.
type End = (u32, u64);

impl Gathering {
    pub(super) fn new(version: u64) -> Self {
        Self { version, begun: None, is_inspected: false, has_said: false, has_doubted: false }
    }

    /// Since when the nodes can hand over to this process.
    fn begun(&mut self, process: String, now: Duration) -> Duration {
        match &self.begun {
            Some((known, begun)) if *known == process => *begun,
            _ => self.begun.insert((process, now)).1,
        }
    }

    pub(super) fn is_of(&self, row: &ControlRow) -> bool {
        self.version == row.version
    }
}

impl Node {
    /// One attempt to open the epoch that this node has won.
    pub(super) fn gather(&mut self, row: &ControlRow, document: &Document) -> Step<()> {
        let calls = Calls::new(&self.options.version(), self.caller(row.epoch, &document.token));
        let mut roll = document.roll.clone();
        if !roll.contains(&calls.caller.node) {
            roll.push(calls.caller.node.clone());
        }
        let process = match self.ask(calls.reign(&self.options.owner, &roll))? {
            Ok(reply) => reply.first().and_then(Reply::text).unwrap_or_default().to_owned(),
            // The server was restarted meanwhile, or had already another epoch.
            Err(Refused::Fenced(_)) => return self.win(Some((row, document))),
            Err(refused) => return Err(said(&refused)),
        };
        // Whatever it was, from here on it is told what everybody knows.
        self.trust = Trust::Full;
        let now = self.clock.monotonic();
        let Some(gathering) = &mut self.gathering else { return Ok(()) };
        let lasted = now.saturating_sub(gathering.begun(process, now));
        if !gathering.is_inspected {
            self.inspect()?;
        }
        if let Some(gathering) = &mut self.gathering {
            gathering.is_inspected = true;
        }
        self.insist(calls.hand_over(self.positions()))?;
        let heard = heard(&self.insist(calls.heard())?)?;
        let missing: Vec<&String> = roll.iter().filter(|node| !heard.contains_key(*node)).collect();
        if !missing.is_empty() && lasted < NODES_PATIENCE {
            return Err(format!("{} nodes of the last epoch are waited for", missing.len()).into());
        }
        if !self.is_made_whole(&calls, &heard)? {
            if lasted > PATIENCE {
                return self.win(Some((row, document)));
            }
            return Err("the logs are being written back".into());
        }
        let is_news =
            self.gathering.as_mut().is_some_and(|it| !std::mem::replace(&mut it.has_said, true));
        for node in &missing {
            if is_news {
                tracing::warn!(
                    node,
                    "a node of the last epoch is lost: units are withheld for a time"
                );
            }
            self.insist(calls.leave(node))?;
        }
        let is_whole = missing.is_empty() || planted!(CountsUnheard);
        let roll: Vec<String> = heard.keys().cloned().collect();
        self.open_epoch(&calls, document, is_whole)?;
        let sales = self.sales_there()?.len() as u64;
        let has_doubted = self.gathering.as_ref().is_some_and(|gathering| gathering.has_doubted);
        let doubts = document.doubts - u32::from(!has_doubted);
        let left = Vec::new();
        let opened = Document { is_open: true, roll, left, sales, doubts, ..document.clone() };
        let is_in_force = self.control.replace(row.version, row.epoch, &opened.write())?;
        if !is_in_force && !planted!(IgnoresRow) {
            self.gathering = None;
            return Err("another node recovers the store".into());
        }
        self.gathering = None;
        self.adopt(calls)
    }

    /// Whether every log in Redis is as good as anybody knows it; if not, asks for what is missing.
    fn is_made_whole(&mut self, calls: &Calls, heard: &Heard) -> Step<bool> {
        let logs: BTreeSet<u32> = heard.values().flat_map(|ends| ends.keys().copied()).collect();
        let own = calls.caller.node.clone();
        let mut is_whole = true;
        for log in logs {
            let best = heard.iter().filter_map(|(node, ends)| Some((*ends.get(&log)?, node)));
            // Whoever writes it back best is this node itself.
            let best = best.max_by_key(|&(end, node)| (rank(end), *node == own));
            let Some((end, node)) = best else { continue };
            let there = self.end_of(calls, log)?;
            if rank(there) >= rank(end) || end.1 == 0 {
                continue;
            }
            tracing::warn!(log, ?there, ?end, node, "Redis lacks entries: they are written back");
            if *node == own {
                self.write_back(calls, log)?;
            } else {
                self.insist(calls.assign(log, node))?;
                is_whole = false;
            }
        }
        Ok(is_whole)
    }

    fn end_of(&mut self, calls: &Calls, log: u32) -> Step<End> {
        let position = self.insist(calls.position(log))?;
        let end = || Ok((small(&position, 0)?, number(&position, 1)?));
        end().map_err(|odd: Refused| said(&odd))
    }

    /// Opens every log, and waits until enough data nodes have that.
    fn open_epoch(&mut self, calls: &Calls, document: &Document, is_whole: bool) -> Step<()> {
        let now = self.clock.monotonic();
        let lost = self.current_at.map_or(LOST_MAX, |at| now.saturating_sub(at));
        self.check_left(calls, document)?;
        let sales = self.sales_there()?;
        if (sales.len() as u64) < document.sales {
            let (there, were) = (sales.len(), document.sales);
            return Err(lost_for_good(&format!("{there} sales are left of {were}")));
        }
        let doubt = (!is_whole).then_some((document.doubts, lost));
        if let Some(gathering) = self.gathering.as_mut().filter(|_| doubt.is_some()) {
            gathering.has_doubted = true;
        }
        self.open(calls, INDEX, doubt)?;
        for log in sales.into_keys() {
            self.open(calls, log, doubt)?;
        }
        let replies = self.send(&[self.wait()])?;
        if self.is_confirmed(replies.first()) {
            return Ok(());
        }
        self.note_unconfirmed();
        Err(self.unconfirmed())
    }

    /// What was there when the last node left must be there.
    fn check_left(&mut self, calls: &Calls, document: &Document) -> Step<()> {
        for &(log, epoch, last) in &document.left {
            let there = self.end_of(calls, log)?;
            if there.1 < last || there.0 < epoch {
                let what = format!("log {log} ends at entry {} and had {last}", there.1);
                return Err(lost_for_good(&what));
            }
        }
        Ok(())
    }

    /// Opens one log. Where entries may be lost: with an entry that says so, under a sequence that none
    /// of them can have; `doubt` is how often that was so, and for how long they may have come.
    fn open(&mut self, calls: &Calls, log: u32, doubt: Option<(u32, Duration)>) -> Step<()> {
        let (_, last) = self.end_of(calls, log)?;
        let mut batch = Batch::default();
        let mut gap = 0;
        if let Some((doubts, lost)) = doubt {
            let jump = if log == INDEX { INDEX_GAP } else { GAP };
            let first = (last + jump).max(u64::from(doubts) * 2 * jump) + 1;
            gap = if planted!(NoJump) { 0 } else { first - last - 1 };
            let opening =
                if log == INDEX { Vec::new() } else { (self.options.opening)(lost, last + 1) };
            batch.push(|bytes| bytes.extend_from_slice(&opening));
        }
        let bytes = if batch.is_empty() { Vec::new() } else { pack(&batch) };
        self.insist(calls.open(log, last, 0, (gap, batch.len(), bytes)))?;
        Ok(())
    }
}

/// Nobody is left who knows what Redis does not have any more: no program can mend that.
fn lost_for_good(what: &str) -> Why {
    format!("Redis has lost what it had: {what}. Put its files back, or promote the data node that has them; nothing is sold until then")
        .into()
}

/// What is best comes last: the later epoch, and then the longer log.
fn rank((epoch, last): End) -> (u64, u64) {
    if planted!(LongestLogWins) { (last, epoch.into()) } else { (epoch.into(), last) }
}

/// What each node that was heard knows.
type Heard = BTreeMap<String, BTreeMap<u32, End>>;

fn heard(list: &[Reply]) -> Step<Heard> {
    let mut heard = Heard::new();
    for pair in list.chunks(2) {
        let [node, Reply::Bytes(positions)] = pair else {
            return Err("a node has handed over nothing".into());
        };
        let positions: Vec<(u32, u32, u64)> = serde_json::from_slice(positions)
            .map_err(|error| format!("what a node has handed over cannot be read: {error}"))?;
        let node = node.text().unwrap_or_default().to_owned();
        let ends = positions.into_iter().map(|(log, epoch, last)| (log, (epoch, last)));
        heard.insert(node, ends.collect());
    }
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_over_is_read() {
        let reply = |text: &str| Reply::Bytes(text.as_bytes().to_vec());
        let list = [reply("a"), reply("[[0,3,7],[2,3,90]]"), reply("b"), reply("[]")];
        let heard = heard(&list).unwrap();
        assert_eq!(heard["a"], BTreeMap::from([(0, (3, 7)), (2, (3, 90))]));
        assert_eq!(heard["b"], BTreeMap::new());
        assert!(super::heard(&[reply("a"), reply("no")]).is_err());
    }

    #[test]
    fn the_later_epoch_wins_and_then_the_longer_log() {
        assert!(rank((6, 101)) > rank((5, 110)) && rank((6, 102)) > rank((6, 101)));
    }
}
