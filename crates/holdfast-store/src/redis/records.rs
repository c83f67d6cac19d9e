//! The durable records, for whoever reads beside the engine: from this node's own copy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::calls::{Calls, Refused, number, passed};
use super::link::{Dial, Link, Reply};
use super::mirror::{Item, SharedMirrors};
use super::node::said;
use crate::{LogId, Records, Result, Stamp, StoreError};

/// What one call writes of a snapshot: Redis does nothing else meanwhile, and flushes it to its disks.
const PIECE_BYTES: usize = 1 << 20;

/// Under which reign this node speaks, as far as it knows.
pub(super) type Speaking = Arc<Mutex<Option<Calls>>>;

pub(super) struct RedisRecords {
    pub(super) mirrors: Arc<SharedMirrors>,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) speaking: Speaking,
    pub(super) wait: super::link::Command,
    pub(super) replicas: u32,
    pub(super) link: Mutex<Option<Box<dyn Link>>>,
}

impl RedisRecords {
    /// One call on a connection of its own, and whether what it did is on enough disks.
    fn ask(&self, make: impl Fn(&Calls) -> Vec<super::link::Command>) -> Result<Vec<Reply>> {
        let speaking = self.speaking.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let away = |why: String| StoreError::Away(why);
        let calls = speaking.ok_or_else(|| away("the store is being recovered".to_owned()))?;
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match link.take() {
            Some(open) => open,
            None => self.dial.master().map_err(|why| away(why.to_string()))?,
        };
        let mut commands = make(&calls);
        commands.push(self.wait.clone());
        let mut replies = open.call(&commands).map_err(away)?;
        let confirmed = replies.pop().and_then(|reply| reply.number()).unwrap_or_default();
        let is_taken = |reply: &Reply| matches!(reply, Reply::List(list) if list.first().and_then(Reply::text) == Some("OK"));
        if replies.iter().all(is_taken) {
            // Whoever refuses may not be the master any more.
            *link = Some(open);
        }
        if confirmed < u64::from(self.replicas) {
            return Err(away("too few data nodes of Redis have it on disk".to_owned()));
        }
        Ok(replies)
    }

    /// Puts a piece of a snapshot there. `false`: there is a snapshot as new.
    fn put(&self, make: impl Fn(&Calls) -> super::link::Command) -> Result<bool> {
        let reply = self.ask(|calls| vec![make(calls)])?.pop().unwrap_or(Reply::Nil);
        let taken = passed(reply).and_then(|list| number(&list, 0));
        Ok(taken.map_err(|refused| StoreError::Behind(said(&refused).to_string()))? == 1)
    }
}

impl Records for RedisRecords {
    fn snapshot(&self, log: LogId) -> Result<Option<(Stamp, Vec<u8>)>> {
        let mirrors = self.mirrors.lock();
        let snapshot = mirrors.get(log)?.snapshot.clone();
        drop(mirrors);
        Ok(snapshot.map(|(at, bytes)| (at, bytes.to_vec())))
    }

    fn snapshot_at(&self, log: LogId) -> Result<Option<Stamp>> {
        Ok(self.mirrors.lock().get(log)?.snapshot.as_ref().map(|(at, _)| *at))
    }

    fn backlog_bytes(&self) -> u64 {
        self.mirrors.lock().logs.values().map(|mirror| mirror.bytes).sum()
    }

    fn read(
        &self,
        log: LogId,
        after: u64,
        visit: &mut dyn FnMut(Stamp, &[u8]) -> bool,
    ) -> Result<u64> {
        let items: Vec<Item> = {
            let mirrors = self.mirrors.lock();
            let mirror = mirrors.get(log)?;
            if after < mirror.base.sequence {
                return Err(StoreError::Trimmed { log, trimmed: mirror.base.sequence });
            }
            mirror.after(after).cloned().collect()
        };
        let mut last = after;
        for item in items {
            for (stamp, bytes) in item.entries()? {
                if stamp.sequence > after {
                    last = stamp.sequence;
                    if !visit(stamp, bytes) {
                        return Ok(last);
                    }
                }
            }
        }
        Ok(last)
    }

    fn watch(&self, log: LogId, after: u64, patience: Duration) -> u64 {
        let begun = Instant::now();
        let mut mirrors = self.mirrors.lock();
        loop {
            let last = mirrors.logs.get(&log.0).map_or(0, |mirror| mirror.last().sequence);
            let left = patience.saturating_sub(begun.elapsed());
            if last > after || left.is_zero() {
                return last;
            }
            let waited = self.mirrors.moved.wait_timeout(mirrors, left);
            mirrors = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn save_snapshot(&self, log: LogId, at: Stamp, bytes: &[u8]) -> Result<()> {
        let last = self.mirrors.lock().get(log)?.last().sequence;
        if at.sequence > last {
            return Err(StoreError::RolledBack { log, seen: at.sequence, last });
        }
        let (mut written, mut is_wanted) = (0, true);
        while is_wanted && bytes.len() - written > PIECE_BYTES {
            let piece = &bytes[written..written + PIECE_BYTES];
            is_wanted = self.put(|calls| calls.piece(log.0, at, written, piece))?;
            written += PIECE_BYTES;
        }
        if is_wanted {
            self.put(|calls| calls.snapshot(log.0, at, written, &bytes[written..]))?;
        }
        // A recovery meanwhile may have made it another log.
        if let Some(mirror) = self.mirrors.lock().logs.get_mut(&log.0).filter(|it| it.has(at)) {
            mirror.keep(at, bytes);
        }
        Ok(())
    }

    fn trim(&self) -> Result<u64> {
        let logs: Vec<u32> = self.mirrors.lock().logs.keys().copied().collect();
        let logs: Vec<u32> = logs.into_iter().filter(|&log| log != super::node::INDEX).collect();
        let replies = self.ask(|calls| logs.iter().map(|&log| calls.trim(log)).collect())?;
        replies.into_iter().try_for_each(|reply| told(passed(reply)))?;
        let mut mirrors = self.mirrors.lock();
        Ok(mirrors.logs.values_mut().map(super::mirror::Mirror::trim).sum())
    }
}

fn told(answer: std::result::Result<Vec<Reply>, Refused>) -> Result<()> {
    answer.map(drop).map_err(|refused| StoreError::Away(said(&refused).to_string()))
}
