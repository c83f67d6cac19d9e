//! Why something does not go on, and whether it can by itself.

use std::fmt;

/// A reason, in words for whoever runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    words: String,
    is_lasting: bool,
}

impl Why {
    /// What does not pass by itself: something is set otherwise than it must be.
    pub fn lasting(words: impl Into<String>) -> Self {
        Self { words: words.into(), is_lasting: true }
    }

    /// Whether somebody has to do something about it.
    pub fn is_lasting(&self) -> bool {
        self.is_lasting
    }

    /// The reason.
    pub fn words(&self) -> &str {
        &self.words
    }
}

/// What may pass by itself.
impl From<String> for Why {
    fn from(words: String) -> Self {
        Self { words, is_lasting: false }
    }
}

impl From<&str> for Why {
    fn from(words: &str) -> Self {
        words.to_owned().into()
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
