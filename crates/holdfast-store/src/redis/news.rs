//! What there is to hear of others, and what they hear of this node.

use super::calls::{Refused, written};
use super::link::Reply;
use super::logs::read_call;
use super::node::{INDEX, Need, Node, Step, said};
use crate::LogId;

impl Node {
    /// The logs that have entries which were not asked for since the last time; sales that others have
    /// made are taken up. Sees to silent nodes.
    pub(super) fn hear_news(&mut self) -> Step<Vec<LogId>> {
        let asked = self.clock.monotonic();
        let news = match self.ask_news()? {
            Ok(news) => news,
            Err(refused) => {
                if matches!(refused, Refused::RolledBack(_)) {
                    self.need(Need::Recovery);
                }
                return Err(said(&refused));
            }
        };
        let mut numbers = news.iter().filter_map(Reply::number);
        let counter = numbers.next().unwrap_or_default();
        let mut logs: Vec<u32> = numbers.filter_map(|log| u32::try_from(log).ok()).collect();
        if logs.contains(&INDEX) {
            self.discover()?;
            logs.retain(|log| *log != INDEX);
        }
        if !self.mind_peers()?.is_empty() {
            self.chores.is_due_soon = true;
        }
        self.do_chores()?;
        self.news = counter;
        self.current_at = Some(asked);
        let known = self.logs_known();
        Ok(logs.into_iter().filter(|log| known.contains(log)).map(LogId).collect())
    }

    /// Asks for news, and says what is known here: a process that has less was set back. Others may have
    /// made another the master, and may write there: so it must be one that enough data nodes still
    /// follow. Only a write shows that, and a read of the index is one.
    pub(super) fn ask_news(&mut self) -> Step<std::result::Result<Vec<Reply>, Refused>> {
        let mirrors = self.mirrors.lock();
        let ends = mirrors.logs.iter().map(|(&log, mirror)| (log, mirror.last().sequence));
        let known: Vec<(u32, u64)> =
            ends.filter(|(log, last)| self.told.get(log) != Some(last)).collect();
        let index = mirrors.logs.get(&INDEX).map_or(0, |mirror| mirror.last().sequence);
        drop(mirrors);
        let read = self.calls.append(read_call(INDEX, index, index));
        let replies = self.send(&[self.calls.news(self.news, &known), read, self.wait()])?;
        let [news, read, confirmed] = replies.as_slice() else { return Err("no reply".into()) };
        let news = self.heard(news.clone());
        if news.is_ok() {
            written(read.clone()).map_err(|refused| said(&refused))?;
            if !self.is_confirmed(Some(confirmed)) {
                self.note_unconfirmed();
                return Err(self.unconfirmed());
            }
            self.unconfirmed_since = None;
            self.told.extend(known);
        }
        Ok(news)
    }
}
