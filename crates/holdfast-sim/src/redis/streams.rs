//! Streams.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::reply::Reply;

type Id = (u64, u64);
type Fields = Arc<[Vec<u8>]>;

/// One stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stream {
    items: BTreeMap<Id, Fields>,
    /// The highest id that it ever had.
    last: Id,
}

impl Stream {
    pub(super) fn add(&mut self, id: &[u8], fields: &[Vec<u8>]) -> Result<Reply, String> {
        let id = parse(id, 0)?;
        if id == (0, 0) {
            return Err("ERR The ID specified in XADD must be greater than 0-0".to_owned());
        }
        if id <= self.last {
            let low =
                "ERR The ID specified in XADD is equal or smaller than the target stream top item";
            return Err(low.to_owned());
        }
        self.last = id;
        self.items.insert(id, fields.into());
        Ok(name(id))
    }

    pub(super) fn range(&self, from: &[u8], to: &[u8], count: usize) -> Result<Reply, String> {
        let bounds = (bound(from, 0)?, bound(to, u64::MAX)?);
        let items = is_proper(&bounds).then(|| self.items.range(bounds)).into_iter().flatten();
        Ok(Reply::List(items.take(count).map(item).collect()))
    }

    /// From the highest to the lowest.
    pub(super) fn range_back(&self, to: &[u8], from: &[u8], count: usize) -> Result<Reply, String> {
        let bounds = (bound(from, 0)?, bound(to, u64::MAX)?);
        let items =
            is_proper(&bounds).then(|| self.items.range(bounds).rev()).into_iter().flatten();
        Ok(Reply::List(items.take(count).map(item).collect()))
    }

    /// Removes what is below this id; says how many.
    pub(super) fn trim(&mut self, least: &[u8]) -> Result<Reply, String> {
        let kept = self.items.split_off(&parse(least, 0)?);
        let gone = std::mem::replace(&mut self.items, kept);
        Ok(Reply::Number(i64::try_from(gone.len()).unwrap_or(i64::MAX)))
    }
}

fn name((first, second): Id) -> Reply {
    Reply::Bytes(format!("{first}-{second}").into_bytes())
}

fn item((&id, fields): (&Id, &Fields)) -> Reply {
    Reply::List(vec![name(id), Reply::List(fields.iter().cloned().map(Reply::Bytes).collect())])
}

/// An id; `second` is what it ends with if it does not say.
fn parse(id: &[u8], second: u64) -> Result<Id, String> {
    let wrong = || "ERR Invalid stream ID specified as stream command argument".to_owned();
    let id = std::str::from_utf8(id).map_err(|_| wrong())?;
    let (first, second) = match id.split_once('-') {
        Some((first, last)) => (first, last.parse().map_err(|_| wrong())?),
        None => (id, second),
    };
    Ok((first.parse().map_err(|_| wrong())?, second))
}

fn bound(id: &[u8], second: u64) -> Result<Bound<Id>, String> {
    Ok(match id {
        b"-" | b"+" => Bound::Unbounded,
        [b'(', id @ ..] => Bound::Excluded(parse(id, second)?),
        id => Bound::Included(parse(id, second)?),
    })
}

/// Whether anything can be between them: a map panics if not.
fn is_proper(bounds: &(Bound<Id>, Bound<Id>)) -> bool {
    match bounds {
        (Bound::Excluded(from), Bound::Excluded(to) | Bound::Included(to))
        | (Bound::Included(from), Bound::Excluded(to)) => from < to,
        (Bound::Included(from), Bound::Included(to)) => from <= to,
        _ => true,
    }
}
