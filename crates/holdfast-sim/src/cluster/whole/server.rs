//! A node with its engine: answers clients, and does by itself what is due.

use std::sync::{Arc, Mutex, PoisonError};

use holdfast_core::{Command, HoldKey, HoldView, Sale, SaleId, SaleView, Stamp};
use holdfast_engine::{Engine, EngineError, OpenError, Reply, Request, SaleRef, Sales};
use holdfast_store::redis::RedisStore;
use holdfast_store::{Clock, LogInfo, Records, Result, StoreError};

use crate::cluster::clock::Sample;
use crate::cluster::{Net, Node};

/// An engine over a node's store.
pub(super) struct Server {
    engine: Engine<RedisStore, usize>,
    net: Net,
    /// How far each log's clock had come when this node knew it to be durable.
    clocks: Vec<Sample>,
}

/// What a look at one sale shows.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) view: SaleView,
    pub(super) clock_ms: u64,
    pub(super) last: Stamp,
    pub(super) holds: Vec<(HoldKey, Option<HoldView>)>,
}

/// What came of a turn: the reply to each command, and what the look at the end of it showed of each
/// sale; `None` there: there is no such sale.
pub(super) struct Turned {
    pub(super) replies: Vec<Option<Reply>>,
    pub(super) seen: std::result::Result<Vec<Option<Seen>>, EngineError>,
}

/// A look's result, handed out of the engine.
type Handed = Arc<Mutex<Option<std::result::Result<Vec<Option<Seen>>, EngineError>>>>;

impl Node for Server {
    fn begin(store: RedisStore, net: &Net) -> Result<Self> {
        let clock: Arc<dyn Clock> = net.clock();
        let engine = Engine::open(store, clock, 7).map_err(|error| match error {
            OpenError::Store(error) => error,
            other => StoreError::Away(other.to_string()),
        })?;
        Ok(Self { engine, net: net.clone(), clocks: Vec::new() })
    }

    fn live(&mut self) {
        if self.engine.wake_in().is_some_and(|wait| wait.is_zero()) {
            self.engine.turn(&mut Vec::new(), &mut Vec::new());
            self.sample();
        }
    }

    fn leave(&mut self) {
        self.engine.leave();
    }
}

impl Server {
    /// One turn with these commands, and a look at these sales and holds after them.
    pub(super) fn turn(
        &mut self,
        commands: Vec<(SaleId, Command)>,
        wanted: Vec<(SaleId, Vec<HoldKey>)>,
    ) -> Turned {
        let count = commands.len();
        let ask =
            |(reply, (sale, command))| Request::Do { sale: SaleRef::Id(sale), command, reply };
        let mut requests: Vec<_> = commands.into_iter().enumerate().map(ask).collect();
        let handed = Handed::default();
        let hand = Arc::clone(&handed);
        requests.push(Request::Look(Box::new(move |sales| {
            let look = |sales: &Sales, (sale, holds): &(SaleId, Vec<HoldKey>)| {
                let (sale, clock_ms) = sales.get(SaleRef::Id(*sale))?;
                let hold = |key: &HoldKey| (*key, sale.hold_by_key(*key, clock_ms));
                let (view, last) = (sale.view(clock_ms)?, sale.last());
                Some(Seen { view, clock_ms, last, holds: holds.iter().map(hold).collect() })
            };
            let seen = sales.and_then(|sales| {
                sales.look(|sales| wanted.iter().map(|wanted| look(sales, wanted)).collect())
            });
            *hand.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        })));
        let mut said = Vec::new();
        self.engine.turn(&mut requests, &mut said);
        self.sample();
        let mut replies = vec![None; count];
        said.into_iter().for_each(|(at, reply)| replies[at] = Some(reply));
        let seen = handed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let nothing = || Err(EngineError::Unknown("nobody looked".to_owned()));
        Turned { replies, seen: seen.unwrap_or_else(nothing) }
    }

    fn sample(&mut self) {
        let at = self.net.now();
        let sample = |log: LogInfo| Sample { at, log: log.id.0, clock_ms: log.last.clock_ms };
        self.clocks.extend(self.engine.logs().into_iter().map(sample));
    }

    /// The clocks that it has seen since they were last taken.
    pub(super) fn take_clocks(&mut self) -> Vec<Sample> {
        std::mem::take(&mut self.clocks)
    }

    /// Shows a sale to somebody. `None`: it is not there, or nothing can be seen.
    pub(super) fn show<R: Send + 'static>(
        &mut self,
        sale: SaleId,
        show: impl FnOnce(&Sale) -> R + Send + 'static,
    ) -> Option<R> {
        let handed = Arc::new(Mutex::new(None));
        let hand = Arc::clone(&handed);
        let look = Request::Look(Box::new(move |sales| {
            let shown = sales.and_then(|sales| {
                sales.look(|sales| sales.get(SaleRef::Id(sale)).map(|(sale, _)| show(sale)))
            });
            let shown = shown.ok().flatten();
            *hand.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        }));
        self.engine.turn(&mut vec![look], &mut Vec::new());
        handed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The log of a sale, as it is known here.
    pub(super) fn log(&self, sale: SaleId) -> Option<LogInfo> {
        self.engine.logs().into_iter().find(|log| log.name == sale.as_str())
    }

    pub(super) fn records(&self) -> Box<dyn Records> {
        self.engine.records()
    }
}
