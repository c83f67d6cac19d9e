//! The rules as tables.

mod checkout;
mod loss;
mod table;

use holdfast_core::{
    BuyerId, Command, EXPIRE_BATCH_MAX, Outcome, Reserve, Sale, Stamp, Ticked, TierId,
};
use table::{check, config};

#[test]
fn a_hold_is_taken_kept_and_given_back() {
    check(
        "configure a:3            | created
         tick                     | nothing
         open                     | open
         reserve alice a 2        | new #1
         view a                   | available free 1 held 2
         hold #1                  | held alice 2 until 300s, 300s left
         clock +100
         hold #1                  | held alice 2 until 300s, 200s left
         cancel #1 by alice       | ended #1
         view a                   | available free 3 held 0
         cancel #1 by alice       | ended #1   // giving back again changes nothing
         hold #1                  | cancelled alice 2",
    );
}

#[test]
fn a_hold_expires_at_its_deadline_and_not_before() {
    check(
        "configure hold=300 a:1   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         clock +299
         tick                     | nothing
         view a                   | allheld free 0 held 1
         clock +1
         tick                     | expired 1
         tick                     | nothing
         view a                   | available free 1 held 0
         hold #1                  | expired alice 1
         cancel #1 by alice       | ended #1
         hold #1                  | expired alice 1  // it ended once
         reserve bob a 1          | new #2",
    );
}

#[test]
fn availability_is_said_as_it_is() {
    check(
        "configure a:3 b:0        | created
         tick                     | nothing
         open                     | open
         reserve alice a 2        | new #1
         clock +10
         reserve bob a 2          | not_enough, 1 free
         reserve bob a 1          | new #2
         reserve carol a 1        | all_held until 300s
         reserve carol b 1        | sold_out
         view b                   | soldout free 0 held 0
         cancel #1                | ended #1
         reserve carol a 3        | not_enough, 2 free
         reserve carol a 2        | new #3
         reserve dave a 1         | all_held until 310s",
    );
}

#[test]
fn the_same_request_gets_the_same_hold() {
    check(
        "configure a:5 b:5        | created
         tick                     | nothing
         open                     | open
         reserve alice a 2        | new #1
         reserve alice a 2        | same #1
         reserve alice a 1        | hold_exists #1
         reserve alice b 2        | hold_exists #1
         pause                    | paused
         reserve alice a 2        | same #1   // a retry, whatever the sale does meanwhile
         reserve alice a 1        | paused
         close                    | closed
         reserve alice a 2        | same #1
         reserve bob a 1          | closed",
    );
}

#[test]
fn a_key_answers_as_it_did() {
    check(
        "configure a:5 b:5 hold=60  | created
         tick                       | nothing
         open                       | open
         reserve alice a 2 k1       | new #1
         reserve alice a 2 k1       | same #1
         reserve alice a 1 k1       | key_reused
         reserve alice b 2 k1       | key_reused
         reserve alice nowhere 2 k1 | key_reused   // whatever else is wrong with it
         reserve alice nowhere 0 k1 | key_reused
         reserve alice nowhere 2 k2 | tier_not_found
         reserve alice a 2 k2       | same #1   // another key for the same hold
         reserve bob a 2 k1         | new #2    // keys are each buyer's own
         clock +60
         tick                       | expired 2
         reserve alice a 2 k1       | same #1   // the retry makes no second hold
         reserve alice a 2 k2       | same #1
         reserve alice a 2 k3       | new #3
         reserve alice a 2 k1       | same #1
         pause                      | paused
         reserve alice a 2 k1       | same #1
         close                      | closed
         reserve alice a 2 k1       | same #3   // keys are forgotten at close; the hold lives
         cancel #3 by alice         | ended #3
         reserve alice a 2 k1       | closed",
    );
}

#[test]
fn a_refusal_is_not_remembered_under_its_key() {
    check(
        "configure a:1            | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         reserve bob a 1 k        | all_held until 300s
         cancel #1                | ended #1
         reserve bob a 1 k        | new #2",
    );
}

#[test]
fn limits_bind() {
    check(
        "configure a:900 max=3    | created
         tick                     | nothing
         open                     | open
         reserve alice a 4        | limit_reached
         reserve alice a 1001     | invalid quantity
         reserve alice a 0        | invalid quantity
         reserve alice a 3        | new #1
         reserve alice a 1        | hold_exists #1",
    );
}

#[test]
fn a_buyer_has_a_bounded_number_of_holds_and_keys() {
    let mut holds = String::from("configure a:9 | created\n tick | nothing\n open | open\n");
    for n in 1..=64 {
        holds.push_str(&format!("reserve alice a 1 | new #{n}\n cancel #{n} | ended #{n}\n"));
    }
    check(&format!("{holds} reserve alice a 1 | limit_reached: holds\n reserve bob a 1 | new #65"));

    let mut keys = String::from("configure a:9 | created\n tick | nothing\n open | open\n");
    keys.push_str("reserve alice a 1 k1 | new #1\n");
    for n in 2..=64 {
        keys.push_str(&format!("reserve alice a 1 k{n} | same #1\n"));
    }
    check(&format!(
        "{keys} reserve alice a 1 k65 | limit_reached: keys
         reserve alice a 1 k1   | same #1
         reserve alice a 1      | same #1
         cancel #1              | ended #1
         reserve alice a 1 k65  | limit_reached: keys
         reserve alice a 1      | new #2"
    ));
}

#[test]
fn nobody_else_can_end_a_hold() {
    check(
        "configure a:5            | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         reserve bob a 1          | new #2
         cancel #1 by bob         | hold_not_found
         cancel #1 by carol       | hold_not_found
         cancel #9                | hold_not_found
         cancel #1                | ended #1",
    );
}

#[test]
fn a_sale_moves_only_as_allowed() {
    check(
        "open                     | sale_not_found
         pause                    | sale_not_found
         resume                   | sale_not_found
         close                    | sale_not_found
         capacity a 5             | sale_not_found
         reserve alice a 1        | sale_not_found
         configure a:5            | created
         tick                     | nothing
         pause                    | wrong_state
         resume                   | wrong_state
         reserve alice a 1        | not_open
         open                     | open
         open                     | open
         resume                   | open
         pause                    | paused
         pause                    | paused
         open                     | wrong_state
         reserve alice a 1        | paused
         resume                   | open
         reserve alice a 1        | new #1
         configure a:6            | wrong_state
         close                    | closed
         close                    | closed
         open                     | wrong_state
         pause                    | wrong_state
         resume                   | wrong_state
         capacity a 9             | wrong_state
         clock +300
         tick                     | expired 1",
    );
}

#[test]
fn a_sale_can_be_closed_before_it_opens_or_while_paused() {
    check("configure a:5 | created\n close | closed\n open | wrong_state");
    check("configure a:5 | created\n open | open\n pause | paused\n close | closed");
}

#[test]
fn a_sale_opens_by_schedule() {
    check(
        "configure a:5 opens=60   | created
         tick                     | nothing
         reserve alice a 1        | not_open until 60s
         clock +59
         tick                     | nothing
         clock +1
         tick                     | opened
         reserve alice a 1        | new #1",
    );
}

#[test]
fn a_sale_can_be_changed_until_it_opens() {
    check(
        "configure a:5 b:2        | created
         configure a:5 b:2        | configured
         configure c:7 hold=1     | configured
         open                     | open
         reserve alice a 1        | tier_not_found
         reserve alice c 1        | new #1",
    );
}

#[test]
fn ranges_are_checked() {
    check(
        "configure a:10000001     | invalid tiers[0].capacity
         configure                | invalid tiers
         configure a:1 a:2        | invalid tiers[1].id
         configure a:1 hold=0     | invalid hold_seconds
         configure a:1 hold=86401 | invalid hold_seconds
         configure a:1 max=0      | invalid max_per_buyer
         configure a:1 max=1001   | invalid max_per_buyer
         open                     | sale_not_found
         configure a:10000000 hold=86400 max=1000 | created
         capacity a 10000001      | invalid capacity",
    );
}

#[test]
fn capacity_changes_while_open_but_never_below_what_is_taken() {
    check(
        "configure a:2            | created
         tick                     | nothing
         open                     | open
         reserve alice a 2        | new #1
         capacity a 1             | wrong_state
         capacity a 2             | resized
         capacity b 2             | tier_not_found
         capacity a 3             | resized
         reserve bob a 1          | new #2
         cancel #1                | ended #1
         capacity a 1             | resized
         reserve carol a 1        | all_held until 300s
         capacity a 0             | wrong_state",
    );
}

#[test]
fn the_wall_clock_never_takes_time_from_a_hold() {
    check(
        "configure hold=300 a:2   | created
         tick                     | nothing
         open                     | open
         reserve alice a 1        | new #1
         hold #1                  | held alice 1 until 300s, 300s left
         wall -3600
         tick                     | nothing
         hold #1                  | held alice 1 until 300s, 300s left
         wall +7200
         tick                     | nothing     // an hour passed while the sale clock stood
         hold #1                  | held alice 1 until 3900s, 300s left
         clock +300
         tick                     | expired 1
         wall -3600               // with nobody holding, the anchor follows the wall back
         tick                     | nothing
         reserve bob a 1          | new #2
         hold #2                  | held bob 1 until 600s, 300s left",
    );
}

#[test]
fn who_comes_after_the_wall_clock_was_put_right_is_told_the_truth() {
    check(
        "configure hold=300 a:3   | created
         tick                     | nothing
         open                     | open
         wall +3600               // by mistake
         tick                     | nothing
         reserve alice a 1        | new #1
         hold #1                  | held alice 1 until 3900s, 300s left
         wall -3600               // and put right
         tick                     | nothing
         reserve bob a 1          | new #2
         hold #1                  | held alice 1 until 3900s, 300s left  // never earlier
         hold #2                  | held bob 1 until 300s, 300s left
         cancel #1                | ended #1
         wall +60
         tick                     | nothing
         hold #2                  | held bob 1 until 360s, 300s left",
    );
}

#[test]
fn a_tick_does_a_bounded_amount_of_work() {
    let holds = EXPIRE_BATCH_MAX + 1;
    let mut sale = Sale::new(1, 0);
    let mut sequence = 0;
    let mut apply = |clock_ms, command: &Command| {
        sequence += 1;
        sale.apply(Stamp { epoch: 1, sequence, clock_ms }, command)
    };
    let (tier, quantity) = (TierId::new("a").unwrap(), 1);
    apply(0, &Command::Configure(Box::new(config(&[&format!("a:{holds}")]))));
    apply(0, &Command::Open);
    for n in 0..holds {
        let buyer = BuyerId::new(&format!("buyer-{n}")).unwrap();
        let reserve = Reserve { buyer, tier, quantity, key: None };
        assert!(matches!(apply(0, &Command::Reserve(reserve)), Outcome::Reserved(_)));
    }
    let mut tick = || apply(300_000, &Command::Tick { wall_ms: 300_000 });
    let ticked = |expired, more| Outcome::Ticked(Ticked { expired, opened: false, more });
    assert_eq!(tick(), ticked(EXPIRE_BATCH_MAX, true));
    assert_eq!(tick(), ticked(1, false));
    assert_eq!(tick(), ticked(0, false));
}
