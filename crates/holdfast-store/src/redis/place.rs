//! Where the servers are, as an address says it.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::link::Command;

/// The port of Redis, and of Sentinel.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// What begins the part about Sentinels' passwords, and no other part.
const SENTINEL_LOGIN: &str = "?sentinel_";

/// Where the servers are.
///
/// `redis://[user:password@]host[:port][,host…]`: servers, of which one is the master.
/// `redis+sentinel://[user:password@]host[:port][,host…]/service`: Sentinels that know it. User and
/// password are those of the servers; Sentinels have theirs at the end:
/// `?sentinel_username=…&sentinel_password=…`. What is special in an address is percent-encoded.
/// `rediss` in place of `redis`: over TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    pub(super) is_tls: bool,
    pub(super) login: Login,
    pub(super) sentinel_login: Login,
    pub(super) hosts: Vec<(String, u16)>,
    /// What the Sentinels call the master; `None`: the hosts are the servers themselves.
    pub(super) service: Option<String>,
}

/// Who one is to a server.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    user: Option<String>,
    password: Option<String>,
}

impl Login {
    /// `user:password`, or `:password`.
    fn read(text: &str) -> Result<Self, String> {
        let wrong = "before the @ there must be user:password, or :password";
        let (user, password) = text.split_once(':').ok_or(wrong)?;
        let user = Some(user).filter(|user| !user.is_empty()).map(decode).transpose()?;
        Ok(Self { user, password: Some(decode(password)?) })
    }

    /// `sentinel_username=…&sentinel_password=…`, or the latter alone.
    fn read_sentinels(text: &str) -> Result<Self, String> {
        let mut login = Self::default();
        for part in text.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name {
                "sentinel_username" => login.user = Some(decode(value)?),
                "sentinel_password" => login.password = Some(decode(value)?),
                _ => return Err(SENTINEL_FORM.to_owned()),
            }
        }
        if login.password.as_ref().is_none_or(String::is_empty) {
            return Err(SENTINEL_FORM.to_owned());
        }
        Ok(login)
    }

    /// What tells a server so, if there is anything to tell.
    pub(super) fn command(&self) -> Option<Command> {
        let password = self.password.as_ref()?;
        let words = [Some("AUTH"), self.user.as_deref(), Some(password)];
        Some(words.into_iter().flatten().map(|word| word.as_bytes().to_vec()).collect())
    }
}

const SENTINEL_FORM: &str =
    "after the ? there may be sentinel_password=…, or sentinel_username=…&sentinel_password=…";

fn decode(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    Ok(decoded.map_err(|_| "a user or a password is not UTF-8")?.into_owned())
}

impl Place {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it; no password is in that.
    pub fn read(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("it is no address: redis://host:port")?;
        let (is_tls, is_sentinel) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ => {
                return Err("it must begin with redis://, rediss:// (over TLS), \
                            redis+sentinel:// or rediss+sentinel://"
                    .to_owned());
            }
        };
        let (rest, sentinel_login) = match rest.find(SENTINEL_LOGIN) {
            Some(at) => (&rest[..at], Login::read_sentinels(&rest[at + 1..])?),
            None => (rest, Login::default()),
        };
        if sentinel_login != Login::default() && !is_sentinel {
            return Err("it has a Sentinel's password and no Sentinel: \
                        redis+sentinel://host:port/service"
                .to_owned());
        }
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Login::read(login)?, rest),
            None => (Login::default(), rest),
        };
        if rest.contains('?') {
            return Err(SENTINEL_FORM.to_owned());
        }
        let mut path = rest.trim_end_matches('/').split('/');
        let port = if is_sentinel { SENTINEL_PORT } else { PORT };
        let hosts = path.next().unwrap_or_default().split(',');
        let hosts = hosts.map(|host| read_host(host, port)).collect::<Result<_, _>>()?;
        let service = if is_sentinel { Some(read_service(path.next())?) } else { None };
        if path.next().is_some_and(|db| db != "0") || path.next().is_some() {
            return Err(
                "no database but 0 can be used, so none is named at the end: one process of Redis \
                        belongs to one Holdfast, which gives it a function that is there only once"
                    .to_owned(),
            );
        }
        Ok(Self { is_tls, login, sentinel_login, hosts, service })
    }

    /// Its scheme for data nodes (or for Sentinels), over TLS or not.
    pub(super) fn scheme(is_tls: bool, is_sentinel: bool) -> &'static str {
        match (is_tls, is_sentinel) {
            (false, false) => "redis://",
            (true, false) => "rediss://",
            (false, true) => "redis+sentinel://",
            (true, true) => "rediss+sentinel://",
        }
    }
}

/// The service's name, which only Sentinels need.
fn read_service(name: Option<&str>) -> Result<String, String> {
    let name = name.filter(|name| !name.is_empty());
    Ok(name.ok_or("after the Sentinels comes what they call the master: …/service")?.to_owned())
}

fn read_host(host: &str, port: u16) -> Result<(String, u16), String> {
    let wrong = || format!("{host:?} is no host:port");
    if host.is_empty() {
        return Err("it names no host".to_owned());
    }
    if let Some(rest) = host.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(wrong)?;
        let port = match after.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| wrong())?,
            None if after.is_empty() => port,
            None => return Err(wrong()),
        };
        return Ok((host.to_owned(), port));
    }
    match host.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            Err(format!("{host:?} is no host:port; an address of IPv6 is in brackets, [::1]:6379"))
        }
        Some((host, port)) => Ok((host.to_owned(), port.parse().map_err(|_| wrong())?)),
        None => Ok((host.to_owned(), port)),
    }
}

/// A host and a port, as an address has them.
pub(super) fn at(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Without its passwords.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(|(host, port)| at(host, *port)).collect();
        let scheme = Self::scheme(self.is_tls, self.service.is_some());
        write!(f, "{scheme}{}", hosts.join(","))?;
        self.service.as_ref().map_or(Ok(()), |service| write!(f, "/{service}"))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (url, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://a:1,b:2/0", "redis://a:1,b:2"),
            ("redis://user:p@ss@a:1", "redis://a:1"),
            ("rediss://[::1]:7000/", "rediss://[::1]:7000"),
            ("redis+sentinel://a,b:27/mymaster/0", "redis+sentinel://a:26379,b:27/mymaster"),
            ("redis+sentinel://[::1]:1,[fe80::2]/m", "redis+sentinel://[::1]:1,[fe80::2]:26379/m"),
            ("redis+sentinel://:p@a/m?sentinel_password=q", "redis+sentinel://a:26379/m"),
        ] {
            assert_eq!(Place::read(url).unwrap().to_string(), shown, "{url}");
        }
    }

    #[test]
    fn who_one_is_to_servers_and_to_sentinels_is_told_apart() {
        let told = |login: &Login| {
            let words = login.command().unwrap_or_default();
            let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
            words.join(" ")
        };
        for (url, server, sentinel) in [
            ("redis+sentinel://a/m", "", ""),
            ("redis+sentinel://u:p@a/m", "AUTH u p", ""),
            ("redis+sentinel://:p/%40@a/m/0", "AUTH p/@", ""),
            ("redis+sentinel://a/m?sentinel_password=s%26@t", "", "AUTH s&@t"),
            (
                "redis+sentinel://:p@a/m?sentinel_username=u&sentinel_password=q",
                "AUTH p",
                "AUTH u q",
            ),
        ] {
            let place = Place::read(url).unwrap();
            assert_eq!(told(&place.login), server, "{url}");
            assert_eq!(told(&place.sentinel_login), sentinel, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_no_password_is_shown() {
        for url in [
            "localhost:6379",
            "http://a",
            "secret@a",
            "secret://a",
            "redis://",
            "redis://a:b",
            "redis://::1",
            "redis://[::1",
            "redis://[::1]7",
            "redis://a/x",
            "redis://a/1",
            "redis+sentinel://a/m/2",
            "redis://a/0/1",
            "redis://secret@a",
            "redis://u:secret@a/?db=1",
            "redis://a?sentinel_password=secret",
            "redis+sentinel://a",
            "redis+sentinel://a?sentinel_password=secret",
            "redis+sentinel://a/m?sentinel_username=secret",
            "redis+sentinel://a/m?sentinel_pass=secret",
            "redis+sentinel://u:%ffsecret@a/m",
        ] {
            let why = Place::read(url).unwrap_err();
            assert!(!why.contains("secret"), "{url}: {why}");
        }
    }
}
