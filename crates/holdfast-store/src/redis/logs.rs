//! The logs as this node knows them: read, followed, written back.

use std::collections::BTreeMap;

use super::calls::{self, AppendCall, Calls, Refused, Written, number, written};
use super::clock::NodeClock;
use super::link::Reply;
use super::mirror::{Item, Mirror, NOTHING, pack};
use super::node::{Answer, INDEX, Need, Node, Step, said};
use super::why::Why;
use crate::{Batch, Epoch, LogId, Result, Stamp, StoreError};

/// Batches that are written back with one call, and their bytes but for the last one's.
const RESTORED_AT_ONCE: usize = 256;
const RESTORED_BYTES: usize = 1 << 20;

/// Reads that one log may take in a row: each brings 512 batches.
const READS_MAX: usize = 100_000;

/// What a log has that this node does not know, read and not yet durable.
pub(super) enum Found {
    /// It goes on after what is known.
    More(Vec<Item>),
    /// It is another than what is known: this is all of it.
    Other(Mirror),
}

impl Node {
    /// Every log that this node knows with the epoch whose log it is and its last sequence, as other
    /// nodes read it.
    pub(super) fn positions(&self) -> Vec<u8> {
        let mirrors = self.mirrors.lock();
        let positions: Vec<(u32, u32, u64)> = mirrors
            .logs
            .iter()
            .map(|(&log, mirror)| (log, self.epoch_of(mirror), mirror.last().sequence))
            .collect();
        serde_json::to_vec(&positions).unwrap_or_default()
    }

    /// The epoch whose log a mirror is: the one adopted; or a later one that has written to it, where
    /// this node broke off while it took that epoch's logs up.
    fn epoch_of(&self, mirror: &Mirror) -> u32 {
        self.adopted.max(mirror.last().epoch.0)
    }

    /// Reads all logs under the reign in force, the index first, and takes them up once they are
    /// durable.
    pub(super) fn take_up_logs(&mut self) -> Step<()> {
        self.take_up(&[INDEX])?;
        let sales = self.sales()?;
        self.take_up_sales(&sales, |_| true)?;
        let mut mirrors = self.mirrors.lock();
        mirrors.logs.retain(|log, _| *log == INDEX || sales.contains_key(log));
        Ok(())
    }

    /// Reads the index, and takes up the sales that are new in it.
    pub(super) fn discover(&mut self) -> Step<()> {
        self.take_up(&[INDEX])?;
        let sales = self.sales()?;
        let known = self.logs_known();
        self.take_up_sales(&sales, |log| !known.contains(&log))
    }

    /// Takes up those sales that are wanted.
    fn take_up_sales(
        &mut self,
        sales: &BTreeMap<u32, String>,
        is_wanted: impl Fn(u32) -> bool,
    ) -> Step<()> {
        let logs: Vec<u32> = sales.keys().copied().filter(|&log| is_wanted(log)).collect();
        for &log in &logs {
            self.open_new(log)?;
        }
        self.take_up(&logs)?;
        let mut mirrors = self.mirrors.lock();
        for (&log, name) in sales.iter().filter(|(log, _)| logs.contains(log)) {
            mirrors.logs.entry(log).or_default().name.clone_from(name);
        }
        Ok(())
    }

    /// Reads these logs to their ends.
    fn take_up(&mut self, logs: &[u32]) -> Step<()> {
        if logs.is_empty() {
            return Ok(());
        }
        let mut found = Vec::new();
        for &log in logs {
            found.push((log, self.look_up(log)?));
        }
        let replies = self.send(&[self.wait()])?;
        if !self.is_confirmed(replies.first()) {
            self.note_unconfirmed();
            return Err(self.unconfirmed());
        }
        for (log, found) in found {
            self.learn(log, found);
        }
        Ok(())
    }

    /// What a log has beside what is known of it.
    fn look_up(&mut self, log: u32) -> Step<Found> {
        let known = {
            let mirrors = self.mirrors.lock();
            let mirror = mirrors.logs.get(&log);
            mirror.and_then(|mirror| Some((mirror.items.back()?.clone(), mirror.before_last()?)))
        };
        if let Some((last, before)) = known
            && let Some(mut items) = self.read(log, before.sequence, last.last.sequence)?
            && items.first().is_some_and(|item| item.last == last.last)
        {
            items.remove(0);
            return Ok(Found::More(items));
        }
        let found = self.read_all(log)?;
        let known = self.mirrors.lock().logs.get(&log).map_or(0, |mirror| mirror.last().sequence);
        if self.calls.caller.epoch == self.adopted && found.last().sequence < known {
            self.need(Need::Recovery);
            return Err(format!("log {log} in Redis has lost its end").into());
        }
        Ok(Found::Other(found))
    }

    /// A log from its snapshot to its end.
    fn read_all(&mut self, log: u32) -> Step<Mirror> {
        for _ in 0..3 {
            let kept = self.insist(self.calls.fetch(log))?;
            let mut mirror = Mirror::default();
            if number(&kept, 0).map_err(|odd| said(&odd))? > 0 {
                mirror.base = stamp(&kept).map_err(|odd| said(&odd))?;
                if let Some(Reply::Bytes(bytes)) = kept.get(3) {
                    mirror.snapshot = Some((mirror.base, bytes.as_slice().into()));
                }
            }
            // The log may have been trimmed in between: then there is a newer snapshot.
            let Some(items) = self.read(log, mirror.base.sequence, 0)? else { continue };
            items.into_iter().for_each(|item| mirror.push(item));
            return Ok(mirror);
        }
        Err(format!("log {log} is trimmed faster than it can be read").into())
    }

    /// The batches after `cursor`; `None`: they are gone, or were never there.
    fn read(&mut self, log: u32, cursor: u64, seen: u64) -> Step<Option<Vec<Item>>> {
        let mut items: Vec<Item> = Vec::new();
        for _ in 0..READS_MAX {
            let cursor = items.last().map_or(cursor, |item| item.last.sequence);
            let reply = self.send(&[self.calls.append(read_call(log, cursor, seen))])?.pop();
            match written(reply.unwrap_or(Reply::Nil)) {
                Ok(Written { others, is_behind, .. }) => {
                    items.extend(others);
                    if !is_behind {
                        return Ok(Some(items));
                    }
                }
                Err(Refused::Trimmed(_) | Refused::RolledBack(_)) => return Ok(None),
                Err(refused) => return Err(said(&refused)),
            }
        }
        Err(format!("log {log} grows faster than it can be read").into())
    }

    /// Takes up what was found, and is durable.
    fn learn(&mut self, log: u32, found: Found) {
        let now = self.clock.monotonic();
        let mut mirrors = self.mirrors.lock();
        let mirror = mirrors.logs.entry(log).or_default();
        match found {
            Found::More(items) => {
                items.into_iter().for_each(|item| mirror.push(item));
                let clock_ms = mirror.last().clock_ms;
                let resume = || NodeClock::resume(clock_ms, now);
                self.clocks.entry(log).or_insert_with(resume).saw(clock_ms, now);
            }
            Found::Other(found) => {
                let name = std::mem::take(&mut mirror.name);
                *mirror = Mirror { name, ..found };
                self.clocks.insert(log, NodeClock::resume(mirror.last().clock_ms, now));
            }
        }
    }

    /// Each sale's log and its name, as the index has them.
    pub(super) fn sales(&self) -> Step<BTreeMap<u32, String>> {
        let mirrors = self.mirrors.lock();
        mirrors.logs.get(&INDEX).map_or_else(|| Ok(BTreeMap::new()), sales)
    }

    /// The same as Redis has it, open or not, durable or not.
    pub(super) fn sales_there(&mut self) -> Step<BTreeMap<u32, String>> {
        let reply = self.send(&[calls::range(INDEX)])?.pop().unwrap_or(Reply::Nil);
        let mut index = Mirror::default();
        let items = calls::ranged(reply).map_err(|refused| said(&refused))?;
        items.into_iter().for_each(|item| index.push(item));
        sales(&index)
    }

    /// Sees to it that a log is open in this epoch: one that is new is opened by whoever comes first.
    fn open_new(&mut self, log: u32) -> Step<()> {
        if self.mirrors.lock().logs.contains_key(&log) {
            return Ok(());
        }
        let opened = self.ask(self.calls.open(log, 0, 0, (0, 0, Vec::new())))?;
        opened.map(drop).map_err(|refused| said(&refused))
    }

    /// Writes a log back as this node knows it.
    pub(super) fn write_back(&mut self, calls: &Calls, log: u32) -> Step<()> {
        let mirror = self.mirrors.lock().logs.get(&log).cloned().unwrap_or_default();
        let position = self.insist(calls.position(log))?;
        let last = number(&position, 1).map_err(|odd| said(&odd))?;
        // What is there may be the beginning of it.
        let ends = std::iter::once(mirror.base).chain(mirror.items.iter().map(|item| item.last));
        let base = ends.into_iter().find(|end| end.sequence == last);
        if let Some(base) = base
            && self.restore(calls, log, base, &mirror)?.is_ok()
        {
            return Ok(());
        }
        let (at, bytes) = match &mirror.snapshot {
            Some((at, bytes)) => (*at, bytes.to_vec()),
            None => (NOTHING, Vec::new()),
        };
        self.insist(calls.reset(log, self.epoch_of(&mirror), at, &bytes))?;
        self.restore(calls, log, at, &mirror)?.map_err(|refused| said(&refused))
    }

    /// Writes back what comes after `base`; `Err` within: there it is another log.
    fn restore(
        &mut self,
        calls: &Calls,
        log: u32,
        mut base: Stamp,
        mirror: &Mirror,
    ) -> Step<std::result::Result<(), Refused>> {
        let from_epoch = self.epoch_of(mirror);
        let mut items: Vec<Item> = mirror.after(base.sequence).cloned().collect();
        if planted!(NewStamps) {
            items.iter_mut().for_each(|item| item.last.epoch = Epoch(self.adopted));
        }
        let mut left = items.as_slice();
        loop {
            let (now, later) = left.split_at(at_once(left));
            let is_done = later.is_empty();
            let restored = self.ask(calls.restore(log, from_epoch, base, now, is_done))?;
            if restored.is_err() || is_done {
                return Ok(restored.map(drop));
            }
            base = now.last().map_or(base, |item| item.last);
            left = later;
        }
    }

    /// Does what the winner of an epoch has asked this node to do.
    pub(super) fn do_duties(&mut self, calls: &Calls) -> Step<()> {
        for log in self.insist(calls.duties())? {
            let log = log.number().and_then(|log| u32::try_from(log).ok());
            self.write_back(calls, log.ok_or("a duty that is no log")?)?;
        }
        Ok(())
    }

    /// The number of the log with this name, which is made if it is not there.
    pub(super) fn create(&mut self, name: &str) -> Result<LogId> {
        if let Some(log) = self.find(name) {
            return Ok(log);
        }
        let mut batch = Batch::default();
        batch.push(|bytes| bytes.extend_from_slice(name.as_bytes()));
        let last = self.mirrors.lock().logs.get(&INDEX).map_or(0, |index| index.last().sequence);
        let mut call = read_call(INDEX, last, last);
        (call.count, call.bytes) = (1, pack(&batch));
        let commands = [self.calls.append(call)];
        let answered = self.send(&commands).map_err(|why| self.lost(&why, true))?;
        let answer: Answer = written(answered.into_iter().next().unwrap_or(Reply::Nil));
        if let Err(refused) = answer {
            let why = said(&refused);
            self.fall(&why);
            return Err(StoreError::Away(why.to_string()));
        }
        // Somebody may have been faster. Then theirs is the log.
        self.discover().map_err(|why| self.lost(&why, true))?;
        let made = self.find(name);
        // The row is to know of it before whoever made it does, if the ledger can be asked.
        self.chores.hurry();
        self.do_chores().map_err(|why| self.lost(&why, false))?;
        made.ok_or_else(|| StoreError::Away("the index was behind: again".to_owned()))
    }

    fn find(&self, name: &str) -> Option<LogId> {
        let mirrors = self.mirrors.lock();
        let mut logs = mirrors.logs.iter().filter(|(log, _)| **log != INDEX);
        logs.find(|(_, mirror)| mirror.name == name).map(|(&log, _)| LogId(log))
    }

    /// What to say when the connection broke, or nobody confirmed.
    pub(super) fn lost(&mut self, why: &Why, is_written: bool) -> StoreError {
        self.fall(why);
        if is_written {
            return StoreError::Unconfirmed(why.to_string());
        }
        StoreError::Away(why.to_string())
    }
}

/// How many of these are written back with one call.
fn at_once(items: &[Item]) -> usize {
    let mut bytes = 0;
    let fits = |item: &&Item| {
        bytes += item.bytes.len();
        bytes - item.bytes.len() < RESTORED_BYTES
    };
    items.iter().take(RESTORED_AT_ONCE).take_while(fits).count()
}

/// Each sale's log and its name: the first entry with a name gives it its number.
fn sales(index: &Mirror) -> Step<BTreeMap<u32, String>> {
    let mut by_name: BTreeMap<String, u32> = BTreeMap::new();
    for item in index.after(0) {
        for (stamp, name) in item.entries().map_err(|error| error.to_string())? {
            let name = String::from_utf8_lossy(name).into_owned();
            let log = u32::try_from(stamp.sequence).map_err(|_| "the index is full")?;
            if !name.is_empty() {
                by_name.entry(name).or_insert(log);
            }
        }
    }
    Ok(by_name.into_iter().map(|(name, log)| (log, name)).collect())
}

/// An append of nothing: a current read of what comes after `cursor`.
pub(super) fn read_call(log: u32, cursor: u64, seen: u64) -> AppendCall<'static> {
    let (clock_ms, count, bytes) = (0, 0, Vec::new());
    AppendCall { log, seen, cursor, clock_ms, only_if_current: false, count, bytes, view: &[] }
}

/// A snapshot's stamp in the reply to `fetch`.
fn stamp(kept: &[Reply]) -> std::result::Result<Stamp, Refused> {
    let epoch = Epoch(super::calls::small(kept, 1)?);
    Ok(Stamp { epoch, sequence: number(kept, 0)?, clock_ms: number(kept, 2)? })
}
