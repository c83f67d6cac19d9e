//! `holdfast provider` as a process: killed, stopped, started wrongly.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::support::{Server, ask_as, complaint, holdfast, signal, wait_for};
use serde_json::{Value, json};

const SECRET: &str = "a-secret-for-the-tests";

/// `holdfast provider` on a free port, in the folder `bank`.
fn provider(folder: &Path) -> Command {
    let mut command = holdfast(folder);
    command.args(["provider", "--listen", "127.0.0.1:0", "--data-dir", "bank"]);
    command
}

fn secret(folder: &Path) -> String {
    fs::read_to_string(folder.join("bank/provider.secret")).unwrap()
}

fn authorise(secret: &str, address: &str, reference: &str) -> (u16, Value) {
    let body = json!({ "reference": reference, "amount": 100, "currency": "EUR" });
    ask_as(secret, address, "POST", "/payments", &body).unwrap()
}

#[test]
fn a_provider_that_is_killed_knows_its_payments_and_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::spawn(&mut provider(folder.path()));
    let key = secret(folder.path());
    let (status, payment) = authorise(&key, &server.address, "mine-1");
    assert_eq!((status, &payment["status"]), (201, &json!("authorised")));
    assert_eq!(authorise("another-secret-than-that", &server.address, "mine-2").0, 401);
    server.kill();

    let server = Server::spawn(&mut provider(folder.path()));
    assert_eq!(secret(folder.path()), key);
    let look = ask_as(&key, &server.address, "GET", "/payments", &Value::Null).unwrap();
    assert_eq!(look, (200, json!({ "payments": [payment] })));
}

#[test]
fn sigterm_stops_it_though_a_call_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::spawn(provider(folder.path()).args(["--secret", SECRET]));
    assert!(!folder.path().join("bank/provider.secret").exists(), "a secret was made for nobody");
    let body = r#"{"reference":"mine-1","amount":1,"currency":"EUR","manner":"never"}"#;
    let mut hung = TcpStream::connect(&server.address).unwrap();
    write!(
        hung,
        "POST /payments HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {SECRET}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    assert_eq!(authorise(SECRET, &server.address, "mine-2").0, 201);
    signal(&server.child, "-TERM");
    let status = wait_for("it has ended", || server.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn flags_go_over_the_environment_and_a_file_may_have_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    let file = [("HOLDFAST_PROVIDER_SECRET_FILE", "secret")];
    let server = Server::spawn(provider(folder.path()).envs(file));
    assert_eq!(authorise(SECRET, &server.address, "mine-1").0, 201);
    server.kill();
    let flag = ["--secret", "the-secret-of-the-flag"];
    let server = Server::spawn(provider(folder.path()).envs(file).args(flag));
    assert_eq!(authorise(SECRET, &server.address, "mine-2").0, 401);
    assert_eq!(authorise(flag[1], &server.address, "mine-2").0, 201);
}

#[test]
fn what_it_cannot_start_with_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let running = Server::spawn(&mut provider(folder.path()));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, words) in [
        (&[][..], "in use by another process"),
        (&["--listen", &address], "choose another port"),
        (&["--listen", "localhost"], "such as 127.0.0.1:8080"),
        (&["--secret", "too-short"], "at least 16 visible"),
        (&["--secret-file", "c2VjcmV0"], "not the secret itself"),
        (&["--webhooks", "https://127.0.0.1/hooks"], "http://127.0.0.1:8090"),
    ] {
        let mut command = holdfast(folder.path());
        command.args(["provider", "--data-dir", "bank"]).args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let output = command.output().unwrap();
        let complaint = complaint(&output);
        assert!(
            !output.status.success() && complaint.contains(words),
            "{arguments:?}: {complaint}"
        );
        assert!(!complaint.contains("too-short") && !complaint.contains("c2Vj"), "{complaint}");
    }
    let help = holdfast(folder.path()).args(["provider", "--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&help.stdout).contains("PUT http://127.0.0.1:8090/manners"));
    running.kill();
}
