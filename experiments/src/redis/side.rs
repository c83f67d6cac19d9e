//! Buyers in a sale of their own, one after another at each node, beside a crowd: when is sold, and
//! where?

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};

use super::cluster::{Cluster, reserve};
use crate::http::Client;

const SALE: &str = "side";
/// More than are asked for.
const UNITS: u32 = 1_000_000;
/// None ends meanwhile.
const HOLD: Duration = Duration::from_secs(86_400);
/// How often is asked at each node.
const EVERY: Duration = Duration::from_millis(20);
/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take until something is sold again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Such buyers, one thread for each node.
pub(super) struct Side {
    is_over: Arc<AtomicBool>,
    sold: Vec<Arc<Mutex<Vec<Sold>>>>,
    threads: Vec<JoinHandle<()>>,
}

/// A unit that a node sold.
#[derive(Clone, Debug)]
pub(super) struct Sold {
    pub(super) at: Instant,
    buyer: String,
    hold: String,
}

impl Side {
    /// Opens their sale and sends them.
    pub(super) fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        cluster.open(SALE, UNITS, HOLD)?;
        let mut side = Self { is_over: Arc::default(), sold: Vec::new(), threads: Vec::new() };
        for (node, &address) in cluster.addresses().iter().enumerate() {
            let (is_over, sold) = (Arc::clone(&side.is_over), Arc::<Mutex<Vec<Sold>>>::default());
            side.sold.push(Arc::clone(&sold));
            let client = Client::new(address, ANSWER_WITHIN);
            side.threads.push(std::thread::spawn(move || come(node, client, &is_over, &sold)));
        }
        Ok(side)
    }

    /// Waits until a node has sold something after this moment.
    pub(super) fn await_sold_after(&self, moment: Instant) -> anyhow::Result<()> {
        let last = |sold: &Mutex<Vec<Sold>>| lock(sold).last().map(|sold| sold.at);
        while !self.sold.iter().any(|sold| last(sold).is_some_and(|at| at > moment)) {
            ensure!(moment.elapsed() < PATIENCE, "nothing is sold any more");
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Sends no more; what each node has sold.
    pub(super) fn end(self) -> anyhow::Result<Vec<Vec<Sold>>> {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a thread of the side has panicked"))?;
        }
        Ok(self.sold.iter().map(|sold| lock(sold).clone()).collect())
    }
}

/// How many of these holds are not known any more.
pub(super) fn lost(cluster: &Cluster, sold: &[Vec<Sold>]) -> anyhow::Result<usize> {
    let known = cluster.holds(SALE)?;
    let is_lost = |sold: &&Sold| known.get(&sold.buyer) != Some(&sold.hold);
    Ok(sold.iter().flatten().filter(is_lost).count())
}

/// The longest time in which nothing was sold, of all that began after this moment or was under
/// way then.
pub(super) fn longest_pause<'a>(
    sold: impl IntoIterator<Item = &'a Sold>,
    from: Instant,
) -> Duration {
    let mut moments: Vec<_> = sold.into_iter().map(|sold| sold.at.max(from)).collect();
    moments.sort_unstable();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// One buyer comes after another; who is told neither yes nor no asks again, the same thing.
fn come(node: usize, mut client: Client, is_over: &AtomicBool, sold: &Mutex<Vec<Sold>>) {
    let path = format!("/v1/sales/{SALE}/holds");
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let buyer = format!("side-{node}-{number}");
        if let Ok(answer) = client.ask("POST", &path, &reserve(&buyer))
            && (answer.status == 200 || answer.status == 201)
        {
            let hold = answer.body["id"].as_str().unwrap_or_default().to_owned();
            lock(sold).push(Sold { at: Instant::now(), buyer, hold });
            number += 1;
        }
        sleep(EVERY.saturating_sub(begun.elapsed()));
    }
}

fn lock(sold: &Mutex<Vec<Sold>>) -> std::sync::MutexGuard<'_, Vec<Sold>> {
    sold.lock().unwrap_or_else(PoisonError::into_inner)
}
