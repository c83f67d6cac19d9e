//! The functions of the library, as this side calls them: what goes out, and what comes back.

use std::fmt::Display;

use super::link::{Command, Reply};
use super::mirror::Item;
use crate::{Epoch, Stamp};

/// Who calls, and under which reign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) token: String,
    pub(super) epoch: u32,
    pub(super) node: String,
}

/// What the library says before it has done anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Not the reigning process, or not under this reign.
    NoReign,
    /// This node's calls are not taken any more.
    NotOnRoll,
    /// A later reign is persisted.
    Fenced(u32),
    /// The log is not open in this epoch.
    NotOpen,
    /// It ends before what has been seen of it.
    RolledBack(u64),
    /// Entries up to here are gone.
    Trimmed(u64),
    /// The logs are another owner's.
    Owned,
    /// Another node is too far behind.
    Lagging(String),
    /// Anything else that the library or the server says, by its word.
    Other(String),
}

/// What came of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The first entry's sequence and its clock, or what they would have been.
    pub(super) first: u64,
    pub(super) clock_ms: u64,
    pub(super) is_written: bool,
    pub(super) others: Vec<Item>,
    /// There is more to read; nothing was appended.
    pub(super) is_behind: bool,
}

/// One append.
pub(super) struct AppendCall<'a> {
    pub(super) log: u32,
    pub(super) seen: u64,
    pub(super) cursor: u64,
    pub(super) clock_ms: u64,
    pub(super) only_if_current: bool,
    pub(super) count: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) view: &'a [(String, String)],
}

/// Makes the calls of one library.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    version: String,
    pub(super) caller: Caller,
}

pub(super) fn meta(log: u32) -> String {
    format!("{{holdfast:{log}}}")
}

fn part(log: u32, part: &str) -> String {
    format!("{{holdfast:{log}}}:{part}")
}

fn snapshot_keys(log: u32) -> [String; 4] {
    [meta(log), part(log, "log"), part(log, "snapshot:0"), part(log, "snapshot:1")]
}

fn text(value: impl Display) -> Vec<u8> {
    value.to_string().into_bytes()
}

impl Calls {
    pub(super) fn new(version: &str, caller: Caller) -> Self {
        Self { version: version.to_owned(), caller }
    }

    /// A call: the function, its keys, and its arguments after those that all have.
    fn call(&self, function: &str, keys: &[String], args: Vec<Vec<u8>>) -> Command {
        let name = format!("holdfast_{}_{function}", self.version);
        let mut command = vec![b"FCALL".to_vec(), name.into_bytes(), text(keys.len())];
        command.extend(keys.iter().map(|key| key.clone().into_bytes()));
        let Caller { token, epoch, node } = &self.caller;
        command.extend([text(token), text(epoch), text(node)]);
        command.extend(args);
        command
    }

    pub(super) fn reign(&self, owner: &str, roll: &[String]) -> Command {
        let args = std::iter::once(owner).chain(roll.iter().map(String::as_str));
        self.call("reign", &["{holdfast}".to_owned()], args.map(text).collect())
    }

    pub(super) fn position(&self, log: u32) -> Command {
        self.call("position", &[meta(log), part(log, "log")], Vec::new())
    }

    pub(super) fn hand_over(&self, bytes: Vec<u8>) -> Command {
        self.call("hand_over", &[], vec![bytes])
    }

    pub(super) fn heard(&self) -> Command {
        self.call("heard", &[], Vec::new())
    }

    pub(super) fn assign(&self, log: u32, who: &str) -> Command {
        self.call("assign", &[], vec![text(log), text(who)])
    }

    pub(super) fn duties(&self) -> Command {
        self.call("duties", &[], Vec::new())
    }

    pub(super) fn restore(
        &self,
        log: u32,
        from_epoch: u32,
        base: Stamp,
        items: &[Item],
        is_done: bool,
    ) -> Command {
        let mut args = vec![text(log), text(from_epoch), text(base.sequence), text(base.epoch.0)];
        args.push(text(u8::from(is_done)));
        for item in items {
            let Item { last, count, bytes } = item;
            args.extend([text(last.sequence), text(count), text(last.epoch.0)]);
            args.extend([text(last.clock_ms), bytes.to_vec()]);
        }
        self.call("restore", &[meta(log), part(log, "log")], args)
    }

    pub(super) fn reset(&self, log: u32, from_epoch: u32, at: Stamp, bytes: &[u8]) -> Command {
        let mut args = vec![text(log), text(from_epoch), text(at.sequence), text(at.epoch.0)];
        args.extend([text(at.clock_ms), bytes.to_vec()]);
        self.call("reset", &snapshot_keys(log), args)
    }

    /// Opens a log in this epoch, with a batch after a gap if there is one.
    pub(super) fn open(
        &self,
        log: u32,
        last: u64,
        clock_ms: u64,
        (gap, count, bytes): (u64, usize, Vec<u8>),
    ) -> Command {
        let mut args = vec![text(log), text(last), text(gap), text(clock_ms), text(count)];
        args.push(bytes);
        self.call("open", &[meta(log), part(log, "log")], args)
    }

    pub(super) fn append(&self, append: AppendCall<'_>) -> Command {
        let log = append.log;
        let mut args = vec![text(log), text(append.seen), text(append.cursor)];
        args.extend([text(append.clock_ms), text(u8::from(append.only_if_current))]);
        args.extend([text(append.count), append.bytes]);
        args.extend(append.view.iter().flat_map(|(name, value)| [text(name), text(value)]));
        self.call("append", &[meta(log), part(log, "log"), part(log, "view")], args)
    }

    /// `known`: logs and their ends, of which more is known than when it was asked before.
    pub(super) fn news(&self, after: u64, known: &[(u32, u64)]) -> Command {
        let mut args = vec![text(after)];
        args.extend(known.iter().flat_map(|(log, last)| [text(log), text(last)]));
        self.call("news", &[], args)
    }

    pub(super) fn fetch(&self, log: u32) -> Command {
        let keys = [meta(log), part(log, "snapshot:0"), part(log, "snapshot:1")];
        self.call("fetch", &keys, Vec::new())
    }

    /// One piece of a snapshot, which comes after its first `written` bytes; not the last one.
    pub(super) fn piece(&self, log: u32, at: Stamp, written: usize, bytes: &[u8]) -> Command {
        let args = vec![text(log), text(at.sequence), text(written), bytes.to_vec()];
        self.call("piece", &snapshot_keys(log), args)
    }

    /// The last piece of a snapshot, or all of it.
    pub(super) fn snapshot(&self, log: u32, at: Stamp, written: usize, bytes: &[u8]) -> Command {
        let mut args = vec![text(log), text(at.sequence), text(at.epoch.0), text(at.clock_ms)];
        args.extend([text(written), bytes.to_vec()]);
        self.call("snapshot", &snapshot_keys(log), args)
    }

    pub(super) fn trim(&self, log: u32) -> Command {
        self.call("trim", &[meta(log), part(log, "log")], vec![text(log)])
    }

    pub(super) fn join(&self, who: &str) -> Command {
        self.call("join", &[], vec![text(who), text(0)])
    }

    /// Comes only to see whether the others are still there.
    pub(super) fn watch(&self, who: &str) -> Command {
        self.call("join", &[], vec![text(who), text(1)])
    }

    pub(super) fn leave(&self, who: &str) -> Command {
        self.call("leave", &[], vec![text(who)])
    }

    pub(super) fn roll(&self) -> Command {
        self.call("roll", &[], Vec::new())
    }
}

/// Asks for so many replicas to have everything on disk that this connection has seen.
pub(super) fn wait(replicas: u32, patience_ms: u64) -> Command {
    vec![b"WAIT".to_vec(), text(replicas), text(patience_ms)]
}

/// Asks for all batches of a log, whether or not it is open.
pub(super) fn range(log: u32) -> Command {
    vec![b"XRANGE".to_vec(), part(log, "log").into_bytes(), b"-".to_vec(), b"+".to_vec()]
}

/// The reply to [`range`].
pub(super) fn ranged(reply: Reply) -> Result<Vec<Item>, Refused> {
    let Reply::List(batches) = reply else { return Err(odd(&[reply])) };
    let mut items_of = Vec::new();
    for batch in batches {
        let Reply::List(pair) = &batch else { return Err(odd(&[batch])) };
        let [id, Reply::List(fields)] = pair.as_slice() else { return Err(odd(pair)) };
        let [_, n, _, epoch, _, clock, _, bytes] = fields.as_slice() else {
            return Err(odd(fields));
        };
        let last = id.text().and_then(|id| id.split('-').next()).unwrap_or_default();
        let last = Reply::Bytes(last.as_bytes().to_vec());
        let flat = [last, n.clone(), epoch.clone(), clock.clone(), bytes.clone()];
        items_of.extend(items(Some(&Reply::List(flat.into())))?);
    }
    Ok(items_of)
}

/// What follows the `OK`, or what was said instead.
pub(super) fn passed(reply: Reply) -> Result<Vec<Reply>, Refused> {
    let Reply::List(list) = reply else {
        return Err(Refused::Other(match reply {
            Reply::Error(error) => error,
            other => format!("an answer that is none of the library's: {other:?}"),
        }));
    };
    let mut list = list.into_iter();
    let word = list.next();
    let rest: Vec<Reply> = list.collect();
    let number = |at: usize| rest.get(at).and_then(Reply::number).unwrap_or_default();
    let name = || rest.first().and_then(Reply::text).unwrap_or_default().to_owned();
    Err(match word.as_ref().and_then(Reply::text).unwrap_or_default() {
        "OK" => return Ok(rest),
        "NO_REIGN" => Refused::NoReign,
        "NOT_ON_ROLL" => Refused::NotOnRoll,
        "FENCED" => Refused::Fenced(u32::try_from(number(0)).unwrap_or(u32::MAX)),
        "NOT_OPEN" => Refused::NotOpen,
        "ROLLED_BACK" => Refused::RolledBack(number(0)),
        "TRIMMED" => Refused::Trimmed(number(0)),
        "LAGGING" => Refused::Lagging(name()),
        "BUSY" => Refused::Other(format!("node {} is writing a snapshot of it", name())),
        "OWNED" => Refused::Owned,
        word => Refused::Other(format!("{word} {rest:?}")),
    })
}

/// A number at its place in a reply.
pub(super) fn number(list: &[Reply], at: usize) -> Result<u64, Refused> {
    list.get(at).and_then(Reply::number).ok_or_else(|| odd(list))
}

/// A number of 32 bits.
pub(super) fn small(list: &[Reply], at: usize) -> Result<u32, Refused> {
    u32::try_from(number(list, at)?).map_err(|_| odd(list))
}

fn odd(list: &[Reply]) -> Refused {
    Refused::Other(format!("an answer that is none of the library's: {list:?}"))
}

/// The reply to an append.
pub(super) fn written(reply: Reply) -> Result<Written, Refused> {
    if let Reply::List(list) = &reply
        && list.first().and_then(Reply::text) == Some("BEHIND")
    {
        let others = items(list.get(1))?;
        let (first, clock_ms) = (0, 0);
        return Ok(Written { first, clock_ms, is_written: false, others, is_behind: true });
    }
    let list = passed(reply)?;
    Ok(Written {
        first: number(&list, 0)?,
        clock_ms: number(&list, 1)?,
        is_written: number(&list, 2)? == 1,
        others: items(list.get(3))?,
        is_behind: false,
    })
}

/// Batches, five values each.
fn items(flat: Option<&Reply>) -> Result<Vec<Item>, Refused> {
    let Some(Reply::List(flat)) = flat else { return Err(odd(&[])) };
    let batches = flat.chunks(5);
    batches
        .map(|batch| {
            let [_, _, _, _, Reply::Bytes(bytes)] = batch else { return Err(odd(batch)) };
            let epoch = Epoch(small(batch, 2)?);
            let (sequence, clock_ms) = (number(batch, 0)?, number(batch, 3)?);
            let last = Stamp { epoch, sequence, clock_ms };
            Ok(Item { last, count: small(batch, 1)?, bytes: bytes.as_slice().into() })
        })
        .collect()
}
