//! The auditor against servers that lie: each answer is right but for one word.

use holdfast_core::{
    Admission, BuyerId, Checkout, Command, Currency, HoldKey, HoldStatus, HoldView, KeyDigest,
    Limit, Money, Outcome, PaymentStatus, PaymentView, Refusal, Reserve, Sale, SaleConfig, SaleId,
    Stamp, Status, Terms, TierConfig, TierId,
};
use holdfast_engine::Answer;
use holdfast_sim::auditor::{Asked, Auditor, Breach, Moment, Seen, Turn};

const WALL_MS: u64 = 1_700_000_000_000;
const HOLD_MS: u64 = 5_000;

/// A sale, the auditor of it, and the time.
struct Desk {
    sale: Sale,
    auditor: Auditor,
    stamp: Stamp,
    at: Moment,
}

impl Desk {
    /// An open sale of so many units, of which one buyer may have two.
    fn open(capacity: u32) -> Self {
        let auditor = Auditor::new(&[SaleId::new("sale").expect("a good id")]);
        let at = Moment { wall_ms: WALL_MS, ..Moment::default() };
        let mut desk = Self { sale: Sale::new(1, 1), auditor, stamp: Stamp::default(), at };
        desk.does(Command::Configure(Box::new(config(capacity))));
        desk.does(Command::Open);
        desk
    }

    fn turn(&self) -> Turn {
        Turn { start: self.at, end: self.at, healthy: true }
    }

    fn wait(&mut self, ms: u64) {
        self.at.now_us += ms * 1_000;
        self.at.up_us += ms * 1_000;
        self.at.wall_ms += ms;
        self.stamp.clock_ms += ms;
    }

    /// What the rules answer, without a word to the auditor.
    fn truth(&mut self, command: &Command) -> Answer {
        self.stamp.sequence += 1;
        let outcome = self.sale.apply(self.stamp, command);
        let hold = outcome.hold().and_then(|hold| self.sale.hold(hold, self.stamp.clock_ms));
        Answer { outcome, hold }
    }

    /// A turn in which one thing is asked, and answered as the rules and then `lie` have it.
    fn asks(&mut self, command: Command, lie: impl FnOnce(&mut Answer)) -> Result<(), Breach> {
        let asked = Asked { sale: 0, who: None, command };
        self.auditor.ask(std::slice::from_ref(&asked), self.at.now_us)?;
        let wall_ms = self.at.wall_ms;
        self.truth(&Command::Tick { wall_ms });
        let mut answer = self.truth(&asked.command);
        lie(&mut answer);
        self.auditor.hear(&asked, Some(&Ok(answer)), &self.turn())?;
        self.look()
    }

    fn does(&mut self, command: Command) {
        assert_eq!(self.asks(command, |_| ()), Ok(()));
    }

    fn look(&mut self) -> Result<(), Breach> {
        let clock_ms = self.stamp.clock_ms;
        let wanted = self.auditor.wanted(0, &[], self.at.now_us);
        let hold = |key: &HoldKey| (*key, self.sale.hold_by_key(*key, clock_ms));
        let latest = |buyer: &BuyerId| (*buyer, self.sale.hold_of(buyer, clock_ms));
        let seen = self.sale.view(clock_ms).map(|view| Seen {
            view,
            holds: wanted.holds.iter().map(hold).collect(),
            latest: wanted.buyers.iter().map(latest).collect(),
        });
        self.auditor.look(0, seen.as_ref(), &self.turn())
    }

    /// The promise that is found broken when this is answered instead of the truth.
    fn refuses(&mut self, request: Command, refusal: Refusal) -> Option<u8> {
        let lie = |answer: &mut Answer| {
            *answer = Answer { outcome: Outcome::Refused(refusal), hold: None };
        };
        self.asks(request, lie).err().map(|breach| breach.promise)
    }

    fn lies(&mut self, command: Command, outcome: Outcome) -> Option<u8> {
        let broken = self.asks(command, |answer| answer.outcome = outcome);
        broken.err().map(|breach| breach.promise)
    }
}

fn tier() -> TierId {
    TierId::new("tier").expect("a good id")
}

fn config(capacity: u32) -> SaleConfig {
    let price = Money { amount: 100, currency: Currency::new("EUR").expect("a good code") };
    SaleConfig {
        terms: Terms {
            name: "A sale".to_owned(),
            opens_at_ms: None,
            hold_seconds: 5,
            checkout_grace_seconds: 2,
            max_per_buyer: 2,
            admission: Admission::FirstCome,
            metadata: None,
        },
        tiers: vec![TierConfig { id: tier(), name: "A tier".to_owned(), capacity, price }],
    }
}

fn reserve(buyer: &str, quantity: u32) -> Command {
    let buyer = BuyerId::new(buyer).expect("a good id");
    Command::Reserve(Reserve { buyer, tier: tier(), quantity, key: None })
}

fn keyed(buyer: &str, quantity: u32, key: &str) -> Command {
    let Command::Reserve(request) = reserve(buyer, quantity) else { unreachable!() };
    Command::Reserve(Reserve { key: Some(KeyDigest::of(key)), ..request })
}

#[test]
fn the_truth_is_never_found_fault_with() {
    let mut desk = Desk::open(3);
    desk.does(reserve("ann", 2));
    desk.does(reserve("ann", 1));
    desk.does(reserve("bob", 3));
    desk.does(reserve("bob", 2));
    desk.does(keyed("bob", 1, "key"));
    desk.does(reserve("cid", 1));
    desk.wait(1_000);
    desk.does(keyed("bob", 1, "key"));
    desk.does(keyed("bob", 2, "key"));
    desk.does(Command::SetCapacity { tier: tier(), capacity: 2 });
    desk.does(Command::SetCapacity { tier: tier(), capacity: 4 });
    desk.does(Command::Pause);
    desk.does(reserve("cid", 1));
    desk.does(Command::Resume);
    desk.wait(HOLD_MS - 1_000);
    desk.does(reserve("cid", 1));
    desk.does(Command::Close);
    desk.does(reserve("dan", 1));
    desk.does(Command::Open);
}

fn checkout(hold: HoldKey, key: Option<&str>) -> Command {
    Command::Checkout(Checkout { hold, buyer: None, key: key.map(KeyDigest::of), note: None })
}

/// A desk at which ann has two of three units at the checkout, and the provider is being asked.
fn paying() -> (Desk, HoldKey) {
    let mut desk = Desk::open(3);
    desk.does(reserve("ann", 2));
    let ann = BuyerId::new("ann").expect("a good id");
    let hold = desk.sale.hold_of(&ann, 0).expect("a hold").key;
    desk.does(checkout(hold, Some("pay")));
    desk.does(Command::Call { hold, attempt: 1 });
    desk.wait(1_000);
    (desk, hold)
}

#[test]
fn the_truth_about_payments_is_never_found_fault_with() {
    let (mut desk, hold) = paying();
    desk.does(checkout(hold, Some("pay")));
    desk.does(Command::Cancel { hold, buyer: None });
    desk.does(Command::Decline { hold, attempt: 1 });
    desk.does(checkout(hold, Some("pay")));
    desk.does(checkout(hold, None));
    desk.does(Command::Confirm { hold, attempt: 1 });
    desk.wait(3_000);
    desk.does(Command::Call { hold, attempt: 2 });
    desk.wait(HOLD_MS);
    desk.does(reserve("bob", 1));
    desk.wait(1_000);
    desk.does(Command::Confirm { hold, attempt: 2 });
    desk.does(Command::Confirm { hold, attempt: 2 });
    desk.does(reserve("ann", 1));
    let ann = BuyerId::new("ann").expect("a good id");
    let moved = desk.sale.hold_of(&ann, 0).expect("a hold").key;
    assert_ne!(moved, hold);
    desk.does(Command::Pay { hold: moved });
    desk.does(Command::Refund { hold: moved });
    desk.does(reserve("ann", 1));
}

#[test]
fn whoever_pays_in_time_has_the_units_and_nobody_else_gives_them_away() {
    let wrong = Outcome::Refused(Refusal::WrongState("no"));
    let gone = Outcome::Refused(Refusal::HoldNotFound);
    let (_, hold) = paying();
    for (command, lie, promise) in [
        (checkout(hold, None), wrong, 7),
        (checkout(hold, None), gone, 7),
        (checkout(hold, Some("pay")), Outcome::Refused(Refusal::KeyReused), 7),
        (checkout(hold, Some("new")), Outcome::Refused(Refusal::KeyReused), 7),
        (checkout(hold, None), Outcome::Refused(Refusal::LimitReached(Limit::Checkouts)), 10),
        (Command::Confirm { hold, attempt: 1 }, wrong, 5),
        (Command::Confirm { hold, attempt: 1 }, gone, 10),
        (Command::Decline { hold, attempt: 1 }, gone, 10),
        (Command::Call { hold, attempt: 1 }, Outcome::Resized, 10),
    ] {
        let (mut desk, _) = paying();
        assert_eq!(desk.lies(command.clone(), lie), Some(promise), "{command:?} {lie:?}");
    }
}

/// The promise that breaks if a hold at the checkout is seen otherwise than it is.
fn seen_otherwise(lie: fn(&mut HoldView, &mut PaymentView)) -> Option<u8> {
    let (mut desk, hold) = paying();
    let lie = |answer: &mut Answer| {
        let hold = answer.hold.as_mut().expect("a hold");
        let mut payment = hold.payment.expect("a payment");
        lie(hold, &mut payment);
        hold.payment = Some(payment);
    };
    desk.asks(checkout(hold, None), lie).err().map(|breach| breach.promise)
}

#[test]
fn a_payment_is_where_it_was_left() {
    assert_eq!(seen_otherwise(|_, _| ()), None);
    assert_eq!(seen_otherwise(|_, payment| payment.attempt = 3), Some(7));
    assert_eq!(seen_otherwise(|_, payment| payment.status = PaymentStatus::Queued), Some(5));
    assert_eq!(seen_otherwise(|_, payment| payment.status = PaymentStatus::Paid), Some(5));
    assert_eq!(seen_otherwise(|_, payment| payment.pay_by_ms = Some(WALL_MS)), Some(8));
    assert_eq!(seen_otherwise(|hold, _| hold.status = HoldStatus::Held), Some(5));
    let cancelled = |hold: &mut HoldView, payment: &mut PaymentView| {
        hold.status = HoldStatus::Cancelled;
        (payment.status, payment.pay_by_ms) = (PaymentStatus::Declined, None);
    };
    assert_eq!(seen_otherwise(cancelled), Some(5));
    let sold = |hold: &mut HoldView, payment: &mut PaymentView| {
        hold.status = HoldStatus::Sold;
        (payment.status, payment.pay_by_ms) = (PaymentStatus::Authorised, None);
    };
    assert_eq!(seen_otherwise(sold), Some(5));
}

#[test]
fn a_limit_that_is_not_reached_is_a_lie() {
    // At the limit, not above it.
    let units = Refusal::LimitReached(Limit::Units);
    assert_eq!(Desk::open(9).refuses(reserve("ann", 2), units), Some(9));
    let holds = Refusal::LimitReached(Limit::Holds);
    assert_eq!(Desk::open(9).refuses(reserve("ann", 1), holds), Some(9));
    let keys = Refusal::LimitReached(Limit::Keys);
    assert_eq!(Desk::open(9).refuses(keyed("ann", 1, "key"), keys), Some(9));
    assert_eq!(Desk::open(9).refuses(reserve("ann", 1), keys), Some(9));
    // Above it, whatever is free.
    assert_eq!(Desk::open(1).refuses(reserve("ann", 3), Refusal::NotEnough { free: 1 }), Some(9));
}

#[test]
fn the_last_hold_of_64_is_allowed_and_the_next_one_is_not() {
    let mut desk = Desk::open(9);
    let mut last = None;
    for number in 0..64 {
        desk.wait(1);
        desk.does(reserve("ann", 1));
        let hold = desk.sale.hold_of(&BuyerId::new("ann").expect("a good id"), 0).expect("a hold");
        if number < 63 {
            desk.does(Command::Cancel { hold: hold.key, buyer: None });
        }
        last = Some(hold.key);
    }
    desk.does(Command::Cancel { hold: last.expect("64 holds"), buyer: None });
    desk.does(reserve("ann", 1));
    assert_eq!(desk.refuses(reserve("ann", 1), Refusal::NotEnough { free: 1 }), Some(9));
}

#[test]
fn words_that_are_never_true_of_a_request_are_lies() {
    for refusal in [
        Refusal::HoldNotFound,
        Refusal::WrongState("no"),
        Refusal::Full,
        Refusal::TierNotFound,
        Refusal::SaleNotFound,
        Refusal::Closed,
        Refusal::Paused,
        Refusal::NotOpen { opens_at_ms: None },
        Refusal::SoldOut,
    ] {
        assert_eq!(Desk::open(9).refuses(reserve("ann", 1), refusal), Some(10), "{refusal:?}");
    }
    assert_eq!(Desk::open(9).refuses(reserve("ann", 1), Refusal::KeyReused), Some(10));
    assert_eq!(Desk::open(9).refuses(keyed("ann", 1, "key"), Refusal::KeyReused), Some(7));
}

#[test]
fn what_is_free_and_when_more_comes_back_must_be_true() {
    let held = |desk: &mut Desk| {
        desk.does(reserve("ann", 2));
        desk.wait(1_000);
    };
    let next_ms = WALL_MS + HOLD_MS;
    let all_held = |at_ms| Refusal::AllHeld { next_return_at_ms: at_ms };
    for (refusal, promise) in [
        (all_held(Some(next_ms)), None),
        (all_held(None), Some(10)),
        (all_held(Some(next_ms - 3)), Some(10)),
        (all_held(Some(next_ms + 3)), Some(10)),
        (all_held(Some(WALL_MS)), Some(10)),
        (Refusal::SoldOut, Some(10)),
        (Refusal::NotEnough { free: 0 }, Some(10)),
        (Refusal::NotEnough { free: 1 }, Some(10)),
    ] {
        let mut desk = Desk::open(2);
        held(&mut desk);
        assert_eq!(desk.refuses(reserve("bob", 2), refusal), promise, "{refusal:?}");
    }
    for (refusal, promise) in [
        (Refusal::NotEnough { free: 1 }, None),
        (all_held(Some(next_ms)), Some(10)),
        (Refusal::SoldOut, Some(10)),
    ] {
        let mut desk = Desk::open(3);
        held(&mut desk);
        assert_eq!(desk.refuses(reserve("bob", 2), refusal), promise, "{refusal:?}");
    }
    let mut desk = Desk::open(4);
    held(&mut desk);
    assert_eq!(desk.refuses(reserve("bob", 2), Refusal::NotEnough { free: 1 }), Some(10));
}

#[test]
fn whoever_has_a_hold_is_told_of_that_one() {
    let with_a_hold = || {
        let mut desk = Desk::open(9);
        desk.does(reserve("ann", 2));
        desk.does(reserve("bob", 1));
        desk
    };
    for refusal in [
        Refusal::AllHeld { next_return_at_ms: Some(WALL_MS + HOLD_MS) },
        Refusal::LimitReached(Limit::Units),
        Refusal::Paused,
    ] {
        assert_eq!(with_a_hold().refuses(reserve("ann", 2), refusal), Some(7), "{refusal:?}");
    }
    // In the way is another buyer's hold, or none that can be seen.
    let mut desk = with_a_hold();
    let bobs = desk.sale.hold_of(&BuyerId::new("bob").expect("a good id"), 0);
    let lie = |answer: &mut Answer| answer.hold = bobs;
    assert_eq!(desk.asks(reserve("ann", 1), lie).err().map(|breach| breach.promise), Some(7));
    let lie = |answer: &mut Answer| answer.hold = None;
    let found = with_a_hold().asks(reserve("ann", 1), lie);
    assert_eq!(found.err().map(|breach| breach.promise), Some(7));
}

#[test]
fn a_merchant_is_told_what_the_table_says() {
    let wrong = Outcome::Refused(Refusal::WrongState("no"));
    let resize = |capacity| Command::SetCapacity { tier: tier(), capacity };
    for (command, lie) in [
        (Command::Open, wrong),
        (Command::Pause, wrong),
        (Command::Pause, Outcome::Moved(Status::Open)),
        (Command::Resume, Outcome::Moved(Status::Paused)),
        (Command::Close, Outcome::Moved(Status::Paused)),
        (Command::Close, Outcome::Refused(Refusal::SaleNotFound)),
        (resize(5), wrong),
        (resize(5), Outcome::Refused(Refusal::TierNotFound)),
        (resize(1), Outcome::Resized),
        (Command::Configure(Box::new(config(5))), Outcome::Configured { created: false }),
    ] {
        let mut desk = Desk::open(3);
        desk.does(reserve("ann", 2));
        assert_eq!(desk.lies(command.clone(), lie), Some(10), "{command:?} {lie:?}");
    }
}

#[test]
fn what_is_done_shows() {
    let mut desk = Desk::open(3);
    let asked = Asked { sale: 0, who: None, command: Command::Pause };
    desk.auditor.ask(std::slice::from_ref(&asked), desk.at.now_us).expect("nothing is wrong");
    let answer = Answer { outcome: Outcome::Moved(Status::Paused), hold: None };
    let turn = desk.turn();
    desk.auditor.hear(&asked, Some(&Ok(answer)), &turn).expect("it may be");
    assert_eq!(desk.look().err().map(|breach| breach.promise), Some(3));
}

/// A hold ends; meanwhile somebody has set the wall back by `back_ms`, and by the wall it ends
/// `early_ms` before the time it was told.
fn ends_early(back_ms: u64, early_ms: u64) -> Option<u8> {
    let mut desk = Desk::open(3);
    desk.does(reserve("ann", 2));
    desk.wait(HOLD_MS);
    desk.at.behind_ms = back_ms;
    desk.at.wall_ms -= early_ms;
    let broken = desk.asks(Command::Open, |_| ());
    let hold = desk.sale.hold_of(&BuyerId::new("ann").expect("a good id"), 0);
    assert_eq!(hold.map(|hold| hold.status), Some(HoldStatus::Expired));
    broken.err().map(|breach| breach.promise)
}

#[test]
fn a_hold_ends_before_its_time_by_what_the_wall_was_set_back_and_no_more() {
    assert_eq!(ends_early(3_000, 3_000), None);
    assert_eq!(ends_early(3_000, 2_000), None);
    assert_eq!(ends_early(3_000, 3_010), Some(8));
    assert_eq!(ends_early(0, 10), Some(8));
}

#[test]
fn a_new_hold_is_told_the_time_at_which_it_ends() {
    for (off_ms, promise) in [(0, None), (-90, None), (-200, Some(10)), (10, Some(10))] {
        let lie = |answer: &mut Answer| {
            if let Some(at_ms) = answer.hold.as_mut().and_then(|hold| hold.expires_at_ms.as_mut()) {
                *at_ms = at_ms.saturating_add_signed(off_ms);
            }
        };
        let found = Desk::open(3).asks(reserve("ann", 2), lie).err();
        assert_eq!(found.map(|breach| breach.promise), promise, "{off_ms} ms off");
    }
}
