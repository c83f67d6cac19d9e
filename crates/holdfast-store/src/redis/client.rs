//! Real servers: by their addresses, or found by Sentinel.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::link::{Command, Dial, Link, Reply, words};
use super::place::{Login, Place, at};
use super::probe;
use super::why::Why;
use super::wire::Wire;

/// Dials real servers.
#[derive(Debug)]
pub struct Servers {
    place: Place,
    replicas_needed: usize,
    /// A master was found there: what is wrong later is not the address.
    is_known: AtomicBool,
}

/// A server that says that it is the master, and how many replicas it has.
type Master = (Wire, usize);

impl Servers {
    /// Servers at a place, `data_nodes` with the master. Over TLS they are believed if the system, or
    /// `SSL_CERT_FILE`, has a certificate for them.
    pub fn new(place: Place, data_nodes: u32) -> Self {
        let replicas_needed = data_nodes as usize / 2;
        Self { place, replicas_needed, is_known: AtomicBool::new(false) }
    }

    /// Connects, says who this is, and asks; the first refusal counts.
    fn greet(&self, who: &Peer<'_>, questions: &[Command]) -> Result<(Wire, Vec<Reply>), Why> {
        let Peer { host, port, .. } = *who;
        let wire = Wire::connect(host, port, self.place.is_tls);
        let mut wire = wire.map_err(|error| format!("{who}: {error}"))?;
        let mut commands: Vec<Command> = who.login.command().into_iter().collect();
        let greeted = commands.len();
        commands.extend_from_slice(questions);
        let replies = wire.ask(&commands).map_err(|why| self.broken(who, &why))?;
        if let Some(Reply::Error(why)) = replies[..greeted].first() {
            return Err(who.refuses(why));
        }
        Ok((wire, replies[greeted..].to_vec()))
    }

    /// Why a connection was of no use that could be made.
    fn broken(&self, who: &Peer<'_>, why: &str) -> Why {
        let Peer { host, port, is_sentinel, .. } = *who;
        let is_tls = self.place.is_tls;
        if probe::is_distrusted(why) {
            return Why::lasting(format!(
                "{who}: its certificate is not trusted ({why}). Name the host as its certificate does, \
                 and SSL_CERT_FILE a file with the certificates to be believed"
            ));
        }
        if why.contains("CertificateRequired") {
            return Why::lasting(format!(
                "{who} asks for a certificate, and this server has none to show: tls-auth-clients no"
            ));
        }
        let other = Place::scheme(!is_tls, is_sentinel);
        if self.is_known.load(Ordering::Relaxed) {
            return format!("{who}: {why}").into();
        }
        if is_tls && probe::answers_plainly(host, port) {
            return Why::lasting(format!("{who} does not speak TLS: say {other}… for it"));
        }
        if !is_tls && probe::speaks_tls(host, port) {
            return Why::lasting(format!("{who} speaks TLS and nothing else: say {other}… for it"));
        }
        format!("{who}: {why}").into()
    }

    /// The address of the master, as a Sentinel says it.
    fn asked(&self, host: &str, port: u16, service: &str) -> Result<(String, u16), Why> {
        let who = Peer { host, port, login: &self.place.sentinel_login, is_sentinel: true };
        let ask = words(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", service]);
        let (_, replies) = self.greet(&who, &[words(&["ROLE"]), ask])?;
        match replies.as_slice() {
            [Reply::List(role), _] if role.first().and_then(Reply::text) != Some("sentinel") => {
                let scheme = Place::scheme(self.place.is_tls, false);
                Err(Why::lasting(format!(
                    "{} is a data node of Redis and no Sentinel: say {scheme}{}",
                    at(host, port),
                    at(host, port)
                )))
            }
            [_, Reply::List(address)] => {
                let host = address.first().and_then(Reply::text).map(str::to_owned);
                let port = address.get(1).and_then(Reply::number);
                let port = port.and_then(|port| u16::try_from(port).ok());
                Ok(host.zip(port).ok_or_else(|| format!("{who}: its answer is no address"))?)
            }
            [role, Reply::Nil] => {
                let known = names(role);
                Err(Why::lasting(format!("{who} knows no master {service}; it knows {known}")))
            }
            [_, Reply::Error(why)] => Err(who.refuses(why)),
            _ => Err(format!("{who}: no answer").into()),
        }
    }

    /// Connects to a server, if it says that it is the master.
    fn master_at(&self, host: &str, port: u16) -> Result<Master, Why> {
        let who = self.data_node(host, port);
        let (wire, replies) = self.greet(&who, &[words(&["ROLE"])])?;
        let role = match &replies[0] {
            Reply::List(role) => role.as_slice(),
            Reply::Error(why) => return Err(who.refuses(why)),
            _ => return Err(format!("{who}: no answer").into()),
        };
        match role.first().and_then(Reply::text) {
            Some("master") => {}
            Some("sentinel") => {
                let (scheme, known) = (Place::scheme(self.place.is_tls, true), names(&replies[0]));
                let place = at(host, port);
                return Err(Why::lasting(format!(
                    "{place} is a Sentinel and no data node of Redis: say {scheme}{place}/ and which \
                     master is meant; it knows {known}"
                )));
            }
            _ => {
                let master = role.get(1).and_then(Reply::text).unwrap_or("another");
                let port = role.get(2).and_then(Reply::number).unwrap_or_default();
                let advice = if self.place.hosts.len() > 1 || self.place.service.is_some() {
                    ""
                } else {
                    ": name that one as well, with a comma, or Sentinels that know which is the master"
                };
                return Err(format!("{who} is a replica of {master}:{port}{advice}").into());
            }
        }
        let replicas =
            if let Some(Reply::List(replicas)) = role.get(2) { replicas.len() } else { 0 };
        Ok((wire, replicas))
    }

    fn data_node<'a>(&'a self, host: &'a str, port: u16) -> Peer<'a> {
        Peer { host, port, login: &self.place.login, is_sentinel: false }
    }
}

/// The names that a Sentinel's answer to ROLE has.
fn names(role: &Reply) -> String {
    let Reply::List(role) = role else { return "none".to_owned() };
    let Some(Reply::List(names)) = role.get(1) else { return "none".to_owned() };
    let names: Vec<&str> = names.iter().filter_map(Reply::text).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Dial for Servers {
    /// Whoever was deposed and does not know it has no replicas: so the master is whoever has enough, or
    /// else the most.
    fn master(&self) -> Result<Box<dyn Link>, Why> {
        let mut whys: Vec<Why> = Vec::new();
        let mut best: Option<Master> = None;
        for (host, port) in &self.place.hosts {
            let found = match &self.place.service {
                Some(service) => self
                    .asked(host, *port, service)
                    .and_then(|(host, port)| self.master_at(&host, port)),
                None => self.master_at(host, *port),
            };
            match found {
                Ok(found) if best.as_ref().is_none_or(|(_, replicas)| *replicas < found.1) => {
                    let has_enough = found.1 >= self.replicas_needed;
                    best = Some(found);
                    if has_enough {
                        break;
                    }
                }
                Ok(_) => {}
                Err(why) => whys.push(why),
            }
        }
        if let Some((wire, _)) = best {
            self.is_known.store(true, Ordering::Relaxed);
            return Ok(Box::new(wire));
        }
        let words: Vec<&str> = whys.iter().map(Why::words).collect();
        let words = words.join("; ");
        Err(if whys.iter().any(Why::is_lasting) { Why::lasting(words) } else { words.into() })
    }

    fn server(&self, host: &str, port: u16) -> Result<Box<dyn Link>, Why> {
        let who = self.data_node(host, port);
        let (wire, replies) = self.greet(&who, &[words(&["PING"])])?;
        match replies.first() {
            Some(Reply::Error(why)) => Err(who.refuses(why)),
            _ => Ok(Box::new(wire)),
        }
    }
}

/// Somebody to connect to.
struct Peer<'a> {
    host: &'a str,
    port: u16,
    login: &'a Login,
    is_sentinel: bool,
}

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_sentinel { "the Sentinel" } else { "Redis" };
        write!(f, "{what} at {}", at(self.host, self.port))
    }
}

impl Peer<'_> {
    /// What a server's refusal means.
    fn refuses(&self, why: &str) -> Why {
        let is = |codes: &[&str]| codes.iter().any(|code| why.starts_with(code));
        if is(&["WRONGPASS", "NOAUTH", "ERR AUTH", "ERR Client sent AUTH", "ERR invalid password"])
        {
            let form = if self.is_sentinel {
                "…/service?sentinel_password=… (and sentinel_username=…)"
            } else {
                "redis://user:password@host:port, or :password@"
            };
            return Why::lasting(format!(
                "{self} does not let this server in ({why}). Say user and password as it has them: \
                 {form}, in the file that --store-file names"
            ));
        }
        if is(&["NOPERM"]) {
            return Why::lasting(format!(
                "{self} does not allow it ({why}): allow it for this user"
            ));
        }
        format!("{self}: {why}").into()
    }
}
