//! Callers who buy and give back until the server dies, and what each of them was told.

use std::collections::BTreeSet;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::support::{Server, ask, reserve};
use serde_json::Value;

/// Callers at a time; each asks one thing after the other, and stops at the first silence.
pub(crate) const CALLERS: usize = 4;

/// No server takes longer to answer the first of a crowd.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a caller does next.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    Buy,
    BuyAndGiveBack,
}

/// A crowd's visit; the callers do the deeds in turn, always as a new buyer.
pub(crate) struct Visit {
    /// Tells this crowd's buyers from every other's.
    pub(crate) prefix: String,
    pub(crate) deeds: Vec<Deed>,
}

/// What came of a visit.
pub(crate) struct Crowd {
    pub(crate) told: Told,
    /// Whether a caller was told that all units are held.
    pub(crate) told_all_held: bool,
}

/// Holds by what their buyers were told of them.
#[derive(Default)]
pub(crate) struct Told {
    held: BTreeSet<String>,
    given_back: BTreeSet<String>,
    /// Given back without an answer: both is possible.
    unclear: BTreeSet<String>,
}

impl Told {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every hold that anybody was told of.
    pub(crate) fn len(&self) -> usize {
        self.held.len() + self.given_back.len() + self.unclear.len()
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.held.extend(more.held);
        self.given_back.extend(more.given_back);
        self.unclear.extend(more.unclear);
    }

    /// Holds what was told against the holds that are live now; returns what is not so. What is
    /// live from here on was told, too: by the list.
    pub(crate) fn settle(&mut self, live: &BTreeSet<String>) -> BTreeSet<String> {
        let gone = self.held.difference(live).map(|id| format!("gone: {id}"));
        let back = self.given_back.intersection(live).map(|id| format!("not given back: {id}"));
        let wrong = gone.chain(back).collect();
        for id in std::mem::take(&mut self.unclear) {
            if !live.contains(&id) {
                self.given_back.insert(id);
            }
        }
        self.held.extend(live.iter().cloned());
        wrong
    }
}

impl Visit {
    /// Lets the callers in, and kills the server: `moment` after so many deeds (of one if `deeds`
    /// is `None`) were answered, or after all callers have stopped by themselves.
    pub(crate) fn until_kill(
        self,
        server: Server,
        deeds: Option<usize>,
        moment: Duration,
    ) -> Crowd {
        let (answered, heard) = channel();
        let crowd = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    let (answered, address, visit) = (answered.clone(), &server.address, &self);
                    let address = address.clone();
                    scope.spawn(move || visit.call(caller, &address, &answered))
                })
                .collect();
            drop(answered);
            for _ in 0..deeds.unwrap_or(1) {
                if heard.recv_timeout(PATIENCE).is_err() {
                    break;
                }
            }
            std::thread::sleep(moment);
            server.kill();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
        });
        let mut all = Crowd { told: Told::default(), told_all_held: false };
        for caller in crowd {
            all.told.add(caller.told);
            all.told_all_held |= caller.told_all_held;
        }
        all
    }

    /// One caller's deeds, until there is no answer or no unit.
    fn call(&self, caller: usize, address: &str, answered: &Sender<()>) -> Crowd {
        let (mut told, mut told_all_held) = (Told::default(), false);
        for (n, deed) in self.deeds.iter().cycle().enumerate() {
            let buyer = format!("buyer-{}-{caller}-{n}", self.prefix);
            let Ok((status, hold)) = reserve(address, &buyer) else { break };
            if status == 409 && hold["code"] == "all_held" {
                told_all_held = true;
                break;
            }
            assert_eq!(status, 201, "{hold}");
            let id = hold["id"].as_str().unwrap().to_owned();
            let _ = answered.send(());
            match deed {
                Deed::Buy => told.held.insert(id),
                Deed::BuyAndGiveBack => {
                    match ask(address, "DELETE", &format!("/v1/holds/{id}"), &Value::Null) {
                        Ok((204, _)) => told.given_back.insert(id),
                        Ok(other) => panic!("{other:?}"),
                        Err(_) => {
                            told.unclear.insert(id);
                            break;
                        }
                    }
                }
            };
        }
        Crowd { told, told_all_held }
    }
}

/// The ids of all live holds.
pub(crate) fn live_holds(server: &Server) -> BTreeSet<String> {
    let (mut all, mut path) = (BTreeSet::new(), "/v1/sales/club/holds?limit=1000".to_owned());
    loop {
        let (status, page) = server.ask("GET", &path, &Value::Null);
        assert_eq!(status, 200);
        for hold in page["items"].as_array().unwrap() {
            match hold["status"].as_str() {
                Some("held") => all.insert(hold["id"].as_str().unwrap().to_owned()),
                Some("cancelled") => false,
                other => panic!("a hold that nobody ended is {other:?}"),
            };
        }
        let Some(next) = page["next"].as_str() else { return all };
        path = format!("/v1/sales/club/holds?limit=1000&after={next}");
    }
}
