//! How the shop behaves.

/// How the shop behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    Honest,
    /// Honest, but sends everybody away once.
    Overloaded,
    OversellsByOne,
    SellsOneShort,
    GivesOneHoldTwice,
    GivesTwoUnits,
    GivesHalfTheTime,
    AnotherHoldForTheSameKey,
    AnotherHoldWithoutAKey,
    ForgetsHolds,
    EndsHoldsEarlier,
    SaysSoldOut,
    RefusesTheFirst,
    GivesLosersAHold,
    CountsOneFreeTooMany,
    CountsOneHeldTooFew,
    FailsItsAudit,
    AuditsOneHoldTooFew,
    LeavesOneUnanswered,
    /// Serves one buyer, and does not say so.
    LeavesAWinnerUnanswered,
    LimitsTheRate,
    /// Refuses the third try of each buyer who has no hold, and all after it.
    LimitsEachBuyer,
    /// Sends the merchant who would close away, once.
    ClosesTheSecondTime,
    /// Sends the merchant who would close away for a minute.
    NeverCloses,
    /// Says "all held" once to everybody who comes to stay, though units are free.
    RefusesFirstTries,
    /// Takes a hold back, and gives its unit to nobody.
    KeepsWhatIsGivenBack,
    /// Takes a hold back, and shows it as held to its buyer.
    ForgetsWhatIsGivenBack,
    /// Will not take a hold back.
    RefusesWhatIsGivenBack,
    /// Takes a hold back once, and knows nothing of it the second time.
    TakesBackOnce,
    /// Sells a unit again before it came back: as many as there are hold two.
    SellsBeforeItIsGivenBack,
    /// Sends one buyer away, and gives them a hold all the same.
    HoldsForWhoIsSentAway,
    /// Public views do not add up for a while.
    MiscountsForAWhile,
    /// Takes the money for one order, and does not list it.
    LosesAnOrder,
    /// Takes the money of somebody who has only a hold, with order and unit and all.
    ChargesWhoOnlyHolds,
    /// Captures one payment for which there is no order.
    CapturesWithoutAnOrder,
    /// Captures less than the orders cost.
    CapturesAnotherAmount,
    /// Sells one unit for less, and captures as much.
    SellsForAnotherAmount,
    /// Shows one unit as sold that no order has.
    SellsWithoutAnOrder,
    /// Sells one buyer two units for one hold, and takes the money twice.
    OrdersTwice,
    /// Says "paid" of an order for which the money was never captured.
    ForgetsToCapture,
    /// Takes the money of those who were to be declined.
    ChargesTheDeclined,
    /// Ends the hold of whoever is declined.
    EndsDeclinedHolds,
    /// Moves the end of holds whose money is to come late, so that it comes in time.
    MovesEnds,
    /// Sells to those whose money comes late as if it had come in time.
    HeedsNoEnd,
    /// Has one payment under way for ever.
    NeverSettles,
    /// Never says how a payment ends.
    NeverSaysHowItEnds,
    /// Has a provider that is not simulated.
    ChargesForReal,
    /// Queues nobody: sends every first checkout away, to come back.
    TillIsCrowded,
    /// Has no checkout.
    HasNoCheckout,
}
