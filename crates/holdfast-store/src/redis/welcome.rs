//! What a server must have and be, before it is asked for anything.

use super::link::{Reply, words};
use super::node::{Node, Step};
use super::trust::Trust;
use super::why::Why;

impl Node {
    pub(super) fn connect(&mut self) -> Step<()> {
        if self.link.is_some() {
            return Ok(());
        }
        self.link = Some(self.dial.master()?);
        self.trust = Trust::Unknown;
        let welcomed = self.welcome();
        if welcomed.is_err() {
            // Or the next attempt would take it as it is.
            self.link = None;
        }
        welcomed
    }

    /// Sees to what a server must have and be.
    fn welcome(&mut self) -> Step<()> {
        let library = self.options.library();
        self.load(&library)?;
        if !self.is_inspected {
            self.inspect()?;
            self.is_inspected = true;
        }
        Ok(())
    }

    /// Sees to it that the server has the library; one of the same name must be the same.
    fn load(&mut self, library: &str) -> Step<()> {
        let name = format!("holdfast_{}", self.options.version());
        let list = words(&["FUNCTION", "LIST", "LIBRARYNAME", &name, "WITHCODE"]);
        let replies = self.send(&[words(&["FUNCTION", "LOAD", library]), list])?;
        let [loaded, listed] = replies.as_slice() else { return Err("no reply".into()) };
        if has_text(listed, library) {
            return Ok(());
        }
        let Reply::Error(why) = loaded else {
            return Err(Why::lasting(format!("Redis has another function library named {name}")));
        };
        let passes = ["LOADING", "BUSY", "MASTERDOWN", "READONLY", "TRYAGAIN", "MISCONF", "OOM"];
        if passes.iter().any(|code| why.starts_with(code)) {
            return Err(format!("Redis: {why}").into());
        }
        Err(match listed {
            _ if why.contains("already exists") => {
                Why::lasting(format!("Redis has another function library named {name}"))
            }
            _ if why.starts_with("NOPERM") => {
                Why::lasting(format!("Redis does not allow it ({why}): allow it for this user"))
            }
            Reply::Error(_) => Why::lasting(format!(
                "this Redis has no functions: it must be 7.0 or later, or Valkey ({why})"
            )),
            _ => {
                self.link = None;
                format!("the function library cannot be loaded into Redis (7.0 or later): {why}")
                    .into()
            }
        })
    }
}

/// Whether this text is somewhere in a reply.
fn has_text(reply: &Reply, text: &str) -> bool {
    match reply {
        Reply::List(list) => list.iter().any(|reply| has_text(reply, text)),
        reply => reply.text() == Some(text),
    }
}
