//! `holdfast rehearse`, end to end: its own server or one that runs, to the end or stopped.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{KEY, Server, command, complaint, holdfast, signal, wait_for};
use serde_json::{Value, json};

/// A small rehearsal in this folder, in which nobody pays late.
fn rehearse(folder: &Path) -> Command {
    let mut rehearse = holdfast(folder);
    rehearse.args(["rehearse", "--buyers", "300", "--over", "1s", "--capacity", "50"]);
    rehearse.args(["--think", "200ms", "--late", "0"]);
    rehearse
}

/// One that does not end by itself for a minute; waits until its server and its two generators
/// run, and gives their process ids.
fn long_rehearsal(folder: &Path) -> (Child, Vec<String>) {
    let mut rehearse = holdfast(folder);
    rehearse.args(["rehearse", "--buyers", "600", "--over", "1m", "--processes", "2"]);
    let rehearsal = rehearse.spawn().unwrap();
    let children =
        wait_for("its children run", || Some(children(&rehearsal)).filter(|c| c.len() == 3));
    // Time to get from there into the rush.
    sleep(Duration::from_secs(1));
    (rehearsal, children)
}

fn children(parent: &Child) -> Vec<String> {
    let children = format!("/proc/{0}/task/{0}/children", parent.id());
    let children = fs::read_to_string(children).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

/// Whether a process has ended; who inherited it may not have taken note yet.
fn ended(process: &str) -> Option<()> {
    match fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => stat.contains(") Z ").then_some(()),
        Err(_) => Some(()),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn report(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("report.json")).unwrap()).unwrap()
}

#[test]
fn a_rehearsal_with_its_own_server_is_held_judged_and_tidied_away() {
    let folder = tempfile::tempdir().unwrap();
    // Neither the settings of another server nor its environment are for this one.
    fs::write(folder.path().join("holdfast.toml"), "nonsense = 1").unwrap();
    let mut rehearse = rehearse(folder.path());
    rehearse.args(["--json", "report.json"]).env("HOLDFAST_LISTEN", "192.0.2.1:1");
    let output = rehearse.env("HOLDFAST_MERCHANT_KEY", KEY).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.lines().last().unwrap().starts_with("OK"), "{said}");
    let report = report(folder.path());
    assert_eq!((&report["ok"], &report["crowd"]["won"]), (&json!(true), &json!(50)), "{report}");
    assert_eq!(report["crowd"]["lost_by_code"], json!({ "all_held": 250 }));
    assert_eq!(report["plan"]["buyer_tokens"], true);
    assert_eq!(report["verdict"]["checked"]["audited"], true);
    let money = &report["money"];
    assert_eq!(money["payments_per_second"], 35, "as many as begin in a second: {money}");
    assert_eq!((&money["orders"], &money["not_done"]), (&money["paid"], &json!(0)), "{money}");
    let gone = ["declined", "left", "handed_back"].map(|what| money[what].as_u64().unwrap());
    let paid = money["paid"].as_u64().unwrap();
    assert_eq!(paid + gone.iter().sum::<u64>(), 50, "{money}");
    assert_eq!(money["amount"], paid * 1_000);
    let checks = money["checks"].as_array().unwrap();
    assert!(checks.len() == 9 && checks.iter().all(|check| check["held"] == true), "{money}");
    let mut left = names(folder.path());
    left.sort_unstable();
    assert_eq!(left, ["holdfast.toml", "report.json"]);
}

#[test]
fn a_rehearsal_against_a_running_server_brings_tokens_if_it_has_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "a secret of the shop, long enough to be one\n")
        .unwrap();
    let mut serve = command(&folder.path().join("data"));
    let server = Server::spawn(serve.arg("--buyer-key").arg(folder.path().join("secret")));
    for (arguments, tokens) in [(&[][..], false), (&["--buyer-secret", "secret"], true)] {
        let mut rehearse = rehearse(folder.path());
        rehearse.args(["--target", &format!("http://{}", server.address), "--json", "report.json"]);
        let output = rehearse.args(arguments).env("HOLDFAST_MERCHANT_KEY", KEY).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        assert_eq!(report(folder.path())["plan"]["buyer_tokens"], tokens);
    }
    assert_eq!(statuses(&server), ["closed", "closed"]);
}

fn statuses(server: &Server) -> Vec<String> {
    let (_, page) = server.ask("GET", "/v1/sales", &Value::Null);
    let sales = page["items"].as_array().unwrap().iter();
    sales.map(|sale| sale["status"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn money_that_comes_late_buys_another_unit_or_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = command(&folder.path().join("data"));
    let server = Server::spawn(serve.args(["--payments-per-second", "500"]));
    let mut rehearse = holdfast(folder.path());
    rehearse.args(["rehearse", "--buyers", "20", "--over", "0s", "--capacity", "10"]);
    rehearse.args(["--think", "0s", "--late", "5", "--json", "report.json"]);
    rehearse.args(["--target", &format!("http://{}", server.address)]);
    let output = rehearse.env("HOLDFAST_MERCHANT_KEY", KEY).output().unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{}", complaint(&output));
    let money = &report(folder.path())["money"];
    assert_eq!((&money["late"], &money["payments_per_second"]), (&json!(5), &Value::Null));
    let count = |what: &str| money[what].as_u64().unwrap();
    assert_eq!(count("late_with_unit") + count("late_without"), 5, "{money}");
    assert_eq!(count("orders"), count("paid") + count("late_with_unit"), "{money}");
    assert_eq!(statuses(&server), ["closed", "closed"]);
}

#[test]
fn what_cannot_work_is_refused_before_the_rush() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = |name: &str, text: &str| {
        let path = elsewhere.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let keys = file("keys", &format!("{KEY}\n{KEY}-of-another-shop\n"));
    let hash = file("hash", &format!("sha256:{}\n", "0".repeat(64)));
    for (arguments, words) in [
        (&["--merchant-key", KEY][..], "--target"),
        (&["--target", "http://127.0.0.1:1"], "--merchant-key"),
        (&["--json", "no/such/folder.json"], "no/such/folder.json"),
        (&["--hold-seconds", "60"], "a hold must outlast the rehearsal"),
        (&["--processes", "0"], "processes"),
        (&["--arrivals", "many over 1s"], "\"many\" is not a number of buyers"),
        (&["--retries", "120%"], "a share is within 0% and 100%"),
        (&["--pay", "101%"], "a share is within 0% and 100%"),
        (&["--payments-per-second", "0"], "0 is not in 1..=10000"),
        (&["--retries", "60%", "--bots", "60%"], "more than the whole crowd"),
        (&["--html", "no/such/folder.html"], "write no/such/folder.html: no/such is not a folder"),
        (&["--target", "http://127.0.0.1:1", "--merchant-key-file", &keys], "on lines 1 and 2"),
        (&["--target", "http://127.0.0.1:1", "--merchant-key-file", &hash], "line 1, is the hash"),
        (&["--connections", "0"], "connections"),
    ] {
        let output = rehearse(folder.path()).args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(complaint(&output).contains(words), "{arguments:?}: {}", complaint(&output));
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}

#[test]
fn a_rehearsal_that_is_interrupted_leaves_nothing_behind() {
    for name in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let (mut rehearsal, children) = long_rehearsal(folder.path());
        assert_eq!(names(folder.path()).len(), 1, "its folder is here");
        signal(&rehearsal, name);
        let status = wait_for("the rehearsal ends", || rehearsal.try_wait().unwrap());
        assert!(!status.success());
        children.iter().for_each(|child| wait_for("its children end", || ended(child)));
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}

#[test]
fn a_rehearsal_that_is_killed_takes_its_children_along() {
    let folder = tempfile::tempdir().unwrap();
    let (mut rehearsal, children) = long_rehearsal(folder.path());
    rehearsal.kill().unwrap();
    rehearsal.wait().unwrap();
    children.iter().for_each(|child| wait_for("its children end", || ended(child)));
}

#[test]
fn a_rehearsal_whose_generator_dies_says_so_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let mut rehearse = holdfast(folder.path());
    rehearse.args(["rehearse", "--buyers", "600", "--over", "1m", "--processes", "2"]);
    rehearse.args(["--target", &format!("http://{}", server.address)]);
    rehearse.env("HOLDFAST_MERCHANT_KEY", KEY).stderr(Stdio::piped());
    let rehearsal = rehearse.spawn().unwrap();
    let generators = wait_for("they run", || Some(children(&rehearsal)).filter(|c| c.len() == 2));
    let killed = Command::new("kill").args(["-KILL", &generators[1]]).status().unwrap();
    assert!(killed.success());
    let output = rehearsal.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("a generator of the crowd"), "{}", complaint(&output));
    assert!(complaint(&output).contains("SIGKILL"), "{}", complaint(&output));
    wait_for("the other one ends", || ended(&generators[0]));
    assert_eq!(statuses(&server), ["closed"]);
}

#[test]
fn a_crowd_of_every_kind_in_several_processes_is_played_judged_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("arrivals.csv"), "at,path\n0.1,/buy\n100ms,/buy\n0.2,/buy\n")
        .unwrap();
    let mut rehearse = holdfast(folder.path());
    let waves = "ramp 0/s to 400/s for 1s, recorded arrivals.csv, poisson 100/s for 1s, 20 at once";
    rehearse.args(["rehearse", "--arrivals", waves, "--capacity", "50", "--processes", "3"]);
    rehearse.args(["--give-back", "20%", "--vanish", "10%", "--bots", "10%", "--tries", "3"]);
    rehearse.args(["--json", "report.json", "--html", "report.html", "--patience", "5s"]);
    rehearse.args(["--think", "100ms", "--late", "0"]);
    let output = rehearse.env("HOLDFAST_REHEARSE_RETRIES", "20%").output().unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{}", complaint(&output));
    let report = report(folder.path());
    assert_eq!(report["plan"]["processes"], 3);
    assert_eq!(report["plan"]["manners"]["retries"], 0.2);
    assert_eq!(report["load"]["generators"].as_array().unwrap().len(), 3);
    let waves = report["waves"].as_array().unwrap();
    let buyers: Vec<_> = waves.iter().map(|wave| wave["buyers"].as_u64().unwrap()).collect();
    assert_eq!((buyers[0], buyers[1], buyers[3]), (200, 3, 20), "{buyers:?}");
    assert!(report["crowd"]["vanished"].as_u64().unwrap() > 0, "{report}");
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg"), "{page}");
}

#[test]
fn a_bad_line_of_recorded_arrivals_is_refused_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("arrivals"), "0\n0.5\nlater\n").unwrap();
    let mut rehearse = holdfast(folder.path());
    let output = rehearse.args(["rehearse", "--arrivals", "recorded arrivals"]).output().unwrap();
    assert!(complaint(&output).contains("line 3, \"later\""), "{}", complaint(&output));
}

#[test]
fn a_rehearsal_that_is_interrupted_closes_its_sale_on_the_target() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let mut rehearse = holdfast(folder.path());
    rehearse.args([
        "rehearse",
        "--over",
        "1m",
        "--buyers",
        "600",
        "--target",
        &format!("http://{}", server.address),
    ]);
    rehearse.args(["--json", "report.json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let rehearsal = rehearse.env("HOLDFAST_MERCHANT_KEY", KEY).spawn().unwrap();
    let held = || {
        let (_, page) = server.ask("GET", "/v1/sales", &Value::Null);
        let sale = page["items"][0]["id"].as_str()?.to_owned();
        let (_, view) = server.ask("GET", &format!("/v1/sales/{sale}"), &Value::Null);
        view["tiers"][0]["held"].as_u64().filter(|held| *held > 2)
    };
    wait_for("buyers hold some units", held);
    signal(&rehearsal, "-INT");
    let output = rehearsal.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).starts_with("interrupted: "), "{}", complaint(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("CUT SHORT") && said.ends_with("it was cut short\n"), "{said}");
    let report = report(folder.path());
    assert_eq!((&report["cut_short"], &report["ok"]), (&json!(true), &json!(false)));
    assert!(report["crowd"]["won"].as_u64() > Some(2), "{report}");
    assert_eq!(statuses(&server), ["closed"]);
}

#[test]
fn a_secret_that_is_not_the_servers_is_told_at_once_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["secret", "another"] {
        let text = format!("a secret of the shop, long enough to be one: {name}\n");
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut serve = command(&folder.path().join("data"));
    let server = Server::spawn(serve.arg("--buyer-key").arg(folder.path().join("secret")));
    let mut rehearse = rehearse(folder.path());
    rehearse.args(["--target", &format!("http://{}", server.address)]);
    rehearse.args(["--buyer-secret", "another"]).env("HOLDFAST_MERCHANT_KEY", KEY);
    let output = rehearse.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    for words in ["the server said 401 unauthorised", "--buyer-key", "--buyer-secret"] {
        assert!(complaint(&output).contains(words), "{}", complaint(&output));
    }
    assert_eq!(statuses(&server), ["closed"]);
}

#[test]
fn bots_whom_the_server_limits_are_no_failure_if_that_is_their_limit() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "a secret of the shop, long enough to be one\n")
        .unwrap();
    let mut serve = command(&folder.path().join("data"));
    serve.arg("--buyer-key").arg(folder.path().join("secret"));
    let server = Server::spawn(serve.args(["--limit-buyer", "5/s"]));
    for (limit, code) in [("5/s", 0), ("100/s", 1)] {
        let mut rehearse = holdfast(folder.path());
        rehearse.args(["rehearse", "--buyers", "40", "--over", "200ms", "--capacity", "5"]);
        rehearse.args(["--bots", "100%", "--tries", "40", "--bot-pause", "5ms", "--pay", "0%"]);
        rehearse.args(["--target", &format!("http://{}", server.address)]);
        rehearse.args(["--buyer-secret", "secret", "--limit-buyer", limit]);
        let output = rehearse.env("HOLDFAST_MERCHANT_KEY", KEY).output().unwrap();
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}{}", complaint(&output));
        assert!(said.contains("429 rate_limited") && said.contains("a rule of it"), "{said}");
        assert_eq!(said.contains("rightly: they had asked too often"), code == 0, "{said}");
        assert_eq!(said.contains("--limit-key"), code == 1, "{said}");
    }
}

#[test]
fn a_flag_can_be_set_in_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    for (value, ok) in [("1", true), ("0", true), ("maybe", false)] {
        let mut rehearse = holdfast(folder.path());
        rehearse.args(["rehearse", "--buyers", "5", "--over", "0s", "--json", "report.json"]);
        rehearse.args(["--pay", "0%"]);
        let output = rehearse.env("HOLDFAST_REHEARSE_ALLOW_SHED", value).output().unwrap();
        assert_eq!(output.status.success(), ok, "{value}: {}", complaint(&output));
        if ok {
            assert_eq!(report(folder.path())["plan"]["allow_shed"], value == "1");
        } else {
            let words = "in the environment it is 1 or 0";
            assert!(complaint(&output).contains(words), "{}", complaint(&output));
        }
    }
}
