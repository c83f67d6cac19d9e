//! The rules alone: cancel a random hold, reserve again, at a given number of holds; beside a
//! bare table that does the same two probes and nothing else. The rules read each batch ahead, as
//! the engine lets them; so the table is measured both straight through and reading ahead, and the
//! faster of the two is the floor.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::ensure;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use holdfast_core::{
    Admission, BuyerId, Command, Currency, HOLDS_PER_BUYER_MAX, HoldKey, Money, Outcome, Reserve,
    Sale, SaleConfig, Stamp, Terms, TierConfig, TierId,
};

use crate::sample::{Deck, Random, median, rate, resident_bytes};

/// Cancels in a row before the same buyers reserve again: enough that no command finds its rows
/// still warm in the fastest cache, so that every command costs its own probes.
const ROUND: usize = 8_192;

/// Commands that are applied together, as the engine does.
const BATCH: usize = 64;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Numbers of holds to measure at.
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000,10000000")]
    holds: Vec<usize>,
    /// Commands in one run.
    #[arg(long, default_value_t = 1_000_000)]
    commands: usize,
    /// Alternating runs of each.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Measure here, and print no heading.
    #[arg(long, hide = true)]
    row_alone: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    if let [holds] = options.holds[..]
        && options.row_alone
    {
        return row(options, holds);
    }
    println!("holds      rules/s    table/s    ahead/s    table/rules  bytes/hold");
    for holds in &options.holds {
        // In a process of its own: memory that one size has used would hide what the next one takes.
        let mut row = std::process::Command::new(std::env::current_exe()?);
        row.args(["rules", "--row-alone", "--holds", &holds.to_string()]);
        row.args(["--commands", &options.commands.to_string()]);
        row.args(["--runs", &options.runs.to_string()]);
        ensure!(row.status()?.success(), "the benchmark failed at {holds} holds");
    }
    Ok(())
}

fn row(options: &Options, holds: usize) -> anyhow::Result<()> {
    let (mut rules, bytes) = Rules::fill(holds)?;
    let bytes = bytes as f64 / holds as f64;
    let mut table = Table::fill(holds);
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    // The first run of each warms up and does not count.
    for run in 0..=options.runs {
        let commands = options.commands;
        let of_table = [false, true].map(|ahead| table.run(commands, ahead));
        let of_run = [rules.run(commands)?, of_table[0], of_table[1]];
        if run > 0 {
            rates.iter_mut().zip(of_run).for_each(|(rates, rate)| rates.push(rate));
        }
    }
    let [rules, table, ahead] = rates.map(median);
    let ratio = table.max(ahead) / rules;
    println!("{holds:<10} {rules:<10.0} {table:<10.0} {ahead:<10.0} {ratio:<12.2} {bytes:.0}");
    Ok(())
}

/// A buyer's id as shops have them: 16 hexadecimal digits.
fn buyer(number: usize) -> anyhow::Result<BuyerId> {
    Ok(BuyerId::new(&format!("{:016x}", Random::new(number as u64).next()))?)
}

struct Rules {
    sale: Sale,
    tier: TierId,
    buyers: Vec<BuyerId>,
    holds: Vec<HoldKey>,
    stamp: Stamp,
    deck: Deck,
    /// Holds that the buyers have had, at most.
    taken: u8,
}

impl Rules {
    /// A sale with this many holds, and the bytes of memory that it took.
    fn fill(holds: usize) -> anyhow::Result<(Self, u64)> {
        let tier = TierId::new("standing")?;
        // The lists of this benchmark itself are not the sale's memory: touch them first, and let
        // them leave none behind that the sale would take.
        let mut buyers = Vec::with_capacity(holds);
        for number in 0..holds {
            buyers.push(buyer(number)?);
        }
        let (spare, deck) = (vec![HoldKey::from_number(1); holds], Deck::new(holds, 1));
        let before_sale = resident_bytes();
        let mut rules = Self {
            sale: Sale::new(1, 7),
            tier,
            buyers,
            holds: spare,
            stamp: Stamp { epoch: 1, ..Stamp::default() },
            deck,
            taken: 0,
        };
        rules.refill()?;
        Ok((rules, resident_bytes().saturating_sub(before_sale)))
    }

    /// Begins a new sale in which every buyer has one hold.
    fn refill(&mut self) -> anyhow::Result<()> {
        self.sale = Sale::new(1, 7);
        let config = config(self.tier, u32::try_from(self.buyers.len())?);
        self.apply(&Command::Configure(Box::new(config)));
        self.apply(&Command::Open);
        for index in 0..self.buyers.len() {
            let outcome = self.apply(&self.reserve(index));
            self.remember(index, outcome)?;
        }
        self.taken = 1;
        Ok(())
    }

    fn apply(&mut self, command: &Command) -> Outcome {
        self.stamp.sequence += 1;
        self.sale.apply(self.stamp, command)
    }

    fn reserve(&self, index: usize) -> Command {
        let (buyer, tier) = (self.buyers[index], self.tier);
        Command::Reserve(Reserve { buyer, tier, quantity: 1, key: None })
    }

    fn remember(&mut self, index: usize, outcome: Outcome) -> anyhow::Result<()> {
        let Outcome::Reserved(hold) = outcome else {
            anyhow::bail!("a benchmark of something else: a reserve came to {outcome:?}")
        };
        self.holds[index] = self.sale.key(hold);
        Ok(())
    }

    /// Commands a second. Commands are prepared and outcomes checked outside the measured time, as
    /// they come prepared from the network.
    fn run(&mut self, commands: usize) -> anyhow::Result<f64> {
        let (mut took, mut left) = (Duration::ZERO, commands / 2);
        while left > 0 {
            // The rules refuse a buyer who has had too many holds, and a refusal is cheap: before
            // that happens, a new sale.
            if self.taken == HOLDS_PER_BUYER_MAX {
                self.refill()?;
            }
            let pass = self.deck.deal(left);
            self.taken += 1;
            left -= pass.len();
            for round in pass.chunks(ROUND) {
                took += self.round(round)?;
            }
        }
        Ok(rate(commands / 2 * 2, took))
    }

    /// Cancels these buyers' holds, and then reserves again for each; the time that took.
    fn round(&mut self, round: &[usize]) -> anyhow::Result<Duration> {
        let cancel = |&index: &usize| Command::Cancel {
            hold: self.holds[index],
            buyer: Some(self.buyers[index]),
        };
        let cancels: Vec<Command> = round.iter().map(cancel).collect();
        let reserves: Vec<Command> = round.iter().map(|&index| self.reserve(index)).collect();
        let (mut ended, mut made) =
            (Vec::with_capacity(round.len()), Vec::with_capacity(round.len()));
        let started = Instant::now();
        for (commands, outcomes) in [(&cancels, &mut ended), (&reserves, &mut made)] {
            for batch in commands.chunks(BATCH) {
                self.sale.warm(batch.iter());
                outcomes.extend(batch.iter().map(|command| self.apply(command)));
            }
        }
        let took = started.elapsed();
        let cancelled = |outcome: &Outcome| matches!(outcome, Outcome::Cancelled(_));
        ensure!(ended.iter().all(cancelled), "a benchmark of something else: {:?}", ended[0]);
        for (&index, &outcome) in round.iter().zip(&made) {
            self.remember(index, outcome)?;
        }
        Ok(took)
    }
}

/// A sale with one tier of this capacity.
pub(crate) fn config(tier: TierId, capacity: u32) -> SaleConfig {
    let terms = Terms {
        name: "Benchmark".into(),
        opens_at_ms: None,
        hold_seconds: 300,
        checkout_grace_seconds: 120,
        max_per_buyer: 4,
        admission: Admission::FirstCome,
        metadata: None,
    };
    let currency = Currency::new("EUR").unwrap_or_else(|| unreachable!("EUR is a code"));
    let price = Money { amount: 4_500, currency };
    SaleConfig {
        terms,
        tiers: vec![TierConfig { id: tier, name: "Standing".into(), capacity, price }],
    }
}

/// The floor: a table of buyers and a table of holds, both by random 128-bit ids.
struct Table {
    buyers: HashMap<u128, [u64; 2], FixedState>,
    holds: HashMap<u128, [u64; 2], FixedState>,
    ids: Vec<(u128, u128)>,
    random: Random,
    deck: Deck,
}

impl Table {
    fn fill(holds: usize) -> Self {
        let mut table = Self {
            buyers: HashMap::with_hasher(FixedState::with_seed(7)),
            holds: HashMap::with_hasher(FixedState::with_seed(7)),
            ids: Vec::new(),
            random: Random::new(1),
            deck: Deck::new(holds, 1),
        };
        for _ in 0..holds {
            let (buyer, hold) = (table.id(), table.id());
            table.buyers.insert(buyer, [1, 0]);
            table.holds.insert(hold, [1, 0]);
            table.ids.push((buyer, hold));
        }
        table
    }

    fn id(&mut self) -> u128 {
        u128::from(self.random.next()) << 64 | u128::from(self.random.next())
    }

    /// What any rule must do at least: find the buyer, find the hold, change both.
    fn probe(&mut self, buyer: u128, hold: u128) -> u64 {
        let buyer = self.buyers.get_mut(&buyer).map_or(0, bump);
        buyer + self.holds.get_mut(&hold).map_or(0, bump)
    }

    /// Finds what [`Table::probe`] will, and changes nothing.
    fn look(&self, buyer: u128, hold: u128) -> u64 {
        let read = |row: &[u64; 2]| row[1];
        self.buyers.get(&buyer).map_or(0, read) ^ self.holds.get(&hold).map_or(0, read)
    }

    /// Probes a second, `ahead`: with each batch read ahead.
    fn run(&mut self, commands: usize, ahead: bool) -> f64 {
        let (mut took, mut left) = (Duration::ZERO, commands / 2);
        while left > 0 {
            let pass = self.deck.deal(left);
            left -= pass.len();
            for round in pass.chunks(ROUND) {
                let ids: Vec<(u128, u128)> = round.iter().map(|&index| self.ids[index]).collect();
                let started = Instant::now();
                for batch in ids.chunks(BATCH).chain(ids.chunks(BATCH)) {
                    if ahead {
                        let looks = batch.iter().map(|&(buyer, hold)| self.look(buyer, hold));
                        black_box(looks.fold(0, |read, row| read ^ row));
                    }
                    for &(buyer, hold) in batch {
                        black_box(self.probe(buyer, hold));
                    }
                }
                took += started.elapsed();
            }
        }
        rate(commands / 2 * 2, took)
    }
}

fn bump(row: &mut [u64; 2]) -> u64 {
    row[1] += 1;
    row[1]
}
