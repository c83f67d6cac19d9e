//! The service as its callers see it: a real journal in a real folder, real threads.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use holdfast_core::{
    Admission, BuyerId, Command, Currency, HoldKey, Money, Outcome, Receipt, Refusal, Reserve,
    SaleConfig, SaleId, Terms, TierConfig, TierId,
};
use holdfast_engine::{Audit, Engine, EngineError, Handle, Options, SaleRef, Service};
use holdfast_store::journal::{self, Journal};
use holdfast_store::{LogId, LogInfo, Records, Stamp, Store, SystemClock, SystemDisk};

fn start(folder: &Path, options: Options) -> Service {
    start_with_records(folder, options).0
}

/// A service, and a view of its records that asks the engine nothing.
fn start_with_records(folder: &Path, options: Options) -> (Service, Box<dyn Records>) {
    let disk = Arc::new(SystemDisk::open(folder).unwrap());
    let clock = Arc::new(SystemClock::new());
    let small = journal::Options { segment_bytes: 64 << 10 };
    let journal = Journal::open(disk, clock.clone(), small).unwrap();
    let records = journal.records();
    (Service::start(Engine::open(journal, clock, 1).unwrap(), options).unwrap(), records)
}

fn sale() -> SaleRef {
    SaleRef::Id(SaleId::new("club").unwrap())
}

fn config(capacity: u32, hold_seconds: u32) -> Command {
    let terms = Terms {
        name: "Club".into(),
        opens_at_ms: None,
        hold_seconds,
        checkout_grace_seconds: 120,
        max_per_buyer: 4,
        admission: Admission::FirstCome,
        metadata: None,
    };
    let price = Money { amount: 1_000, currency: Currency::new("EUR").unwrap() };
    let tier = TierConfig { id: tier(), name: "A".into(), capacity, price };
    Command::Configure(Box::new(SaleConfig { terms, tiers: vec![tier] }))
}

fn tier() -> TierId {
    TierId::new("a").unwrap()
}

fn reserve(buyer: &str) -> Command {
    let buyer = BuyerId::new(buyer).unwrap();
    Command::Reserve(Reserve { buyer, tier: tier(), quantity: 1, key: None })
}

async fn open_sale(handle: &Handle, capacity: u32, hold_seconds: u32) {
    handle.execute(sale(), config(capacity, hold_seconds)).await.unwrap();
    handle.execute(sale(), Command::Open).await.unwrap();
}

/// What the records of the first sale add up to.
fn count(records: &dyn Records) -> Audit {
    let name = "club".to_owned();
    let (id, last) = (LogId(1), Stamp::default());
    let log = LogInfo { id, name, last, epoch: last.epoch, trimmed: 0 };
    holdfast_engine::audit(records, &log).unwrap()
}

async fn last_sequence(handle: &Handle) -> u64 {
    handle.look(|sales| sales.get(sale()).unwrap().0.last().sequence).await.unwrap()
}

#[tokio::test]
async fn a_hold_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Options::default());
    let handle = service.handle();
    open_sale(&handle, 1, 300).await;
    let told = handle.execute(sale(), reserve("alice")).await.unwrap().hold.unwrap();
    service.stop();
    assert_eq!(handle.execute(sale(), reserve("bob")).await, Err(EngineError::Stopped));
    drop(handle); // the folder is taken as long as anyone can read its records

    let service = start(folder.path(), Options::default());
    let handle = service.handle();
    let again = handle.execute(sale(), reserve("alice")).await.unwrap();
    assert!(matches!(again.outcome, Outcome::Existing(_)));
    let hold = again.hold.unwrap();
    assert_eq!((hold.key, hold.receipt), (told.key, told.receipt));
    assert!(hold.expires_at_ms >= told.expires_at_ms);
    let audit = handle.audit(sale()).await.unwrap().unwrap();
    assert_eq!((audit.differences, audit.holds.held), (vec![], 1));
    service.stop();
}

/// Whether a unit is free again 250 ms after its deadline, as the records say: whoever asks the
/// engine is traffic.
async fn comes_back_by_itself() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let (service, records) = start_with_records(folder.path(), Options::default());
    let handle = service.handle();
    open_sale(&handle, 1, 1).await;
    let hold = handle.execute(sale(), reserve("alice")).await.unwrap().hold.unwrap();
    tokio::time::sleep(Duration::from_millis(hold.remaining_ms + 250)).await;
    let expired = count(records.as_ref()).holds.expired == 1;
    service.stop();
    expired
}

#[tokio::test]
async fn a_unit_comes_back_by_itself() {
    assert!(comes_back_by_itself().await);
}

/// Nobody holds a unit, and nobody asks: a doubt ends all the same. The audit counts the hold that a
/// claim ended.
#[tokio::test]
async fn a_doubt_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (service, records) = start_with_records(folder.path(), Options::default());
    let handle = service.handle();
    open_sale(&handle, 1, 1).await;
    let told = handle.execute(sale(), reserve("alice")).await.unwrap().hold.unwrap();
    let first_lost = last_sequence(&handle).await + 1;
    handle.execute(sale(), Command::Pause).await.unwrap();
    handle.execute(sale(), Command::Resume).await.unwrap();
    let doubt = Command::Doubt { lost_ms: 0, first_lost };
    assert_eq!(handle.execute(sale(), doubt).await.unwrap().outcome, Outcome::Doubted);
    let lost = HoldKey::from_number(first_lost << 10);
    let receipt = Receipt { key: lost, epoch: told.receipt.epoch - 1, ..told.receipt };
    let claim = Command::Claim { receipt, buyer: told.buyer };
    let claimed = handle.execute(sale(), claim).await.unwrap();
    assert!(matches!(claimed.outcome, Outcome::Claimed(_)), "{:?}", claimed.outcome);
    handle.execute(sale(), Command::Cancel { hold: lost, buyer: None }).await.unwrap();
    let refused = handle.execute(sale(), reserve("bob")).await.unwrap().outcome;
    assert!(matches!(refused, Outcome::Refused(Refusal::AllHeld { .. })), "{refused:?}");
    let is_in_doubt = || count(records.as_ref()).view.unwrap().doubt_until_ms.is_some();
    let started = Instant::now();
    while is_in_doubt() {
        assert!(started.elapsed() < Duration::from_secs(20), "the clock stands still");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let bought = handle.execute(sale(), reserve("bob")).await.unwrap().outcome;
    assert!(matches!(bought, Outcome::Reserved(_)), "{bought:?}");
    let audit = handle.audit(sale()).await.unwrap().unwrap();
    assert_eq!((audit.differences, audit.holds.cancelled), (vec![], 2));
    service.stop();
}

/// The control: an engine that does nothing without traffic is caught.
#[cfg(feature = "planted")]
#[tokio::test]
async fn an_engine_that_needs_traffic_is_caught() {
    holdfast_engine::planted::set(Some(holdfast_engine::planted::Bug::NeedsTraffic));
    assert!(!comes_back_by_itself().await);
}

#[tokio::test]
async fn what_changes_nothing_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Options::default());
    let handle = service.handle();
    open_sale(&handle, 0, 300).await;
    let before = last_sequence(&handle).await;
    for n in 0..100 {
        let answer = handle.execute(sale(), reserve(&format!("buyer-{n}"))).await.unwrap();
        assert_eq!(answer.outcome, Outcome::Refused(Refusal::SoldOut));
    }
    let unknown = SaleRef::Id(SaleId::new("nothing").unwrap());
    let answer = handle.execute(unknown, reserve("alice")).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Refused(Refusal::SaleNotFound));
    // Long enough for the anchor to be off: that alone is nothing to write.
    tokio::time::sleep(Duration::from_millis(900)).await;
    let answer = handle.execute(sale(), reserve("late")).await.unwrap();
    assert_eq!(answer.outcome, Outcome::Refused(Refusal::SoldOut));
    assert_eq!(last_sequence(&handle).await, before);
    service.stop();
}

#[tokio::test]
async fn a_refusal_is_not_written_while_other_holds_run_out() {
    let folder = tempfile::tempdir().unwrap();
    let (service, records) = start_with_records(folder.path(), Options::default());
    let handle = service.handle();
    let Command::Configure(mut config) = config(1_000, 1) else { unreachable!() };
    let none = TierConfig { id: TierId::new("z").unwrap(), capacity: 0, ..config.tiers[0].clone() };
    config.tiers.push(none.clone());
    handle.execute(sale(), Command::Configure(config)).await.unwrap();
    handle.execute(sale(), Command::Open).await.unwrap();
    let (mut refused, started) = (0, Instant::now());
    while started.elapsed() < Duration::from_millis(2_300) {
        // A hold every few milliseconds, each of which runs out a second later.
        handle.execute(sale(), reserve(&format!("buyer-{refused}"))).await.unwrap();
        let asks = (0..20).map(|n| {
            let (handle, tier) = (handle.clone(), none.id);
            let buyer = BuyerId::new(&format!("late-{n}")).unwrap();
            let command = Command::Reserve(Reserve { buyer, tier, quantity: 1, key: None });
            tokio::spawn(async move { handle.execute(sale(), command).await.unwrap().outcome })
        });
        for ask in asks.collect::<Vec<_>>() {
            assert_eq!(ask.await.unwrap(), Outcome::Refused(Refusal::SoldOut));
            refused += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (mut expired, mut written) = (0, 0);
    let mut visit = |_: Stamp, bytes: &[u8]| {
        match Command::decode(bytes).unwrap() {
            Command::Reserve(request) => written += usize::from(request.tier == none.id),
            Command::Tick { .. } => expired += 1,
            _ => {}
        }
        true
    };
    records.read(LogId(1), 0, &mut visit).unwrap();
    assert!(expired > 20 && refused > 1_000, "{expired} ticks, {refused} refused");
    assert_eq!(written, 0, "of {refused} refusals so many were written");
    service.stop();
}

#[tokio::test]
async fn a_sale_that_waits_for_its_opening_writes_nothing_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Options::default());
    let handle = service.handle();
    let Command::Configure(mut config) = config(1, 300) else { unreachable!() };
    let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    config.terms.opens_at_ms = Some(u64::try_from(wall_ms).unwrap() + 1_800);
    handle.execute(sale(), Command::Configure(config)).await.unwrap();
    let before = last_sequence(&handle).await;
    tokio::time::sleep(Duration::from_millis(1_400)).await;
    assert_eq!(last_sequence(&handle).await, before);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let hold = handle.execute(sale(), reserve("alice")).await.unwrap();
    assert!(matches!(hold.outcome, Outcome::Reserved(_)));
    // The anchor was put right in front of the hold: five minutes from now, not from back then.
    let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let left_ms = u128::from(hold.hold.unwrap().expires_at_ms.unwrap()) - wall_ms;
    assert!((299_000..=300_200).contains(&left_ms), "{left_ms}");
    service.stop();
}

#[tokio::test]
async fn an_engine_that_has_panicked_leaves_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Options::default());
    let handle = service.handle();
    let broken = handle.look(|_| panic!("a look that panics, on purpose")).await;
    assert!(matches!(broken, Err::<(), _>(EngineError::Unknown(_))));
    // Asked while it falls, or after.
    let next = handle.execute(sale(), reserve("bob")).await;
    assert!(matches!(next, Err(EngineError::Unknown(_) | EngineError::Stopped)), "{next:?}");
    service.stop();
}

#[tokio::test]
async fn an_idle_sale_writes_nothing_and_a_held_one_keeps_its_clock_going() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Options::default());
    let handle = service.handle();
    open_sale(&handle, 2, 300).await;
    let before = last_sequence(&handle).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(last_sequence(&handle).await, before);

    let hold = handle.execute(sale(), reserve("alice")).await.unwrap().hold.unwrap();
    let started = Instant::now();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let left = handle.execute(sale(), reserve("alice")).await.unwrap().hold.unwrap().remaining_ms;
    let spent = u128::from(hold.remaining_ms - left);
    assert!(spent + 100 >= started.elapsed().as_millis(), "the clock stood still: {spent} ms");
    service.stop();
}

#[tokio::test]
async fn more_than_the_queue_takes_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Options { queue: 8, ..Options::default() });
    let handle = service.handle();
    open_sale(&handle, 1_000, 300).await;
    let ask = |n: usize| {
        let handle = handle.clone();
        async move { handle.execute(sale(), reserve(&format!("buyer-{n}"))).await }
    };
    let all: Vec<_> = (0..1_000).map(|n| tokio::spawn(ask(n))).collect();
    let (mut answered, mut refused) = (0, 0);
    for task in all {
        match task.await.unwrap() {
            Ok(_) => answered += 1,
            Err(EngineError::Overloaded) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(answered >= 8 && refused > 0, "{answered} answered, {refused} refused");
    let held = handle.look(|sales| sales.get(sale()).unwrap().0.view(0).unwrap().tiers[0].held);
    assert_eq!(held.await.unwrap(), answered);
    service.stop();
}

#[tokio::test]
async fn snapshots_are_made_while_selling_and_the_journal_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Options { snapshot_bytes: 20_000, ..Options::default() });
    let handle = service.handle();
    open_sale(&handle, 50, 300).await;
    for round in 0..60 {
        let buyers = (0..40).map(|n| format!("buyer-{round}-{n}"));
        let holds: Vec<_> = buyers
            .map(|buyer| {
                let handle = handle.clone();
                tokio::spawn(async move { handle.execute(sale(), reserve(&buyer)).await })
            })
            .collect();
        for hold in holds {
            let hold = hold.await.unwrap().unwrap().hold.unwrap().key;
            handle.execute(sale(), Command::Cancel { hold, buyer: None }).await.unwrap();
        }
    }
    let audit = handle.audit(sale()).await.unwrap().unwrap();
    assert_eq!(audit.differences, []);
    assert_eq!(audit.holds.cancelled, 2_400);
    assert!(audit.snapshot_sequence > 0, "a snapshot was made");
    service.stop();
    drop(handle);
    let service = start(folder.path(), Options::default());
    let audit = service.handle().audit(sale()).await.unwrap().unwrap();
    assert_eq!((audit.differences, audit.holds.cancelled), (vec![], 2_400));
    service.stop();
}

/// Bytes in the segments that are in use.
fn journal_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let segments = files.filter(|file| file.file_name().to_string_lossy().starts_with("journal-0"));
    segments.map(|file| file.metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn the_journal_stays_small_over_many_short_lives() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { snapshot_bytes: 150_000, ..Options::default() };
    let mut largest = 0;
    for life in 0..40 {
        let service = start(folder.path(), options);
        let handle = service.handle();
        open_sale(&handle, 10_000, 300).await;
        for n in 0..40 {
            handle.execute(sale(), reserve(&format!("buyer-{life}-{n}"))).await.unwrap();
        }
        service.stop();
        drop(handle);
        largest = largest.max(journal_bytes(folder.path()));
    }
    // 1,600 frames of a sector each are 800 KB; no life alone writes as much as asks for a snapshot.
    assert!(largest < 400_000, "{largest} bytes");
    let service = start(folder.path(), options);
    let audit = service.handle().audit(sale()).await.unwrap().unwrap();
    assert_eq!((audit.differences, audit.holds.held), (vec![], 1_600));
    service.stop();
}

#[tokio::test]
async fn audits_go_on_while_snapshots_overtake_them() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), Options { snapshot_bytes: 1, ..Options::default() });
    let handle = service.handle();
    open_sale(&handle, 10_000, 300).await;
    let asking = handle.clone();
    let selling = tokio::spawn(async move {
        for n in 0..2_000 {
            asking.execute(sale(), reserve(&format!("buyer-{n}"))).await.unwrap();
        }
    });
    while !selling.is_finished() {
        assert_eq!(handle.audit(sale()).await.unwrap().unwrap().differences, []);
    }
    selling.await.unwrap();
    service.stop();
}

/// So many ask at once that the engine settles one round while another is being flushed; some of
/// them ask twice, and the second time is another request for the same.
#[tokio::test]
async fn a_rush_is_answered_as_if_one_by_one() {
    for flush_aside in [false, true] {
        rush(Options { flush_aside, ..Options::default() }).await;
    }
}

async fn rush(options: Options) {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path(), options);
    let handle = service.handle().on_this_runtime();
    let (buyers, units) = (3_000, 2_000);
    open_sale(&handle, units, 300).await;
    let mut asked = Vec::new();
    for buyer in (0..buyers).flat_map(|buyer| [buyer, buyer]) {
        let handle = handle.clone();
        asked.push((
            buyer,
            tokio::spawn(async move {
                handle.execute(sale(), reserve(&format!("buyer-{buyer}"))).await.unwrap()
            }),
        ));
    }
    let (mut holds, mut refused) = (std::collections::BTreeMap::new(), 0);
    for (buyer, answer) in asked {
        let answer = answer.await.unwrap();
        match answer.outcome {
            Outcome::Reserved(_) | Outcome::Existing(_) => {
                let key = answer.hold.unwrap().key;
                assert_eq!(*holds.entry(buyer).or_insert(key), key, "one buyer, one hold");
            }
            Outcome::Refused(Refusal::AllHeld { .. }) => refused += 1,
            outcome => panic!("{outcome:?}"),
        }
    }
    assert_eq!(holds.len(), units as usize);
    assert_eq!(refused, 2 * (buyers - units as usize));
    let audit = handle.audit(sale()).await.unwrap().unwrap();
    assert_eq!((audit.differences, audit.holds.held), (vec![], u64::from(units)));
    service.stop();
}
