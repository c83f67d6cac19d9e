//! The usual design: a counter in Redis, a key with a TTL for each hold, and stock that comes back
//! when Redis says that a key has expired.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use holdfast_testkit::{RedisOptions, Sentinel};
use redis::{Client, Connection, Pipeline, RedisResult};

use super::design::{Answer, Design, Sale, Shop, Stage, Till};

/// Takes one unit for a buyer, in one atomic step: KEYS stock, hold; ARGV seconds.
/// 1: it is theirs. 0: there is none. -1: Redis knows nothing of the sale.
const BUY: &str = "
local stock = redis.call('GET', KEYS[1])
if not stock then return -1 end
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if tonumber(stock) <= 0 then return 0 end
redis.call('DECR', KEYS[1])
redis.call('SET', KEYS[2], 'held', 'EX', ARGV[1])
return 1";

const STOCK: &str = "stock";
const HOLD: &str = "hold:";
/// Whoever looks after a hold's end waits for these.
const EXPIRED: &str = "__keyevent@0__:expired";

/// How long nodes wait for Redis: as they are mostly set, and as they often are where nobody has
/// thought about it. Tills take turns.
const PATIENCE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];
/// How long all else may take.
const SOON: Duration = Duration::from_secs(1);

/// What of Redis's own means against lost writes is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Safety {
    /// None, as Redis is shipped.
    None,
    /// `min-replicas-to-write 1`, `min-replicas-max-lag 1`.
    MinReplicas,
    /// `WAIT 1 50` after each batch; if it says none, nobody of it is told that a unit is theirs.
    Wait,
}

impl Safety {
    pub(super) const ALL: [Self; 3] = [Self::None, Self::MinReplicas, Self::Wait];
}

/// The usual design.
pub(super) struct Naive(pub(super) Safety);

impl Design for Naive {
    fn name(&self) -> String {
        let safety = match self.0 {
            Safety::None => "as shipped",
            Safety::MinReplicas => "min-replicas 1",
            Safety::Wait => "WAIT 1 50",
        };
        format!("naive, {safety}")
    }

    fn servers(&self, mut options: RedisOptions) -> RedisOptions {
        options.settings.push("notify-keyspace-events Ex".into());
        if self.0 == Safety::MinReplicas {
            options.settings.push("min-replicas-to-write 1".into());
            options.settings.push("min-replicas-max-lag 1".into());
        }
        options
    }

    fn start(&self, stage: &Stage, sale: Sale) -> anyhow::Result<Box<dyn Shop>> {
        let way = Way { sentinels: stage.trio.sentinel_addresses() };
        let mut shop = NaiveShop { way, sale, safety: self.0, keeper: None };
        let mut connection = shop.way.connect(SOON)?;
        redis::cmd("SET").arg(STOCK).arg(sale.units).exec(&mut connection)?;
        shop.keeper = Some(Keeper::start(shop.way.clone())?);
        Ok(Box::new(shop))
    }
}

struct NaiveShop {
    way: Way,
    sale: Sale,
    safety: Safety,
    keeper: Option<Keeper>,
}

impl Shop for NaiveShop {
    fn tills(&mut self, tills: usize) -> anyhow::Result<Vec<Box<dyn Till>>> {
        let till = |index: usize| NaiveTill {
            way: self.way.clone(),
            sale: self.sale,
            waits: self.safety == Safety::Wait,
            patience: PATIENCE[index % PATIENCE.len()],
            connection: None,
        };
        Ok((0..tills).map(|index| Box::new(till(index)) as Box<dyn Till>).collect())
    }

    /// It knows of none.
    fn after_the_fault(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn known(&mut self, buyers: &[u32]) -> anyhow::Result<u32> {
        let mut connection = self.way.connect(SOON)?;
        let mut known = 0;
        for buyers in buyers.chunks(1_000) {
            let keys: Vec<_> = buyers.iter().map(|buyer| format!("{HOLD}{buyer}")).collect();
            known += redis::cmd("EXISTS").arg(keys).query::<u32>(&mut connection)?;
        }
        Ok(known)
    }

    fn free(&mut self) -> anyhow::Result<u32> {
        let stock: Option<u32> =
            redis::cmd("GET").arg(STOCK).query(&mut self.way.connect(SOON)?)?;
        Ok(stock.unwrap_or_default())
    }
}

struct NaiveTill {
    way: Way,
    sale: Sale,
    waits: bool,
    patience: Duration,
    connection: Option<Connection>,
}

impl Till for NaiveTill {
    fn buy(&mut self, buyers: Range<u32>) -> Vec<Answer> {
        let all = buyers.len();
        // Who gets no answer is told so, and the connection is made anew.
        self.try_to(buyers).unwrap_or_else(|_| {
            self.connection = None;
            vec![Answer::Unknown; all]
        })
    }
}

impl NaiveTill {
    fn try_to(&mut self, buyers: Range<u32>) -> anyhow::Result<Vec<Answer>> {
        if self.connection.is_none() {
            self.connection = Some(self.way.connect(self.patience)?);
        }
        let connection = self.connection.as_mut().context("it was made")?;
        let mut pipeline = Pipeline::new();
        for buyer in buyers.clone() {
            let hold = format!("{HOLD}{buyer}");
            let seconds = self.sale.hold.as_secs();
            pipeline.cmd("EVAL").arg(BUY).arg(2).arg(STOCK).arg(hold).arg(seconds);
        }
        if self.waits {
            pipeline.cmd("WAIT").arg(1).arg(50);
        }
        let mut replies: Vec<i64> = pipeline.query(connection)?;
        if self.waits {
            let replicas = replies.pop().context("WAIT has a reply")?;
            ensure!(replicas >= 1, "no replica has it");
        }
        if replies.contains(&-1) {
            // Like anything that is not in the cache: it is fetched from the catalogue.
            redis::cmd("SET").arg(STOCK).arg(self.sale.units).arg("NX").exec(connection)?;
        }
        let answers = replies.iter().map(|reply| match reply {
            1 => Answer::Held,
            0 => Answer::SoldOut,
            _ => Answer::Unknown,
        });
        Ok(answers.collect())
    }
}

/// How nodes find their master: they ask Sentinels, as they should.
#[derive(Clone)]
struct Way {
    sentinels: Vec<SocketAddr>,
}

impl Way {
    /// A connection to the master on which no question takes longer than this.
    fn connect(&self, patience: Duration) -> anyhow::Result<Connection> {
        let master = self.sentinels.iter().find_map(|&sentinel| ask(sentinel).ok());
        Ok(connect(master.context("no Sentinel answers")?, patience)?)
    }
}

/// Where a Sentinel says that the master is.
fn ask(sentinel: SocketAddr) -> RedisResult<SocketAddr> {
    let mut connection = connect(sentinel, SOON)?;
    let mut question = redis::cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(Sentinel::MASTER);
    let (_, port): (String, u16) = question.query(&mut connection)?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}

fn connect(address: SocketAddr, patience: Duration) -> RedisResult<Connection> {
    let client = Client::open(format!("redis://{address}"))?;
    let connection = client.get_connection_with_timeout(patience)?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(patience))?;
    Ok(connection)
}

/// Puts a unit back for each hold of which Redis says that it has expired.
struct Keeper {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts it; it listens then.
    fn start(way: Way) -> anyhow::Result<Self> {
        let is_over = Arc::<AtomicBool>::default();
        let told = Arc::clone(&is_over);
        let listens = Arc::<AtomicBool>::default();
        let heard = Arc::clone(&listens);
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                // Connections break when masters change: it begins again.
                let _ = keep(&way, &told, &listens);
                sleep(Duration::from_millis(10));
            }
        });
        let begun = Instant::now();
        while !heard.load(Ordering::Relaxed) {
            ensure!(begun.elapsed() < SOON, "Redis takes no subscription");
            sleep(Duration::from_millis(1));
        }
        Ok(Self { is_over, thread: Some(thread) })
    }
}

fn keep(way: &Way, is_over: &AtomicBool, listens: &AtomicBool) -> anyhow::Result<()> {
    let (mut events, mut stock) = (way.connect(SOON)?, way.connect(SOON)?);
    let mut events = events.as_pubsub();
    events.subscribe(EXPIRED)?;
    listens.store(true, Ordering::Relaxed);
    while !is_over.load(Ordering::Relaxed) {
        match events.get_message() {
            Ok(event) if event.get_payload::<String>()?.starts_with(HOLD) => {
                redis::cmd("INCR").arg(STOCK).exec(&mut stock)?;
            }
            Ok(_) => {}
            // Nothing has expired for a while: is the master still there?
            Err(error) if error.is_timeout() => redis::cmd("PING").exec(&mut stock)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
