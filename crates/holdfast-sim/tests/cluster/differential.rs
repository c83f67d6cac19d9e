//! The same sale over the journal and over Redis: the same commands at the same times, the same outcomes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_core::{
    Admission, BuyerId, Command, Currency, HoldKey, KeyDigest, Money, Outcome, PaymentStatus,
    Reserve, SaleConfig, SaleId, Terms, TierConfig, TierId,
};
use holdfast_engine::{Engine, Reply, Request, SaleRef};
use holdfast_sim::cluster::Cluster;
use holdfast_sim::rng::Rng;
use holdfast_store::journal::{Journal, Options};
use holdfast_store::{Clock, LogId, Stamp, Store, SystemDisk};

const WALL_MS: u64 = 1_700_000_000_000;

/// Time as this test has it pass.
#[derive(Clone, Default)]
struct Time(Arc<Mutex<Duration>>);

impl Clock for Time {
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wall_ms(&self) -> u64 {
        WALL_MS + u64::try_from(self.monotonic().as_millis()).unwrap()
    }
}

fn sale() -> SaleId {
    SaleId::new("sale").unwrap()
}

fn config(rng: &mut Rng) -> SaleConfig {
    let price = Money { amount: 2_500, currency: Currency::new("EUR").unwrap() };
    let tiers = (0..rng.between(1, 3)).map(|nth| TierConfig {
        id: TierId::new(&format!("tier-{nth}")).unwrap(),
        name: format!("Tier {nth}"),
        capacity: rng.small(0, 12),
        price,
    });
    let tiers = tiers.collect();
    let terms = Terms {
        name: "A sale".to_owned(),
        opens_at_ms: None,
        hold_seconds: rng.small(1, 8),
        checkout_grace_seconds: rng.small(0, 3),
        max_per_buyer: rng.small(1, 4),
        admission: Admission::FirstCome,
        metadata: None,
    };
    SaleConfig { terms, tiers }
}

/// A command that somebody may send, whether or not it makes sense.
fn command(rng: &mut Rng, holds: &[HoldKey]) -> Command {
    let buyer = BuyerId::new(&format!("buyer-{}", rng.below(15))).unwrap();
    let tier = TierId::new(&format!("tier-{}", rng.below(4))).unwrap();
    let hold = rng.pick(holds).copied().unwrap_or(HoldKey::from_number(7));
    let attempt = u8::try_from(rng.between(1, 2)).unwrap();
    match rng.below(40) {
        0 => Command::Open,
        1 => Command::Pause,
        2 | 3 => Command::Resume,
        4 if rng.percent(5) => Command::Close,
        5 => Command::SetCapacity { tier, capacity: rng.small(0, 15) },
        6..=9 => Command::Cancel { hold, buyer: None },
        10..=13 => {
            Command::Checkout(holdfast_core::Checkout { hold, buyer: None, key: None, note: None })
        }
        14..=16 => Command::Call { hold, attempt },
        17 => Command::Decline { hold, attempt },
        18..=20 => Command::Confirm { hold, attempt },
        21 => Command::Pay { hold },
        22 => Command::Void { hold, withheld: rng.percent(50) },
        23 => Command::Refund { hold },
        _ => {
            let key = rng.percent(30).then(|| KeyDigest::of(&format!("key-{}", rng.below(6))));
            Command::Reserve(Reserve { buyer, tier, quantity: rng.small(1, 3), key })
        }
    }
}

/// An engine, and what it is asked and answers.
struct Shop<S: Store>(Engine<S, usize>);

impl<S: Store> Shop<S> {
    fn turn(&mut self, commands: &[Command]) -> Vec<Reply> {
        let request = |(reply, command): (usize, &Command)| Request::Do {
            sale: SaleRef::Id(sale()),
            command: command.clone(),
            reply,
        };
        let mut requests: Vec<_> = commands.iter().enumerate().map(request).collect();
        let mut replies = Vec::new();
        self.0.turn(&mut requests, &mut replies);
        replies.sort_by_key(|(nth, _)| *nth);
        replies.into_iter().map(|(_, reply)| told(reply)).collect()
    }

    /// The whole log.
    fn log(&self) -> Vec<(Stamp, Vec<u8>)> {
        let mut log = Vec::new();
        let read = self.0.records().read(LogId(1), 0, &mut |stamp, bytes| {
            log.push((stamp, bytes.to_vec()));
            true
        });
        read.unwrap();
        log
    }
}

/// A reply, but for the times of what waits for the provider: they move with every entry, and the journal
/// answers before the tick of the same turn, Redis after it.
fn told(reply: Reply) -> Reply {
    reply.map(|mut answer| {
        if let Some(hold) = &mut answer.hold
            && let Some(payment) = &mut hold.payment
            && payment.status == PaymentStatus::Queued
        {
            (hold.expires_at_ms, payment.pay_by_ms) = (None, None);
        }
        answer
    })
}

/// One whole sale; returns how many replies were compared, and how many of them were new holds.
fn compare(seed: u64) -> (usize, usize) {
    let mut rng = Rng::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let time = Time::default();
    let disk = Arc::new(SystemDisk::open(folder.path()).unwrap());
    let clock: Arc<dyn Clock> = Arc::new(time.clone());
    let journal = Journal::open(disk, Arc::clone(&clock), Options::default()).unwrap();
    let mut cluster = Cluster::new(1);
    cluster.join(Duration::from_secs(10)).unwrap();
    let store = cluster.nodes[0].take().unwrap();
    let mut one = Shop(Engine::open(journal, Arc::clone(&clock), seed).unwrap());
    let mut other = Shop(Engine::open(store, clock, seed).unwrap());
    let (mut holds, mut compared) = (Vec::new(), 0);
    let mut first = vec![Command::Open, Command::Configure(Box::new(config(&mut rng)))];
    for _ in 0..400 {
        // One at a time: of those that come at once, either may be first.
        let next = first.pop().or_else(|| rng.percent(90).then(|| command(&mut rng, &holds)));
        let commands = Vec::from_iter(next);
        let replies = one.turn(&commands);
        assert_eq!(replies, other.turn(&commands), "seed {seed}: {commands:?}");
        compared += replies.len();
        for reply in replies.into_iter().flatten() {
            if let (Outcome::Reserved(_), Some(hold)) = (reply.outcome, reply.hold) {
                holds.push(hold.key);
            }
        }
        let passed = Duration::from_millis(rng.between(0, 240));
        *time.0.lock().unwrap() += passed;
        cluster.net.pass(passed);
    }
    assert_eq!(one.log(), other.log(), "seed {seed}");
    (compared, holds.len())
}

#[test]
fn a_sale_over_redis_goes_as_the_same_sale_over_the_journal() {
    let (mut compared, mut holds) = (0, 0);
    for seed in 0..60 {
        let (more, held) = compare(seed);
        compared += more;
        holds += held;
    }
    println!("{compared} replies, {holds} holds");
    assert!(compared > 10_000 && holds > 1_000, "{compared} replies, {holds} holds");
}
