//! Orders that the ledger has, of holds that were lost or whose sale was.

use crate::table::check;

#[test]
fn a_hold_that_lives_is_sold_for_its_order() {
    check(
        "configure hold=300 a:3   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         reserve bob a 1          | new #2
         checkout #2 note gift    | checkout #2
         reserve carol a 1        | new #3
         fork
         checkout #1              | checkout #1
         call #1                  | checkout #1
         confirm #1               | sold #1
         doubt 0                  | in doubt
         hold #1                  | held alice 1 until 300s, 300s left
         restore #1               | restored #1
         hold #1                  | sold alice 1; authorised 1
         restore #1               | sold #1
         restore #1 paid          | sold #1            // the saga finds out by itself
         pay #1                   | recorded #1
         restore #2 paid          | restored #2
         hold #2                  | sold bob 1; paid 1
         restore #3 attempt 2     | restored #3        // it was declined once
         hold #3                  | sold carol 1; authorised 2
         void #3                  | recorded #3
         restore #3 attempt 2     | wrong_state        // it has come to nothing since
         restore #1 attempt 0     | invalid attempt
         view a                   | allheld free 0 held 0 sold 2 withheld 1
         clock +300
         tick                     | nothing
         view a                   | available free 1 held 0 sold 2",
    );
}

#[test]
fn a_hold_that_was_lost_is_made_again_for_its_order() {
    check(
        "configure hold=300 max=2 a:3 | created
         tick                     | nothing
         open                     | open
         reserve bob a 1          | new #1
         fork
         reserve alice a 2        | new #2
         checkout #2              | checkout #2
         call #2                  | checkout #2
         confirm #2               | sold #2
         pay #2                   | recorded #2
         doubt 0                  | in doubt
         restore #2 paid          | restored #2
         hold #2                  | sold alice 2; paid 1
         claim #2                 | same #2
         list                     | #1 #2
         view a                   | allheld free 0 held 1 sold 2
         reserve alice a 1        | limit_reached      // what she has ordered counts
         refund #2                | recorded #2
         view a                   | allheld free 0 held 1 withheld 2
         clock +300
         tick                     | expired 1
         view a                   | available free 3 held 0",
    );
}

/// Once in doubt, only a hold in what was lost can be unknown.
#[test]
fn an_order_of_a_hold_that_cannot_have_been_is_not_restored() {
    check(
        "configure hold=300 a:3   | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 1        | new #1
         reserve bob a 1          | new #2
         doubt 0                  | in doubt
         restore #1 from #2       | hold_not_found     // money pays for no earlier hold
         fork
         reserve carol a 1        | all_held until 300s
         restore #1               | restored #1",
    );
}

/// The limit is not asked: the ledger is right. But what she has counts from then on.
#[test]
fn limits_are_not_asked_for_an_order_that_there_is() {
    check(
        "configure hold=300 max=2 a:9 | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 2        | new #1
         checkout #1              | checkout #1
         call #1                  | checkout #1
         confirm #1               | sold #1
         doubt 0                  | in doubt
         clock +300
         tick                     | nothing
         reserve alice a 2        | new #2
         restore #1               | restored #1
         view a                   | available free 5 held 2 sold 2
         reserve alice a 2        | same #2            // that one is hers as well
         hold #2                  | held alice 2 until 600s, 300s left
         cancel #2                | ended #2
         reserve alice a 1        | limit_reached",
    );
}

/// The ledger has refused what the sale sold twice, and the sale withholds it: that is this very unit.
#[test]
fn units_that_the_ledger_made_withhold_are_for_its_orders() {
    check(
        "configure hold=300 a:2   | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 2        | new #1
         checkout #1              | checkout #1
         call #1                  | checkout #1
         confirm #1               | sold #1
         doubt 0                  | in doubt
         clock +300
         tick                     | nothing
         reserve bob a 1          | new #2
         checkout #2              | checkout #2
         call #2                  | checkout #2
         confirm #2               | sold #2
         restore #1               | all_held           // not yet: the sale never sells more than there is
         view a                   | available free 1 held 0 sold 1
         withhold #2              | recorded #2
         view a                   | available free 1 held 0 withheld 1
         restore #1               | restored #1
         view a                   | soldout free 0 held 0 sold 2",
    );
}

#[test]
fn capacity_binds_also_for_orders() {
    check(
        "configure hold=300 a:1   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         fork
         cancel #1                | ended #1
         reserve bob a 1          | new #2
         checkout #2              | checkout #2
         call #2                  | checkout #2
         confirm #2               | sold #2
         doubt 0                  | in doubt
         restore #2               | all_held until 300s // alice has that unit, as far as the sale knows
         checkout #1              | checkout #1
         call #1                  | checkout #1
         confirm #1               | sold #1
         restore #2               | sold_out
         withhold #1              | recorded #1         // so the ledger says, who has bob's order
         restore #2               | restored #2
         view a                   | soldout free 0 held 0 sold 1",
    );
}

/// It ran out, or was given back, while the sale did not know of its order.
#[test]
fn a_hold_that_has_ended_is_sold_for_its_order() {
    check(
        "configure hold=300 a:2   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         reserve bob a 1          | new #2
         fork
         checkout #1              | checkout #1
         call #1                  | checkout #1
         confirm #1               | sold #1
         checkout #2              | checkout #2
         call #2                  | checkout #2
         confirm #2               | sold #2
         doubt 0                  | in doubt
         cancel #2                | ended #2
         restore #2               | restored #2
         hold #2                  | sold bob 1; authorised 1
         clock +300
         tick                     | expired 1
         reserve carol a 1        | new #3
         restore #1               | all_held until 600s
         cancel #3                | ended #3
         restore #1 paid          | restored #1
         hold #1                  | sold alice 1; paid 1
         view a                   | soldout free 0 held 0 sold 2",
    );
}

/// An order proves, as a receipt does, that the buyer's hold before it had ended.
#[test]
fn an_order_ends_its_buyers_earlier_hold() {
    check(
        "configure hold=300 a:1   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         fork
         cancel #1                | ended #1
         reserve alice a 1        | new #2
         checkout #2              | checkout #2
         call #2                  | checkout #2
         confirm #2               | sold #2
         doubt 0                  | in doubt
         restore #2               | restored #2
         hold #1                  | cancelled alice 1
         restore #1               | sold_out",
    );
}

/// Money that came late paid for another hold: both are made again as far as they are unknown, so that
/// what the provider knows it by leads to the order.
#[test]
fn late_money_is_restored_with_the_hold_that_it_came_from() {
    let late = "configure hold=300 grace=0 a:1 | created
         tick                     | nothing
         open                     | open
         FORK1
         reserve alice a 1        | new #1
         checkout #1              | checkout #1
         call #1                  | checkout #1
         FORK2
         clock +300
         tick                     | expired 1
         FORK3
         confirm #1               | sold #2
         hold #1                  | expired alice 1; moved 1
         doubt 300                | in doubt
         restore #2 from #1       | restored #2
         hold #1                  | expired alice 1; moved 1
         hold #2                  | sold alice 1; authorised 1
         restore #2 from #1       | sold #2
         confirm #1               | sold #2
         restore #1               | wrong_state        // its money is #2's
         claim #1                 | same #1
         list                     | #1 #2
         pay #2                   | recorded #2
         view a                   | soldout free 0 held 0 sold 1";
    for fork in ["FORK1", "FORK2", "FORK3"] {
        let forked = late.replace(fork, "fork");
        let lines = forked.lines().filter(|line| !line.contains("FORK"));
        check(&lines.collect::<Vec<_>>().join("\n"));
    }
}
