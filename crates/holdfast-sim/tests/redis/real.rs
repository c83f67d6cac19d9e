//! Real servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use holdfast_sim::redis::{Command, Reply, command};
use tempfile::TempDir;

use crate::side::Side;

/// The programs, by where they are. `crates/holdfast-testkit/install-redis` gets the last two.
pub(crate) fn programs() -> [(&'static str, PathBuf); 3] {
    let home = std::env::var_os("HOME").expect("HOME is set");
    let wheels = PathBuf::from(home).join(".cache/holdfast/redis-1");
    [
        ("Redis 7.0", "/usr/bin/redis-server".into()),
        ("Redis 8.2", wheels.join("redis-server-8")),
        ("Valkey 8.1", wheels.join("valkey-server-8")),
    ]
}

/// A server that keeps what it is told, and ends with this thread.
pub(crate) struct Real {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    process: Child,
    stream: BufReader<TcpStream>,
}

impl Real {
    pub(crate) fn start(program: &PathBuf) -> Self {
        assert!(program.exists(), "{} is missing", program.display());
        let folder = tempfile::Builder::new().prefix("redis-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = launch(program, &folder, port);
        let stream = connect(port);
        Self { program: program.clone(), folder, port, process, stream }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn connect(&self) -> BufReader<TcpStream> {
        connect(self.port)
    }

    /// What follows a name in `INFO`.
    pub(crate) fn info(&self, name: &str) -> String {
        let info = ask(&mut self.connect(), &command(&["INFO", "everything"]));
        let Reply::Bytes(info) = info else { panic!("{info:?}") };
        let info = String::from_utf8_lossy(&info).into_owned();
        info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(program: &PathBuf, folder: &TempDir, port: u16) -> Child {
    let mut process = Process::new("setpriv");
    process.args(["--pdeathsig", "KILL"]).arg(program).arg("--dir").arg(folder.path());
    process.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    process.args([
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--repl-diskless-sync-delay",
        "0",
    ]);
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    process.spawn().unwrap()
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Connects once the server answers.
fn connect(port: u16) -> BufReader<TcpStream> {
    let mut answers = None;
    until("it answers", || {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        stream.set_nodelay(true).unwrap();
        let mut stream = BufReader::new(stream);
        let pong = ask(&mut stream, &command(&["PING"]));
        answers = Some(stream);
        pong == Reply::text("PONG")
    });
    answers.unwrap()
}

/// Sends a command and reads its reply.
pub(crate) fn ask(stream: &mut BufReader<TcpStream>, command: &Command) -> Reply {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend_from_slice(word);
        bytes.extend(b"\r\n");
    }
    stream.get_mut().write_all(&bytes).unwrap();
    read(stream)
}

fn read(stream: &mut BufReader<TcpStream>) -> Reply {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let line = line.trim_end();
    let Some(kind) = line.chars().next() else {
        return Reply::Error("the connection is gone".into());
    };
    let rest = &line[1..];
    match kind {
        '+' => Reply::text(rest),
        '-' => Reply::Error(rest.to_owned()),
        ':' => Reply::Number(rest.parse().unwrap()),
        '*' => Reply::List((0..rest.parse().unwrap()).map(|_| read(stream)).collect()),
        _ => {
            let Ok(length) = rest.parse::<usize>() else { return Reply::Nil };
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes).unwrap();
            bytes.truncate(length);
            Reply::Bytes(bytes)
        }
    }
}

impl Side for Real {
    fn call(&mut self, command: &Command) -> Reply {
        ask(&mut self.stream, command)
    }

    fn demote(&mut self) {
        self.call(&command(&["REPLICAOF", "127.0.0.1", "1"]));
    }

    fn promote(&mut self) {
        self.call(&command(&["REPLICAOF", "NO", "ONE"]));
    }

    fn restart(&mut self) {
        self.kill();
        self.process = launch(&self.program, &self.folder, self.port);
        self.stream = connect(self.port);
    }
}
