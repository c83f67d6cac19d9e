//! What a server stores, and the commands on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::reply::Reply;
use super::streams::Stream;

/// All keys of a server, and the sources of its libraries. A clone is cheap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    keys: BTreeMap<Vec<u8>, Arc<Value>>,
    pub(super) libraries: BTreeMap<String, Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(Vec<u8>),
    Hash(Hash),
    Stream(Stream),
}

type Hash = BTreeMap<Vec<u8>, Vec<u8>>;
type Outcome = Result<Reply, String>;

/// What a command is.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// It changes keys.
    pub(super) is_write: bool,
    /// The fewest words it has, its name included.
    least: usize,
    run: fn(&mut Data, &[Vec<u8>]) -> Outcome,
}

/// The kind of the command with this name. The case of letters does not matter.
pub(super) fn kind(name: &[u8]) -> Option<Kind> {
    let kind = |is_write, least, run| Some(Kind { is_write, least, run });
    match name.to_ascii_uppercase().as_slice() {
        b"APPEND" => kind(true, 3, Data::append),
        b"DEL" => kind(true, 2, Data::del),
        b"FLUSHALL" => kind(true, 1, Data::flush_all),
        b"GET" => kind(false, 2, Data::get),
        b"HGETALL" => kind(false, 2, Data::hash_all),
        b"HDEL" => kind(true, 3, Data::hash_del),
        b"HMGET" => kind(false, 3, Data::hash_get),
        b"HSET" => kind(true, 4, Data::hash_set),
        b"SET" => kind(true, 3, Data::set),
        b"XADD" => kind(true, 5, Data::stream_add),
        b"XRANGE" => kind(false, 4, Data::stream_range),
        b"XREVRANGE" => kind(false, 4, Data::stream_range_back),
        b"XTRIM" => kind(true, 4, Data::stream_trim),
        _ => None,
    }
}

fn wrong_type() -> String {
    "WRONGTYPE Operation against a key holding the wrong kind of value".to_owned()
}

fn syntax() -> String {
    "ERR syntax error".to_owned()
}

fn optional(value: Option<&Vec<u8>>) -> Reply {
    value.map_or(Reply::Nil, |value| Reply::Bytes(value.clone()))
}

impl Data {
    /// Runs a command whose kind is known.
    pub(super) fn run(&mut self, kind: Kind, words: &[Vec<u8>]) -> Outcome {
        if words.len() < kind.least {
            return Err("ERR wrong number of arguments".to_owned());
        }
        (kind.run)(self, words)
    }

    fn del(&mut self, words: &[Vec<u8>]) -> Outcome {
        let gone = words[1..].iter().filter(|key| self.keys.remove(*key).is_some()).count();
        Ok(Reply::Number(i64::try_from(gone).unwrap_or(i64::MAX)))
    }

    fn flush_all(&mut self, _: &[Vec<u8>]) -> Outcome {
        self.keys.clear();
        Ok(Reply::text("OK"))
    }

    fn get(&mut self, words: &[Vec<u8>]) -> Outcome {
        match self.keys.get(&words[1]).map(AsRef::as_ref) {
            None => Ok(Reply::Nil),
            Some(Value::Text(text)) => Ok(Reply::Bytes(text.clone())),
            Some(_) => Err(wrong_type()),
        }
    }

    fn append(&mut self, words: &[Vec<u8>]) -> Outcome {
        let [_, key, more] = words else { return Err(syntax()) };
        let value =
            self.keys.entry(key.clone()).or_insert_with(|| Arc::new(Value::Text(Vec::new())));
        let Value::Text(text) = Arc::make_mut(value) else { return Err(wrong_type()) };
        text.extend_from_slice(more);
        Ok(Reply::Number(i64::try_from(text.len()).unwrap_or(i64::MAX)))
    }

    fn set(&mut self, words: &[Vec<u8>]) -> Outcome {
        let [_, key, value] = words else { return Err(syntax()) };
        self.keys.insert(key.clone(), Arc::new(Value::Text(value.clone())));
        Ok(Reply::text("OK"))
    }

    /// `None`: there is no such key.
    fn hash(&self, key: &[u8]) -> Result<Option<&Hash>, String> {
        match self.keys.get(key).map(AsRef::as_ref) {
            None => Ok(None),
            Some(Value::Hash(hash)) => Ok(Some(hash)),
            Some(_) => Err(wrong_type()),
        }
    }

    fn hash_all(&mut self, words: &[Vec<u8>]) -> Outcome {
        let pairs = self.hash(&words[1])?.into_iter().flatten();
        Ok(Reply::List(
            pairs
                .flat_map(|(name, value)| [name, value].map(|it| Reply::Bytes(it.clone())))
                .collect(),
        ))
    }

    fn hash_get(&mut self, words: &[Vec<u8>]) -> Outcome {
        let hash = self.hash(&words[1])?;
        let values = words[2..].iter().map(|name| optional(hash.and_then(|hash| hash.get(name))));
        Ok(Reply::List(values.collect()))
    }

    fn hash_del(&mut self, words: &[Vec<u8>]) -> Outcome {
        if self.hash(&words[1])?.is_none() {
            return Ok(Reply::Number(0));
        }
        let Some(value) = self.keys.get_mut(&words[1]) else { return Ok(Reply::Number(0)) };
        let Value::Hash(hash) = Arc::make_mut(value) else { return Err(wrong_type()) };
        let gone = words[2..].iter().filter(|name| hash.remove(*name).is_some()).count();
        if hash.is_empty() {
            self.keys.remove(&words[1]);
        }
        Ok(Reply::Number(i64::try_from(gone).unwrap_or(i64::MAX)))
    }

    fn hash_set(&mut self, words: &[Vec<u8>]) -> Outcome {
        let (pairs, []) = words[2..].as_chunks::<2>() else {
            return Err("ERR wrong number of arguments for 'hset' command".to_owned());
        };
        let made = || Arc::new(Value::Hash(BTreeMap::new()));
        let value = self.keys.entry(words[1].clone()).or_insert_with(made);
        if !matches!(**value, Value::Hash(_)) {
            return Err(wrong_type());
        }
        let Value::Hash(hash) = Arc::make_mut(value) else { return Err(wrong_type()) };
        let added =
            pairs.iter().filter(|[name, value]| hash.insert(name.clone(), value.clone()).is_none());
        Ok(Reply::Number(i64::try_from(added.count()).unwrap_or(i64::MAX)))
    }

    /// `None`: there is no such key.
    fn stream(&self, key: &[u8]) -> Result<Option<&Stream>, String> {
        match self.keys.get(key).map(AsRef::as_ref) {
            None => Ok(None),
            Some(Value::Stream(stream)) => Ok(Some(stream)),
            Some(_) => Err(wrong_type()),
        }
    }

    /// The stream of this key, to be changed.
    fn stream_mut(&mut self, key: &[u8]) -> Result<Option<&mut Stream>, String> {
        match self.keys.get_mut(key) {
            None => Ok(None),
            Some(value) if !matches!(**value, Value::Stream(_)) => Err(wrong_type()),
            Some(value) => match Arc::make_mut(value) {
                Value::Stream(stream) => Ok(Some(stream)),
                _ => Err(wrong_type()),
            },
        }
    }

    fn stream_add(&mut self, words: &[Vec<u8>]) -> Outcome {
        let [_, key, id, fields @ ..] = words else { return Err(syntax()) };
        if !fields.len().is_multiple_of(2) {
            return Err("ERR wrong number of arguments for 'xadd' command".to_owned());
        }
        if let Some(stream) = self.stream_mut(key)? {
            return stream.add(id, fields);
        }
        let mut stream = Stream::default();
        let added = stream.add(id, fields)?;
        self.keys.insert(key.clone(), Arc::new(Value::Stream(stream)));
        Ok(added)
    }

    fn stream_range(&mut self, words: &[Vec<u8>]) -> Outcome {
        let count = count(&words[4..])?;
        let stream = self.stream(&words[1])?;
        stream.map_or(Ok(Reply::List(Vec::new())), |it| it.range(&words[2], &words[3], count))
    }

    fn stream_range_back(&mut self, words: &[Vec<u8>]) -> Outcome {
        let count = count(&words[4..])?;
        let stream = self.stream(&words[1])?;
        stream.map_or(Ok(Reply::List(Vec::new())), |it| it.range_back(&words[2], &words[3], count))
    }

    fn stream_trim(&mut self, words: &[Vec<u8>]) -> Outcome {
        match words {
            [_, key, how, id] if how.eq_ignore_ascii_case(b"MINID") => {
                self.stream_mut(key)?.map_or(Ok(Reply::Number(0)), |stream| stream.trim(id))
            }
            _ => Err(syntax()),
        }
    }
}

/// `COUNT n`, or nothing: all.
fn count(words: &[Vec<u8>]) -> Result<usize, String> {
    match words {
        [] => Ok(usize::MAX),
        [word, count] if word.eq_ignore_ascii_case(b"COUNT") => {
            let count = std::str::from_utf8(count).ok().and_then(|count| count.parse().ok());
            count.ok_or_else(|| "ERR value is not an integer or out of range".to_owned())
        }
        _ => Err(syntax()),
    }
}
