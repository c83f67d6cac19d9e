//! The memory of a library, so that a whole process can be set back.

use mlua::{Lua, Value};

/// A value of Lua, copied out of it.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    Nil,
    Boolean(bool),
    Number(f64),
    Text(Vec<u8>),
    Table(Vec<(Memory, Memory)>),
}

impl Memory {
    /// Copies it out. Two ways to one table become two tables.
    pub(super) fn of(value: &Value) -> mlua::Result<Self> {
        Ok(match value {
            Value::Nil => Self::Nil,
            Value::Boolean(boolean) => Self::Boolean(*boolean),
            // Lua 5.1 has no other numbers than these.
            Value::Integer(number) => Self::Number(*number as f64),
            Value::Number(number) => Self::Number(*number),
            Value::String(text) => Self::Text(text.as_bytes().to_vec()),
            Value::Table(table) => {
                let pairs = table.pairs::<Value, Value>().map(|pair| {
                    let (key, value) = pair?;
                    Ok((Self::of(&key)?, Self::of(&value)?))
                });
                Self::Table(pairs.collect::<mlua::Result<_>>()?)
            }
            other => {
                return Err(mlua::Error::runtime(format!(
                    "a library keeps a {}",
                    other.type_name()
                )));
            }
        })
    }

    /// Makes it anew.
    pub(super) fn restore(&self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            Self::Nil => Value::Nil,
            Self::Boolean(boolean) => Value::Boolean(*boolean),
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::String(lua.create_string(text)?),
            Self::Table(pairs) => {
                let table = lua.create_table()?;
                for (key, value) in pairs {
                    table.raw_set(key.restore(lua)?, value.restore(lua)?)?;
                }
                Value::Table(table)
            }
        })
    }
}
