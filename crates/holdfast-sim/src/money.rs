//! The way of the money under faults: the real saga over a real engine, a model ledger and a model
//! bank, with everything that befalls them, from one seed.
//!
//! The process dies between any two steps; requests and answers are lost, and what was sent arrives
//! though its sender is dead; the ledger is not there, or does not say whether it committed. Then it
//! all stops, and money and units must be together, with nobody's help.

mod bank;
mod buyer;
mod judge;
mod ledger;
mod loss;
mod plan;
mod shop;
mod tasks;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use holdfast_checkout::{Saga, Way};
use holdfast_core::{BuyerId, Command, HoldKey, HoldView, PaymentStatus, ReceiptKey, Sale};
use holdfast_engine::{Engine, Reply, Request, SaleRef};
use holdfast_ledger::{Fence, Ledger};
use holdfast_store::Clock;
use holdfast_store::journal::{Journal, Options};
use tokio::sync::{Notify, oneshot};

use crate::auditor::Breach;
use crate::report::{Report, Stats};
use crate::rng::Rng;
use crate::trace::{Show, Trace};
use crate::world::{SimClock, SimDisk};
use bank::Bank;
use buyer::Visit;
use ledger::IllLedger;
use loss::Loss;
use plan::Plan;
use shop::Shop;
use tasks::{Tasks, Timer, lock};

const SECOND_US: u64 = 1_000_000;

/// How long everything may take once nothing goes wrong any more.
const CALM_US: u64 = 2 * 3_600 * SECOND_US;

/// How long it takes to bring back what a loss has left, once the doubt is over.
const MEND_US: u64 = 10 * 60 * SECOND_US;

/// How often the reconciler looks.
const LOOK_US: u64 = 10 * SECOND_US;

/// What a run's ids are signed with.
pub(crate) fn receipts() -> ReceiptKey {
    ReceiptKey::new([7; 32])
}

/// Plays the run of a seed. `show` gets everything that happens, in words.
pub fn simulate_money(seed: u64, show: Option<Show>) -> Report {
    let mut run = Run::new(seed, show);
    let breach = run.play().err();
    if let Some(breach) = &breach {
        run.note(format_args!("BROKEN: {breach}"));
    }
    run.stats.runs = 1;
    run.stats.sales = 1;
    run.stats.simulated_us = run.clock.now_us();
    for (what, count) in run.shop.bank.faults().into_iter().chain(run.shop.ledger.faults()) {
        *run.stats.faults.entry(what).or_default() += count;
    }
    run.stats.hash = run.trace.hash();
    Report { seed, breach, hash: run.trace.hash(), stats: run.stats }
}

/// Everything of one run.
struct Run {
    plan: Plan,
    rng: Rng,
    clock: Arc<SimClock>,
    disk: SimDisk,
    timer: Timer,
    tasks: Tasks,
    shop: Shop,
    engine: Option<Engine<Journal, oneshot::Sender<Reply>>>,
    /// When the process dies next, or starts again.
    fate_us: u64,
    is_calm: bool,
    loss: Loss,
    trace: Trace,
    stats: Stats,
}

impl Run {
    fn new(seed: u64, show: Option<Show>) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        let clock = Arc::new(SimClock::default());
        let disk = SimDisk::new(rng.fork(), Arc::clone(&clock));
        let timer = Timer::new(Arc::clone(&clock));
        let bank = Bank::new(rng.fork(), timer.clone(), plan.ill, plan.slow);
        let ledger = IllLedger::new(rng.fork(), timer.clone(), plan.ill, plan.ledger_us);
        let shop = Shop::new(plan.sale, bank, ledger, timer.clone());
        Self {
            plan,
            rng,
            clock,
            disk,
            timer,
            tasks: Tasks::default(),
            shop,
            engine: None,
            fate_us: 0,
            is_calm: false,
            loss: Loss::default(),
            trace: Trace::new(show),
            stats: Stats::default(),
        }
    }

    fn play(&mut self) -> Result<(), Breach> {
        self.trace.note(0, format_args!("{:?}", self.plan));
        self.start()?;
        self.enter_everybody();
        self.run_until(self.plan.ill_us)?;
        self.calm_down()?;
        self.judge()
    }

    fn enter_everybody(&mut self) {
        let (shop, config) = (self.shop.clone(), self.plan.config());
        let sale = SaleRef::Id(self.plan.sale);
        self.tasks.spawn(false, async move {
            for command in [Command::Configure(Box::new(config)), Command::Open] {
                while holdfast_checkout::World::execute(&shop, sale, command.clone()).await.is_err()
                {
                    shop.timer.sleep_us(SECOND_US).await;
                }
            }
        });
        for number in 0..self.plan.buyers {
            let Ok(buyer) = BuyerId::new(&format!("buyer-{number}")) else { continue };
            let visit = Visit {
                shop: self.shop.clone(),
                rng: self.rng.fork(),
                buyer,
                tier: self.plan.tier,
                hold_seconds: self.plan.hold_seconds.into(),
                late: self.plan.late,
            };
            self.tasks.spawn(false, visit.go());
        }
    }

    /// Nothing goes wrong from now on, after one last restart.
    fn calm_down(&mut self) -> Result<(), Breach> {
        self.note(format_args!("calm"));
        self.is_calm = true;
        self.shop.bank.be_well();
        self.shop.ledger.be_well();
        if self.engine.is_some() {
            self.die();
        }
        let end_us = self.clock.now_us() + CALM_US;
        while self.clock.now_us() < end_us {
            self.run_until(self.clock.now_us() + 60 * SECOND_US)?;
            if !self.tasks.is_anybody_there() && self.is_certain()? && self.open_holds()?.is_empty()
            {
                return self.run_until(self.clock.now_us() + MEND_US);
            }
        }
        let open = self.open_holds()?;
        Err(Breach::new(
            5,
            format!("two hours later {} holds are still open: {open:?}", open.len()),
        ))
    }

    /// Holds that live, and those about whose payment or refund something is to be done.
    fn open_holds(&mut self) -> Result<Vec<HoldView>, Breach> {
        let holds = self.holds()?.into_iter();
        let returning = self.orders().into_iter().filter(|order| order.refund_asked_ms.is_some());
        let returning: BTreeSet<HoldKey> = returning.map(|order| order.what.hold).collect();
        let is_open = |hold: &HoldView| {
            let payment = hold.payment.map(|payment| payment.status);
            let is_returning = returning.contains(&hold.key);
            hold.status.is_live()
                || payment.is_some_and(PaymentStatus::is_open)
                || (is_returning && payment != Some(PaymentStatus::Refunded))
        };
        Ok(holds.filter(is_open).collect())
    }

    /// Lets things happen until a moment.
    fn run_until(&mut self, end_us: u64) -> Result<(), Breach> {
        loop {
            self.shop.bank.act();
            self.timer.ring();
            self.check_captured()?;
            for (case, way) in self.shop.take_begun() {
                self.carry(case, way);
            }
            if !self.is_calm && self.engine.is_some() && self.rng.below(self.plan.steps) == 0 {
                self.die();
            }
            if self.tasks.go_on(&mut self.rng) {
                continue;
            }
            let is_due = |run: &Self| {
                let wake = run.engine.as_ref().and_then(Engine::wake_in);
                run.engine.is_some() && (run.shop.is_asked() || wake.is_some_and(|it| it.is_zero()))
            };
            if is_due(self) {
                self.turn()?;
                continue;
            }
            if self.clock.now_us() >= end_us {
                return Ok(());
            }
            self.pass_time(end_us)?;
        }
    }

    /// Time passes until something happens.
    fn pass_time(&mut self, end_us: u64) -> Result<(), Breach> {
        let now_us = self.clock.now_us();
        let wake = self.engine.as_ref().and_then(Engine::wake_in);
        let wake_us = wake.map(|it| now_us + u64::try_from(it.as_micros()).unwrap_or(u64::MAX));
        let fate_us = (self.engine.is_none() || !self.is_calm).then_some(self.fate_us);
        let events = [wake_us, fate_us, self.timer.next_us(), self.shop.bank.next_us()];
        let next_us = events.into_iter().flatten().min().unwrap_or(end_us).min(end_us);
        self.clock.advance(next_us.saturating_sub(now_us));
        if fate_us.is_some_and(|fate_us| fate_us <= self.clock.now_us()) {
            match self.engine {
                Some(_) => self.die(),
                None => self.start()?,
            }
        }
        Ok(())
    }

    /// One turn of the engine; now and then the process dies before anybody hears of it.
    fn turn(&mut self) -> Result<(), Breach> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let mut requests = self.shop.take_asked();
        self.stats.commands += requests.len() as u64;
        self.stats.turns += 1;
        let mut replies = Vec::new();
        engine.turn(&mut requests, &mut replies);
        if !self.is_calm && self.rng.below(self.plan.steps / 8) == 0 {
            self.die();
        } else {
            for (to, reply) in replies {
                let said = format!("{:?}", reply.as_ref().map(|answer| answer.outcome));
                self.note(format_args!("{said}"));
                let _ = to.send(reply);
            }
        }
        self.keep()?;
        self.check_refunded()
    }

    fn start(&mut self) -> Result<(), Breach> {
        self.clock.new_process();
        self.open()?;
        self.recover()?;
        self.shop.open();
        self.note(format_args!("started"));
        self.fate_us = self.clock.now_us() + self.rng.between(1, self.plan.dies_us);
        self.tamper();
        let saga =
            Arc::new(Saga::new(self.shop.clone(), receipts(), self.plan.per_second, "simulated"));
        self.saga(&saga);
        Ok(())
    }

    fn open(&mut self) -> Result<(), Breach> {
        let broken =
            |error: &dyn std::fmt::Display| Breach::new(3, format!("not started: {error}"));
        self.engine = None;
        self.disk.new_process();
        let disk = Arc::new(self.disk.clone());
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let journal = Journal::open(disk, Arc::clone(&clock), Options { segment_bytes: 16 << 10 });
        let journal = journal.map_err(|error| broken(&error))?;
        let engine = Engine::open(journal, clock, self.rng.draw());
        self.engine = Some(engine.map_err(|error| broken(&error))?);
        self.disk.started();
        Ok(())
    }

    /// What a process does by itself: it looks for what is left, and carries it.
    fn saga(&mut self, saga: &Arc<Saga<Shop>>) {
        let (mending, shop) = (Arc::clone(saga), self.shop.clone());
        self.tasks.spawn(true, async move {
            loop {
                let Ok(cases) = mending.mend().await else {
                    shop.timer.sleep_us(SECOND_US).await;
                    continue;
                };
                cases.into_iter().for_each(|case| shop.begin(case, Way::Back));
                tokio::select! {
                    biased;
                    () = mending.is_mending_awaited() => {}
                    () = shop.timer.sleep_us(LOOK_US) => {}
                }
            }
        });
        let (looking, shop) = (Arc::clone(saga), self.shop.clone());
        self.tasks.spawn(true, async move {
            let mut has_just_started = true;
            loop {
                let rest_us = match looking.left(has_just_started).await {
                    Ok(left) => {
                        left.cases.into_iter().for_each(|(case, way)| shop.begin(case, way));
                        has_just_started = false;
                        LOOK_US
                    }
                    Err(_) => SECOND_US,
                };
                shop.timer.sleep_us(rest_us).await;
            }
        });
        *lock(&self.shop.saga) = Some(Arc::clone(saga));
    }

    fn carry(&mut self, case: holdfast_checkout::Case, way: Way) {
        let Some(saga) = lock(&self.shop.saga).clone() else { return };
        self.note(format_args!("carries {case:?} {way:?}"));
        let shop = self.shop.clone();
        self.tasks.spawn(true, async move {
            saga.carry(case, way, &Notify::new()).await;
            shop.leave(case, way);
        });
    }

    /// As if the engine had lost count: the ledger knows of fewer units.
    fn tamper(&mut self) {
        if self.is_calm || !self.plan.is_tampered || self.rng.percent(50) {
            return;
        }
        let (ledger, timer, sale) =
            (self.shop.ledger.inner.clone(), self.timer.clone(), self.plan.sale);
        let (tier, units) = (self.plan.tier, self.rng.small(0, self.plan.capacity));
        let wait_us = self.rng.below(60 * SECOND_US);
        self.tasks.spawn(true, async move {
            timer.sleep_us(wait_us).await;
            let reigns = ledger.reigns().await.unwrap_or_default();
            if let Some(&(sale, epoch)) = reigns.iter().find(|(id, _)| *id == sale) {
                let _ = ledger.set_capacity(Fence { sale, epoch }, tier, units).await;
            }
        });
    }

    fn die(&mut self) {
        self.note(format_args!("dies"));
        self.stats.fault("killed");
        self.lose();
        self.tasks.kill();
        self.shop.shut();
        self.engine = None;
        self.disk.kill();
        if self.rng.percent(50) {
            self.disk.lose_power();
        }
        self.clock.end_process();
        let most_us = [100_000, 30 * SECOND_US][self.rng.index(2)];
        self.fate_us = self.clock.now_us() + self.rng.between(1, most_us);
    }

    /// Every hold of the sale, as the engine has it; none while there is no process.
    fn holds(&mut self) -> Result<Vec<HoldView>, Breach> {
        let holds =
            self.look(|sale, clock_ms| sale.holds_after(None, usize::MAX, clock_ms).collect());
        Ok(holds.unwrap_or_default())
    }

    /// What the engine says of the sale; `None` while there is no process, or no sale.
    fn look<R: Send + 'static>(
        &mut self,
        look: impl FnOnce(&Sale, u64) -> R + Send + 'static,
    ) -> Option<R> {
        let sale = SaleRef::Id(self.plan.sale);
        let found = Arc::new(Mutex::new(None));
        let into = Arc::clone(&found);
        let look = Request::Look(Box::new(move |sales| {
            if let Ok(Some((sale, clock_ms))) = sales.map(|sales| sales.get(sale)) {
                *lock(&into) = Some(look(sale, clock_ms));
            }
        }));
        self.engine.as_mut()?.turn(&mut vec![look], &mut Vec::new());
        lock(&found).take()
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.clock.now_us(), what);
    }
}
