//! What the store asks of a server of Redis, and how it reaches one.

use super::why::Why;

/// What a server replies to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nil,
    /// A number.
    Number(i64),
    /// A text or bytes.
    Bytes(Vec<u8>),
    /// Replies within a reply.
    List(Vec<Reply>),
    /// The server refused: its own words.
    Error(String),
}

/// A command: its name and its arguments.
pub type Command = Vec<Vec<u8>>;

/// A command of these words.
pub(super) fn words(words: &[&str]) -> Command {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// A connection to one server.
pub trait Link: Send {
    /// Sends the commands at once, and returns as many replies.
    ///
    /// # Errors
    /// Why the connection is of no more use. What was sent may or may not have been done, and may
    /// still be done later.
    fn call(&mut self, commands: &[Command]) -> Result<Vec<Reply>, String>;
}

/// Finds the servers.
pub trait Dial: Send + Sync {
    /// Connects to the server that is the master now, by its own word.
    ///
    /// # Errors
    /// Why none can be reached, in words for whoever runs it.
    fn master(&self) -> Result<Box<dyn Link>, Why>;

    /// Connects to a server by its address, as another server named it.
    ///
    /// # Errors
    /// Why it cannot be reached.
    fn server(&self, host: &str, port: u16) -> Result<Box<dyn Link>, Why>;
}

impl Reply {
    /// The reply as a number, also where it came as text.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The reply as a text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}
