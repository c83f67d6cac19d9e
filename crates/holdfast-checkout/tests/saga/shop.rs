//! A shop with one sale, one tier and a bank.

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use holdfast_checkout::provider::simulated::{self, Bank, Client, ClientOptions, Manners, serve};
use holdfast_checkout::provider::{Manner, Payment, PaymentStatus as Money, Provider};
use holdfast_checkout::{
    Case, Forgotten, Live, LiveCheckout, MoneyAudit, Note, Options, Saga,
    Service as CheckoutService,
};
use holdfast_core::{
    Admission, BuyerId, Checkout, Command, Currency, HoldKey, HoldView, Money as Amount, OrderName,
    Outcome, PaymentStatus, ReceiptKey, Reserve, SaleConfig, SaleId, Terms as SaleTerms,
    TierConfig, TierId,
};
use holdfast_engine::{Answer, Engine, Handle, SaleRef, Service};
use holdfast_ledger::{Fence, Ledger, Order, OrderId, SqlLedger};
use holdfast_store::SystemClock;
use holdfast_store::SystemDisk;
use holdfast_store::journal::{self, Journal};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const SECRET: &str = "a-secret-of-the-bank";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

type World = Live<SqlLedger, Client>;

#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) capacity: u32,
    pub(crate) price: u64,
    pub(crate) hold_seconds: u32,
    pub(crate) grace_seconds: u32,
    /// What the provider's budget is.
    pub(crate) per_second: u32,
    /// How long an answer of the provider is waited for.
    pub(crate) deadline_ms: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            capacity: 5,
            price: 1_000,
            hold_seconds: 60,
            grace_seconds: 60,
            per_second: 500,
            deadline_ms: 500,
        }
    }
}

pub(crate) struct Shop {
    folder: tempfile::TempDir,
    terms: Terms,
    engine: Option<Service>,
    checkout: Option<CheckoutService<World>>,
    bank: Bank,
    address: String,
    runtime: Runtime,
}

impl Shop {
    pub(crate) fn open(terms: Terms) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let runtime = Runtime::new().expect("a runtime");
        let mut options = simulated::Options::new(SECRET);
        options.per_second = NonZeroU32::new(terms.per_second);
        let bank = Bank::open(&folder.path().join("bank"), options).expect("a bank");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        runtime.spawn(serve(bank.clone(), listener, std::future::pending()));
        let mut shop = Self { folder, terms, engine: None, checkout: None, bank, address, runtime };
        shop.start();
        shop.execute(Command::Configure(Box::new(config(terms))));
        shop.execute(Command::Open);
        shop
    }

    fn start(&mut self) {
        let clock = Arc::new(SystemClock::new());
        let disk = Arc::new(SystemDisk::open(&self.folder.path().join("data")).expect("a disk"));
        let journal =
            Journal::open(disk, clock.clone(), journal::Options { segment_bytes: 64 << 10 });
        let engine = Engine::open(journal.expect("a journal"), clock, 1).expect("an engine");
        let engine = Service::start(engine, holdfast_engine::Options::default()).expect("a thread");
        self.engine = Some(engine);
        self.start_checkout();
    }

    pub(crate) fn start_checkout(&mut self) {
        let options = Options { reconcile_every: Duration::from_millis(500) };
        let checkout = CheckoutService::start(self.make_saga(), options).expect("a checkout");
        self.checkout = Some(checkout);
    }

    /// How to make a saga over the engine that runs, with connections of its own.
    fn make_saga(&self) -> impl AsyncFnOnce() -> anyhow::Result<Saga<World>> + Send + 'static {
        let (handle, terms) = (self.handle(), self.terms);
        let (address, file) = (self.address.clone(), self.folder.path().join("ledger.sqlite"));
        async move || {
            let ledger = SqlLedger::sqlite(&file).await?;
            let options = ClientOptions { deadline: Duration::from_millis(terms.deadline_ms) };
            let client = Client::new(&address, SECRET, options).expect("a client");
            let world = Live::new(handle, ledger, client);
            let receipts = ReceiptKey::new([7; 32]);
            Ok(Saga::new(world, receipts, terms.per_second, "simulated"))
        }
    }

    pub(crate) fn stop_checkout(&mut self) {
        self.checkout.take().expect("a checkout").stop();
    }

    /// Another node is told of a hold's payment, and does what it can.
    pub(crate) fn help(&self, hold: HoldKey) {
        let (make, case) = (self.make_saga(), self.case(hold));
        self.runtime.block_on(async {
            let saga = make().await.expect("a saga");
            saga.help(case).await;
        });
    }

    /// Stops everything but the bank where it stands, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    fn stop(&mut self) {
        self.stop_checkout();
        assert_eq!(self.engine.take().expect("an engine").stop(), None);
    }

    /// Keeps a copy of what the engine knows; it goes on under the next reign. Returns the last
    /// entry's sequence.
    pub(crate) fn keep(&mut self) -> u64 {
        self.stop();
        copy(&self.folder.path().join("data"), &self.folder.path().join("kept"));
        self.start();
        self.sequence()
    }

    /// The engine is set back to what was kept, and says so, as after a recovery in which somebody was
    /// missing.
    pub(crate) fn lose(&mut self, kept: u64) {
        let lost = self.sequence();
        self.stop();
        let data = self.folder.path().join("data");
        std::fs::remove_dir_all(&data).expect("a folder");
        copy(&self.folder.path().join("kept"), &data);
        self.start();
        while self.sequence() <= lost {
            self.execute(Command::Pause);
            self.execute(Command::Resume);
        }
        self.restart();
        self.execute(Command::Doubt { lost_ms: 0, first_lost: kept + 1 });
    }

    fn sequence(&self) -> u64 {
        let look = self.handle();
        let look = look.look(|sales| Some(sales.get(SaleRef::Id(sale()))?.0.last().sequence));
        self.runtime.block_on(look).expect("an answer").expect("a sale")
    }

    fn checkout(&self) -> LiveCheckout {
        self.checkout.as_ref().expect("a checkout").checkout()
    }

    fn handle(&self) -> Handle {
        self.engine.as_ref().expect("an engine").handle()
    }

    fn execute(&self, command: Command) -> Answer {
        let answer = self.runtime.block_on(self.handle().execute(SaleRef::Id(sale()), command));
        answer.expect("an answer")
    }

    pub(crate) fn reserve(&self, buyer: &str, quantity: u32) -> HoldKey {
        let buyer = BuyerId::new(buyer).expect("a buyer");
        let reserve = Reserve { buyer, tier: tier(), quantity, key: None };
        let answer = self.execute(Command::Reserve(reserve));
        assert!(matches!(answer.outcome, Outcome::Reserved(_)), "{answer:?}");
        answer.hold.expect("a hold").key
    }

    pub(crate) fn check_out(&self, hold: HoldKey, simulate: Option<Manner>) {
        let note = Note { simulate, metadata: None }.write();
        let checkout = Checkout { hold, buyer: None, key: None, note };
        let answer = self.execute(Command::Checkout(checkout));
        assert!(matches!(answer.outcome, Outcome::CheckedOut(_)), "{answer:?}");
        self.checkout().begin(self.case(hold));
    }

    pub(crate) fn cancel(&self, hold: HoldKey) {
        let answer = self.execute(Command::Cancel { hold, buyer: None });
        assert!(matches!(answer.outcome, Outcome::Cancelled(_)), "{answer:?}");
    }

    /// Whoever has had a hold shows its id.
    pub(crate) fn claim(&self, hold: &HoldView) {
        let claim = Command::Claim { receipt: hold.receipt, buyer: hold.buyer };
        let answer = self.execute(claim);
        assert!(matches!(answer.outcome, Outcome::Claimed(_)), "{answer:?}");
    }

    fn case(&self, hold: HoldKey) -> Case {
        Case { sale: self.hold(hold).receipt.sale, hold }
    }

    pub(crate) fn hold(&self, hold: HoldKey) -> HoldView {
        self.find(hold).expect("a hold")
    }

    /// A hold, if the engine knows it.
    pub(crate) fn find(&self, hold: HoldKey) -> Option<HoldView> {
        let look = self.handle();
        let look = look.look(move |sales| {
            let (sale, clock_ms) = sales.get(SaleRef::Id(sale()))?;
            sale.hold_by_key(hold, clock_ms)
        });
        self.runtime.block_on(look).expect("an answer")
    }

    pub(crate) fn wait_for(&self, hold: HoldKey, status: PaymentStatus) {
        let what = format!("{status:?}");
        let _told = Told(self, hold);
        let is_there = || self.hold(hold).payment.is_some_and(|it| it.status == status);
        self.wait_until(&what, is_there);
    }

    /// The same of a hold that the engine may not know yet.
    pub(crate) fn wait_for_lost(&self, hold: HoldKey, status: PaymentStatus) {
        let is_there = || {
            let payment = self.find(hold).and_then(|hold| hold.payment);
            payment.is_some_and(|payment| payment.status == status)
        };
        self.wait_until(&format!("{status:?}"), is_there);
    }

    /// Whether nothing is in doubt.
    pub(crate) fn is_certain(&self) -> bool {
        let look = self.handle();
        let look = look.look(|sales| sales.get(SaleRef::Id(sale()))?.0.doubt_until_ms());
        self.runtime.block_on(look).expect("an answer").is_none()
    }

    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "{what} does not come about");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn order_of(&self, hold: HoldKey) -> Option<Order> {
        let id = self.order_id(hold);
        self.runtime.block_on(self.checkout().order(id)).expect("the ledger answers")
    }

    fn order_id(&self, hold: HoldKey) -> OrderId {
        let name = OrderName { sale: self.case(hold).sale, hold };
        OrderId::new(name.id(&ReceiptKey::new([7; 32]))).expect("an id")
    }

    pub(crate) fn refund(&self, hold: HoldKey) {
        let name = OrderName { sale: self.case(hold).sale, hold };
        let checkout = self.checkout();
        let asked = checkout.refund(name, self.order_id(hold), "ill".to_owned());
        show(self.runtime.block_on(asked));
    }

    pub(crate) fn close(&self) {
        self.execute(Command::Close);
    }

    pub(crate) fn forget(&self, buyer: &str) -> Forgotten {
        let checkout = self.checkout();
        let asked = checkout.forget(BuyerId::new(buyer).expect("a buyer"));
        show(self.runtime.block_on(asked))
    }

    pub(crate) fn resize(&self, capacity: u32) {
        let checkout = self.checkout();
        let resized = checkout.resize(sale(), tier(), capacity);
        show(self.runtime.block_on(resized));
    }

    /// Behind the engine's back.
    pub(crate) fn set_ledgers_capacity(&self, capacity: u32) {
        let file = self.folder.path().join("ledger.sqlite");
        let handle = self.handle();
        let look = handle.look(|sales| sales.epoch(SaleRef::Id(sale())));
        self.runtime.block_on(async {
            let epoch = look.await.expect("an answer").expect("a reign");
            let ledger = SqlLedger::sqlite(&file).await.expect("a ledger");
            let fence = Fence { sale: sale(), epoch };
            let set = ledger.set_capacity(fence, tier(), capacity).await;
            show(set).expect("nothing more is sold");
        });
    }

    pub(crate) fn behave(&self, manners: Manners) {
        self.bank.set_manners(manners).expect("manners");
    }

    /// The bank's payments: which attempt of their holds they are, and how they stand.
    pub(crate) fn payments(&self) -> Vec<(u32, Money)> {
        let options = ClientOptions::default();
        let client = Client::new(&self.address, SECRET, options).expect("a client");
        let payments: Vec<Payment> =
            self.runtime.block_on(client.list(None, 100)).expect("payments");
        payments.iter().map(|it| (it.reference.parts().1, it.status)).collect()
    }

    /// Free, held, sold and withheld.
    pub(crate) fn units(&self) -> (u32, u32, u32, u32) {
        let look = self.handle();
        let look = look.look(|sales| {
            let (sale, clock_ms) = sales.get(SaleRef::Id(sale()))?;
            sale.view(clock_ms)
        });
        let view = self.runtime.block_on(look).expect("an answer").expect("a sale");
        let tier = &view.tiers[0];
        (tier.free, tier.held, tier.sold, tier.withheld)
    }

    pub(crate) fn money_audit(&self) -> MoneyAudit {
        let audit = self.runtime.block_on(self.checkout().audit(sale()));
        audit.expect("an audit").expect("a sale")
    }

    /// Everything agrees, and nothing is left to do.
    pub(crate) fn audit(&self) {
        let audit = self.money_audit();
        assert_eq!((audit.differences.as_slice(), audit.under_way), (&[][..], 0));
        assert_eq!((audit.paid, audit.paid_amount), (audit.captured, audit.captured_amount));
        let counted = self.runtime.block_on(self.handle().audit(SaleRef::Id(sale())));
        assert_eq!(counted.expect("an audit").expect("a sale").differences, []);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(checkout) = self.checkout.take() {
            checkout.stop();
        }
        if let Some(engine) = self.engine.take() {
            engine.stop();
        }
    }
}

/// Says how a hold stands when a test fails.
struct Told<'a>(&'a Shop, HoldKey);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{:?}, payments {:?}", self.0.hold(self.1), self.0.payments());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

fn show<T, E: Debug>(result: Result<T, E>) -> T {
    result.expect("an answer")
}

fn sale() -> SaleId {
    SaleId::new("club").expect("a sale")
}

fn tier() -> TierId {
    TierId::new("floor").expect("a tier")
}

fn config(terms: Terms) -> SaleConfig {
    let currency = Currency::new("EUR").expect("a currency");
    SaleConfig {
        terms: SaleTerms {
            name: "Club night".to_owned(),
            opens_at_ms: None,
            hold_seconds: terms.hold_seconds,
            checkout_grace_seconds: terms.grace_seconds,
            max_per_buyer: 4,
            admission: Admission::FirstCome,
            metadata: None,
        },
        tiers: vec![TierConfig {
            id: tier(),
            name: "Floor".to_owned(),
            capacity: terms.capacity,
            price: Amount { amount: terms.price, currency },
        }],
    }
}
