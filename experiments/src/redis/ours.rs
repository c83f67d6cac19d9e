//! Holdfast: two servers of it, as they are.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_testkit::{Persistence, RedisOptions};
use serde_json::Value;

use super::cluster::{Cluster, Plan, reserve};
use super::crowd::count;
use super::design::{Answer, Design, Sale, Shop, Stage, Till};
use crate::http::Client;

const NODES: usize = 2;
const SALE: &str = "flash";
/// How long a buyer waits for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Holdfast, on data nodes that are set as it demands.
pub(super) struct Holdfast {
    pub(super) program: PathBuf,
    /// Where the nodes' logs are written, if anywhere, and how their names begin.
    pub(super) logs: Option<PathBuf>,
}

impl Design for Holdfast {
    fn name(&self) -> String {
        "Holdfast, two nodes".into()
    }

    /// It takes no others: whatever the experiment has, every write is flushed.
    fn servers(&self, options: RedisOptions) -> RedisOptions {
        RedisOptions { persistence: Persistence::Always, ..options }
    }

    fn start(&self, stage: &Stage, sale: Sale) -> anyhow::Result<Box<dyn Shop>> {
        let plan = Plan { program: &self.program, nodes: NODES, logs: self.logs.clone() };
        let cluster = Cluster::start(&plan, &stage.trio)?;
        cluster.open(SALE, sale.units, sale.hold)?;
        cluster.await_all(SALE)?;
        Ok(Box::new(Ours(cluster)))
    }

    fn keeps_its_promises(&self) -> bool {
        true
    }
}

struct Ours(Cluster);

impl Shop for Ours {
    fn tills(&mut self, tills: usize) -> anyhow::Result<Vec<Box<dyn Till>>> {
        let nodes = self.0.addresses().iter().cycle().take(tills);
        let till = |&node| Box::new(OurTill { node, clients: Vec::new() }) as Box<dyn Till>;
        Ok(nodes.map(till).collect())
    }

    fn after_the_fault(&mut self) -> anyhow::Result<()> {
        self.0.await_all(SALE)
    }

    fn known(&mut self, buyers: &[u32]) -> anyhow::Result<u32> {
        let holds = self.0.holds(SALE)?;
        let known: Vec<_> = buyers.iter().filter(|&&it| holds.contains_key(&name(it))).collect();
        Ok(count(&known))
    }

    fn free(&mut self) -> anyhow::Result<u32> {
        self.0.count(SALE, "free")
    }
}

/// Connections to one node, each for one buyer at a time.
struct OurTill {
    node: std::net::SocketAddr,
    clients: Vec<Client>,
}

impl Till for OurTill {
    fn buy(&mut self, buyers: Range<u32>) -> Vec<Answer> {
        let node = self.node;
        self.clients.resize_with(buyers.len(), || Client::new(node, PATIENCE));
        let path = format!("/v1/sales/{SALE}/holds");
        for (client, buyer) in self.clients.iter_mut().zip(buyers) {
            // A connection that is broken is found out when the answer is to come.
            let _ = client.send("POST", &path, &reserve(&name(buyer)));
        }
        self.clients.iter_mut().map(answer).collect()
    }
}

fn answer(client: &mut Client) -> Answer {
    match client.receive().map(|answer| (answer.status, answer.body)) {
        Ok((200 | 201, hold)) if hold["id"] != Value::Null => Answer::Held,
        Ok((409, _)) => Answer::SoldOut,
        _ => Answer::Unknown,
    }
}

fn name(buyer: u32) -> String {
    format!("buyer-{buyer}")
}
