//! A library of functions, in a Lua of its own.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Table, Value};

use super::data::{self, Data};
use super::memory::Memory;
use super::reply::{Command, Reply};

/// A library that is loaded.
pub(super) struct Library {
    lua: Lua,
    run: Function,
    /// Its functions, and whether each promises to write nothing.
    functions: BTreeMap<String, bool>,
    desk: Arc<Mutex<Desk>>,
    /// What it keeps between calls: to look at, and to set.
    kept: (Function, Function),
}

/// What a running function reaches.
#[derive(Default)]
struct Desk {
    data: Data,
    info: String,
    is_read_only: bool,
    written: Vec<Command>,
}

/// A call of a function.
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) keys: &'a [Vec<u8>],
    pub(super) args: &'a [Vec<u8>],
}

/// The library's name, as its first line says it.
pub(super) fn name_of(source: &str) -> Result<&str, String> {
    let first = source.lines().next().unwrap_or_default();
    let name = first.strip_prefix("#!lua name=").map(str::trim);
    name.ok_or_else(|| "ERR Missing library metadata".to_owned())
}

impl Library {
    /// Loads it. What it keeps between calls is in its local variable `reign`.
    pub(super) fn load(source: &str) -> Result<Self, String> {
        Self::try_load(source).map_err(|error| format!("ERR Error compiling function: {error}"))
    }

    fn try_load(source: &str) -> mlua::Result<Self> {
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        let desk = Arc::new(Mutex::new(Desk::default()));
        let reached = Arc::clone(&desk);
        let ask = lua.create_function(move |lua, words: MultiValue| ask(lua, &reached, &words))?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("prelude");
        let (registered, run, lock): (Table, Function, Function) = prelude.call(ask)?;
        let (_, body) = source.split_once('\n').unwrap_or_default();
        let look = "return function() return reign end, function(value) reign = value end";
        let kept = lua.load(format!("\n{body}\n{look}")).set_name("library").call(())?;
        lock.call::<()>(())?;
        let functions = registered.pairs::<String, Table>();
        let functions = functions.map(|pair| pair.and_then(|(name, it)| Ok((name, it.get(2)?))));
        let functions = functions.collect::<mlua::Result<_>>()?;
        Ok(Self { lua, run, functions, desk, kept })
    }

    /// Whether a function writes nothing. `None`: it has no such function.
    pub(super) fn is_read_only(&self, function: &str) -> Option<bool> {
        self.functions.get(function).copied()
    }

    /// Runs a function on these data. Returns the reply, and what was written: also when it failed.
    pub(super) fn call(
        &self,
        call: &Call<'_>,
        info: String,
        data: &mut Data,
    ) -> (Reply, Vec<Command>) {
        let is_read_only = self.is_read_only(call.name).unwrap_or(true);
        *self.desk() = Desk { data: take(data), info, is_read_only, written: Vec::new() };
        let reply = self.try_call(call);
        let desk = take(&mut *self.desk());
        *data = desk.data;
        (reply.unwrap_or_else(|error| Reply::Error(format!("ERR {error}"))), desk.written)
    }

    fn try_call(&self, call: &Call<'_>) -> mlua::Result<Reply> {
        let list = |words: &[Vec<u8>]| {
            let words = words.iter().map(|word| self.lua.create_string(word));
            self.lua.create_sequence_from(words.collect::<mlua::Result<Vec<_>>>()?)
        };
        let (is_well, value): (bool, Value) =
            self.run.call((call.name, list(call.keys)?, list(call.args)?))?;
        match (is_well, &value) {
            (false, Value::String(why)) => {
                Ok(Reply::Error(format!("ERR {}", why.to_string_lossy())))
            }
            (false, Value::Error(why)) => Ok(Reply::Error(format!("ERR {why}"))),
            _ => reply_of(&value),
        }
    }

    /// What it keeps between calls.
    pub(super) fn memory(&self) -> mlua::Result<Memory> {
        Memory::of(&self.kept.0.call(())?)
    }

    /// Sets what it keeps between calls.
    pub(super) fn set_memory(&self, memory: &Memory) -> mlua::Result<()> {
        self.kept.1.call(memory.restore(&self.lua)?)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `redis.call`: whether it went well, and the reply or the error's text.
fn ask(lua: &Lua, desk: &Mutex<Desk>, words: &MultiValue) -> mlua::Result<(bool, Value)> {
    let words: Result<Command, &str> = words.iter().map(word).collect();
    let reply = words.map_err(str::to_owned).and_then(|words| lock(desk).ask(words));
    match reply {
        Ok(reply) => Ok((true, value_of(lua, &reply)?)),
        Err(why) => Ok((false, Value::String(lua.create_string(why)?))),
    }
}

fn word(value: &Value) -> Result<Vec<u8>, &'static str> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        Value::Integer(number) => Ok(number.to_string().into_bytes()),
        // A server would write it with 17 digits. Whoever means a whole number says so.
        Value::Number(number) => Ok(number.to_string().into_bytes()),
        _ => Err("ERR Lua redis lib command arguments must be strings or integers"),
    }
}

impl Desk {
    fn ask(&mut self, words: Command) -> Result<Reply, String> {
        let Some(name) = words.first() else {
            return Err("ERR Please specify at least one argument for this redis.call()".to_owned());
        };
        if name.eq_ignore_ascii_case(b"INFO") {
            return Ok(Reply::text(&self.info));
        }
        let kind = data::kind(name).ok_or("ERR Unknown Redis command called from script")?;
        if kind.is_write && self.is_read_only {
            return Err("ERR Write commands are not allowed from read-only scripts.".to_owned());
        }
        let reply = self.data.run(kind, &words)?;
        if kind.is_write {
            self.written.push(words);
        }
        Ok(reply)
    }
}

fn value_of(lua: &Lua, reply: &Reply) -> mlua::Result<Value> {
    Ok(match reply {
        Reply::Nil => Value::Boolean(false),
        Reply::Number(number) => Value::Integer(*number),
        Reply::Bytes(bytes) => Value::String(lua.create_string(bytes)?),
        Reply::List(list) => {
            let values = list.iter().map(|reply| value_of(lua, reply));
            Value::Table(lua.create_sequence_from(values.collect::<mlua::Result<Vec<_>>>()?)?)
        }
        Reply::Error(why) => return Err(mlua::Error::runtime(why)),
    })
}

fn reply_of(value: &Value) -> mlua::Result<Reply> {
    Ok(match value {
        Value::Boolean(true) => Reply::Number(1),
        Value::Integer(number) => Reply::Number(*number),
        // As a server does: what is behind the point is cut off.
        #[expect(clippy::cast_possible_truncation)]
        Value::Number(number) => Reply::Number(*number as i64),
        Value::String(text) => Reply::Bytes(text.as_bytes().to_vec()),
        Value::Table(table) => match (table.raw_get("err")?, table.raw_get("ok")?) {
            (Value::String(why), _) => Reply::Error(why.to_string_lossy()),
            (_, Value::String(status)) => Reply::Bytes(status.as_bytes().to_vec()),
            _ => {
                let values = table.sequence_values::<Value>();
                Reply::List(values.map(|it| reply_of(&it?)).collect::<mlua::Result<_>>()?)
            }
        },
        _ => Reply::Nil,
    })
}
