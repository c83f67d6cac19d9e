//! What happens after a loss, as tables.

mod claims;
mod orders;

use holdfast_core::{Command, Outcome, Sale, SaleConfig, Stamp};

use crate::table::{check, config};

#[test]
fn in_doubt_no_unit_is_free() {
    check(
        "configure hold=300 a:3 b:1 c:0 | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         clock +100
         fork
         clock +2
         doubt 2                  | in doubt         // at 100 s of the sale clock, 102 s of the wall
         view a                   | allheld free 0 held 1 withheld 2
         tick                     | nothing
         reserve alice a 1        | same #1
         reserve bob a 1          | all_held until 404s
         reserve bob a 3          | all_held until 404s
         reserve bob b 1          | all_held until 404s
         reserve bob c 1          | sold_out
         cancel #1                | ended #1
         view a                   | allheld free 0 held 0 withheld 3 // somebody may have had it since
         pause                    | paused
         resume                   | open
         clock +301
         tick                     | nothing
         reserve bob a 1          | all_held until 404s
         clock +1
         reserve bob a 1          | all_held until 404s     // it is the tick that ends it
         tick                     | nothing
         view a                   | available free 3 held 0
         view b                   | available free 1 held 0
         reserve bob a 3          | new #2",
    );
}

#[test]
fn what_is_sold_and_what_the_ledger_withholds_does_not_come_back_with_the_doubt() {
    check(
        "configure hold=300 grace=120 a:4 b:1 | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         checkout #1              | checkout #1
         call #1                  | checkout #1
         confirm #1               | sold #1
         withhold #1              | recorded #1
         reserve bob a 1          | new #2
         checkout #2              | checkout #2
         call #2                  | checkout #2
         reserve bob b 1          | hold_exists #2
         reserve carol b 1        | new #3
         fork
         doubt 0                  | in doubt
         view a                   | allheld free 0 held 1 withheld 3
         reserve dave b 1         | all_held until 300s   // #3 may come back, but not to him before that
         confirm #2               | sold #2
         view a                   | allheld free 0 held 0 sold 1 withheld 3
         capacity a 4             | resized               // the ledger withholds nothing any more
         view a                   | allheld free 0 held 0 sold 1 withheld 3
         capacity a 3             | wrong_state           // a unit of which nobody knows may be held
         capacity a 5             | resized
         view a                   | allheld free 0 held 0 sold 1 withheld 4
         void #2                  | recorded #2
         view a                   | allheld free 0 held 0 withheld 5
         clock +300
         tick                     | expired 1
         view a                   | available free 5 held 0
         view b                   | available free 1 held 0
         capacity a 3             | resized",
    );
    check(
        "configure hold=300 a:2   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         checkout #1              | checkout #1
         call #1                  | checkout #1
         confirm #1               | sold #1
         withhold #1              | recorded #1
         fork
         doubt 0                  | in doubt
         view a                   | allheld free 0 held 0 withheld 2
         clock +300
         tick                     | nothing
         view a                   | available free 1 held 0 withheld 1
         reserve bob a 1          | new #2
         reserve carol a 1        | all_held until 600s",
    );
}

/// Late money has no unit in doubt: whoever was promised it comes first.
#[test]
fn late_money_is_given_back_in_doubt() {
    check(
        "configure hold=300 grace=0 a:2 | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         checkout #1              | checkout #1
         call #1                  | checkout #1
         clock +300
         tick                     | expired 1
         fork
         doubt 0                  | in doubt
         confirm #1               | too late #1",
    );
}

#[test]
fn one_doubt_after_another_lasts_until_the_later_ends() {
    check(
        "configure hold=300 a:3   | created
         tick                     | nothing
         open                     | open
         fork
         reserve alice a 1        | new #1
         doubt 60                 | in doubt
         view a                   | allheld free 0 held 0 withheld 3
         clock +10
         tick                     | nothing
         fork
         reserve bob a 1          | all_held until 360s
         doubt 0                  | in doubt           // that alone would end at 310
         reserve bob a 1          | all_held until 360s
         clock +60
         fork
         doubt 20                 | in doubt           // ends at 390
         claim #1                 | claimed #1         // what the first has lost
         reserve bob a 1          | all_held until 390s
         clock +319
         tick                     | expired 1
         view a                   | allheld free 0 held 0 withheld 3
         clock +1
         tick                     | nothing
         view a                   | available free 3 held 0",
    );
}

/// What was never configured, as far as anyone knows, has nothing to withhold.
#[test]
fn a_sale_that_was_lost_from_its_beginning_begins_anew() {
    check(
        "fork
         configure hold=300 a:1   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         doubt 5                  | in doubt
         claim #1                 | hold_not_found
         restore #1               | hold_not_found
         tick                     | nothing
         configure hold=300 a:1   | created
         claim #1                 | claimed #1
         configure hold=300 a:2   | wrong_state        // somebody holds a unit of it
         open                     | open
         reserve bob a 1          | all_held until 300s",
    );
}

/// A gap as it is between two epochs costs a megabyte, and nothing else.
#[test]
fn sequences_may_jump_and_a_snapshot_goes_on_from_there() {
    let mut sale = Sale::new(1, 0);
    let mut stamp = Stamp { epoch: 1, sequence: 1, clock_ms: 0 };
    let SaleConfig { terms, tiers } = config(&["a:1"]);
    sale.apply(stamp, &Command::Configure(Box::new(SaleConfig { terms, tiers })));
    stamp = Stamp { epoch: 2, sequence: 2 + (1 << 24), clock_ms: 500 };
    let doubt = Command::Doubt { lost_ms: u64::MAX, first_lost: 2 };
    assert_eq!(sale.settled(500, &doubt), None);
    assert_eq!(sale.apply(stamp, &doubt), Outcome::Doubted);
    assert_eq!(sale.next_deadline_ms(), Some(u64::MAX), "no time is too long");
    let bytes = sale.to_snapshot();
    assert!(bytes.len() < 200, "{}", bytes.len());
    let again = Sale::from_snapshot(&bytes, 1).expect("a snapshot can be read");
    assert_eq!((again.last(), again.to_snapshot()), (stamp, bytes));
}
