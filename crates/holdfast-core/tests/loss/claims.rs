//! Receipts of what was lost.

use crate::table::check;

#[test]
fn whoever_shows_a_receipt_has_their_hold_again() {
    check(
        "configure hold=300 a:3   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         clock +10
         fork
         reserve bob a 2          | new #2
         clock +5
         doubt 5                  | in doubt
         claim #2                 | claimed #2
         hold #2                  | held bob 2 until 310s, 300s left
         view a                   | allheld free 0 held 3
         claim #2                 | same #2
         claim #2 by alice        | hold_not_found
         claim #1                 | same #1             // it was never lost
         reserve bob a 2          | same #2
         reserve carol a 1        | all_held until 315s // nothing is left in doubt, but a hold can end
         tick                     | nothing
         hold #2                  | held bob 2 until 315s, 300s left
         list                     | #1 #2
         checkout #2 by bob       | checkout #2
         call #2                  | checkout #2
         confirm #2               | sold #2
         claim #2                 | same #2
         pay #2                   | recorded #2
         view a                   | allheld free 0 held 1 sold 2",
    );
}

#[test]
fn a_hold_that_was_claimed_ends_like_any_other() {
    check(
        "configure hold=300 a:3   | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 1        | new #1
         clock +100
         reserve bob a 1          | new #2
         reserve carol a 1        | new #3
         clock +50
         doubt 150                | in doubt
         claim #3                 | claimed #3
         claim #2                 | claimed #2
         claim #1                 | claimed #1
         list                     | #1 #2 #3
         cancel #2 by bob         | ended #2
         claim #2                 | same #2              // it has ended
         view a                   | allheld free 0 held 2 withheld 1
         clock +300
         tick                     | expired 1            // alice's, made first
         hold #1                  | expired alice 1
         claim #1                 | same #1
         clock +100
         tick                     | expired 1
         view a                   | allheld free 0 held 0 withheld 3
         clock +50
         tick                     | nothing
         reserve dave a 3         | new #4
         list                     | #1 #2 #3 #4",
    );
}

#[test]
fn what_cannot_have_been_lost_cannot_be_claimed() {
    check(
        "configure hold=300 max=2 a:9 b:1 | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 1        | new #1
         reserve bob a 1          | new #2
         doubt 0                  | in doubt
         claim #1 epoch 2         | hold_not_found       // in the epoch of the doubt nothing was lost
         claim #1 epoch 9         | hold_not_found
         claim #1 units 0         | hold_not_found
         claim #1 units 1001      | hold_not_found
         claim #1 units 3         | limit_reached
         clock +299
         claim #1                 | claimed #1
         clock +1
         claim #2                 | hold_not_found       // its time is up
         tick                     | expired 1
         view a                   | available free 9 held 0
         fork
         reserve carol a 1        | new #3
         doubt 0                  | in doubt
         claim #3 epoch 2         | claimed #3
         claim #3 epoch 2         | same #3",
    );
}

/// Nothing says how long the clock ran in what was lost but a guess: whoever is later than that is not
/// sent away while there are units.
#[test]
fn a_receipt_that_outlives_the_doubt_is_good_for_what_is_free() {
    check(
        "configure hold=300 a:2   | created
         tick                     | nothing
         open                     | open
         fork
         clock +100
         reserve alice a 1        | new #1
         reserve bob a 1          | new #2
         doubt 0                  | in doubt
         clock +300
         tick                     | nothing
         view a                   | available free 2 held 0
         reserve carol a 1        | new #3
         claim #1                 | claimed #1
         claim #2                 | all_held until 500s  // hers ends before carol's
         cancel #3                | ended #3
         claim #2                 | claimed #2",
    );
}

// "#1 was given back, #2 got that unit, and both have receipts": every way in which that can go on.

/// The log has #1, and with it its unit. #2 has to wait for that; not a moment in which both have it.
#[test]
fn a_unit_that_was_given_back_in_what_was_lost_is_its_first_holders_while_they_keep_it() {
    check(
        "configure hold=300 a:1   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         clock +100
         fork
         cancel #1                | ended #1
         reserve bob a 1          | new #2
         doubt 0                  | in doubt
         claim #1                 | same #1
         claim #2                 | all_held until 300s
         reserve bob a 1          | all_held until 400s
         clock +200
         claim #2                 | all_held until 300s  // its end is due, and not done
         tick                     | expired 1
         reserve alice a 1        | all_held until 400s
         reserve carol a 1        | all_held until 400s  // the unit is nobody's to take
         claim #2                 | claimed #2           // but bob's
         hold #2                  | held bob 1 until 400s, 100s left
         clock +100
         tick                     | expired 1
         view a                   | available free 1 held 0",
    );
}

#[test]
fn who_gave_back_in_what_was_lost_may_do_it_again() {
    check(
        "configure hold=300 a:1   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         fork
         cancel #1                | ended #1
         reserve bob a 1          | new #2
         doubt 0                  | in doubt
         claim #2                 | all_held until 300s
         cancel #1 by alice       | ended #1
         claim #2                 | claimed #2
         claim #1                 | same #1
         hold #1                  | cancelled alice 1",
    );
}

/// #1 has paid meanwhile, and the unit is gone for good: #2 is told that.
#[test]
fn a_unit_that_is_sold_meanwhile_cannot_be_claimed() {
    check(
        "configure hold=300 a:1   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         fork
         cancel #1                | ended #1
         reserve bob a 1          | new #2
         doubt 0                  | in doubt
         checkout #1              | checkout #1
         claim #2                 | all_held until 720s
         call #1                  | checkout #1
         confirm #1               | sold #1
         claim #2                 | sold_out
         view a                   | soldout free 0 held 0 sold 1",
    );
}

/// Both were lost: whoever asks first has it.
#[test]
fn of_two_who_were_promised_the_same_unit_the_first_to_ask_has_it() {
    check(
        "configure hold=300 a:1   | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 1        | new #1
         cancel #1                | ended #1
         reserve bob a 1          | new #2
         doubt 0                  | in doubt
         claim #1                 | claimed #1
         claim #2                 | all_held until 300s
         cancel #1                | ended #1
         claim #2                 | claimed #2
         claim #1                 | same #1
         hold #1                  | cancelled alice 1",
    );
    check(
        "configure hold=300 a:1   | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 1        | new #1
         cancel #1                | ended #1
         reserve bob a 1          | new #2
         doubt 0                  | in doubt
         claim #2                 | claimed #2
         claim #1                 | all_held until 300s",
    );
}

/// A buyer has one hold at a time, so the later one proves that the earlier one had ended: whoever was
/// promised its unit gets it.
#[test]
fn a_later_receipt_of_the_same_buyer_ends_their_earlier_hold() {
    check(
        "configure hold=300 a:1 b:2 | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         fork
         cancel #1                | ended #1
         reserve bob a 1          | new #2
         reserve alice b 2        | new #3
         doubt 0                  | in doubt
         claim #2                 | all_held until 300s
         claim #3                 | claimed #3
         hold #1                  | cancelled alice 1
         view a                   | allheld free 0 held 0 withheld 1
         claim #2                 | claimed #2
         cancel #1                | ended #1
         list                     | #1 #2 #3",
    );
    // Of the same tier: the units are the same.
    check(
        "configure hold=300 a:2   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         fork
         cancel #1                | ended #1
         reserve alice a 2        | new #2
         cancel #2                | ended #2
         reserve alice a 1        | new #3
         doubt 0                  | in doubt
         claim #2                 | claimed #2
         hold #1                  | cancelled alice 1
         claim #3                 | claimed #3
         hold #2                  | cancelled alice 2
         claim #2                 | same #2
         view a                   | allheld free 0 held 1 withheld 1",
    );
}

#[test]
fn an_earlier_receipt_of_the_same_buyer_is_of_a_hold_that_has_ended() {
    check(
        "configure hold=300 a:2   | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 1        | new #1
         cancel #1                | ended #1
         reserve alice a 2        | new #2
         doubt 0                  | in doubt
         claim #2                 | claimed #2
         claim #1                 | hold_exists #2",
    );
    // So is any from before the hold that they took after the doubt.
    check(
        "configure hold=300 max=2 a:2 | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 1        | new #1
         clock +10
         doubt 0                  | in doubt
         clock +300
         tick                     | nothing
         fork
         reserve alice a 2        | new #2
         claim #1                 | hold_not_found
         doubt 60                 | in doubt
         claim #2                 | claimed #2
         claim #1                 | hold_not_found",
    );
}

/// What is at the checkout is not cancelled: its money may come yet, and is late.
#[test]
fn an_earlier_hold_at_the_checkout_runs_out() {
    check(
        "configure hold=300 a:1 b:1 | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         checkout #1              | checkout #1
         call #1                  | checkout #1
         fork
         decline #1               | declined #1
         cancel #1                | ended #1
         reserve alice b 1        | new #2
         doubt 0                  | in doubt
         claim #2                 | claimed #2
         hold #1                  | expired alice 1; processing 1
         confirm #1               | too late #1
         decline #1               | declined #1
         hold #2                  | held alice 1 until 300s, 300s left",
    );
}

#[test]
fn claims_are_heard_whatever_the_sales_status() {
    check(
        "configure hold=300 a:3   | created
         tick                     | nothing
         fork
         open                     | open
         reserve alice a 1        | new #1
         reserve bob a 1          | new #2
         reserve carol a 1        | new #3
         doubt 0                  | in doubt
         claim #1                 | claimed #1         // its opening was lost as well
         configure hold=300 a:1   | wrong_state
         open                     | open
         pause                    | paused
         claim #2                 | claimed #2
         close                    | closed
         claim #3                 | claimed #3
         checkout #3              | checkout #3
         clock +300
         tick                     | expired 2
         view a                   | available free 2 held 1",
    );
}
