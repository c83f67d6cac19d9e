//! Three servers and three Sentinels, as the smallest shop that withstands the loss of one runs them.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, bail};

use super::{Redis, RedisOptions, Sentinel, SentinelOptions, until};
use crate::{Proxy, Way};

/// How many servers, and how many Sentinels.
const COUNT: u8 = 3;

/// A master (at first server 0), two replicas and three Sentinels.
///
/// Before each server stands a proxy, and everyone knows the server by the proxy's port: clients,
/// Sentinels and the other servers. These come from addresses of their own ([`Trio::source`],
/// [`Trio::sentinel_source`]; clients mostly from 127.0.0.1), so that each proxy can cut off any of
/// them alone. Sentinels reach each other directly.
pub struct Trio {
    /// The servers.
    pub servers: Vec<Redis>,
    /// What stands before each.
    pub proxies: Vec<Proxy>,
    /// The Sentinels.
    pub sentinels: Vec<Sentinel>,
}

impl Trio {
    /// Starts all; each sees all others then, and the replicas have a link. Of the options, what
    /// concerns one server alone (its master, port and address) is set here.
    ///
    /// # Errors
    /// When a program is not there (says how to get it), or they do not come together.
    pub fn start(redis: &RedisOptions, sentinel: &SentinelOptions) -> anyhow::Result<Self> {
        let mut trio = Self { servers: Vec::new(), proxies: Vec::new(), sentinels: Vec::new() };
        for number in 0..COUNT {
            trio.add_server(number, redis)?;
        }
        trio.servers[1..].iter().try_for_each(Redis::await_link)?;
        for number in 0..COUNT {
            let source = Some(Self::sentinel_source(number));
            let options = SentinelOptions { source, program: redis.program, ..sentinel.clone() };
            trio.sentinels.push(Sentinel::start(trio.proxies[0].port(), &options)?);
        }
        trio.await_whole()?;
        Ok(trio)
    }

    fn add_server(&mut self, number: u8, options: &RedisOptions) -> anyhow::Result<()> {
        let master = self.proxies.first().map(Proxy::port);
        let mut server = Redis::new(options)?;
        let proxy = Proxy::to(server.port())?;
        server.launch(&RedisOptions {
            source: Some(Self::source(number)),
            announced_port: Some(proxy.port()),
            replica_of: master,
            ..options.clone()
        })?;
        self.servers.push(server);
        self.proxies.push(proxy);
        Ok(())
    }

    /// The address from which a server connects to others.
    pub fn source(server: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, 11 + server)
    }

    /// The address from which a Sentinel connects to servers.
    pub fn sentinel_source(sentinel: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, 21 + sentinel)
    }

    /// Which server the Sentinels say is the master: the first that answers.
    ///
    /// # Errors
    /// When none answers.
    pub fn master(&self) -> anyhow::Result<usize> {
        let said = self.sentinels.iter().find_map(|sentinel| sentinel.master().ok());
        let port = said.context("no Sentinel answers")?;
        let server = self.proxies.iter().position(|proxy| proxy.port() == port);
        server.with_context(|| format!("no server is behind port {port}"))
    }

    /// Waits until all Sentinels say that a master is another than this, and it is one; says which.
    ///
    /// # Errors
    /// When none is within 20 s.
    pub fn await_other_master(&self, than: usize) -> anyhow::Result<usize> {
        let old = self.proxies[than].port();
        let all_agree = || {
            let mut said = self.sentinels.iter().filter_map(|sentinel| sentinel.master().ok());
            let first = said.next();
            first.is_some_and(|port| port != old) && said.all(|port| Some(port) == first)
        };
        until("no other server was made master", all_agree)?;
        let master = self.master()?;
        let is_one = || self.servers[master].info("role").is_ok_and(|role| role == "master");
        until("the new master does not know it", is_one)?;
        Ok(master)
    }

    /// Waits until every Sentinel sees all, and all well.
    ///
    /// # Errors
    /// When they do not within 20 s.
    pub fn await_whole(&self) -> anyhow::Result<()> {
        let others = usize::from(COUNT) - 1;
        let sees_all = |it: &Sentinel| it.sees(others, others).unwrap_or(false);
        until("not all are well", || self.sentinels.iter().all(sees_all))
    }

    /// Where a client asks who is master.
    pub fn sentinel_addresses(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(Sentinel::address).collect()
    }

    /// Cuts replication from a server to the others, as a network does that loses every packet: no
    /// connection breaks. Sentinels and clients still reach all.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn cut_replication_from(&self, server: usize) -> anyhow::Result<()> {
        let Some(proxy) = self.proxies.get(server) else { bail!("there is no server {server}") };
        (0..COUNT).for_each(|other| proxy.freeze_from(Self::source(other), Way::Both));
        Ok(())
    }

    /// Cuts a server off from the other servers and the Sentinels in the same way. Clients still
    /// reach all.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn isolate(&self, server: usize) -> anyhow::Result<()> {
        self.cut_replication_from(server)?;
        let own = Self::source(u8::try_from(server)?);
        for (number, proxy) in self.proxies.iter().enumerate() {
            if number == server {
                let sentinels = (0..COUNT).map(Self::sentinel_source);
                sentinels.for_each(|source| proxy.freeze_from(source, Way::Both));
            } else {
                proxy.freeze_from(own, Way::Both);
            }
        }
        Ok(())
    }

    /// Everyone reaches everyone again.
    pub fn heal(&self) {
        self.proxies.iter().for_each(Proxy::heal);
    }
}
