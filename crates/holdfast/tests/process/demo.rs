//! `holdfast serve --demo`: what it prints can be pasted into a shell, and what it says is so.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::{KEY, holdfast, wait_for};
use serde_json::Value;

/// A running demo and what it said.
struct Demo {
    child: Child,
    address: String,
    said: String,
}

impl Demo {
    fn start(serve: &mut Command) -> Self {
        serve.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--data-dir", "my data"]);
        let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let mut next = || lines.next().expect("the demo ended").unwrap();
        let address = next().strip_prefix("listening on ").unwrap().to_owned();
        let mut said = String::new();
        while !said.contains("Stop with Ctrl-C") {
            said += &(next() + "\n");
        }
        Self { child, address, said }
    }

    /// The commands that were printed and have these words.
    fn commands(&self, words: &str) -> Vec<String> {
        let joined = self.said.replace("\\\n", "");
        let commands = joined.lines().filter_map(|line| line.strip_prefix("  "));
        commands.filter(|command| command.contains(words)).map(str::to_owned).collect()
    }

    /// The only such command.
    fn command(&self, words: &str) -> String {
        let [command] = self.commands(words).try_into().unwrap();
        command
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pastes a command into a shell somewhere else.
fn paste(command: &str) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir("/").env("MERCHANT_KEY", KEY);
    shell.output().unwrap()
}

fn answer(command: &str) -> Value {
    let output = paste(command);
    assert_eq!(output.stdout.last(), Some(&b'\n'), "the prompt sticks to it: {command}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{command}: {output:?}"))
}

/// Pastes every command, and returns the buyer's hold.
fn try_everything(demo: &Demo) -> Value {
    assert_eq!(answer(&demo.commands("curl")[0])["status"], "open");
    let buy = demo.command("token --buyer you");
    let hold = answer(&buy);
    assert_eq!((&hold["status"], &hold["buyer"]), (&"held".into(), &"you".into()), "{hold}");
    assert_eq!(answer(&buy)["id"], hold["id"], "said twice, it is the same hold");
    let merchants = answer(&demo.command("\"buyer\":\"somebody\""));
    assert_eq!(merchants["status"], "held", "{merchants}");
    let pay = demo.command("/checkout");
    assert_eq!(answer(&pay)["hold"]["id"], merchants["id"], "{pay}");
    wait_for("it is paid", || (answer(&pay)["payment"]["status"] == "paid").then_some(()));
    let orders = answer(&demo.command("/orders"));
    assert_eq!(orders["items"][0]["buyer"], "somebody", "{orders}");
    let audit = answer(&demo.command("/audit"));
    assert_eq!((&audit["ok"], &audit["holds"]["held"]), (&true.into(), &1.into()), "{audit}");
    assert_eq!(audit["money"]["captured"], 1, "{audit}");
    assert!(!demo.said.contains("--merchant-key "), "a key would be in `ps`: {}", demo.said);
    let rehearse =
        demo.command("rehearse") + " --buyers 40 --over 0s --capacity 5 --think 0s --late 0";
    let output = paste(&rehearse);
    assert!(output.status.success(), "{rehearse}: {output:?}");
    hold["id"].clone()
}

#[test]
fn what_the_demo_prints_works_and_still_does_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(&mut holdfast(folder.path()));
    assert!(demo.said.contains("is open: 5000 of 5000 standing free, 200 of 200"), "{}", demo.said);
    let hold = try_everything(&demo);
    let (buy, before) = (demo.command("token --buyer you"), demo.address.clone());
    drop(demo);

    let demo = Demo::start(&mut holdfast(folder.path()));
    let again = answer(&buy.replace(&before, &demo.address));
    assert_eq!(again["id"], hold, "what was pasted before the restart");
    let words = "is open, from an earlier start: 4998 of 5000 standing free, 199 of 200";
    assert!(demo.said.contains(words), "{}", demo.said);

    assert_eq!(close(&demo, folder.path())["status"], "closed");
    drop(demo);
    let demo = Demo::start(&mut holdfast(folder.path()));
    assert!(demo.said.contains("closed for good"), "{}", demo.said);
    assert_eq!(demo.commands("/holds"), Vec::<String>::new(), "nobody can hold anything now");
}

fn close(demo: &Demo, folder: &Path) -> Value {
    let key = std::fs::read_to_string(folder.join("my data/demo-merchant.key")).unwrap();
    let address = demo.address.strip_prefix("http://").unwrap();
    crate::support::ask_as(&key, address, "POST", "/v1/sales/demo/close", &Value::Null).unwrap().1
}

#[test]
fn a_key_that_was_given_is_used_and_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = format!("another-key-that-was-given,{KEY}");
    std::fs::write(folder.path().join("buyer.key"), "a secret of more than thirty-two bytes")
        .unwrap();
    let mut serve = holdfast(folder.path());
    serve.env("HOLDFAST_MERCHANT_KEY", keys).env("HOLDFAST_BUYER_KEY", "buyer.key");
    let demo = Demo::start(&mut serve);
    assert!(!demo.said.contains(KEY), "{}", demo.said);
    assert!(demo.said.contains("a merchant key of yours from $MERCHANT_KEY"), "{}", demo.said);
    try_everything(&demo);
    for name in ["demo-merchant.key", "demo-buyer.key"] {
        assert!(!folder.path().join("my data").join(name).exists(), "{name}");
    }
}

/// An Ed25519 public key, as openssl writes it.
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

#[test]
fn where_no_token_can_be_signed_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("buyers.pem"), PUBLIC).unwrap();
    let demo = Demo::start(holdfast(folder.path()).env("HOLDFAST_BUYER_KEY", "buyers.pem"));
    assert_eq!(demo.commands("token"), Vec::<String>::new(), "{}", demo.said);
    assert!(demo.said.contains("a token that your shop has signed"), "{}", demo.said);
    let merchants = answer(&demo.command("\"buyer\":\"somebody\""));
    assert_eq!(merchants["status"], "held", "{merchants}");
}
