//! A run: some sales on one engine, with everything that befalls them, from one seed.
//!
//! First the unsafe phase, in which faults strike. Then they stop, the disk has room, the process
//! is restarted once, and everything must work.

mod agenda;
mod current;
mod damage;
mod finale;
mod flight;
mod life;
mod process;
mod troubles;
mod turn;
mod upkeep;
mod words;

use std::sync::Arc;

use holdfast_core::{BuyerId, SaleId};
use holdfast_engine::Answer;
use holdfast_store::Clock;

use crate::auditor::{Auditor, Breach, Follower, Moment};
use crate::crowd::{Buyer, Merchant, Till};
use crate::plan::Plan;
use crate::report::{Report, Stats};
use crate::rng::Rng;
use crate::trace::{Show, Trace};
use crate::world::{SimClock, SimDisk};
use agenda::{Agenda, Event};
pub use current::{current_seed, play_as};
use process::Process;
use upkeep::Work;

/// Steps after which a run goes nowhere.
const STEPS_MAX: u32 = 2_000_000;

/// Plays the run of a seed. `show` gets everything that happens, in words.
pub fn simulate(seed: u64, show: Option<Show>) -> Report {
    play_as(seed, || play(seed, show))
}

fn play(seed: u64, show: Option<Show>) -> Report {
    let mut rng = Rng::new(seed);
    let Some(plan) = Plan::draw(&mut rng) else {
        unreachable!("a plan's names are good ones");
    };
    let mut run = Run::new(plan, rng, show);
    let played = run.play();
    run.stats.runs = 1;
    run.stats.sales = run.plan.sales.len() as u64;
    run.stats.simulated_us = run.clock.now_us();
    run.stats.checks = *run.auditor.checks();
    for (what, count) in run.disk.fired() {
        *run.stats.faults.entry(what).or_default() += count;
    }
    for (what, count) in run.disk.paths() {
        *run.stats.recoveries.entry(what).or_default() += count;
    }
    let breach = played.err();
    if let Some(breach) = &breach {
        run.trace.note(run.clock.now_us(), format_args!("BROKEN: {breach}"));
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
    process: Option<Process>,
    agenda: Agenda,
    auditor: Auditor,
    crowds: Vec<Crowd>,
    /// The engine has asked for a restart, and one is entered in the agenda.
    dying: bool,
    /// Outages when something was last looked at.
    seen_outages: u64,
    /// Until when an engine may refuse to write because of what has failed.
    resting_until_us: u64,
    /// Work in the background that is to fall into the next append.
    within: Option<Work>,
    /// Every sale is to be compared with the naive model in the next turn.
    compare: bool,
    /// The last answer that arrived.
    last_answer: Option<Answer>,
    trace: Trace,
    stats: Stats,
}

/// The people of one sale, and who follows its log.
struct Crowd {
    id: SaleId,
    buyers: Vec<Buyer>,
    merchant: Merchant,
    till: Till,
    follower: Follower,
}

impl Run {
    fn new(plan: Plan, mut rng: Rng, show: Option<Show>) -> Self {
        let clock = Arc::new(SimClock::default());
        let disk = SimDisk::new(rng.fork(), Arc::clone(&clock));
        let ids: Vec<SaleId> = plan.sales.iter().map(|sale| sale.id).collect();
        let crowds = plan.sales.iter().map(|sale| {
            let width = if sale.long_names { 57 } else { 1 };
            let buyer = |number| BuyerId::new(&format!("buyer-{number:0>width$}")).ok();
            let buyers = (0..sale.buyers).filter_map(buyer).map(|id| Buyer::new(id, sale.acts));
            let buyers = buyers.collect();
            Crowd {
                id: sale.id,
                buyers,
                merchant: Merchant::default(),
                till: Till::default(),
                follower: Follower::default(),
            }
        });
        let crowds = crowds.collect();
        Self {
            auditor: Auditor::new(&ids),
            crowds,
            plan,
            rng,
            clock,
            disk,
            process: None,
            agenda: Agenda::default(),
            dying: false,
            seen_outages: 0,
            resting_until_us: 0,
            within: None,
            compare: false,
            last_answer: None,
            trace: Trace::new(show),
            stats: Stats::default(),
        }
    }

    fn play(&mut self) -> Result<(), Breach> {
        self.trace.note(0, format_args!("{:?}", self.plan));
        self.enter_everything();
        self.run_until(self.plan.unsafe_us)?;
        self.finale()
    }

    fn enter_everything(&mut self) {
        self.agenda.enter(0, Event::Start);
        for (sale, plan) in self.plan.sales.iter().enumerate() {
            self.agenda.enter(1_000, Event::Merchant { sale });
            if plan.pays > 0 {
                self.agenda.enter(plan.starts_us, Event::Till { sale });
            }
            for buyer in 0..plan.buyers {
                let at_us = plan.starts_us + self.rng.below(plan.rush_us);
                let at_us = at_us.next_multiple_of(self.plan.window_us);
                self.agenda.enter(at_us, Event::Buyer { sale, buyer });
            }
        }
        for (trouble, every_us) in &self.plan.troubles {
            let at_us = self.rng.between(0, every_us * 2);
            self.agenda.enter(at_us, Event::Trouble(*trouble));
        }
    }

    /// Lets things happen until a moment: what the agenda says, and what the engine wakes for.
    fn run_until(&mut self, end_us: u64) -> Result<(), Breach> {
        for _ in 0..STEPS_MAX {
            let now_us = self.clock.now_us();
            if now_us >= end_us {
                return Ok(());
            }
            let wake = self.process.as_ref().and_then(|process| process.engine.wake_in());
            let wake_us = wake.map(|wait| now_us + u64::try_from(wait.as_micros()).unwrap_or(0));
            let event_us = self.agenda.next_at();
            let next_us = [wake_us, event_us].into_iter().flatten().min().unwrap_or(end_us);
            self.clock.advance(next_us.min(end_us).saturating_sub(self.clock.now_us()));
            if next_us < end_us {
                self.step(wake_us.is_some_and(|wake_us| wake_us <= next_us))?;
            }
        }
        Err(Breach::new(6, "the run goes nowhere"))
    }

    /// Everything that is due now, and a turn if there is reason for one.
    fn step(&mut self, woken: bool) -> Result<(), Breach> {
        let now_us = self.clock.now_us();
        let (mut asked, mut looks) = (Vec::new(), Vec::new());
        while let Some(event) = self.agenda.take_due(now_us) {
            match event {
                Event::Buyer { sale, buyer } => {
                    self.buyer_acts(sale, buyer, &mut asked, &mut looks);
                }
                Event::Till { sale } => self.till_acts(sale, &mut asked),
                Event::Merchant { sale } => self.merchant_acts(sale, &mut asked),
                Event::Trouble(trouble) => self.trouble(trouble)?,
                Event::Room => self.room(),
                Event::Replace if self.dying => self.die()?,
                Event::Replace => {}
                Event::Start => self.start()?,
            }
        }
        self.click_twice(&mut asked);
        if woken || self.compare || !asked.is_empty() || !looks.is_empty() {
            self.turn(&asked, &looks)?;
        }
        Ok(())
    }

    fn moment(&self) -> Moment {
        Moment {
            now_us: self.clock.now_us(),
            up_us: self.clock.up_us(),
            outages: self.clock.outages(),
            wall_ms: self.clock.wall_ms(),
            behind_ms: self.clock.wall_behind_ms(),
        }
    }

    /// Reads what is new in every log, so that nothing is trimmed unread, and holds what was said
    /// against it. The reader is not part of the process: no fault strikes it.
    fn follow(&mut self) -> Result<(), Breach> {
        let Some(process) = &self.process else { return Ok(()) };
        let (logs, checks) = (process.engine.logs(), self.auditor.checks_mut());
        let crowds = &mut self.crowds;
        self.disk.calmly(|| {
            crowds.iter_mut().try_for_each(|crowd| {
                match logs.iter().find(|log| log.name == crowd.id.as_str()) {
                    Some(log) => crowd.follower.follow(process.records.as_ref(), log, checks),
                    None => crowd.follower.follow_nothing(checks),
                }
            })
        })
    }
}
