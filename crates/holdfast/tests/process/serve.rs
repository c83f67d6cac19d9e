//! The server's start and stop: what it refuses to start with, and how it goes down.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::process::{Output, Stdio};
use std::time::Duration;
use std::{fs, thread};

use crate::support::{
    KEY, Server, ask_as, command, complaint, holdfast, reserve, signal, wait_for,
};
use serde_json::Value;

fn refused(output: &Output, words: &str) {
    assert!(!output.status.success());
    assert!(complaint(output).contains(words), "{}", complaint(output));
}

#[test]
fn sigterm_lets_a_request_in_flight_finish_and_exits_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.open_sale(5, 86_400);
    let body = r#"{"tier":"ga","quantity":1,"buyer":"alice"}"#;
    let (first, rest) = body.split_at(10);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(
        stream,
        "POST /v1/sales/club/holds HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    )
    .unwrap();
    thread::sleep(Duration::from_millis(200));
    signal(&server.child, "-TERM");
    wait_for("no new connection is taken", || TcpStream::connect(&server.address).err());
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));

    let server = Server::start(folder.path());
    assert_eq!(reserve(&server.address, "alice").unwrap().0, 200, "the hold was not there");
}

#[test]
fn sigterm_stops_a_server_whose_output_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    // As `holdfast serve 2>&1 | head -1` has it.
    let (read, write) = std::io::pipe().unwrap();
    let mut server = Server::spawn(command(folder.path()).env("RUST_LOG", "info").stderr(write));
    drop((read, server.child.stdout.take()));
    server.open_sale(5, 86_400);
    assert_eq!(reserve(&server.address, "alice").unwrap().0, 201);
    signal(&server.child, "-TERM");
    let stopped = wait_for("it has stopped", || server.child.try_wait().unwrap());
    assert_eq!(stopped.code(), Some(0));

    let server = Server::start(folder.path());
    assert_eq!(reserve(&server.address, "alice").unwrap().0, 200, "the hold was not there");
}

#[test]
fn a_server_that_nobody_hears_says_by_its_exit_code_that_it_could_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let mut server = command(folder.path());
    let ended = server.args(["--listen", "nowhere"]).stderr(write).status().unwrap();
    assert_eq!(ended.code(), Some(2), "a flag that makes no sense");
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let ended = command(folder.path()).args(["--merchant-key="]).stderr(write).status().unwrap();
    assert_eq!(ended.code(), Some(1), "a key that is empty");
}

#[test]
fn a_lost_receipt_key_is_not_replaced_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    server.open_sale(5, 86_400);
    server.kill();
    let key = folder.path().join("receipt.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let output = command(folder.path()).output().unwrap();
    refused(&output, "receipt.key is missing");
    refused(&output, "backup");
    assert!(!key.exists());
    fs::write(&key, kept).unwrap();
    Server::start(folder.path());
}

#[test]
fn a_setting_that_makes_no_sense_is_refused_and_it_is_said_what_would() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys"), "# none yet\n").unwrap();
    let milliseconds = "a whole number of milliseconds, 0 to 3600000";
    for (setting, value, words) in [
        ("merchant-key", "", "a merchant key is empty"),
        ("merchant-key-file", "keys", "has no merchant key"),
        ("buyer-key", "", "a value is required"),
        ("data-dir", "", "a value is required"),
        ("listen", "localhost", "such as 127.0.0.1:8080"),
        ("listen", "8080", "such as 127.0.0.1:8080"),
        ("listen", "127.0.0.1:", "such as 127.0.0.1:8080"),
        ("metrics-listen", "127.0.0.1", "such as 127.0.0.1:8080"),
        ("limit-buyer", "10", "/s, /m or /h for a second, a minute or an hour, such as 10/s"),
        ("limit-key", "0/s", "1 to 1000000"),
        ("trusted-proxy", "proxy.shop", "a network, such as 10.0.0.0/8"),
        ("listeners", "0", "a whole number, 1 to 65535"),
        ("listen-backlog", "70000", "a whole number, 1 to 65535"),
        ("connections", "0", "a whole number, 1 to 10000000"),
        ("shed-rush-ms", "5s", milliseconds),
        ("shed-standing-ms", "6000", "no more than shed_rush_ms = 5000"),
        ("journal-segment-bytes", "32MiB", "a whole number of bytes, 4096 to 1073741824"),
        ("snapshot-bytes", "1e9", "a whole number of bytes, 1 to 1099511627776"),
    ] {
        let flag = format!("--{setting}={value}");
        refused(&holdfast(folder.path()).args(["serve", &flag]).output().unwrap(), words);
    }
    assert!(!folder.path().join("holdfast-data").exists(), "it began before it had read all");
}

#[test]
fn a_key_in_the_environment_that_is_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let key = OsStr::from_bytes(b"a-key-of-the-merchant\xff");
    let rehearse = &["rehearse", "--target", "http://127.0.0.1:1"][..];
    for arguments in [rehearse, &["serve", "--listen", "127.0.0.1:0"]] {
        let mut command = holdfast(folder.path());
        let output = command.args(arguments).env("HOLDFAST_MERCHANT_KEY", key).output().unwrap();
        refused(&output, "HOLDFAST_MERCHANT_KEY is not UTF-8");
        assert!(!complaint(&output).contains("a-key"), "{}", complaint(&output));
    }
}

#[test]
fn a_secret_in_the_place_of_its_files_name_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "c2VjcmV0c2VjcmV0/c2VjcmV0c2VjcmV0c2VjcmV0";
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for (name, words) in [
        ("HOLDFAST_BUYER_KEY", "buyer_key names no file that is there"),
        ("HOLDFAST_MERCHANT_KEY_FILE", "merchant_key_file names no file that is there"),
    ] {
        let output = holdfast(folder.path()).args(serve).env(name, secret).output().unwrap();
        refused(&output, words);
        assert!(!complaint(&output).contains("c2Vj"), "{}", complaint(&output));
    }
    let sign = ["token", "--buyer", "alice", "--buyer-key", secret];
    let output = holdfast(folder.path()).args(sign).output().unwrap();
    refused(&output, "--buyer-key names no file that is there");
    assert!(!complaint(&output).contains("c2Vj"), "{}", complaint(&output));
}

#[test]
fn an_empty_variable_is_refused_by_name_whichever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let with_empty = |name: &str, arguments: &[&str]| {
        holdfast(folder.path()).args(arguments).env(name, "").output().unwrap()
    };
    let help = with_empty("HOLDFAST_LISTEN", &["serve", "--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.status.success(), "{text}");
    // Every variable that the help names, and the help names one for every setting.
    let names: BTreeSet<_> =
        text.split("[env: ").skip(1).map(|rest| rest.split_once('=').unwrap().0).collect();
    assert_eq!(names.len(), 28, "{names:?}");
    for name in names {
        let words = format!("{name} is empty: give it a value, or unset it");
        refused(&with_empty(name, &["serve"]), &words);
    }
    refused(&with_empty("HOLDFAST_DATA_DIR", &["audit"]), "HOLDFAST_DATA_DIR is empty");
}

#[test]
fn an_address_that_cannot_be_had_is_named_and_it_is_said_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let serve = |arguments: &[&str]| {
        let arguments = [&["serve", "--data-dir", "data"], arguments].concat();
        holdfast(folder.path()).args(arguments).output().unwrap()
    };
    let output = serve(&["--listen", &taken]);
    refused(&output, &format!("--listen {taken}: something listens there already"));
    refused(&output, "choose another port");
    let output = serve(&["--listen", "127.0.0.1:0", "--metrics-listen", &taken]);
    refused(&output, &format!("--metrics-listen {taken}: something listens there already"));
    refused(&serve(&["--listen", "192.0.2.1:0"]), "this machine has no such address");
    assert!(!folder.path().join("data").exists(), "it began before it could listen");
}

#[test]
fn at_its_start_a_server_says_what_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let file = "limit_network = '100/s'\ntrusted_proxy = '10.0.0.7'\nconnections = 50\n";
    fs::write(folder.path().join("holdfast.toml"), file).unwrap();
    let mut serve = holdfast(folder.path());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--limit-buyer", "off"]);
    let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = lines.by_ref().take(10).collect();
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
    let folder = folder.path().canonicalize().unwrap();
    let folder = folder.display();
    assert!(said[0].starts_with("listening on http://127.0.0.1:"), "{said:?}");
    assert!(said[1].starts_with(concat!("holdfast ", env!("CARGO_PKG_VERSION"), ", plain HTTP")));
    assert_eq!(
        said[2..9],
        [
            format!("  data         {folder}/holdfast-data"),
            format!("  settings     {folder}/holdfast.toml"),
            "  metrics      /metrics, for merchants".to_owned(),
            "  orders       sqlite".to_owned(),
            "  payments     SIMULATED: no money moves; 25/s at each endpoint".to_owned(),
            "  connections  50 at most, as was set".to_owned(),
            "  limits       a buyer off, a merchant key off, a network 100/s; behind 10.0.0.7/32"
                .to_owned(),
        ]
    );
    assert!(said[9].starts_with("merchant key, good until this server stops: "), "{said:?}");
}

#[test]
fn a_key_by_flag_stands_alone_whatever_the_environment_names() {
    let folder = tempfile::tempdir().unwrap();
    let other = "a-key-that-the-environment-names";
    fs::write(folder.path().join("keys"), other).unwrap();
    let mut serve = command(&folder.path().join("data"));
    serve.env_remove("HOLDFAST_MERCHANT_KEY").args(["--merchant-key", KEY]);
    serve.env("HOLDFAST_MERCHANT_KEY_FILE", folder.path().join("keys"));
    let server = Server::spawn(&mut serve);
    let list = |key| ask_as(key, &server.address, "GET", "/v1/sales", &Value::Null).unwrap().0;
    assert_eq!((list(KEY), list(other)), (200, 401));
}

#[test]
fn a_server_goes_on_when_nobody_reads_what_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut serve = holdfast(folder.path());
    serve.args(["serve", "--demo", "--listen", &free]).stdout(writer);
    let mut child = serve.spawn().unwrap();
    wait_for("it listens", || TcpStream::connect(&free).ok());
    thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "it died of a closed pipe");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn who_cannot_buy_is_said_at_the_start_and_in_no_colour() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = command(folder.path());
    serve.env("RUST_LOG", "warn").env("NO_COLOR", "1").stderr(Stdio::piped());
    let mut server = Server::spawn(&mut serve);
    signal(&server.child, "-TERM");
    assert!(server.child.wait().unwrap().success());
    let mut said = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("only merchants can buy") && !said.contains('\x1b'), "{said}");
}
