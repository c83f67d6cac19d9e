//! Calls and what must come of them, as `calls.txt` writes them.

use holdfast_sim::redis::{Command, Reply, command};

use crate::side::Side;

const CALLS: &str = include_str!("calls.txt");

/// Plays all of `calls.txt` with a library; says what came otherwise, if anything did.
pub(crate) fn play(side: &mut dyn Side, library: &str) -> Result<(), String> {
    let mut played = 0;
    for (number, line) in (1..).zip(CALLS.lines()) {
        if line.starts_with("==") {
            side.begin(library);
        } else if !line.is_empty() && !line.starts_with('#') {
            let (what, wanted) = line.split_once(" =>").unwrap_or((line, ""));
            let came = step(side, what);
            played += 1;
            if came != wanted.trim() {
                return Err(format!("line {number}: {what}\n wanted:{wanted}\n   came: {came}"));
            }
        }
    }
    assert!(played > 100, "there were {played} calls");
    Ok(())
}

fn step(side: &mut dyn Side, what: &str) -> String {
    let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
    match word {
        "demote" => side.demote(),
        "promote" => side.promote(),
        "restart" => side.restart(),
        "holds" => return holds(side, rest),
        "!" => return show(&side.call(&command(&rest.split(' ').collect::<Vec<_>>()))),
        "times" => {
            let (times, what) = rest.split_once(' ').expect("times n line");
            let times: usize = times.parse().expect("a number of times");
            let turn = |nth: usize| step(side, &what.replace('#', &nth.to_string()));
            return (0..times).map(turn).last().unwrap_or_default();
        }
        _ => return show(&side.call(&call(what))),
    }
    String::new()
}

/// `node[:token[:epoch]] function arguments` as a command.
pub(crate) fn call(what: &str) -> Command {
    let words: Vec<&str> =
        what.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
    let [caller, function, args @ ..] = &words[..] else { panic!("{what}") };
    let mut caller = caller.split(':');
    let mut part = |otherwise| caller.next().unwrap_or(otherwise);
    let (node, token, epoch) = (part(""), part("t"), part("5"));
    let keys = keys(function, args.first().unwrap_or(&""));
    let args = if matches!(*function, "position" | "fetch") { &args[1..] } else { args };
    let (function, count) = (format!("holdfast_V_{function}"), keys.len().to_string());
    let mut call = vec!["FCALL", &function, &count];
    call.extend(keys.iter().map(String::as_str));
    call.extend([token, epoch, node]);
    call.extend(args);
    command(&call)
}

/// The keys that a function takes for a log.
fn keys(function: &str, log: &str) -> Vec<String> {
    let parts: &[&str] = match function {
        "reign" => return vec!["{holdfast}".to_owned()],
        "position" => &["", ":log"],
        "restore" | "open" | "trim" => &["", ":log"],
        "append" => &["", ":log", ":view"],
        "fetch" => &["", ":snapshot:0", ":snapshot:1"],
        "reset" | "snapshot" | "piece" => &["", ":log", ":snapshot:0", ":snapshot:1"],
        _ => &[],
    };
    parts.iter().map(|part| format!("{{holdfast:{log}}}{part}")).collect()
}

/// What the keys of a log hold.
pub(crate) fn holds(side: &mut dyn Side, log: &str) -> String {
    let meta = format!("{{holdfast:{log}}}");
    let names = ["epoch", "last", "clock", "trimmed", "snapshot_0", "snapshot_1"];
    let values = side.call(&command(&[&["HMGET", &meta], &names[..]].concat()));
    let fields = match values {
        Reply::List(values) => {
            let pairs = names.iter().zip(&values);
            let pairs =
                pairs.map(|(name, value)| format!("{name}={}", show(value).replace(' ', "/")));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => show(&other),
    };
    let mut parts = vec![fields];
    let key = |part: &str| format!("{meta}:{part}");
    parts.push(show(&side.call(&command(&["XRANGE", &key("log"), "-", "+"]))));
    parts.push(show(&side.call(&command(&["GET", &key("snapshot:0")]))));
    parts.push(show(&side.call(&command(&["GET", &key("snapshot:1")]))));
    parts.push(show(&side.call(&command(&["HMGET", &key("view"), "free", "sold"]))));
    parts.join(" | ")
}

/// A reply as `calls.txt` writes it.
pub(crate) fn show(reply: &Reply) -> String {
    match reply {
        Reply::List(list) => shown(list),
        other => word(other),
    }
}

fn shown(list: &[Reply]) -> String {
    let words: Vec<String> = list.iter().map(word).collect();
    match words.len() {
        0..=60 => words.join(" "),
        count => format!("{} … {}", words[..5].join(" "), words[count - 5..].join(" ")),
    }
}

fn word(reply: &Reply) -> String {
    match reply {
        Reply::Nil => "nil".to_owned(),
        Reply::Number(number) => number.to_string(),
        Reply::Bytes(bytes) => match String::from_utf8_lossy(bytes).as_ref() {
            "" => "''".to_owned(),
            text if text.len() == 40 && text.bytes().all(|it| it.is_ascii_hexdigit()) => {
                "*".to_owned()
            }
            text => text.to_owned(),
        },
        Reply::List(list) => format!("[{}]", shown(list)),
        Reply::Error(error) => {
            let until = if error.starts_with("HOLDFAST ") { " script:" } else { " " };
            format!("-{}", error.split(until).next().unwrap_or_default())
        }
    }
}
