//! `holdfast audit` and `holdfast token`, as an operator types them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::{KEY, Server, ask_as, command, complaint, holdfast, reserve};
use serde_json::{Value, json};

const SECRET: &str = "a secret of the shop, long enough to be one";

fn audit(folder: &Path) -> Output {
    holdfast(folder).arg("audit").env("HOLDFAST_DATA_DIR", folder.join("data")).output().unwrap()
}

fn token(folder: &Path, key: &str, text: &str) -> Output {
    fs::write(folder.join(key), text).unwrap();
    let arguments = ["token", "--buyer", "alice", "--buyer-key", key];
    holdfast(folder).args(arguments).output().unwrap()
}

/// Makes the folder of a server that was killed with two live holds and one cancelled.
fn killed_server(folder: &Path) {
    let server = Server::start(&folder.join("data"));
    server.open_sale(5, 86_400);
    let holds = ["alice", "bob", "carol"].map(|buyer| reserve(&server.address, buyer).unwrap().1);
    let path = format!("/v1/holds/{}", holds[0]["id"].as_str().unwrap());
    assert_eq!(server.ask("DELETE", &path, &Value::Null).0, 204);
    server.kill();
}

#[test]
fn the_audit_counts_what_a_killed_server_left() {
    let folder = tempfile::tempdir().unwrap();
    killed_server(folder.path());
    let output = audit(folder.path());
    assert!(output.status.success(), "{}", complaint(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    for words in ["club: entries 1 to", "ga: 3 free + 2 held + 0 sold + 0 withheld = 5"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(said.contains("2 held, 0 at the checkout, 0 sold, 1 cancelled, 0 expired"), "{said}");
    assert!(said.ends_with("1 sale audited: every promise is kept\n"), "{said}");

    // The settings file says where the data are, as it does for the server.
    fs::write(folder.path().join("holdfast.toml"), "data_dir = 'data'").unwrap();
    let output = holdfast(folder.path()).arg("audit").output().unwrap();
    assert!(output.status.success(), "{}", complaint(&output));
}

#[test]
fn without_a_sale_there_is_nothing_to_audit_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let output = audit(folder.path());
    assert!(!output.status.success());
    assert!(complaint(&output).contains("no sale to audit"), "{}", complaint(&output));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the audit left something");

    Server::start(&folder.path().join("data")).kill();
    let output = audit(folder.path());
    assert!(!output.status.success());
    assert!(complaint(&output).contains("no sale to audit"), "{}", complaint(&output));
}

/// Every file of a folder and its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn of_a_damaged_journal_it_is_said_what_to_do_and_nothing_in_it_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    killed_server(folder.path());
    let data = folder.path().join("data");
    let segment = data.join("journal/journal-0000000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[600] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let before = files(&data.join("journal"));
    for output in [audit(folder.path()), command(&data).output().unwrap()] {
        let complaint = complaint(&output);
        assert!(!output.status.success(), "{complaint}");
        assert!(complaint.contains("journal-0000000001.log is damaged at offset"), "{complaint}");
        for words in ["no record in it was changed", "receipt.key together into a new folder"] {
            assert!(complaint.contains(words), "{complaint}");
        }
        let mut after = files(&data.join("journal"));
        // It names the last process that had the folder.
        after.insert(data.join("journal/LOCK"), before[&data.join("journal/LOCK")].clone());
        assert!(after == before, "a file was changed");
    }
}

#[test]
fn a_token_lets_its_buyer_buy() {
    let folder = tempfile::tempdir().unwrap();
    let output = token(folder.path(), "buyer.key", &format!("{SECRET}\n"));
    assert!(output.status.success(), "{}", complaint(&output));
    let token = String::from_utf8(output.stdout).unwrap();
    let mut serve = command(&folder.path().join("data"));
    let server = Server::spawn(serve.arg("--buyer-key").arg(folder.path().join("buyer.key")));
    server.open_sale(5, 86_400);
    let ask = |token: &str| {
        let body = json!({ "tier": "ga", "quantity": 1 });
        ask_as(token, &server.address, "POST", "/v1/sales/club/holds", &body).unwrap()
    };
    let (status, hold) = ask(token.trim());
    assert_eq!((status, &hold["buyer"]), (201, &json!("alice")));
    assert_eq!(ask(&token.trim().replace('.', "x.")).0, 401);
}

#[test]
fn a_key_that_cannot_sign_is_refused_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let pem = |kind: &str| format!("-----BEGIN {kind} KEY-----\nAAAA\n-----END {kind} KEY-----\n");
    for (text, words) in [
        ("too short".to_owned(), "at least 32 bytes"),
        (String::new(), "at least 32 bytes"),
        (pem("PUBLIC"), "it is a public key, and only an HS256 secret signs here"),
        (pem("PRIVATE"), "it is a private key, and only an HS256 secret signs here"),
        (pem("PRIVATE"), "serve with --buyer-key twice"),
    ] {
        let target = ["--target", "http://127.0.0.1:1", "--merchant-key", KEY];
        let mut rehearse = holdfast(folder.path());
        rehearse.arg("rehearse").args(target).args(["--buyer-secret", "buyer.key"]);
        let signed = token(folder.path(), "buyer.key", &text);
        for output in [signed, rehearse.output().unwrap()] {
            assert!(!output.status.success() && output.stdout.is_empty());
            let complaint = complaint(&output);
            assert!(complaint.contains(words), "{text:?}: {complaint}");
            assert!(!complaint.contains("give the server its public key"), "{complaint}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    killed_server(folder.path());
    fs::write(folder.path().join("buyer.key"), SECRET).unwrap();
    for arguments in [
        &["audit", "--data-dir", "data"][..],
        &["token", "--buyer", "alice", "--buyer-key", "buyer.key"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = holdfast(folder.path()).args(arguments).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", complaint(&output));
        assert_eq!(complaint(&output), "", "{arguments:?}");
    }
}
