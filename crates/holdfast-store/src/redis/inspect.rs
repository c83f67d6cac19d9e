//! What a data node of Redis must be set to, so that what it has is still there after a power cut.

use std::collections::BTreeSet;

use super::link::{Command, Dial, Link, Reply, words};
use super::node::{Node, Step};
use super::place::at;
use super::why::Why;

impl Node {
    /// Looks at the master that this node is connected to, and at its replicas.
    pub(super) fn inspect(&mut self) -> Step<()> {
        if self.options.allow_volatile {
            return Ok(());
        }
        let replies = self.send(&questions())?;
        judge(&replies, self.dial.as_ref(), self.options.data_nodes)?;
        if self.options.data_nodes > 1
            && let Some(seconds) = replies.last().and_then(delay)
        {
            tracing::warn!(
                seconds,
                "a replica of this Redis is served only so long after it has come: where the master \
                 is restarted, nothing is sold until then. CONFIG SET repl-diskless-sync-delay 0 \
                 (and in the file) on each data node"
            );
        }
        Ok(())
    }
}

/// Looks at the master and at each replica that it names, over connections of its own.
///
/// # Errors
/// What is set otherwise, by the data node's name, and what to do; or why that cannot be seen.
pub fn inspect(dial: &dyn Dial, data_nodes: u32) -> Result<(), Why> {
    let replies = dial.master()?.call(&questions())?;
    judge(&replies, dial, data_nodes)
}

/// What a master is asked.
fn questions() -> [Command; 2] {
    [words(&["INFO", "replication"]), config()]
}

fn judge(replies: &[Reply], dial: &dyn Dial, data_nodes: u32) -> Step<()> {
    let [info, settings] = replies else { return Err("no reply".into()) };
    check("the master", settings)?;
    let info = info.text().unwrap_or_default();
    let replicas = replicas(info);
    if replicas.len() as u64 >= u64::from(data_nodes) {
        return Err(Why::lasting(format!(
            "Redis has {} data nodes, and --redis-data-nodes says {data_nodes}: entries would count \
             as safe that are on too few of them",
            replicas.len() + 1
        )));
    }
    for (host, port) in replicas {
        let name = at(&host, port);
        let mut link: Box<dyn Link> = match dial.server(&host, port) {
            Ok(link) => link,
            Err(why) => {
                tracing::warn!(replica = name, %why, "a data node cannot be looked at");
                continue;
            }
        };
        let reply = link.call(&[config()])?.pop().unwrap_or(Reply::Nil);
        check(&name, &reply)?;
    }
    Ok(())
}

fn config() -> Command {
    let needed = ["appendonly", "appendfsync", "maxmemory-policy"];
    let asked = [&["CONFIG", "GET"][..], &needed, &[DELAY]].concat();
    words(&asked)
}

/// How many seconds a replica that lacks everything waits for others until it is served. A master that
/// has been restarted has only such replicas, and confirms nothing for as long.
const DELAY: &str = "repl-diskless-sync-delay";

/// How many seconds that is, if it is any.
fn delay(settings: &Reply) -> Option<u64> {
    value(settings, DELAY)?.parse().ok().filter(|&seconds| seconds > 0)
}

/// The value of a setting in a reply to `CONFIG GET`.
fn value<'a>(settings: &'a Reply, name: &str) -> Option<&'a str> {
    let Reply::List(list) = settings else { return None };
    let at = list.iter().position(|reply| reply.text() == Some(name))?;
    list.get(at + 1).and_then(Reply::text)
}

/// Whether these are the settings that keep what was written.
fn check(name: &str, settings: &Reply) -> Step<()> {
    let Reply::List(_) = settings else {
        let why = if let Reply::Error(why) = settings { why } else { "no list" };
        return Err(Why::lasting(format!(
            "{name} of Redis does not say how it is set (CONFIG GET: {why}). Allow it for this user, \
             or say --allow-volatile and lose what it loses"
        )));
    };
    for (setting, wanted) in
        [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")]
    {
        let found = value(settings, setting).unwrap_or("not there");
        if found != wanted {
            return Err(Why::lasting(format!(
                "{name} of Redis has {setting} {found}, and must have {wanted}: otherwise it loses \
                 what was promised. CONFIG SET {setting} {wanted} (and in its file), or say \
                 --allow-volatile for a demo that may lose sales"
            )));
        }
    }
    Ok(())
}

/// The replicas that `INFO replication` names.
fn replicas(info: &str) -> Vec<(String, u16)> {
    let replica = |line: &str| {
        let (name, fields) = line.split_once(':')?;
        let number = name.strip_prefix("slave")?;
        number.parse::<u32>().ok()?;
        let field = |wanted: &str| {
            fields.split(',').find_map(|field| field.strip_prefix(wanted)?.strip_prefix('='))
        };
        Some((field("ip")?.to_owned(), field("port")?.parse().ok()?))
    };
    let all: BTreeSet<(String, u16)> = info.lines().filter_map(replica).collect();
    // One that has come back may be named twice, until its old connection is given up.
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: [&str; 3]) -> Reply {
        let names = ["appendonly", "appendfsync", "maxmemory-policy"];
        let pairs = names.iter().zip(values).flat_map(|(name, value)| [*name, value]);
        Reply::List(pairs.map(|text| Reply::Bytes(text.into())).collect())
    }

    #[test]
    fn only_what_keeps_everything_is_taken() {
        assert_eq!(check("it", &settings(["yes", "always", "noeviction"])), Ok(()));
        for values in [
            ["no", "always", "noeviction"],
            ["yes", "everysec", "noeviction"],
            ["yes", "always", "allkeys-lru"],
        ] {
            let why = check("10.0.0.1:6379", &settings(values)).unwrap_err();
            assert!(why.is_lasting() && why.words().contains("10.0.0.1:6379"), "{why}");
        }
        assert!(check("it", &Reply::Error("NOPERM".to_owned())).is_err());
    }

    #[test]
    fn a_delay_is_noticed() {
        let settings = |seconds: &str| {
            Reply::List([DELAY, seconds].map(|text| Reply::Bytes(text.into())).into())
        };
        assert_eq!(delay(&settings("5")), Some(5));
        assert_eq!(delay(&settings("0")), None);
        assert_eq!(delay(&Reply::List(Vec::new())), None, "it has no such setting");
    }

    #[test]
    fn replicas_are_named() {
        let info = "role:master\r\nconnected_slaves:2\r\n\
                    slave0:ip=127.0.0.1,port=7001,state=online,offset=98,lag=0\r\n\
                    slave1:ip=::1,port=7002,state=online,offset=98,lag=1\r\n\
                    slave2:ip=127.0.0.1,port=7001,state=online,offset=90,lag=9\r\n\
                    slave_expires_tracked_keys:0\r\n";
        assert_eq!(replicas(info), [("127.0.0.1".to_owned(), 7001), ("::1".to_owned(), 7002)]);
    }
}
