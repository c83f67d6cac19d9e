//! Whole sales on several nodes over Redis that fails: clients ask any node, and what they were told must be
//! true of the log in the end.
//!
//! In reading order: `server` (a node with its engine), `crowd` (who asks), `book` (what they were told),
//! `judge` (what must be true of it all).

mod book;
mod crowd;
mod judge;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_core::{BuyerId, Command, HoldView, SaleId, SaleView, Stamp, TierId};
use holdfast_engine::{EngineError, Reply};

use super::clock::Clocks;
use super::world::World;
use super::{Cluster, Fault, story};
use crate::auditor::Breach;
use crate::rng::Rng;
use crate::trace::{Show, Trace};
use book::Book;
use crowd::Crowd;
use server::{Server, Turned};

/// How long everything has to come to rest, once nothing fails any more.
const REST: Duration = Duration::from_secs(60);

/// How long a doubt is waited for in the end.
const DOUBT_REST: Duration = Duration::from_secs(40);

/// How nodes say that nobody is left who knows the sales, and Redis does not: nothing is sold until a
/// person helps.
const LOST_FOR_GOOD: &str = "Redis has lost what it had";

/// What a story has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The first promise that was broken.
    pub breach: Option<Breach>,
    /// Everything that happened, as one number.
    pub hash: u64,
    /// How long it took, on the simulated clock.
    pub took: Duration,
    /// Commands that were answered.
    pub answered: usize,
    /// Commands that were refused without an answer: nothing was done.
    pub refused: usize,
    /// Commands of which nobody could say.
    pub unknown: usize,
    /// Things that clients were told and that are true of the log.
    pub true_words: usize,
    /// Things that clients were told and that were lost within a doubt.
    pub lost: usize,
    /// Sales' doubts.
    pub doubts: usize,
    /// Lost holds that receipts brought back.
    pub claimed: usize,
    /// Orders that the ledger brought back.
    pub restored: usize,
    /// Epochs that there were.
    pub epochs: u32,
    /// Nobody was left who knew the sales.
    pub lost_for_good: usize,
    /// Faults by their names.
    pub faults: BTreeMap<&'static str, usize>,
}

impl Report {
    /// Adds what another story has shown; in any order the sum is the same.
    pub fn add(&mut self, other: &Self) {
        self.hash = self.hash.wrapping_add(other.hash);
        self.took += other.took;
        self.answered += other.answered;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.true_words += other.true_words;
        self.lost += other.lost;
        self.doubts += other.doubts;
        self.claimed += other.claimed;
        self.restored += other.restored;
        self.epochs += other.epochs;
        self.lost_for_good += other.lost_for_good;
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
    }
}

/// One sale: who asks, and what they were told.
struct Tale {
    id: SaleId,
    crowd: Crowd,
    book: Book,
}

struct Story {
    world: World<Server>,
    tales: Vec<Tale>,
    clocks: Clocks,
    trace: Trace,
}

/// Tells the story of a seed, with these faults, in so many steps. `show` gets everything that happens.
pub fn tell(seed: u64, faults: &[Fault], steps: usize, show: Option<Show>) -> Report {
    let mut rng = Rng::new(seed);
    let servers = story::draw_servers(&mut rng);
    let nodes = rng.index(4) + 1;
    let sales = rng.index(2) + 1;
    let (mut people, mut tales) = (rng.fork(), Vec::new());
    for name in ["first", "second"].into_iter().take(sales) {
        let names = |what: &'static str| (0..6).map(move |number| format!("{what}-{number}"));
        let buyers: Vec<BuyerId> = names("buyer").filter_map(|it| BuyerId::new(&it).ok()).collect();
        let tiers: Vec<TierId> = names("tier").filter_map(|it| TierId::new(&it).ok()).collect();
        let crowd = Crowd::draw(&mut people, &buyers, &tiers[..2]);
        let Ok(id) = SaleId::new(name) else { continue };
        tales.push(Tale { id, crowd, book: Book::default() });
    }
    let cluster = Cluster::opened_with(servers, |lost, first_lost| {
        let lost_ms = u64::try_from(lost.as_millis()).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        Command::Doubt { lost_ms, first_lost }.encode(&mut bytes);
        bytes
    });
    let world = World::new(rng, cluster, faults);
    let mut story = Story { world, tales, clocks: Clocks::default(), trace: Trace::new(show) };
    let mut report = Report::default();
    report.breach = story.tell(nodes, steps, &mut report).err();
    report.hash = story.trace.hash();
    report.took = story.world.cluster.net.now();
    report.epochs = story.world.cluster.row().map_or(0, |row| row.epoch);
    report.faults = story.world.struck;
    for tale in &story.tales {
        report.answered += tale.book.answered;
        report.refused += tale.book.refused;
        report.unknown += tale.book.unknown;
    }
    report
}

impl Story {
    fn tell(&mut self, nodes: usize, steps: usize, report: &mut Report) -> Result<(), Breach> {
        self.begin(nodes)?;
        for _ in 0..steps {
            self.step()?;
        }
        self.rest(report)
    }

    fn begin(&mut self, nodes: usize) -> Result<(), Breach> {
        for _ in 0..nodes {
            let joined = self.world.cluster.join(Duration::from_secs(30));
            let why = |error| format!("a node cannot join where nothing fails: {error}");
            joined.map_err(|error| Breach::new(4, why(error)))?;
        }
        for at in 0..self.tales.len() {
            let config = self.tales[at].crowd.config();
            let config = config.ok_or_else(|| Breach::new(10, "a plan's names are good ones"))?;
            for command in [Command::Configure(Box::new(config)), Command::Open] {
                self.turn(0, vec![(at, command)])?;
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Breach> {
        let struck = self.world.struck.clone();
        self.world.pass();
        for (fault, _) in
            self.world.struck.iter().filter(|(it, count)| struck.get(*it) != Some(count))
        {
            self.trace.note(micros(self.world.cluster.net.now()), format_args!("FAULT {fault}"));
        }
        self.live();
        let Some(node) = self.world.some_node() else { return self.watch() };
        let mut commands = Vec::new();
        for _ in 0..self.world.rng.index(5) {
            let at = self.world.rng.index(self.tales.len());
            let asked = self.tales[at].crowd.ask(&mut self.world.rng);
            commands.extend(asked.map(|command| (at, command)));
        }
        self.turn(node, commands)?;
        self.watch()
    }

    /// Every node that runs does what is due.
    fn live(&mut self) {
        for node in self.world.living() {
            super::Node::live(self.world.cluster.node(node));
        }
    }

    /// Looks at how fast the clocks run.
    fn watch(&mut self) -> Result<(), Breach> {
        let nodes = self.world.cluster.nodes.iter_mut().flatten();
        let samples = nodes.flat_map(Server::take_clocks).collect();
        self.clocks.note(samples, Duration::ZERO)
    }

    /// Asks a node for these, and looks at all sales.
    fn turn(&mut self, node: usize, commands: Vec<(usize, Command)>) -> Result<bool, Breach> {
        let mut wanted = Vec::new();
        for tale in &self.tales {
            wanted.push((tale.id, tale.crowd.wanted(&mut self.world.rng)));
        }
        for (at, command) in &commands {
            self.tales[*at].book.note(command);
        }
        let asked = commands.iter().map(|(at, command)| (self.tales[*at].id, command.clone()));
        let Turned { replies, seen } = self.world.cluster.node(node).turn(asked.collect(), wanted);
        let now = micros(self.world.cluster.net.now());
        for ((at, command), reply) in commands.iter().zip(&replies) {
            self.trace.note(now, format_args!("node {node} sale {at} {command:?} {reply:?}"));
        }
        self.trace.note(now, format_args!("node {node} {seen:?}"));
        let lows: Vec<u64> = self.tales.iter().map(|tale| tale.book.known()).collect();
        self.hear(node, commands.into_iter().zip(replies).collect());
        let Ok(seen) = seen else { return Ok(false) };
        for ((tale, seen), low) in self.tales.iter_mut().zip(seen).zip(lows) {
            let Some(seen) = seen else {
                if low > 0 {
                    return Err(Breach::new(3, format!("node {node} knows no sale {}", tale.id)));
                }
                continue;
            };
            units_add_up(&seen.view)?;
            tale.crowd.is_in_doubt |= seen.view.doubt_until_ms.is_some();
            seen.holds
                .iter()
                .filter_map(|(_, hold)| hold.as_ref())
                .for_each(|it| tale.crowd.hear(it));
            tale.book.look(node, low, seen);
        }
        Ok(true)
    }

    fn hear(&mut self, node: usize, turn: Vec<((usize, Command), Option<Reply>)>) {
        let mut of_each: BTreeMap<usize, Vec<(Command, Option<Reply>)>> = BTreeMap::new();
        for ((at, command), reply) in turn {
            if let Some(Ok(answer)) = &reply
                && let Some(hold) = &answer.hold
            {
                self.tales[at].crowd.hear(hold);
            }
            of_each.entry(at).or_default().push((command, reply));
        }
        for (at, turn) in of_each {
            let log = self.world.cluster.node(node).log(self.tales[at].id);
            let end = log.map_or(0, |log| log.last.sequence);
            self.tales[at].book.hear(node, end, turn);
        }
    }

    /// Nothing fails any more: every node comes back, and all know the same.
    fn rest(&mut self, report: &mut Report) -> Result<(), Breach> {
        self.trace.note(micros(self.world.cluster.net.now()), format_args!("REST"));
        if !self.world.faults.is_empty() {
            self.world.mend();
        }
        let until = self.world.cluster.net.now() + REST;
        if let Err(why) = self.world.bring_back(REST) {
            return self.must_be_lost(why, report);
        }
        loop {
            self.world.cluster.live(Duration::from_millis(200));
            self.watch()?;
            let mut why = None;
            for node in 0..self.world.cluster.nodes.len() {
                let commands = self.last_wishes();
                if !self.turn(node, commands)? {
                    why = Some(format!("node {node} does not answer"));
                }
            }
            match why {
                None => break,
                Some(why) if self.world.cluster.net.now() > until => {
                    return self.must_be_lost(why, report);
                }
                Some(_) => {}
            }
        }
        self.doubts_end()?;
        self.check(report)
    }

    /// What is asked once all is well: receipts and orders bring back what was lost.
    fn last_wishes(&mut self) -> Vec<(usize, Command)> {
        let mut wishes = Vec::new();
        for (at, tale) in self.tales.iter().enumerate() {
            let orders = tale.crowd.orders.values();
            wishes.extend(orders.map(|order| (at, Command::Restore(Box::new(*order)))));
            let told = tale.crowd.told.values().rev().take(6);
            let claim =
                |hold: &HoldView| (at, Command::Claim { receipt: hold.receipt, buyer: hold.buyer });
            wishes.extend(told.map(claim));
        }
        wishes
    }

    /// Promises 4 and 6: a doubt ends by itself, and the sale clock runs for as long as anything waits.
    fn doubts_end(&mut self) -> Result<(), Breach> {
        let begun = self.world.cluster.net.now();
        let mut last: Vec<(bool, u64)> = Vec::new();
        while self.world.cluster.net.now() < begun + DOUBT_REST {
            self.world.cluster.live(Duration::from_secs(1));
            self.watch()?;
            self.turn(0, Vec::new())?;
            let looks = self.tales.iter().map(|tale| tale.book.last_look());
            let now: Vec<(bool, u64)> = looks.map(|look| look.unwrap_or((false, 0))).collect();
            for ((still, clock_ms), (waits, before_ms)) in now.iter().zip(&last) {
                if *waits && *still && clock_ms - before_ms < 500 {
                    let what = format!("in a second the clock went from {before_ms} to {clock_ms}");
                    return Err(Breach::new(6, what));
                }
            }
            if now.iter().all(|(waits, _)| !waits) {
                break;
            }
            last = now;
        }
        Ok(())
    }

    /// A store stands still for ever only where nobody is left who knows what it had.
    fn must_be_lost(&mut self, why: String, report: &mut Report) -> Result<(), Breach> {
        let mut said = vec![why];
        for node in self.world.living() {
            let turned = self.world.cluster.node(node).turn(Vec::new(), Vec::new());
            said.extend(turned.seen.err().map(|error: EngineError| error.to_string()));
        }
        if said.iter().any(|why| why.contains(LOST_FOR_GOOD)) {
            report.lost_for_good = 1;
            return Ok(());
        }
        let (row, net) = (self.world.cluster.row(), self.world.cluster.net.describe());
        Err(Breach::new(4, format!("it does not go on: {said:?}; {row:?}; {net}")))
    }

    fn check(&mut self, report: &mut Report) -> Result<(), Breach> {
        for at in 0..self.tales.len() {
            let id = self.tales[at].id;
            let mut known = Vec::new();
            for node in 0..self.world.cluster.nodes.len() {
                self.turn(node, Vec::new())?;
                known.push(self.log(node, id)?);
            }
            if let Some(node) = (1..known.len()).find(|&node| known[node].1 != known[0].1) {
                let what = format!("nodes 0 and {node} know different logs of {id}");
                return Err(Breach::new(3, what));
            }
            let (number, log) = known.swap_remove(0);
            let (model, tally) = judge::judge(number, &log, &self.tales[at].book)?;
            for node in 0..self.world.cluster.nodes.len() {
                let model = model.clone();
                let server = self.world.cluster.node(node);
                let compared = server.show(id, move |sale| judge::compare(sale, &model));
                compared.unwrap_or_else(|| Err(Breach::new(3, "a node does not show its sale")))?;
            }
            report.true_words += tally.true_words;
            report.lost += tally.lost;
            report.doubts += tally.doubts;
            report.claimed += tally.claimed;
            report.restored += tally.restored;
        }
        Ok(())
    }

    /// A sale's number, and its log as a node knows it.
    fn log(&mut self, node: usize, sale: SaleId) -> Result<(u32, Vec<(Stamp, Command)>), Breach> {
        let server = self.world.cluster.node(node);
        let log = server.log(sale);
        let log = log.ok_or_else(|| Breach::new(3, format!("node {node} has no log of {sale}")))?;
        let (mut entries, mut odd) = (Vec::new(), None);
        let read = server.records().read(log.id, 0, &mut |stamp, bytes| {
            let (epoch, sequence) = (stamp.epoch.0, stamp.sequence);
            let stamp = Stamp { epoch, sequence, clock_ms: stamp.clock_ms };
            match Command::decode(bytes) {
                Ok(command) => entries.push((stamp, command)),
                Err(error) => odd = Some(error.to_string()),
            }
            true
        });
        match (read, odd) {
            (Err(error), _) => Err(Breach::new(3, format!("node {node} cannot read: {error}"))),
            (_, Some(odd)) => Err(Breach::new(3, odd)),
            _ => Ok((log.id.0, entries)),
        }
    }
}

/// Promise 1: in every tier free, held, sold and withheld units make its capacity.
fn units_add_up(view: &SaleView) -> Result<(), Breach> {
    for tier in &view.tiers {
        let parts = [tier.free, tier.held, tier.sold, tier.withheld];
        let sum: u64 = parts.into_iter().map(u64::from).sum();
        if sum != u64::from(tier.config.capacity) {
            return Err(Breach::new(1, format!("{tier:?} does not add up")));
        }
    }
    Ok(())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
