//! Tests as text: each line a command and, after `|`, the outcome it must have.
//!
//! Holds are called `#1`, `#2`, … in the order in which they were made. Time stands still except
//! at `clock +SECONDS` (the sale clock and the wall) and `wall ±SECONDS` (the wall alone).
//!
//! What comes after `fork` is lost at `doubt SECONDS`, in which so much of the sale clock may have been
//! lost with it: a new epoch goes on from there, and only whoever was told a hold knows of it.

use holdfast_core::{
    Admission, BuyerId, Checkout, Command, Currency, HoldIndex, HoldKey, KeyDigest, Limit, Money,
    Outcome, Receipt, Refusal, Reserve, Restore, Sale, SaleConfig, Stamp, Terms, TierConfig,
    TierId,
};

/// How far the sequences of an epoch are from those that may have been lost before it.
const GAP: u64 = 1_000;

/// The wall clock when the sale clock is 0: 2026-01-01T00:00:00Z.
const START_MS: u64 = 1_767_225_600_000;

struct Table {
    sale: Sale,
    stamp: Stamp,
    wall_ms: u64,
    holds: Vec<HoldKey>,
    /// What the buyers of these holds were told.
    receipts: Vec<(Receipt, BuyerId)>,
    /// What is known of the sale after a loss.
    fork: Option<(Sale, Stamp)>,
}

/// Runs a table from an empty sale; panics at the first line whose outcome differs. Every state on
/// the way must pass the audit and survive a snapshot.
pub(crate) fn check(table: &str) {
    let stamp = Stamp { epoch: 1, sequence: 0, clock_ms: 0 };
    let mut run = Table {
        sale: Sale::new(1, 0),
        stamp,
        wall_ms: START_MS,
        holds: Vec::new(),
        receipts: Vec::new(),
        fork: None,
    };
    for (number, line) in (1..).zip(table.lines()) {
        let line = line.split("//").next().unwrap_or_default();
        let (command, expected) = line.split_once('|').unwrap_or((line, ""));
        let words: Vec<&str> = command.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        let said = run.step(&words);
        assert_eq!(said, expected.trim(), "line {number}: {}", command.trim());
        assert_eq!(run.sale.audit(), [], "line {number}: {}", command.trim());
        let bytes = run.sale.to_snapshot();
        let again = Sale::from_snapshot(&bytes, 1).expect("a snapshot can be read");
        assert_eq!(again.to_snapshot(), bytes, "line {number}: a snapshot comes back whole");
        run.sale = again;
    }
}

impl Table {
    fn step(&mut self, words: &[&str]) -> String {
        match words {
            ["clock", seconds] => {
                let by = number(seconds) * 1_000;
                (self.stamp.clock_ms, self.wall_ms) = (self.stamp.clock_ms + by, self.wall_ms + by);
                String::new()
            }
            ["wall", seconds] => {
                let by = seconds.parse::<i64>().expect("a number") * 1_000;
                self.wall_ms = self.wall_ms.saturating_add_signed(by);
                String::new()
            }
            ["view", tier] => self.view(tier),
            ["list"] => self.list(),
            ["fork"] => {
                self.fork = Some((self.sale.clone(), self.stamp));
                String::new()
            }
            ["doubt", seconds] => {
                let command = self.lose(number(seconds) * 1_000);
                self.apply(&command)
            }
            ["hold", name] => self.hold(name),
            _ => {
                let command = self.command(words);
                self.apply(&command)
            }
        }
    }

    fn apply(&mut self, command: &Command) -> String {
        let settled = self.sale.settled(self.stamp.clock_ms, command);
        let before = all_but_the_stamp(&self.sale);
        self.stamp.sequence += 1;
        let outcome = self.sale.apply(self.stamp, command);
        if let Some(settled) = settled {
            assert_eq!(settled, outcome, "what is settled is what would have come of it");
            let after = all_but_the_stamp(&self.sale);
            assert_eq!(before, after, "what is settled changes nothing");
        }
        let said = self.say(outcome);
        if let Outcome::Reserved(hold) | Outcome::Confirmed(hold) = outcome {
            let hold = self.sale.hold(hold, 0).expect("it is there");
            if !self.holds.contains(&hold.key) {
                self.holds.push(hold.key);
                self.receipts.push((hold.receipt, hold.buyer));
            }
        }
        said
    }

    fn command(&self, words: &[&str]) -> Command {
        match words {
            ["tick"] => Command::Tick { wall_ms: self.wall_ms },
            ["configure", rest @ ..] => Command::Configure(Box::new(config(rest))),
            ["open"] => Command::Open,
            ["pause"] => Command::Pause,
            ["resume"] => Command::Resume,
            ["close"] => Command::Close,
            ["capacity", tier, units] => Command::SetCapacity {
                tier: tier_id(tier),
                capacity: u32::try_from(number(units)).expect("fits"),
            },
            ["reserve", buyer, tier, quantity, key @ ..] => Command::Reserve(Reserve {
                buyer: buyer_id(buyer),
                tier: tier_id(tier),
                quantity: u32::try_from(number(quantity)).expect("fits"),
                key: key.first().map(|key| KeyDigest::of(key)),
            }),
            ["cancel", hold] => Command::Cancel { hold: self.key(hold), buyer: None },
            ["cancel", hold, "by", buyer] => {
                Command::Cancel { hold: self.key(hold), buyer: Some(buyer_id(buyer)) }
            }
            ["checkout", hold, more @ ..] => self.checkout(hold, more),
            ["call", hold, attempt @ ..] => {
                Command::Call { hold: self.key(hold), attempt: nth(attempt) }
            }
            ["decline", hold, attempt @ ..] => {
                Command::Decline { hold: self.key(hold), attempt: nth(attempt) }
            }
            ["confirm", hold, attempt @ ..] => {
                Command::Confirm { hold: self.key(hold), attempt: nth(attempt) }
            }
            ["pay", hold] => Command::Pay { hold: self.key(hold) },
            ["void", hold] => Command::Void { hold: self.key(hold), withheld: false },
            ["withhold", hold] => Command::Void { hold: self.key(hold), withheld: true },
            ["refund", hold] => Command::Refund { hold: self.key(hold) },
            ["forget", buyer, "as", alias] => {
                Command::Forget { buyer: buyer_id(buyer), alias: buyer_id(alias) }
            }
            ["claim", hold] => self.claim(hold, |_, _| ()),
            ["claim", hold, "by", other] => self.claim(hold, |_, buyer| *buyer = buyer_id(other)),
            ["claim", hold, "units", units] => {
                let units = u16::try_from(number(units)).expect("fits");
                self.claim(hold, |receipt, _| receipt.quantity = units)
            }
            ["claim", hold, "epoch", epoch] => {
                let epoch = u32::try_from(number(epoch)).expect("fits");
                self.claim(hold, |receipt, _| receipt.epoch = epoch)
            }
            ["restore", hold, more @ ..] => self.restore(hold, more),
            other => panic!("not a command: {other:?}"),
        }
    }

    /// `by BUYER`, `key KEY`, `note NOTE`.
    fn checkout(&self, hold: &str, more: &[&str]) -> Command {
        let after = |name| more.iter().position(|&word| word == name).map(|at| more[at + 1]);
        Command::Checkout(Checkout {
            hold: self.key(hold),
            buyer: after("by").map(buyer_id),
            key: after("key").map(KeyDigest::of),
            note: after("note").map(Box::from),
        })
    }

    /// Everything since the fork is lost, but for what buyers and the ledger know.
    fn lose(&mut self, lost_ms: u64) -> Command {
        let (sale, known) = self.fork.take().expect("a fork");
        let sequence = self.stamp.sequence + GAP;
        self.stamp = Stamp { epoch: self.stamp.epoch + 1, sequence, ..known };
        self.sale = sale;
        Command::Doubt { lost_ms, first_lost: known.sequence + 1 }
    }

    fn claim(&self, hold: &str, but: impl Fn(&mut Receipt, &mut BuyerId)) -> Command {
        let (mut receipt, mut buyer) = self.receipts[self.place(hold).expect("a hold")];
        but(&mut receipt, &mut buyer);
        Command::Claim { receipt, buyer }
    }

    /// `paid`, `attempt N`, `from #n`: the hold whose money it was.
    fn restore(&self, hold: &str, more: &[&str]) -> Command {
        let after = |name| more.iter().position(|&word| word == name).map(|at| more[at + 1]);
        let receipt = |name| self.receipts[self.place(name).expect("a hold")];
        let (own, buyer) = receipt(hold);
        Command::Restore(Box::new(Restore {
            hold: own.key,
            buyer,
            source: after("from").map_or(own, |name| receipt(name).0),
            attempt: after("attempt").map_or(1, |word| word.parse().expect("a number")),
            paid: more.contains(&"paid"),
        }))
    }

    fn say(&self, outcome: Outcome) -> String {
        match outcome {
            Outcome::Ticked(did) => match (did.opened, did.expired, did.more) {
                (false, 0, false) => "nothing".into(),
                (true, 0, false) => "opened".into(),
                (false, n, false) => format!("expired {n}"),
                (false, n, true) => format!("expired {n}, more"),
                other => format!("{other:?}"),
            },
            Outcome::Configured { created: true } => "created".into(),
            Outcome::Configured { created: false } => "configured".into(),
            Outcome::Moved(status) => format!("{status:?}").to_lowercase(),
            Outcome::Resized => "resized".into(),
            Outcome::Reserved(hold) => format!("new {}", self.name(hold)),
            Outcome::Existing(hold) => format!("same {}", self.name(hold)),
            Outcome::Cancelled(hold) => format!("ended {}", self.name(hold)),
            Outcome::Forgotten => "forgotten".into(),
            Outcome::Doubted => "in doubt".into(),
            Outcome::Claimed(hold) => format!("claimed {}", self.name(hold)),
            Outcome::Restored(hold) => format!("restored {}", self.name(hold)),
            Outcome::CheckedOut(hold) => format!("checkout {}", self.name(hold)),
            Outcome::Declined(hold) => format!("declined {}", self.name(hold)),
            Outcome::Confirmed(hold) => format!("sold {}", self.name(hold)),
            Outcome::TooLate(hold) => format!("too late {}", self.name(hold)),
            Outcome::Recorded(hold) => format!("recorded {}", self.name(hold)),
            Outcome::Refused(refusal) => self.say_refusal(refusal),
        }
    }

    fn say_refusal(&self, refusal: Refusal) -> String {
        let at = |ms: u64| format!("{}s", ms.saturating_sub(START_MS) / 1_000);
        match refusal {
            Refusal::NotOpen { opens_at_ms: Some(ms) } => format!("not_open until {}", at(ms)),
            Refusal::NotOpen { opens_at_ms: None } => "not_open".into(),
            Refusal::NotEnough { free } => format!("not_enough, {free} free"),
            Refusal::AllHeld { next_return_at_ms: Some(ms) } => {
                format!("all_held until {}", at(ms))
            }
            Refusal::AllHeld { next_return_at_ms: None } => "all_held".into(),
            Refusal::HoldExists(hold) => format!("hold_exists {}", self.name(hold)),
            Refusal::LimitReached(Limit::Units) => "limit_reached".into(),
            Refusal::LimitReached(Limit::Holds) => "limit_reached: holds".into(),
            Refusal::LimitReached(Limit::Keys) => "limit_reached: keys".into(),
            Refusal::LimitReached(Limit::Checkouts) => "limit_reached: checkouts".into(),
            Refusal::Invalid(invalid) => format!("invalid {}", invalid.path()),
            Refusal::WrongState(_) => "wrong_state".into(),
            Refusal::SaleNotFound => "sale_not_found".into(),
            Refusal::TierNotFound => "tier_not_found".into(),
            Refusal::HoldNotFound => "hold_not_found".into(),
            Refusal::KeyReused => "key_reused".into(),
            Refusal::Closed => "closed".into(),
            Refusal::Paused => "paused".into(),
            Refusal::SoldOut => "sold_out".into(),
            Refusal::Full => "full".into(),
        }
    }

    fn view(&self, tier: &str) -> String {
        let view = self.sale.view(self.stamp.clock_ms).expect("configured");
        let tier = view.tiers.iter().find(|t| t.config.id.as_str() == tier).expect("a tier");
        assert_eq!(tier.free + tier.held + tier.sold + tier.withheld, tier.config.capacity);
        let mut said = format!("{:?} free {} held {}", tier.availability, tier.free, tier.held);
        for (units, what) in [(tier.sold, "sold"), (tier.withheld, "withheld")] {
            if units > 0 {
                said += &format!(" {what} {units}");
            }
        }
        said.to_lowercase()
    }

    fn hold(&self, name: &str) -> String {
        let clock_ms = self.stamp.clock_ms;
        let hold = self.sale.hold_by_key(self.key(name), clock_ms).expect("it is there");
        let status = format!("{:?}", hold.status).to_lowercase();
        let said = format!("{status} {} {}", hold.buyer, hold.quantity);
        let seconds = |at_ms: u64| at_ms.saturating_sub(START_MS) / 1_000;
        let mut said = match hold.expires_at_ms {
            None => said,
            Some(at_ms) => {
                format!("{said} until {}s, {}s left", seconds(at_ms), hold.remaining_ms / 1_000)
            }
        };
        if let Some(payment) = hold.payment {
            said += &format!("; {:?} {}", payment.status, payment.attempt).to_lowercase();
            if let Some(at_ms) = payment.pay_by_ms {
                said += &format!(" by {}s", seconds(at_ms));
            }
        }
        said
    }

    /// The holds in the order in which they are listed, page by page.
    fn list(&self) -> String {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page: Vec<_> = self.sale.holds_after(after, 2, self.stamp.clock_ms).collect();
            let Some(last) = page.last() else { return names.join(" ") };
            after = Some(last.key);
            let place = |key| self.holds.iter().position(|&known| known == key).expect("known");
            names.extend(page.iter().map(|hold| format!("#{}", place(hold.key) + 1)));
        }
    }

    fn key(&self, name: &str) -> HoldKey {
        let unknown = HoldKey::from_number(u64::MAX);
        self.place(name).and_then(|index| self.holds.get(index).copied()).unwrap_or(unknown)
    }

    fn place(&self, name: &str) -> Option<usize> {
        let position = number(name.strip_prefix('#').expect("#n"));
        usize::try_from(position).expect("fits").checked_sub(1)
    }

    fn name(&self, hold: HoldIndex) -> String {
        let key = self.sale.hold(hold, 0).expect("it is there").key;
        match self.holds.iter().position(|&known| known == key) {
            Some(position) => format!("#{}", position + 1),
            None => format!("#{}", self.holds.len() + 1),
        }
    }
}

fn all_but_the_stamp(sale: &Sale) -> String {
    format!("{sale:?}").replace(&format!("{:?}", sale.last()), "")
}

/// Which payment of a hold; the first unless it is said.
fn nth(word: &[&str]) -> u8 {
    word.first().map_or(1, |word| word.parse().expect("a number"))
}

fn number(word: &str) -> u64 {
    word.trim_start_matches('+').parse().expect("a number")
}

fn tier_id(id: &str) -> TierId {
    TierId::new(id).expect("a tier's id")
}

fn buyer_id(id: &str) -> BuyerId {
    BuyerId::new(id).expect("a buyer's id")
}

/// `hold=300 grace=120 max=4 opens=+60 a:5 b:1`: terms by name, tiers by `id:capacity`, price 10.00.
pub(crate) fn config(words: &[&str]) -> SaleConfig {
    let mut terms = Terms {
        name: "A sale".into(),
        opens_at_ms: None,
        hold_seconds: 300,
        checkout_grace_seconds: 120,
        max_per_buyer: 4,
        admission: Admission::FirstCome,
        metadata: None,
    };
    let mut tiers = Vec::new();
    for word in words {
        if let Some((name, value)) = word.split_once('=') {
            let value = number(value);
            match name {
                "grace" => terms.checkout_grace_seconds = u32::try_from(value).expect("fits"),
                "hold" => terms.hold_seconds = u32::try_from(value).expect("fits"),
                "max" => terms.max_per_buyer = u32::try_from(value).expect("fits"),
                "opens" => terms.opens_at_ms = Some(START_MS + value * 1_000),
                _ => panic!("no such term: {name}"),
            }
        } else {
            let (id, capacity) = word.split_once(':').expect("id:capacity");
            tiers.push(TierConfig {
                id: tier_id(id),
                name: id.to_uppercase(),
                capacity: u32::try_from(number(capacity)).expect("fits"),
                price: Money { amount: 1_000, currency: Currency::new("EUR").expect("valid") },
            });
        }
    }
    SaleConfig { terms, tiers }
}
