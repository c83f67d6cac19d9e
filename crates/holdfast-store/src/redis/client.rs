//! Real servers: by their addresses, or found by Sentinel.

use std::fmt;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{Client, Connection, IntoConnectionInfo, Value};

use super::link::{Command, Dial, Link, Reply};

/// How long a server may take to be connected to.
const CONNECT_PATIENCE: Duration = Duration::from_millis(500);

/// How long it may be silent: longer than it waits for its replicas.
const SILENCE_MAX: Duration = Duration::from_millis(800);

/// What is sent at once without more patience for it; and how many bytes a server takes in a second,
/// with its disk's flush.
const AT_ONCE_BYTES: usize = 4 << 20;
const BYTES_PER_SECOND: usize = 8 << 20;

/// The port of Redis, and of Sentinel.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where the servers are.
///
/// `redis://[user:password@]host[:port][,host…][/db]`: servers, of which one is the master.
/// `redis+sentinel://[user:password@]host[:port][,host…]/service[/db]`: Sentinels that know it.
/// `rediss` in place of `redis`: over TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    is_tls: bool,
    credentials: Option<String>,
    hosts: Vec<(String, u16)>,
    /// What the Sentinels call the master; `None`: the hosts are the servers themselves.
    service: Option<String>,
    db: u32,
}

impl Place {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("it is no address: redis://host:port")?;
        let (is_tls, is_sentinel) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            other => {
                return Err(format!(
                    "{other}:// is not known: redis://, rediss://, redis+sentinel://"
                ));
            }
        };
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials.to_owned()), rest),
            None => (None, rest),
        };
        let mut path = rest.trim_end_matches('/').split('/');
        let port = if is_sentinel { SENTINEL_PORT } else { PORT };
        let hosts = path.next().unwrap_or_default().split(',');
        let hosts = hosts.map(|host| read_host(host, port)).collect::<Result<_, _>>()?;
        let service = path.next_if_sentinel(is_sentinel)?;
        let db = path.next().map_or(Ok(0), str::parse);
        let db = db.map_err(|_| "the database after the last / is a number".to_owned())?;
        if path.next().is_some() {
            return Err("there is more after the database".to_owned());
        }
        Ok(Self { is_tls, credentials, hosts, service, db })
    }

    fn url(&self, host: &str, port: u16) -> String {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        let credentials = self.credentials.as_ref().map(|it| format!("{it}@")).unwrap_or_default();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        format!("{scheme}://{credentials}{host}:{port}/{}", self.db)
    }
}

/// The service's name, which only Sentinels need.
trait NextIfSentinel {
    fn next_if_sentinel(&mut self, is_sentinel: bool) -> Result<Option<String>, String>;
}

impl<'a, I: Iterator<Item = &'a str>> NextIfSentinel for I {
    fn next_if_sentinel(&mut self, is_sentinel: bool) -> Result<Option<String>, String> {
        if !is_sentinel {
            return Ok(None);
        }
        let name = self.next().filter(|name| !name.is_empty());
        let name = name.ok_or("after the Sentinels comes what they call the master: …/service")?;
        Ok(Some(name.to_owned()))
    }
}

fn read_host(host: &str, port: u16) -> Result<(String, u16), String> {
    let wrong = || format!("{host:?} is no host:port");
    if host.is_empty() {
        return Err("it names no host".to_owned());
    }
    if let Some(rest) = host.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
        let port = after.strip_prefix(':').map_or(Ok(port), str::parse).map_err(|_| wrong())?;
        return Ok((host.to_owned(), port));
    }
    match host.split_once(':') {
        Some((host, port)) => Ok((host.to_owned(), port.parse().map_err(|_| wrong())?)),
        None => Ok((host.to_owned(), port)),
    }
}

/// Without its password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        let sentinel = if self.service.is_some() { "+sentinel" } else { "" };
        let hosts: Vec<String> =
            self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(f, "{scheme}{sentinel}://{}", hosts.join(","))?;
        self.service.as_ref().map_or(Ok(()), |service| write!(f, "/{service}"))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A connection to a real server.
struct Wire(Connection);

impl Link for Wire {
    fn call(&mut self, commands: &[Command]) -> Result<Vec<Reply>, String> {
        let mut packed = Vec::new();
        commands.iter().for_each(|command| pack(command, &mut packed));
        let why = |error: redis::RedisError| format!("Redis: {error}");
        let is_large = packed.len() > AT_ONCE_BYTES;
        if is_large {
            let seconds = u32::try_from(packed.len() / BYTES_PER_SECOND).unwrap_or(u32::MAX);
            let patience = SILENCE_MAX + Duration::from_secs(1).saturating_mul(seconds);
            self.0.set_read_timeout(Some(patience)).map_err(why)?;
        }
        self.0.send_packed_command(&packed).map_err(why)?;
        let replies = commands
            .iter()
            .map(|_| self.0.recv_response().map(reply).or_else(|error| refused(&error)))
            .collect();
        if is_large {
            self.0.set_read_timeout(Some(SILENCE_MAX)).map_err(why)?;
        }
        replies
    }
}

/// What a server refuses is a reply; what breaks is not.
fn refused(error: &redis::RedisError) -> Result<Reply, String> {
    if error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error() {
        return Err(format!("Redis: {error}"));
    }
    Ok(Reply::Error(error.to_string()))
}

/// A command as the protocol has it: an array of bulk strings.
fn pack(command: &Command, packed: &mut Vec<u8>) {
    packed.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
    for word in command {
        packed.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        packed.extend_from_slice(word);
        packed.extend_from_slice(b"\r\n");
    }
}

fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Number(number),
        Value::BulkString(bytes) => Reply::Bytes(bytes),
        Value::Array(list) => Reply::List(list.into_iter().map(reply).collect()),
        Value::SimpleString(text) => Reply::Bytes(text.into_bytes()),
        Value::Okay => Reply::Bytes(b"OK".to_vec()),
        Value::ServerError(error) => Reply::Error(error.to_string()),
        other => Reply::Error(format!("a reply of a kind that was not asked for: {other:?}")),
    }
}

/// Dials real servers.
#[derive(Debug)]
pub struct Servers(Place);

impl Servers {
    /// Servers at a place. Over TLS they are believed if the system, or `SSL_CERT_FILE`, has a
    /// certificate for them.
    pub fn new(place: Place) -> Self {
        if place.is_tls {
            // Whoever was faster has installed the same: it is the only one that is built in.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Self(place)
    }

    fn open(&self, host: &str, port: u16, url: &str) -> Result<Wire, String> {
        let why = |error: redis::RedisError| format!("Redis at {host}:{port}: {error}");
        let info = url.into_connection_info().map_err(why)?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(why)?;
        let connection = client.get_connection_with_timeout(CONNECT_PATIENCE).map_err(why)?;
        connection.set_read_timeout(Some(SILENCE_MAX)).map_err(why)?;
        connection.set_write_timeout(Some(SILENCE_MAX)).map_err(why)?;
        Ok(Wire(connection))
    }

    /// What a Sentinel says.
    fn asked(&self, host: &str, port: u16, service: &str) -> Result<(String, u16), String> {
        let scheme = if self.0.is_tls { "rediss" } else { "redis" };
        let mut sentinel = self.open(host, port, &format!("{scheme}://{host}:{port}/"))?;
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", service];
        let ask = ask.iter().map(|word| word.as_bytes().to_vec()).collect();
        let reply = sentinel.call(&[ask])?.pop();
        let Some(Reply::List(address)) = reply else {
            return Err(format!("the Sentinel at {host}:{port} knows no master {service}"));
        };
        let host = address.first().and_then(Reply::text).map(str::to_owned);
        let port = address.get(1).and_then(Reply::number).and_then(|port| u16::try_from(port).ok());
        host.zip(port).ok_or_else(|| "a Sentinel's answer is no address".to_owned())
    }

    /// Connects to a server, if it says that it is the master.
    fn master_at(&self, host: &str, port: u16) -> Result<Box<dyn Link>, String> {
        let mut link = self.server(host, port)?;
        let role = link.call(&[vec![b"ROLE".to_vec()]])?.pop();
        match role {
            Some(Reply::List(role)) if role.first().and_then(Reply::text) == Some("master") => {
                Ok(link)
            }
            Some(Reply::Error(why)) => Err(format!("Redis at {host}:{port}: {why}")),
            _ => Err(format!("Redis at {host}:{port} is a replica")),
        }
    }
}

impl Dial for Servers {
    fn master(&self) -> Result<Box<dyn Link>, String> {
        let mut whys = Vec::new();
        for (host, port) in &self.0.hosts {
            let found = match &self.0.service {
                Some(service) => self
                    .asked(host, *port, service)
                    .and_then(|(host, port)| self.master_at(&host, port)),
                None => self.master_at(host, *port),
            };
            match found {
                Ok(link) => return Ok(link),
                Err(why) => whys.push(why),
            }
        }
        Err(whys.join("; "))
    }

    fn server(&self, host: &str, port: u16) -> Result<Box<dyn Link>, String> {
        Ok(Box::new(self.open(host, port, &self.0.url(host, port))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (url, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://a:1,b:2/3", "redis://a:1,b:2"),
            ("redis://user:p@ss@a:1", "redis://a:1"),
            ("rediss://[::1]:7000/", "rediss://::1:7000"),
            ("redis+sentinel://a,b:27/mymaster/1", "redis+sentinel://a:26379,b:27/mymaster"),
        ] {
            assert_eq!(Place::read(url).unwrap().to_string(), shown, "{url}");
        }
        assert_eq!(Place::read("redis://u:p@a:1/3").unwrap().url("b", 2), "redis://u:p@b:2/3");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "localhost:6379",
            "http://a",
            "redis://",
            "redis://a:b",
            "redis://a/x",
            "redis://a/0/1",
            "redis+sentinel://a",
        ] {
            assert!(Place::read(url).is_err(), "{url}");
        }
    }
}
