//! Who asks: buyers and merchants, as unruly as they are.

mod buyer;
mod merchant;

use holdfast_core::{Command, HoldKey};

pub use buyer::Buyer;
pub use merchant::Merchant;

/// What somebody does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Asks for something.
    Ask(Command),
    /// Looks at a hold.
    Look(HoldKey),
}
