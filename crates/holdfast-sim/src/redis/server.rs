//! One server.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;

use super::data::{self, Data};
use super::functions::{Call, Library, name_of};
use super::memory::Memory;
use super::reply::{Command, Reply};
use super::writes::{Disk, Effect, Stream, replay};

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Master,
    /// Of the server with that number.
    Replica {
        of: usize,
        is_linked: bool,
    },
}

/// One server: a process and its disk.
pub(super) struct Server {
    pub(super) is_alive: bool,
    /// Its connections are of one of its lives.
    pub(super) life: u64,
    pub(super) role: Role,
    pub(super) stream: Stream,
    pub(super) data: Data,
    libraries: BTreeMap<String, Library>,
    pub(super) disk: Disk,
    /// Whether every write is flushed before it is answered.
    pub(super) flushes: bool,
    /// What `CONFIG` says.
    settings: BTreeMap<Vec<u8>, Vec<u8>>,
    /// As a replica: up to where its master knows that it has flushed.
    pub(super) acknowledged: u64,
}

/// A process as it was at some moment, its disk too.
#[derive(Clone)]
pub struct Image {
    pub(super) role: Role,
    pub(super) stream: Stream,
    pub(super) data: Data,
    memories: BTreeMap<String, Memory>,
    pub(super) disk: Disk,
    pub(super) acknowledged: u64,
}

impl Server {
    pub(super) fn new(replid: String) -> Self {
        Self {
            is_alive: true,
            life: 0,
            role: Role::Master,
            stream: Stream::new(replid),
            data: Data::default(),
            libraries: BTreeMap::new(),
            disk: Disk::default(),
            flushes: true,
            settings: settings(),
            acknowledged: 0,
        }
    }

    /// Runs a command, but for `WAIT`. `replicas` are the lines of `INFO` about them.
    pub(super) fn run(&mut self, command: &Command, replicas: &[String]) -> Reply {
        let Some((name, args)) = command.split_first() else { return wrong("empty command") };
        let name = name.to_ascii_uppercase();
        match (name.as_slice(), args) {
            (b"PING", []) => Reply::text("PONG"),
            (b"INFO", _) => Reply::text(&self.info(replicas)),
            (b"FCALL", [function, count, rest @ ..]) => {
                self.call(function, count, rest, replicas).into()
            }
            (b"FUNCTION", [what, source]) if what.eq_ignore_ascii_case(b"LOAD") => {
                self.load(source, command).into()
            }
            (b"FUNCTION", [what]) if what.eq_ignore_ascii_case(b"FLUSH") => {
                self.unload(command).into()
            }
            (b"FUNCTION", [what, rest @ ..]) if what.eq_ignore_ascii_case(b"LIST") => {
                self.list(rest)
            }
            (b"CONFIG", [what, names @ ..]) if what.eq_ignore_ascii_case(b"GET") => {
                self.settings(names)
            }
            (b"CONFIG", [what, name, value]) if what.eq_ignore_ascii_case(b"SET") => {
                self.settings.insert(name.clone(), value.clone());
                Reply::text("OK")
            }
            _ => self.plain(command).into(),
        }
    }

    fn plain(&mut self, command: &Command) -> Result<Reply, String> {
        let kind = data::kind(&command[0]).ok_or("ERR unknown command")?;
        if kind.is_write && self.is_read_only() {
            return Err("READONLY You can't write against a read only replica.".to_owned());
        }
        let reply = self.data.run(kind, command)?;
        if kind.is_write {
            self.written([command.clone()].into());
        }
        Ok(reply)
    }

    fn call(
        &mut self,
        function: &[u8],
        count: &[u8],
        rest: &[Vec<u8>],
        replicas: &[String],
    ) -> Result<Reply, String> {
        let name = String::from_utf8_lossy(function);
        let count = std::str::from_utf8(count).ok().and_then(|count| count.parse().ok());
        let count: usize = count.ok_or("ERR Bad number of keys provided")?;
        let parts = rest.split_at_checked(count);
        let (keys, args) =
            parts.ok_or("ERR Number of keys can't be greater than number of args")?;
        let info = self.info(replicas);
        let mut libraries = self.libraries.values();
        let found = libraries.find_map(|it| Some((it, it.is_read_only(&name)?)));
        let (library, is_read_only) = found.ok_or("ERR Function not found")?;
        if !is_read_only && self.is_read_only() {
            return Err(
                "READONLY Can not run script with write flag on readonly replica.".to_owned()
            );
        }
        let call = Call { name: &name, keys, args };
        let (reply, written) = library.call(&call, info, &mut self.data);
        if !written.is_empty() {
            self.written(written.into());
        }
        Ok(reply)
    }

    fn load(&mut self, source: &[u8], command: &Command) -> Result<Reply, String> {
        let source = std::str::from_utf8(source).map_err(|_| "ERR the source is not a text")?;
        let name = name_of(source)?;
        if self.is_read_only() {
            return Err("READONLY You can't write against a read only replica.".to_owned());
        }
        if self.libraries.contains_key(name) {
            return Err(format!("ERR Library '{name}' already exists"));
        }
        self.libraries.insert(name.to_owned(), Library::load(source)?);
        self.data.libraries.insert(name.to_owned(), source.into());
        self.written([command.clone()].into());
        Ok(Reply::text(name))
    }

    fn unload(&mut self, command: &Command) -> Result<Reply, String> {
        if self.is_read_only() {
            return Err("READONLY You can't write against a read only replica.".to_owned());
        }
        self.libraries.clear();
        self.data.libraries.clear();
        self.written([command.clone()].into());
        Ok(Reply::text("OK"))
    }

    /// `FUNCTION LIST LIBRARYNAME name WITHCODE`: name and source.
    fn list(&self, words: &[Vec<u8>]) -> Reply {
        let [_, name, _] = words else { return wrong("FUNCTION LIST LIBRARYNAME name WITHCODE") };
        let of =
            self.data.libraries.iter().filter(|(known, _)| known.as_bytes() == name.as_slice());
        Reply::List(
            of.map(|(name, source)| {
                let fields = ["library_name", name, "library_code", source];
                Reply::List(fields.map(Reply::text).into())
            })
            .collect(),
        )
    }

    fn settings(&self, names: &[Vec<u8>]) -> Reply {
        let pairs = names.iter().filter_map(|name| self.settings.get_key_value(name));
        Reply::List(
            pairs
                .flat_map(|(name, value)| [name, value].map(|it| Reply::Bytes(it.clone())))
                .collect(),
        )
    }

    /// Whether it takes writes from its master only.
    fn is_read_only(&self) -> bool {
        let takes_writes =
            self.settings.get(b"replica-read-only".as_slice()).is_some_and(|it| it == b"no");
        self.role != Role::Master && !takes_writes
    }

    fn written(&mut self, effect: Effect) {
        self.stream.offset += 1;
        self.stream.backlog.push(Arc::clone(&effect));
        self.disk.effects.push(effect);
        if self.flushes && self.role == Role::Master {
            self.flush();
        }
    }

    /// Takes what its master sent.
    pub(super) fn receive(&mut self, effect: &Effect) {
        replay(&mut self.data, effect);
        self.load_all();
        self.written(Arc::clone(effect));
    }

    /// Everything that it has done reaches its disk.
    pub(super) fn flush(&mut self) {
        self.disk.flushed = self.disk.effects.len();
        self.disk.offset = self.stream.offset;
        if self.disk.flushed > 4096 {
            self.rewrite();
        }
    }

    /// The disk gets what it has in memory, instead of how it came to be.
    pub(super) fn rewrite(&mut self) {
        let (base, offset) = (self.data.clone(), self.stream.offset);
        self.disk = Disk { base, effects: Vec::new(), flushed: 0, offset };
    }

    /// A process of its own begins, with what its disk has.
    pub(super) fn begin(&mut self, replid: String) {
        let Disk { base, effects, flushed, .. } = take(&mut self.disk);
        self.data = base;
        effects[..flushed].iter().for_each(|effect| replay(&mut self.data, effect));
        self.stream = Stream::new(replid);
        (self.is_alive, self.acknowledged) = (true, 0);
        self.life += 1;
        self.libraries.clear();
        self.load_all();
        self.rewrite();
    }

    /// Becomes a copy of another: nothing that a library kept is left.
    pub(super) fn copy(&mut self, data: Data, stream: &Stream) {
        self.data = data;
        self.stream = Stream { backlog: Vec::new(), second: None, ..stream.clone() };
        self.libraries.clear();
        self.load_all();
        self.rewrite();
    }

    /// Loads the libraries that it has as sources only, and forgets those that it has no more.
    fn load_all(&mut self) {
        let sources = &self.data.libraries;
        self.libraries.retain(|name, _| sources.contains_key(name));
        for (name, source) in &self.data.libraries {
            if !self.libraries.contains_key(name) {
                let library = Library::load(source).expect("it was loaded before");
                self.libraries.insert(name.clone(), library);
            }
        }
    }

    pub(super) fn image(&self) -> Image {
        let memories = self.libraries.iter().map(|(name, library)| {
            let memory = library.memory().expect("a library keeps only what can be copied");
            (name.clone(), memory)
        });
        Image {
            role: self.role,
            stream: self.stream.clone(),
            data: self.data.clone(),
            memories: memories.collect(),
            disk: self.disk.clone(),
            acknowledged: self.acknowledged,
        }
    }

    /// The process is what it was. Its connections are gone.
    pub(super) fn set_back(&mut self, image: &Image) {
        let Image { role, stream, data, memories, disk, acknowledged } = image.clone();
        (self.role, self.stream, self.data, self.disk) = (role, stream, data, disk);
        (self.is_alive, self.acknowledged) = (true, acknowledged);
        self.life += 1;
        self.libraries.clear();
        self.load_all();
        for (name, memory) in &memories {
            self.libraries[name].set_memory(memory).expect("it was there before");
        }
    }

    fn info(&self, replicas: &[String]) -> String {
        let mut lines = vec!["# Replication".to_owned()];
        match self.role {
            Role::Master => lines.push("role:master".to_owned()),
            Role::Replica { of, is_linked } => {
                let link = if is_linked { "up" } else { "down" };
                lines.push(format!("role:slave\r\nmaster_host:server\r\nmaster_port:{of}"));
                lines.push(format!("master_link_status:{link}"));
            }
        }
        lines.push(format!("connected_slaves:{}", replicas.len()));
        lines.extend(replicas.iter().cloned());
        let none = ("0".repeat(40), 0);
        let (second, last) = self.stream.second.as_ref().unwrap_or(&none);
        lines.push(format!("master_replid:{}\r\nmaster_replid2:{second}", self.stream.replid));
        lines.push(format!(
            "master_repl_offset:{}\r\nsecond_repl_offset:{last}",
            self.stream.offset
        ));
        lines.join("\r\n") + "\r\n"
    }
}

/// As the store wants a server to be.
fn settings() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let settings = [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("maxmemory-policy", "noeviction"),
        ("replica-read-only", "yes"),
    ];
    settings.map(|(name, value)| (name.into(), value.into())).into()
}

fn wrong(what: &str) -> Reply {
    Reply::Error(format!("ERR {what}"))
}
