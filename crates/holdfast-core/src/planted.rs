//! Bugs planted on purpose, so that the tests can prove that they would catch them.
//!
//! Without the feature `planted` none of them is compiled in: `planted!` is `false`.

/// Whether a bug is switched on in this thread; `false` in the product.
#[cfg(feature = "planted")]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is_on($crate::planted::Bug::$bug)
    };
}
#[cfg(not(feature = "planted"))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

#[cfg(feature = "planted")]
pub use switch::{Bug, get, is_on, set};

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    /// A bug in the rules.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Bug {
        /// Holds one unit more than there is.
        OneTooMany,
        /// Cancelling a hold that has ended frees its units again.
        EndsTwice,
        /// An expired hold keeps its units.
        LosesUnits,
        /// Holds end one second early.
        EndsEarly,
        /// The wall anchor follows the wall clock backwards under a buyer's feet.
        AnchorGoesBack,
        /// Every request makes a hold, whatever the buyer already has.
        SecondHold,
        /// Idempotency keys are not looked up.
        ForgetsKeys,
        /// The limit per buyer does not bind.
        NoLimit,
        /// "Sold out" is said while units are only held.
        SoldOutTooSoon,
        /// Giving back a hold that is at the checkout frees its units, while its money may come.
        CancelsPaying,
        /// Waiting for the provider's budget uses up the buyer's time.
        QueueEatsTime,
        /// Money that comes after a hold's end has its units back, free or not.
        LateMoneyOversells,
        /// The units of an order that came to nothing are lost.
        VoidLosesUnits,
        /// The limit per buyer does not count orders.
        OrdersUncounted,
        /// In doubt units are sold as if they were free.
        SellsInDoubt,
        /// The doubt does not last for what may have been made in what was lost.
        DoubtEndsEarly,
        /// A restart forgets that the sale is in doubt.
        ForgetsDoubt,
        /// A receipt is believed of a hold that cannot have been lost.
        ClaimsUnlost,
        /// A receipt makes a hold each time that it is shown.
        ClaimsTwice,
        /// A claim has its units, left or not.
        ClaimsOversell,
        /// The hold that a buyer had before the one that they claim stays live.
        KeepsWhatEnded,
        /// A restored order has its units, left or not.
        RestoreOversells,
    }

    thread_local! {
        static ON: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Switches one bug on in this thread, or all off.
    pub fn set(bug: Option<Bug>) {
        ON.set(bug);
    }

    /// The bug that is on in this thread, if any.
    pub fn get() -> Option<Bug> {
        ON.get()
    }

    /// Whether `bug` is on in this thread.
    pub fn is_on(bug: Bug) -> bool {
        ON.get() == Some(bug)
    }
}
