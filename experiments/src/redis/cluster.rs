//! Several servers of Holdfast over one Redis, with the PostgreSQL and the provider that they share.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use holdfast_testkit::{Postgres, Process, Sentinel, Trio};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Answer, Client};
use crate::server::{BUYER_SECRET, MERCHANT_KEY};

/// The one tier of each sale.
pub(super) const TIER: &str = "ga";
/// How long something awaited may take, and one answer.
const PATIENCE: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Payments that the nodes may begin in a second, more than a crowd of ours does; and what the
/// provider takes: it counts a second's calls from another moment.
const PAYMENTS: &str = "1000";
const PROVIDER_TAKES: &str = "1250";

/// Servers, and what they share. They end before what they need.
pub(super) struct Cluster {
    /// `None`: it was killed.
    nodes: Vec<Option<Process>>,
    addresses: Vec<SocketAddr>,
    _provider: Process,
    postgres: Postgres,
    folder: TempDir,
}

/// How a cluster is started.
pub(super) struct Plan<'a> {
    /// Holdfast.
    pub(super) program: &'a Path,
    pub(super) nodes: usize,
    /// Where what the nodes say is written, and how the files' names begin; none: nowhere.
    pub(super) logs: Option<PathBuf>,
}

impl Cluster {
    /// Starts the nodes one after another. All serve then.
    pub(super) fn start(plan: &Plan<'_>, trio: &Trio) -> anyhow::Result<Self> {
        // In the working folder: `/tmp` is often memory, where no flush costs anything.
        let folder = tempfile::Builder::new().prefix(".holdfast-experiment-").tempdir_in(".")?;
        std::fs::write(folder.path().join("buyer.key"), BUYER_SECRET)?;
        let (provider, payments) = provider(plan.program, folder.path())?;
        let mut cluster = Self {
            nodes: Vec::new(),
            addresses: Vec::new(),
            _provider: provider,
            postgres: Postgres::start()?,
            folder,
        };
        let hosts: Vec<String> =
            trio.sentinel_addresses().iter().map(ToString::to_string).collect();
        let store = format!("redis+sentinel://{}/{}", hosts.join(","), Sentinel::MASTER);
        for number in 0..plan.nodes {
            let mut command = cluster.command(plan, number)?;
            command.args(["--store", &store, "--redis-data-nodes"]);
            command.arg(trio.servers.len().to_string());
            command.arg("--payments").arg(format!("simulated=http://{payments}"));
            let mut node = Process::start(&mut command)?;
            cluster.addresses.push(node.address()?);
            cluster.nodes.push(Some(node));
        }
        Ok(cluster)
    }

    fn command(&self, plan: &Plan<'_>, number: usize) -> anyhow::Result<Command> {
        let data = |number: usize| self.folder.path().join(format!("node-{number}"));
        let mut command = Command::new(plan.program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config", "/dev/null", "--until-eof"])
            .arg("--data-dir")
            .arg(data(number))
            .args(["--ledger", &self.postgres.url(), "--payments-per-second", PAYMENTS])
            .arg("--provider-secret-file")
            .arg(self.folder.path().join("bank/provider.secret"))
            .arg("--buyer-key")
            .arg(self.buyer_secret())
            .env("HOLDFAST_MERCHANT_KEY", MERCHANT_KEY);
        if number > 0 {
            // All have the key that the first one made.
            std::fs::create_dir(data(number))?;
            let [from, to] = [0, number].map(|node| data(node).join("receipt.key"));
            std::fs::copy(from, to)?;
        }
        match &plan.logs {
            Some(begin) => {
                let log = File::create(format!("{}-node-{number}.log", begin.display()))?;
                command.stderr(log).env("RUST_LOG", "info");
            }
            None => _ = command.env("RUST_LOG", "off"),
        }
        Ok(command)
    }

    /// Where the nodes listen.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The file with the secret that signs for buyers.
    pub(super) fn buyer_secret(&self) -> PathBuf {
        self.folder.path().join("buyer.key")
    }

    /// Kills a node.
    pub(super) fn kill(&mut self, node: usize) -> anyhow::Result<()> {
        let node = self.nodes.get_mut(node).and_then(Option::take);
        node.context("the node lives")?.kill();
        Ok(())
    }

    /// The epoch in force, as the control row has it.
    pub(super) fn epoch(&self) -> anyhow::Result<u64> {
        Ok(self.postgres.ask("SELECT epoch FROM control")?.parse()?)
    }

    /// Asks a living node, and another if that one cannot say, until it is answered.
    pub(super) fn ask(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        loop {
            for (node, &address) in self.nodes.iter().zip(&self.addresses) {
                if node.is_none() {
                    continue;
                }
                match Client::new(address, ANSWER_WITHIN).ask(method, path, body) {
                    Ok(answer) if answer.status < 500 => return Ok(answer),
                    _ => {}
                }
            }
            ensure!(begun.elapsed() < PATIENCE, "no node answers {method} {path}");
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until every living node says what is left in a sale.
    pub(super) fn await_all(&self, sale: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        for (node, &address) in self.nodes.iter().zip(&self.addresses) {
            let mut client = Client::new(address, ANSWER_WITHIN);
            let mut serves = || {
                let answer = client.ask("GET", &format!("/v1/sales/{sale}"), &Value::Null);
                node.is_none() || answer.is_ok_and(|answer| answer.status == 200)
            };
            while !serves() {
                ensure!(begun.elapsed() < PATIENCE, "{address} does not serve again");
                sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Makes a sale and opens it.
    pub(super) fn open(&self, sale: &str, units: u32, hold: Duration) -> anyhow::Result<()> {
        let price = json!({ "amount": 1_000, "currency": "EUR" });
        let tier = json!({ "id": TIER, "name": "General", "capacity": units, "price": price });
        let terms = json!({ "name": sale, "hold_seconds": hold.as_secs(), "tiers": [tier] });
        let made = self.ask("PUT", &format!("/v1/sales/{sale}"), &terms)?;
        ensure!(made.status < 300, "the sale was not made: {made:?}");
        let opened = self.ask("POST", &format!("/v1/sales/{sale}/open"), &Value::Null)?;
        ensure!(opened.status == 200, "the sale was not opened: {opened:?}");
        Ok(())
    }

    /// A count of a sale's tier: `free`, `held`, `sold`, `withheld`.
    pub(super) fn count(&self, sale: &str, what: &str) -> anyhow::Result<u32> {
        let answer = self.ask("GET", &format!("/v1/sales/{sale}"), &Value::Null)?;
        let count = answer.body["tiers"][0][what].as_u64();
        Ok(u32::try_from(count.with_context(|| format!("{what} in {answer:?}"))?)?)
    }

    /// Who has a hold in a sale, and its id.
    pub(super) fn holds(&self, sale: &str) -> anyhow::Result<BTreeMap<String, String>> {
        let mut holds = BTreeMap::new();
        let mut after = String::new();
        loop {
            let path = format!("/v1/sales/{sale}/holds?limit=1000{after}");
            let page = self.ask("GET", &path, &Value::Null)?;
            let items = page.body["items"].as_array().with_context(|| format!("{page:?}"))?;
            for hold in items.iter().filter(|hold| hold["status"] == "held") {
                let text = |field: &str| hold[field].as_str().unwrap_or_default().to_owned();
                holds.insert(text("buyer"), text("id"));
            }
            match page.body["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(holds),
            }
        }
    }
}

/// Asks for one unit for this buyer.
pub(super) fn reserve(buyer: &str) -> Value {
    json!({ "tier": TIER, "quantity": 1, "buyer": buyer })
}

/// Starts a payment provider; says where it listens.
fn provider(program: &Path, folder: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new(program);
    command.args(["provider", "--listen", &address.to_string()]);
    command.args(["--per-second", PROVIDER_TAKES, "--data-dir"]).arg(folder.join("bank"));
    let provider = Process::guarded(&command)?;
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(begun.elapsed() < PATIENCE, "the payment provider did not start");
        sleep(Duration::from_millis(5));
    }
    Ok((provider, address))
}
