//! Commands as the log keeps them: postcard's wire format, version 1.

use crate::Command;

/// Bytes that are not what this version wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Not a command, or with bytes left over.
    #[error("not a command of this version: {0}")]
    Command(String),
    /// Not a snapshot.
    #[error("not a snapshot of this version: {0}")]
    Snapshot(String),
    /// A snapshot of another version.
    #[error("a snapshot of format {found}; this program reads format {supported}")]
    OtherSnapshot {
        /// The format it has.
        found: u32,
        /// The format that can be read.
        supported: u32,
    },
}

/// Adds what is written to the end of a buffer that the caller keeps.
pub(crate) struct Tail<'a>(pub(crate) &'a mut Vec<u8>);

impl Extend<u8> for Tail<'_> {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, bytes: I) {
        self.0.extend(bytes);
    }
}

impl Command {
    /// Appends the command's bytes to `into`.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let written = postcard::to_extend(self, Tail(into));
        debug_assert!(written.is_ok(), "writing to memory cannot fail");
    }

    /// Reads a command; every byte must belong to it.
    ///
    /// # Errors
    /// [`CodecError::Command`] when the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        match postcard::take_from_bytes(bytes) {
            Ok((command, [])) => Ok(command),
            Ok((_, rest)) => Err(CodecError::Command(format!("{} bytes left over", rest.len()))),
            Err(error) => Err(CodecError::Command(error.to_string())),
        }
    }
}
