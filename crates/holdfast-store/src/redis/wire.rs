//! A connection to a real server, and its protocol.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{
    Client, Connection, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisError, Value,
};

use super::link::{Command, Link, Reply};

/// How long a server may take to be connected to.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_millis(500);

/// How long it may be silent: longer than it waits for its replicas.
pub(super) const SILENCE_MAX: Duration = Duration::from_millis(800);

/// What is sent at once without more patience for it; and how many bytes a server takes in a second,
/// with its disk's flush.
const AT_ONCE_BYTES: usize = 4 << 20;
const BYTES_PER_SECOND: usize = 8 << 20;

/// A connection to a real server.
pub(super) struct Wire(Connection);

impl Wire {
    /// Connects, and says nothing yet.
    pub(super) fn connect(host: &str, port: u16, is_tls: bool) -> Result<Self, RedisError> {
        let address = if is_tls {
            trust_tls();
            let host = host.to_owned();
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host.to_owned(), port)
        };
        // It says nothing by itself: not before it is known how long one waits for an answer.
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let settings = settings.set_protocol(ProtocolVersion::RESP2);
        let info = address.into_connection_info()?.set_redis_settings(settings);
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let connection = Client::open(info)?.get_connection_with_timeout(CONNECT_PATIENCE)?;
        connection.set_read_timeout(Some(SILENCE_MAX))?;
        connection.set_write_timeout(Some(SILENCE_MAX))?;
        Ok(Self(connection))
    }

    /// Sends commands and takes the replies, or says why the connection is of no more use.
    pub(super) fn ask(&mut self, commands: &[Command]) -> Result<Vec<Reply>, String> {
        let mut packed = Vec::new();
        commands.iter().for_each(|command| pack(command, &mut packed));
        let why = |error: RedisError| broken(&error);
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

/// TLS needs somebody who does the sums. Whoever was faster has installed the same.
fn trust_tls() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

impl Link for Wire {
    fn call(&mut self, commands: &[Command]) -> Result<Vec<Reply>, String> {
        self.ask(commands).map_err(|why| format!("Redis: {why}"))
    }
}

/// What a server refuses is a reply; what breaks is not.
fn refused(error: &RedisError) -> Result<Reply, String> {
    if error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error() {
        return Err(broken(error));
    }
    let Some(code) = error.code() else { return Ok(Reply::Error(error.to_string())) };
    Ok(Reply::Error(worded(code, error.detail())))
}

/// Why a connection is of no more use. The system's own words for silence are no help.
fn broken(error: &RedisError) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    if error.is_connection_dropped() {
        return "the connection has ended".to_owned();
    }
    error.to_string()
}

/// A refusal as the server has said it.
fn worded(code: &str, detail: Option<&str>) -> String {
    detail.map_or_else(|| code.to_owned(), |detail| format!("{code} {detail}"))
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
        Value::ServerError(error) => Reply::Error(worded(error.code(), error.details())),
        other => Reply::Error(format!("a reply of a kind that was not asked for: {other:?}")),
    }
}
