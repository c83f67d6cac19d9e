//! What a world can do to servers of Redis.

use super::data::Data;
use super::reply::{Command, Reply};
pub use super::server::Image;
use super::server::{Role, Server};
use super::writes::Disk;

/// Servers, by their numbers from 0.
#[derive(Default)]
pub struct Servers {
    servers: Vec<Server>,
    /// How many names of streams were given away.
    named: u64,
}

/// A connection to one process.
#[derive(Clone, Debug)]
pub struct Connection {
    server: usize,
    life: u64,
    /// Up to where the server had written after its last write for this connection: what `WAIT` waits
    /// for, as it is since Redis 7.2. Before, a read counted as well.
    offset: u64,
}

impl Connection {
    /// The server that it was made to.
    pub fn server(&self) -> usize {
        self.server
    }
}

/// The process is dead, or another than the connection was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// How a replica came to what its master has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// It went on from where it was. What its libraries kept is still there.
    Partial,
    /// It became a copy. Its libraries begin anew.
    Full,
    /// Not at all: the master is dead, or a replica itself.
    Refused,
}

impl Servers {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a server, an empty master, that flushes every write before it answers; says its number.
    pub fn start(&mut self) -> usize {
        let replid = self.name();
        self.servers.push(Server::new(replid));
        self.servers.len() - 1
    }

    /// A name for a stream that none had before.
    fn name(&mut self) -> String {
        self.named += 1;
        format!("{:040x}", self.named)
    }

    /// Connects to a server.
    ///
    /// # Errors
    /// When it is dead.
    pub fn connect(&self, server: usize) -> Result<Connection, Gone> {
        let it = &self.servers[server];
        if !it.is_alive {
            return Err(Gone);
        }
        Ok(Connection { server, life: it.life, offset: 0 })
    }

    /// Runs a command.
    ///
    /// # Errors
    /// When the connection is of no more use. Then nothing was done.
    pub fn call(&mut self, connection: &mut Connection, command: &Command) -> Result<Reply, Gone> {
        let server = connection.server;
        let it = &self.servers[server];
        if !it.is_alive || it.life != connection.life {
            return Err(Gone);
        }
        if command.first().is_some_and(|name| name.eq_ignore_ascii_case(b"WAIT")) {
            return Ok(self.wait(connection));
        }
        let lines = self.replicas(server).map(|(port, offset)| {
            format!("slave{port}:ip=server,port={port},state=online,offset={offset},lag=0")
        });
        let lines: Vec<String> = lines.collect();
        let before = it.stream.offset;
        let reply = self.servers[server].run(command, &lines);
        let after = self.servers[server].stream.offset;
        if after > before {
            connection.offset = after;
        }
        Ok(reply)
    }

    fn wait(&self, connection: &Connection) -> Reply {
        if self.servers[connection.server].role != Role::Master {
            let why = "ERR WAIT cannot be used with replica instances.";
            return Reply::Error(why.to_owned());
        }
        let has_it = |&(_, offset): &(usize, u64)| offset >= connection.offset;
        let have = self.replicas(connection.server).filter(has_it).count();
        Reply::Number(i64::try_from(have).unwrap_or(i64::MAX))
    }

    /// The replicas that are linked to a server, and what each has acknowledged.
    fn replicas(&self, server: usize) -> impl Iterator<Item = (usize, u64)> {
        let linked = move |it: &Server| it.role == (Role::Replica { of: server, is_linked: true });
        let all = self.servers.iter().enumerate().filter(move |(_, it)| it.is_alive && linked(it));
        all.map(|(number, it)| (number, it.acknowledged))
    }

    /// Makes a server a replica of another, and links them: `REPLICAOF`, or the link after it was cut.
    pub fn attach(&mut self, replica: usize, master: usize) -> Resync {
        self.cut_replicas_of(replica);
        let role = |is_linked| Role::Replica { of: master, is_linked };
        let of = &self.servers[master];
        if !of.is_alive || of.role != Role::Master || replica == master {
            self.servers[replica].role = role(false);
            return Resync::Refused;
        }
        let (stream, data) = (of.stream.clone(), of.data.clone());
        let it = &mut self.servers[replica];
        it.role = role(true);
        if stream.after(&it.stream.replid, it.stream.offset).is_none() {
            it.copy(data, &stream);
            it.acknowledged = it.stream.offset;
            return Resync::Full;
        }
        if it.stream.replid != stream.replid {
            it.stream.rename(stream.replid);
        }
        it.acknowledged = it.disk.offset;
        Resync::Partial
    }

    /// Cuts the link of a replica. It stays a replica.
    pub fn detach(&mut self, replica: usize) {
        if let Role::Replica { is_linked, .. } = &mut self.servers[replica].role {
            *is_linked = false;
        }
    }

    fn cut_replicas_of(&mut self, server: usize) {
        let replicas: Vec<usize> = self.replicas(server).map(|(replica, _)| replica).collect();
        replicas.into_iter().for_each(|replica| self.detach(replica));
    }

    /// `REPLICAOF NO ONE`. Does nothing to a master.
    pub fn promote(&mut self, server: usize) {
        if self.servers[server].role != Role::Master {
            let replid = self.name();
            self.servers[server].role = Role::Master;
            self.servers[server].stream.rename(replid);
        }
    }

    /// Up to `most` writes travel to a replica. Says how many did.
    pub fn deliver(&mut self, replica: usize, most: usize) -> usize {
        let Role::Replica { of, is_linked: true } = self.servers[replica].role else { return 0 };
        let it = &self.servers[replica].stream;
        let missing = self.servers[of].stream.after(&it.replid, it.offset).unwrap_or_default();
        let missing: Vec<_> = missing.iter().take(most).cloned().collect();
        missing.iter().for_each(|effect| self.servers[replica].receive(effect));
        missing.len()
    }

    /// What a server has done reaches its disk; a replica that is linked says so to its master.
    pub fn flush(&mut self, server: usize) {
        let it = &mut self.servers[server];
        it.flush();
        if matches!(it.role, Role::Replica { is_linked: true, .. }) {
            it.acknowledged = it.disk.offset;
        }
    }

    /// A replica gets, flushes and acknowledges all that its master has.
    pub fn settle(&mut self, replica: usize) {
        self.deliver(replica, usize::MAX);
        self.flush(replica);
    }

    /// Whether a server flushes every write before it answers.
    pub fn set_flushes(&mut self, server: usize, flushes: bool) {
        self.servers[server].flushes = flushes;
    }

    /// kill -9, or power loss: what was not flushed is gone.
    pub fn kill(&mut self, server: usize) {
        self.cut_replicas_of(server);
        self.detach(server);
        self.servers[server].is_alive = false;
    }

    /// A new process, with what is on the disk, as what it was: a master, or a replica without a link.
    pub fn restart(&mut self, server: usize) {
        self.kill(server);
        let replid = self.name();
        self.servers[server].begin(replid);
    }

    /// How much of what a master has written a replica has on its disk. `None`: it is dead, or none of it.
    pub fn flushed(&self, replica: usize, master: usize) -> Option<u64> {
        let (it, of) = (&self.servers[replica], &self.servers[master]);
        let follows = it.is_alive && it.role == (Role::Replica { of: master, is_linked: true });
        (follows && it.stream.replid == of.stream.replid).then_some(it.disk.offset)
    }

    /// Takes all that a dead server has on its disk.
    pub fn wipe(&mut self, server: usize) {
        self.servers[server].disk = Disk::default();
    }

    /// Forgets the writes that a replica would need to go on from where it was.
    pub fn forget_backlog(&mut self, server: usize) {
        self.servers[server].stream.backlog.clear();
    }

    /// The whole process as it is now, with what its libraries keep, and its disk: as a virtual
    /// machine's snapshot is.
    pub fn image(&self, server: usize) -> Image {
        self.servers[server].image()
    }

    /// Sets the whole process, and its disk, back. Its connections are gone.
    pub fn set_back(&mut self, server: usize, image: &Image) {
        self.cut_replicas_of(server);
        self.servers[server].set_back(image);
        self.detach(server);
    }

    /// What a server stores.
    pub fn data(&self, server: usize) -> &Data {
        &self.servers[server].data
    }

    /// Sets what a server stores, and has on disk, and nothing else: its libraries keep what they kept.
    pub fn set_data(&mut self, server: usize, data: Data) {
        self.servers[server].data = data;
        self.servers[server].rewrite();
    }
}
