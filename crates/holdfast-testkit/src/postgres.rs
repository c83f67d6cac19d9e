//! A PostgreSQL of one's own.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where Debian keeps the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A PostgreSQL server on a free port of loopback, with an empty cluster in a folder that goes with
/// it. Dropping it ends it.
pub struct Postgres {
    server: Option<Child>,
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    /// Processes that stand still.
    frozen: Vec<String>,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Errors
    /// When the programs are not there (Debian: `postgresql`), or it does not start.
    pub fn start() -> anyhow::Result<Self> {
        let programs = Self::programs()?;
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir_in("/tmp")?;
        let mut made = as_postgres(&programs.join("initdb"), folder.path())?;
        made.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"]);
        let made = made.arg("-D").arg(folder.path().join("cluster")).output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut postgres = Self { server: None, programs, folder, port, frozen: Vec::new() };
        postgres.resume()?;
        Ok(postgres)
    }

    /// The folder with its programs.
    ///
    /// # Errors
    /// When they are not there; says how they get there.
    pub fn programs() -> anyhow::Result<PathBuf> {
        let missing = "PostgreSQL is missing: apt-get install postgresql";
        let versions = std::fs::read_dir(DEBIAN).context(missing)?.filter_map(Result::ok);
        let folders = versions.map(|version| version.path().join("bin"));
        folders.filter(|bin| bin.join("initdb").exists()).max().context(missing)
    }

    /// Where it is, as `--ledger` takes it.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a further database; says where it is.
    ///
    /// # Errors
    /// When the server does not make it.
    pub fn create(&self, database: &str) -> anyhow::Result<String> {
        let mut create = Command::new(self.programs.join("createdb"));
        create.args(["--host=127.0.0.1", "--username=postgres", "--port", &self.port.to_string()]);
        crate::build::run(create.arg(database))?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{database}", self.port))
    }

    /// What a statement returns: a line for each row, with `|` between columns.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn ask(&self, statement: &str) -> anyhow::Result<String> {
        let mut ask = Command::new(self.programs.join("psql"));
        ask.args(["--no-psqlrc", "--tuples-only", "--no-align", "--dbname", &self.url()]);
        let said = ask.args(["--command", statement]).output()?;
        ensure!(said.status.success(), "psql: {}", String::from_utf8_lossy(&said.stderr));
        Ok(String::from_utf8(said.stdout)?.trim().to_owned())
    }

    /// Starts it again after [`Postgres::stop`], with what it had.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        let mut command = as_postgres(&self.programs.join("postgres"), self.folder.path())?;
        command.arg("-D").arg(self.folder.path().join("cluster"));
        command.args(["-c", &format!("port={}", self.port)]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        // Of tests only the processes die, never the machine.
        command.args(["-c", "fsync=off", "-c", "max_connections=100"]);
        self.server = Some(command.spawn()?);
        let begun = Instant::now();
        while !self.is_ready()? {
            let is_over = self.server.as_mut().is_some_and(|it| !matches!(it.try_wait(), Ok(None)));
            if is_over || begun.elapsed() > PATIENCE {
                bail!("PostgreSQL did not start on port {}", self.port);
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn is_ready(&self) -> anyhow::Result<bool> {
        let mut ready = Command::new(self.programs.join("pg_isready"));
        let ready = ready.args(["--quiet", "--host=127.0.0.1", "--port", &self.port.to_string()]);
        Ok(ready.status()?.success())
    }

    /// Stops all its processes where they are: it says nothing more, and its connections stay.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&mut self) -> anyhow::Result<()> {
        let server = self.server.as_ref().context("it does not run")?.id().to_string();
        // The first of them makes the others: there will be no more.
        signal("-STOP", std::slice::from_ref(&server))?;
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?;
        self.frozen = children.split_whitespace().map(str::to_owned).collect();
        self.frozen.push(server);
        signal("-STOP", &self.frozen)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// When one of them is not there any more.
    pub fn thaw(&mut self) -> anyhow::Result<()> {
        signal("-CONT", &std::mem::take(&mut self.frozen))
    }

    /// Ends it as if it had crashed; connections break.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
            // What is left of it ends by itself, if it can move.
            let _ = self.thaw();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn signal(name: &str, processes: &[String]) -> anyhow::Result<()> {
    if processes.is_empty() {
        return Ok(());
    }
    let status = Command::new("kill").arg(name).args(processes).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "kill {name} {}", processes.join(" "));
    Ok(())
}

/// A command as a user that PostgreSQL runs as: it refuses root.
fn as_postgres(program: &Path, folder: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(program);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0);
    if is_root()? {
        let (user, group) = (id("-u")?, id("-g")?);
        std::os::unix::fs::chown(folder, Some(user), Some(group))?;
        command.uid(user).gid(group);
    }
    Ok(command)
}

fn is_root() -> anyhow::Result<bool> {
    Ok(std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own))? == 0)
}

/// A number of the user `postgres`, whom Debian's package makes.
fn id(which: &str) -> anyhow::Result<u32> {
    let said = Command::new("id").args([which, "postgres"]).output()?;
    let number = String::from_utf8_lossy(&said.stdout).trim().parse();
    number.context("there is no user `postgres`: apt-get install postgresql")
}
