//! The server's start and stop: what it refuses to start with, and how it goes down.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
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
fn a_setting_that_was_named_and_says_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("keys"), "# none yet\n").unwrap();
    let serve = |arguments: &[&str]| {
        let mut command = holdfast(folder.path());
        command.arg("serve").args(arguments).output().unwrap()
    };
    refused(&serve(&["--merchant-key", ""]), "a merchant key is empty");
    refused(&serve(&["--merchant-key-file", "keys"]), "has no merchant key");
    refused(&serve(&["--listen", "localhost"]), "such as 127.0.0.1:8080");
    let empty = holdfast(folder.path()).arg("serve").env("HOLDFAST_MERCHANT_KEY", "").output();
    refused(&empty.unwrap(), "a merchant key is empty");
    assert!(!folder.path().join("holdfast-data").exists(), "it began before it had read all");
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
    serve.env("RUST_LOG", "warn").env("NO_COLOR", "1").stderr(std::process::Stdio::piped());
    let mut server = Server::spawn(&mut serve);
    signal(&server.child, "-TERM");
    assert!(server.child.wait().unwrap().success());
    let mut said = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("only merchants can buy") && !said.contains('\x1b'), "{said}");
}
