//! Bugs planted on purpose and places to be killed at, so that the tests can prove that they would
//! catch the bugs, and that no place is deadly.
//!
//! Without the feature `planted` none of it is compiled in.

/// Whether a bug is switched on; `false` in the product.
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

/// A place between two steps of the saga, by its name; nothing in the product.
#[cfg(feature = "planted")]
macro_rules! step {
    ($name:literal) => {
        $crate::planted::reach($name)
    };
}
#[cfg(not(feature = "planted"))]
macro_rules! step {
    ($name:literal) => {};
}

#[cfg(feature = "planted")]
pub use switch::{Bug, STEPS, get, is_on, on_reach, reach, set, set_lingers};
#[cfg(feature = "planted")]
pub(crate) use switch::{another, guess, lingers};

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;
    use std::sync::OnceLock;
    use std::time::Duration;

    use crate::provider::{Charge, Payment, PaymentStatus, ProviderError, Reference};

    /// A bug in the saga.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Bug {
        /// Takes the money before the order is in the ledger.
        CapturesFirst,
        /// Asks for the money and takes it before anything is recorded, and so has nothing to go on
        /// with after a crash.
        Naive,
        /// Takes a lost answer for a decline.
        Guesses,
        /// Asks under a new reference after a lost answer.
        ChargesTwice,
        /// Leaves an authorisation alone that came too late.
        ForgetsToCancel,
        /// Gives the units of a refund back before the money.
        UnitsFirst,
        /// Takes the ledger's refusal for a yes.
        IgnoresTheGuard,
        /// Does not go on with what a crash left.
        ForgetsTheRest,
        /// Carries what other nodes carry.
        CarriesAll,
        /// Tells the ledger how many units there are without looking whether that is still so.
        TellsOnce,
        /// Leaves orders out of the sales that have lost them.
        ForgetsOrders,
        /// Leaves what was authorised alone when its hold was lost.
        ForgetsMoney,
        /// Goes on with payments after a loss without looking for orders that were paid with them.
        HurriesOn,
    }

    impl Bug {
        /// Those that a node by itself, which has lost nothing, can show.
        pub const ALL: [Self; 8] = [
            Self::CapturesFirst,
            Self::Naive,
            Self::Guesses,
            Self::ChargesTwice,
            Self::ForgetsToCancel,
            Self::UnitsFirst,
            Self::IgnoresTheGuard,
            Self::ForgetsTheRest,
        ];
    }

    /// The places between the saga's steps, in the order of a hold's way.
    pub const STEPS: [&str; 14] = [
        "called",
        "authorised",
        "confirmed",
        "recorded",
        "captured",
        "ledger_paid",
        "paid",
        "too_late",
        "given_back",
        "voided",
        "cancelled",
        "refund_asked",
        "refunded",
        "ledger_refunded",
    ];

    thread_local! {
        static ON: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    static REACHED: OnceLock<fn(&str)> = OnceLock::new();

    static LINGERS: OnceLock<Duration> = OnceLock::new();

    /// How long it takes from now on, in the whole process, to tell the ledger of a capacity that was
    /// read; once.
    pub fn set_lingers(time: Duration) {
        let _ = LINGERS.set(time);
    }

    /// How long it takes, if that was said.
    pub(crate) fn lingers() -> Option<Duration> {
        LINGERS.get().copied()
    }

    /// The reference under which [`Bug::ChargesTwice`] asks again.
    pub(crate) fn another(reference: Reference, calls: u32) -> Reference {
        if !is_on(Bug::ChargesTwice) || calls == 0 {
            return reference;
        }
        let (hold, attempt) = reference.parts();
        Reference::of(hold, attempt + 100 + calls).unwrap_or(reference)
    }

    /// What [`Bug::Guesses`] makes of a lost answer.
    pub(crate) fn guess(
        answer: Result<Payment, ProviderError>,
        charge: &Charge,
    ) -> Result<Payment, ProviderError> {
        match answer {
            Err(ProviderError::Unknown(_)) if is_on(Bug::Guesses) => Ok(Payment {
                id: String::new(),
                reference: charge.reference.clone(),
                total: charge.total,
                status: PaymentStatus::Declined,
                reason: None,
            }),
            answer => answer,
        }
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

    /// What is done at each place, for the whole process; once.
    pub fn on_reach(act: fn(&str)) {
        let _ = REACHED.set(act);
    }

    /// A place has been reached.
    pub fn reach(name: &str) {
        debug_assert!(STEPS.contains(&name), "{name} is a place with a name");
        if let Some(act) = REACHED.get() {
            act(name);
        }
    }
}
