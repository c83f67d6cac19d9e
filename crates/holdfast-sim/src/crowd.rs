//! Who asks: buyers, merchants and tills, as unruly as they are.

mod buyer;
mod merchant;
mod till;

use holdfast_core::{Command, HoldKey};

pub use buyer::Buyer;
pub use merchant::Merchant;
pub use till::Till;

/// What somebody does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Asks for something.
    Ask(Command),
    /// Looks at a hold.
    Look(HoldKey),
}
