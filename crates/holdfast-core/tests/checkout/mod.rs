//! Checkout, as tables.

use crate::table::check;

#[test]
fn a_hold_is_paid_and_sold() {
    check(
        "configure a:2            | created
         tick                     | nothing
         open                     | open
         reserve alice a 2        | new #1
         checkout #1 by bob       | hold_not_found
         checkout #1 by alice     | checkout #1
         hold #1                  | paying alice 2 until 300s, 300s left; queued 1 by 420s
         checkout #1 by alice     | checkout #1      // the same payment
         cancel #1                | wrong_state      // its money may come
         confirm #1 2             | wrong_state      // there is no such payment
         pay #1                   | wrong_state
         call #1                  | checkout #1
         hold #1                  | paying alice 2 until 300s, 300s left; processing 1 by 420s
         call #1                  | checkout #1
         view a                   | allheld free 0 held 2
         reserve alice a 2        | same #1
         confirm #1               | sold #1
         confirm #1               | sold #1
         hold #1                  | sold alice 2; authorised 1
         view a                   | soldout free 0 held 0 sold 2
         reserve bob a 1          | sold_out
         checkout #1              | checkout #1
         cancel #1                | wrong_state
         decline #1               | wrong_state
         refund #1                | wrong_state      // it has not been paid
         pay #1                   | recorded #1
         pay #1                   | recorded #1
         void #1                  | wrong_state
         confirm #1               | sold #1
         hold #1                  | sold alice 2; paid 1
         clock +1000
         tick                     | nothing
         refund #1                | recorded #1
         refund #1                | recorded #1
         pay #1                   | recorded #1      // it was
         hold #1                  | sold alice 2; refunded 1
         view a                   | available free 2 held 0",
    );
}

#[test]
fn a_checkout_adds_its_grace_once() {
    check(
        "configure hold=300 grace=120 a:1 | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         clock +290
         checkout #1              | checkout #1
         call #1                  | checkout #1
         clock +5
         decline #1               | declined #1
         hold #1                  | held alice 1 until 300s, 5s left; declined 1
         decline #1               | declined #1
         confirm #1               | wrong_state      // it came to nothing: whatever comes is given back
         call #1                  | wrong_state
         checkout #1              | checkout #1
         confirm #1 1             | wrong_state      // another payment
         hold #1                  | paying alice 1 until 300s, 5s left; queued 2 by 420s
         call #1 2                | checkout #1
         clock +30
         tick                     | nothing
         hold #1                  | paying alice 1 until 300s, 0s left; processing 2 by 420s
         view a                   | allheld free 0 held 1
         reserve bob a 1          | all_held until 420s
         decline #1 2             | declined #1
         hold #1                  | expired alice 1; declined 2
         view a                   | available free 1 held 0
         checkout #1              | wrong_state",
    );
}

#[test]
fn a_hold_held_again_is_given_back_or_expires_like_any_other() {
    check(
        "configure hold=300 a:3   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         reserve bob a 1          | new #2
         clock +10
         reserve carol a 1        | new #3
         checkout #1              | checkout #1
         checkout #2              | checkout #2
         decline #1               | declined #1
         decline #2               | declined #2
         cancel #2                | ended #2
         reserve dave a 1         | new #4
         reserve erin a 1         | all_held until 300s
         clock +290
         tick                     | expired 1
         hold #1                  | expired alice 1; declined 1
         hold #2                  | cancelled bob 1; declined 1
         hold #3                  | held carol 1 until 310s, 10s left
         clock +10
         tick                     | expired 2",
    );
}

#[test]
fn time_in_the_queue_is_not_the_buyers() {
    check(
        "configure hold=300 grace=120 a:4 | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         reserve bob a 1          | new #2
         clock +100
         checkout #1              | checkout #1
         checkout #2              | checkout #2
         clock +200
         hold #1                  | paying alice 1 until 300s, 200s left; queued 1 by 420s
         tick                     | nothing          // an entry makes sure of the time
         hold #1                  | paying alice 1 until 500s, 200s left; queued 1 by 620s
         call #1                  | checkout #1
         hold #1                  | paying alice 1 until 500s, 200s left; processing 1 by 620s
         decline #1               | declined #1
         hold #1                  | held alice 1 until 500s, 200s left; declined 1
         clock +150               // 350 queued: 300 of them count
         tick                     | nothing
         hold #2                  | paying bob 1 until 600s, 150s left; queued 1 by 720s
         checkout #1              | checkout #1
         clock +140               // 200 and 140 queued: 300 of them count
         tick                     | nothing
         hold #1                  | paying alice 1 until 600s, 10s left; queued 2 by 720s
         clock +130               // at 720
         tick                     | expired 2
         hold #1                  | expired alice 1; declined 2   // it was never asked for
         hold #2                  | expired bob 1; declined 1
         confirm #2               | wrong_state",
    );
}

#[test]
fn late_money_gets_a_new_hold_if_one_is_free() {
    check(
        "configure hold=300 grace=0 max=1 a:1 | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         checkout #1 note n       | checkout #1
         call #1                  | checkout #1
         clock +300
         tick                     | expired 1
         hold #1                  | expired alice 1; processing 1
         confirm #1               | sold #2
         hold #1                  | expired alice 1; moved 1
         hold #2                  | sold alice 1; authorised 1
         confirm #1               | sold #2
         view a                   | soldout free 0 held 0 sold 1
         reserve alice a 1        | limit_reached
         pay #1                   | wrong_state
         pay #2                   | recorded #2
         confirm #1               | sold #2",
    );
}

#[test]
fn late_money_is_given_back_where_nothing_is_free_or_allowed() {
    let late = |meanwhile: &str, after: &str| {
        check(&format!(
            "configure hold=300 grace=0 max=1 a:1 | created
             tick                 | nothing
             open                 | open
             reserve alice a 1    | new #1
             checkout #1          | checkout #1
             call #1              | checkout #1
             clock +300
             tick                 | expired 1
             {meanwhile}
             confirm #1           | too late #1
             confirm #1           | too late #1
             {after}
             confirm #1           | too late #1   // for good, whatever becomes free
             hold #1              | expired alice 1; toolate 1
             decline #1           | declined #1
             hold #1              | expired alice 1; declined 1
             confirm #1           | wrong_state"
        ));
    };
    late("reserve bob a 1 | new #2", "cancel #2 | ended #2");
    late("reserve alice a 1 | new #2", "cancel #2 | ended #2");
    late("pause | paused", "resume | open");
    late("close | closed", "");
    late(
        "reserve alice a 1 | new #2
         confirm #2 | wrong_state
         checkout #2 | checkout #2
         confirm #2 | sold #2
         capacity a 2 | resized",
        "void #2 | recorded #2",
    );
}

#[test]
fn an_order_that_comes_to_nothing_returns_its_units_or_withholds_them() {
    check(
        "configure max=2 a:2      | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         checkout #1              | checkout #1
         confirm #1               | sold #1
         reserve alice a 2        | limit_reached    // orders count
         reserve alice a 1        | new #2
         void #1                  | recorded #1
         void #1                  | recorded #1
         hold #1                  | sold alice 1; void 1
         view a                   | available free 1 held 1
         checkout #2              | checkout #2
         confirm #2               | sold #2
         withhold #2              | recorded #2
         view a                   | available free 1 held 0 withheld 1
         reserve bob a 2          | not_enough, 1 free
         reserve bob a 1          | new #3
         reserve carol a 1        | all_held until 300s
         capacity a 0             | wrong_state
         capacity a 2             | resized          // the ledger agrees to it
         view a                   | available free 1 held 1
         capacity a 2             | resized",
    );
}

#[test]
fn a_key_begins_one_checkout() {
    check(
        "configure a:2            | created
         tick                     | nothing
         open                     | open
         reserve alice a 1 k1     | new #1
         checkout #1 key k1       | key_reused       // it took the hold
         checkout #1 key k2       | checkout #1
         checkout #1 key k2       | checkout #1
         checkout #1 key k2 note n | key_reused      // for something else
         checkout #1 key k3       | checkout #1      // remembered for the same payment
         reserve alice a 1 k2     | key_reused
         decline #1               | declined #1
         checkout #1 key k2       | checkout #1
         checkout #1 key k3       | checkout #1
         hold #1                  | held alice 1 until 300s, 300s left; declined 1  // no second one
         checkout #1 key k4       | checkout #1
         hold #1                  | paying alice 1 until 300s, 300s left; queued 2 by 420s
         close                    | closed
         checkout #1 key k5       | checkout #1
         confirm #1 2             | sold #1
         checkout #1 key k5       | checkout #1",
    );
}

#[test]
fn a_key_that_found_a_checkout_under_way_is_answered_the_same() {
    check(
        "configure a:2            | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         checkout #1 key k1 note m | checkout #1
         checkout #1 key k2 note n | checkout #1
         checkout #1 key k2 note n | checkout #1     // the very same request
         checkout #1 key k1 note n | key_reused
         decline #1               | declined #1
         checkout #1 key k2 note n | checkout #1
         hold #1                  | held alice 1 until 300s, 300s left; declined 1
         checkout #1 key k3       | checkout #1
         checkout #1 key k2 note n | checkout #1
         reserve alice a 1 k2     | key_reused",
    );
}

#[test]
fn a_hold_goes_to_the_checkout_so_often_and_no_more() {
    let mut table = "configure a:1 | created
                     tick | nothing
                     open | open
                     reserve alice a 1 | new #1\n"
        .to_owned();
    for attempt in 1..=16 {
        table += &format!("checkout #1 | checkout #1\ndecline #1 {attempt} | declined #1\n");
    }
    check(&(table + "checkout #1 | limit_reached: checkouts"));
}

#[test]
fn checkouts_are_for_holds_that_live() {
    check(
        "configure hold=300 a:2   | created
         tick                     | nothing
         open                     | open
         checkout #1              | hold_not_found
         confirm #1               | hold_not_found
         reserve alice a 1        | new #1
         call #1                  | wrong_state
         confirm #1               | wrong_state
         pay #1                   | wrong_state
         reserve bob a 1          | new #2
         cancel #2                | ended #2
         checkout #2              | wrong_state
         clock +300
         checkout #1              | wrong_state      // its time is up, though nothing has said so
         tick                     | expired 1
         checkout #1              | wrong_state",
    );
}

#[test]
fn a_buyer_is_forgotten_once_the_sale_is_closed_and_nothing_is_under_way() {
    check(
        "configure hold=300 a:3   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1 k1     | new #1
         checkout #1              | checkout #1
         confirm #1               | sold #1
         reserve bob a 1          | new #2
         forget alice as someone  | wrong_state      // her limit goes by her name
         forget carol as someone  | forgotten        // nobody knows her
         close                    | closed
         forget alice as someone  | wrong_state      // her money is not taken yet
         forget bob as someone    | wrong_state      // he has a hold
         pay #1                   | recorded #1
         forget alice as bob      | wrong_state
         forget alice as someone  | forgotten
         forget alice as someone  | forgotten
         hold #1                  | sold someone 1; paid 1
         cancel #1 by alice       | hold_not_found
         checkout #1 by someone   | checkout #1
         refund #1                | recorded #1
         view a                   | available free 2 held 1
         cancel #2                | ended #2
         forget bob as x          | forgotten
         hold #2                  | cancelled x 1",
    );
}
