//! What goes to a server and what comes back.

/// A command: its name and its arguments.
pub type Command = Vec<Vec<u8>>;

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

/// A command of texts.
pub fn command(words: &[&str]) -> Command {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

impl Reply {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<Result<Reply, String>> for Reply {
    fn from(reply: Result<Reply, String>) -> Self {
        reply.unwrap_or_else(Self::Error)
    }
}
