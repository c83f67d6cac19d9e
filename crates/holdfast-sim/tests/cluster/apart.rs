//! What goes wrong with one sale is that sale's alone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_core::{
    Admission, BuyerId, Command, Currency, Money, Reserve, SaleConfig, SaleId, Terms, TierConfig,
    TierId,
};
use holdfast_engine::{Engine, EngineError, Reply, Request, SaleRef};
use holdfast_sim::cluster::{Cluster, Net, Node};
use holdfast_store::redis::RedisStore;
use holdfast_store::{Append, Batch, Result, Store};

const SECOND: Duration = Duration::from_secs(1);

/// A node that sells, or one that only has a store, and does with it what it likes.
enum Either {
    Store(Box<RedisStore>),
    Sells(Box<Engine<RedisStore, usize>>),
}

impl Node for Either {
    fn begin(store: RedisStore, _: &Net) -> Result<Self> {
        Ok(Self::Store(Box::new(store)))
    }

    fn live(&mut self) {
        match self {
            Self::Store(store) => drop(store.news()),
            Self::Sells(engine) => engine.turn(&mut Vec::new(), &mut Vec::new()),
        }
    }

    fn leave(&mut self) {}
}

/// A node that sells two sales, and others beside it.
struct Shop {
    cluster: Cluster<Either>,
}

impl Shop {
    fn new(others: usize) -> Self {
        let mut cluster = Cluster::opened_with(1, |_, _| Vec::new());
        for _ in 0..=others {
            cluster.join(30 * SECOND).unwrap();
        }
        let Some(Either::Store(store)) = cluster.nodes[0].take() else { panic!("it has begun") };
        let engine = Engine::open(*store, cluster.net.clock(), 7).unwrap();
        cluster.nodes[0] = Some(Either::Sells(Box::new(engine)));
        let mut shop = Self { cluster };
        for name in ["one", "two"] {
            shop.ask(name, Command::Configure(Box::new(config()))).unwrap();
            shop.ask(name, Command::Open).unwrap();
        }
        shop.cluster.live(SECOND);
        shop
    }

    fn engine(&mut self) -> &mut Engine<RedisStore, usize> {
        let Either::Sells(engine) = self.cluster.node(0) else { panic!("it sells") };
        engine
    }

    fn store(&mut self, node: usize) -> &mut RedisStore {
        let Either::Store(store) = self.cluster.node(node) else { panic!("it does not sell") };
        store
    }

    fn ask(&mut self, name: &str, command: Command) -> Reply {
        let mut replies = Vec::new();
        let sale = SaleRef::Id(SaleId::new(name).unwrap());
        let mut requests = vec![Request::Do { sale, command, reply: 0 }];
        self.engine().turn(&mut requests, &mut replies);
        replies.pop().unwrap().1
    }

    fn reserve(&mut self, name: &str, buyer: &str) -> Reply {
        let buyer = BuyerId::new(buyer).unwrap();
        let reserve = Reserve { buyer, tier: tier(), quantity: 1, key: None };
        self.ask(name, Command::Reserve(reserve))
    }

    /// How many units a look finds held.
    fn held(&mut self, name: &str) -> std::result::Result<u32, EngineError> {
        let found = Arc::new(Mutex::new(None));
        let find = Arc::clone(&found);
        let sale = SaleRef::Id(SaleId::new(name).unwrap());
        let look = Request::Look(Box::new(move |sales| {
            let held = sales.and_then(|sales| {
                sales.look(|sales| {
                    let (sale, clock_ms) = sales.get(sale).unwrap();
                    sale.view(clock_ms).unwrap().tiers[0].held
                })
            });
            *find.lock().unwrap() = Some(held);
        }));
        self.engine().turn(&mut vec![look], &mut Vec::new());
        let held = found.lock().unwrap().take();
        held.unwrap()
    }

    /// How many sales are known to stand as they do.
    fn sound(&mut self) -> usize {
        let found = Arc::new(Mutex::new(0));
        let find = Arc::clone(&found);
        let look = Request::Look(Box::new(move |sales| {
            *find.lock().unwrap() = sales.map_or(0, |sales| sales.sound().count());
        }));
        self.engine().turn(&mut vec![look], &mut Vec::new());
        *found.lock().unwrap()
    }

    /// Has another node append so many entries to a sale.
    fn append(&mut self, node: usize, name: &str, count: usize, entry: &[u8]) -> Result<()> {
        let mut batch = Batch::default();
        (0..count).for_each(|_| batch.push(|bytes| bytes.extend_from_slice(entry)));
        let store = self.store(node);
        let info = store.logs().into_iter().find(|info| info.name == name).unwrap();
        let (log, epoch, seen) = (info.id, info.epoch, info.last.sequence);
        let part = Append { log, epoch, seen, cursor: seen, batch: &batch, only_if_current: false };
        let mut results = Vec::new();
        store.append(&[part], &mut results);
        results.pop().unwrap().map(drop)
    }
}

fn tier() -> TierId {
    TierId::new("all").unwrap()
}

fn config() -> SaleConfig {
    let terms = Terms {
        name: "Club".into(),
        opens_at_ms: None,
        hold_seconds: 300,
        checkout_grace_seconds: 120,
        max_per_buyer: 4,
        admission: Admission::FirstCome,
        metadata: None,
    };
    let price = Money { amount: 1_000, currency: Currency::new("EUR").unwrap() };
    let tier = TierConfig { id: tier(), name: "All".into(), capacity: 100, price };
    SaleConfig { terms, tiers: vec![tier] }
}

#[test]
fn a_sale_that_makes_no_sense_stops_no_other() {
    let mut shop = Shop::new(1);
    shop.reserve("one", "ann").unwrap();
    shop.cluster.live(SECOND);
    shop.append(1, "one", 1, b"\xff no command").unwrap();
    shop.cluster.live(SECOND);
    let told = shop.held("one");
    assert!(
        matches!(&told, Err(EngineError::Unknown(why)) if why.contains("another node")),
        "{told:?}"
    );
    assert!(shop.reserve("one", "bob").is_err());
    assert_eq!((shop.held("two"), shop.sound()), (Ok(0), 1));
    shop.reserve("two", "bob").unwrap();
    assert_eq!(shop.held("two"), Ok(1));
}

#[test]
fn a_sale_that_one_node_is_far_behind_in_stops_no_other_and_comes_back() {
    let mut shop = Shop::new(2);
    // Node 2 knows the sale and reads no more; node 1 writes as many entries as may be unread.
    let mut tick = Vec::new();
    Command::Tick { wall_ms: 1 }.encode(&mut tick);
    shop.append(2, "one", 1, &tick).unwrap();
    let mut appended = Ok(());
    for _ in 0..12 {
        shop.held("one").unwrap();
        appended = appended.and_then(|()| shop.append(1, "one", 90_000, &tick));
    }
    let behind = appended.unwrap_err();
    assert!(behind.to_string().contains("too far behind"), "{behind}");
    for count in (0..17).map(|power| 1 << (16 - power)) {
        let _ = shop.append(1, "one", count, &tick);
    }
    let told = shop.reserve("one", "ann");
    assert!(
        matches!(&told, Err(EngineError::Unavailable(why)) if why.contains("behind")),
        "{told:?}"
    );
    shop.reserve("two", "ann").unwrap();
    assert_eq!((shop.held("two"), shop.sound()), (Ok(1), 2));
    // Node 2 reads on; with the second call it says that it has.
    shop.append(2, "one", 0, &tick).unwrap();
    shop.append(2, "one", 0, &tick).unwrap();
    shop.reserve("one", "ann").unwrap();
    assert_eq!(shop.held("one"), Ok(1));
}

#[test]
fn a_sale_that_makes_no_sense_makes_none_in_the_next_epoch() {
    let mut shop = Shop::new(1);
    shop.reserve("one", "ann").unwrap();
    shop.cluster.live(SECOND);
    shop.append(1, "one", 1, b"\xff no command").unwrap();
    shop.cluster.live(SECOND);
    assert!(shop.reserve("one", "bob").is_err());
    shop.cluster.net.servers(|servers| servers.restart(0));
    shop.cluster.live(5 * SECOND);
    assert!(shop.reserve("two", "bob").is_ok());
    let told = shop.reserve("one", "bob");
    assert!(told.is_err(), "sold on although an entry was left out: {told:?}");
}

/// A node is away for longer than the others wait, and what they write meanwhile is trimmed.
#[test]
fn a_sale_whose_unread_entries_were_trimmed_is_read_again() {
    for is_made_alone in [false, true] {
        let mut shop = Shop::new(1);
        let net = shop.cluster.net.clone();
        let name = if is_made_alone { "three" } else { "one" };
        let log = shop.store(1).create(name).unwrap();
        shop.cluster.live(SECOND);
        net.node(0, |it| it.is_cut = true);
        shop.cluster.live(8 * SECOND);
        let mut sale = holdfast_core::Sale::new(log.0, 7);
        let mut commands = vec![Command::Configure(Box::new(config())), Command::Open];
        commands.extend((0..6).map(|nth| {
            let buyer = BuyerId::new(&format!("buyer-{nth}")).unwrap();
            Command::Reserve(Reserve { buyer, tier: tier(), quantity: 1, key: None })
        }));
        if !is_made_alone {
            shop.store(1)
                .records()
                .read(log, 0, &mut |at, bytes| {
                    sale.apply(stamp(at), &Command::decode(bytes).unwrap());
                    true
                })
                .unwrap();
            commands.drain(..2);
        }
        for command in &commands {
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            shop.append(1, name, 1, &bytes).unwrap();
            let last = shop.store(1).logs().into_iter().find(|it| it.id == log).unwrap().last;
            sale.apply(stamp(last), command);
            let records = shop.store(1).records();
            records.save_snapshot(log, last, &sale.to_snapshot()).unwrap();
            records.trim().unwrap();
        }
        net.node(0, |it| it.is_cut = false);
        shop.cluster.live(8 * SECOND);
        let told = shop.reserve(name, "late");
        assert!(matches!(&told, Ok(answer) if answer.hold.is_some()), "{told:?}");
        assert_eq!(shop.held(name), Ok(7), "holds are not known here");
    }
}

fn stamp(at: holdfast_store::Stamp) -> holdfast_core::Stamp {
    let holdfast_store::Stamp { epoch, sequence, clock_ms } = at;
    holdfast_core::Stamp { epoch: epoch.0, sequence, clock_ms }
}
