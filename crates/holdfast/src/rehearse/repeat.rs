//! The command that repeats a rehearsal: what was set by flags or environment, without secrets.

use holdfast_rehearse::{Arrivals, BuyerLimit, Manners, Payments};

use super::args::RehearseArgs;
use crate::settings::Told;

/// Where a key is that belongs into no command, since everybody on the machine can see those.
const KEY: &str = "HOLDFAST_MERCHANT_KEY";

/// What to type; whatever is as by default is left out. `environment` is what that says of the
/// merchant's key.
pub(super) fn command(args: &RehearseArgs, environment: &Told) -> String {
    let by_flag = args.merchant_key.is_some() || args.merchant_key_file.is_some();
    let is_told = if by_flag { args.merchant_key.is_some() } else { environment.keys.is_some() };
    let file = if by_flag { &args.merchant_key_file } else { &environment.file };
    let mut words = Vec::new();
    if is_told && args.target.is_some() {
        words.push(format!("{KEY}=\"${KEY}\""));
    }
    words.push("holdfast rehearse".to_owned());
    let mut set = |flag: &str, value: &dyn ToString, default: &dyn ToString| {
        let (value, default) = (value.to_string(), default.to_string());
        if value != default {
            words.push(format!("--{flag} {}", quoted(&value)));
        }
    };
    let unset = &"";
    let path = |path: &Option<std::path::PathBuf>| {
        path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    };
    let plain = Arrivals::uniform(50_000, std::time::Duration::from_secs(30));
    if let Some(target) = &args.target {
        set("target", target, unset);
        set("merchant-key-file", &path(file), unset);
    }
    set("buyer-secret", &path(&args.buyer_secret), unset);
    set("limit-buyer", &args.limit_buyer(), &BuyerLimit::USUAL);
    set("arrivals", &args.waves(), &plain);
    set("capacity", &args.capacity, &5_000);
    manners(&args.crowd.manners(), &mut set);
    payments(&args.payments.payments(), &mut set);
    let budget = args.payments.per_second().map(|count| count.to_string()).unwrap_or_default();
    set("payments-per-second", &budget, unset);
    set("patience", &seconds(args.patience.as_secs_f64()), &"30s");
    set("hold-seconds", &args.hold_seconds, &300);
    set("connections", &args.connections.map(|count| count.to_string()).unwrap_or_default(), unset);
    set("processes", &args.processes.map(|count| count.to_string()).unwrap_or_default(), unset);
    let addresses: Vec<_> = args.source_address.iter().map(ToString::to_string).collect();
    set("source-address", &addresses.join(","), unset);
    set("seed", &args.seed, &1);
    if args.allow_shed {
        words.push("--allow-shed".into());
    }
    words.join(" ")
}

type Set<'a> = dyn FnMut(&str, &dyn ToString, &dyn ToString) + 'a;

fn manners(manners: &Manners, set: &mut Set<'_>) {
    let plain = Manners::default();
    for (flag, value, default) in [
        ("retries", manners.retries, plain.retries),
        ("bots", manners.bots, plain.bots),
        ("give-back", manners.give_back, plain.give_back),
        ("vanish", manners.vanish, plain.vanish),
    ] {
        set(flag, &percent(value), &percent(default));
    }
    set("tries", &manners.tries_max, &plain.tries_max);
    for (flag, value, default) in [
        ("answer-within", manners.answer_seconds_max, plain.answer_seconds_max),
        ("bot-pause", manners.bot_pause_seconds, plain.bot_pause_seconds),
        ("give-back-within", manners.give_back_seconds_max, plain.give_back_seconds_max),
    ] {
        set(flag, &seconds(value), &seconds(default));
    }
}

fn payments(payments: &Payments, set: &mut Set<'_>) {
    let plain = Payments::default();
    for (flag, value, default) in [
        ("pay", payments.pay, plain.pay),
        ("declined", payments.declined, plain.declined),
        ("hand-back", payments.hand_back, plain.hand_back),
    ] {
        set(flag, &percent(value), &percent(default));
    }
    set("late", &payments.late, &plain.late);
    for (flag, value, default) in [
        ("think", payments.think_seconds_max, plain.think_seconds_max),
        ("settle-within", payments.settle_seconds_max, plain.settle_seconds_max),
    ] {
        set(flag, &seconds(value), &seconds(default));
    }
}

fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds}s")
}

/// As a shell takes it for one word.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:%,@+".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: RehearseArgs,
    }

    fn repeated(words: &[&str]) -> String {
        repeated_with(words, &Told::default())
    }

    fn repeated_with(words: &[&str], environment: &Told) -> String {
        let arguments = ["rehearse"].iter().chain(words);
        let cli = Cli::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}"));
        command(&cli.args, environment)
    }

    #[test]
    fn what_is_set_is_in_it_and_nothing_else() {
        assert_eq!(repeated(&[]), "holdfast rehearse");
        assert_eq!(
            repeated(&["--over", "1s", "--retries", "0.2", "--json", "report.json"]),
            "holdfast rehearse --arrivals '50000 over 1s' --retries 20%"
        );
        assert_eq!(
            repeated(&[
                "--pay",
                "0.8",
                "--think",
                "1m",
                "--late",
                "0",
                "--payments-per-second",
                "9"
            ]),
            "holdfast rehearse --pay 80% --late 0 --think 60s --payments-per-second 9"
        );
        let waves = ["--arrivals", "poisson 10/s for 2s, pause 1s", "--answer-within", "500ms"];
        let command = repeated(&waves);
        assert_eq!(
            command,
            "holdfast rehearse --arrivals 'poisson 10/s for 2s, pause 1s' --answer-within 0.5s"
        );
    }

    #[test]
    fn the_merchants_key_is_named_and_never_said() {
        let target = ["--target", "http://127.0.0.1:1"];
        let with_key = "HOLDFAST_MERCHANT_KEY=\"$HOLDFAST_MERCHANT_KEY\" holdfast rehearse --target \
             http://127.0.0.1:1";
        let with_file = "holdfast rehearse --target http://127.0.0.1:1 --merchant-key-file a.keys";
        let key = || Told { keys: Some(vec!["a secret".into()]), file: None };
        let file = || Told { keys: None, file: Some("a.keys".into()) };
        for (flags, environment, expected) in [
            (&["--merchant-key", "a secret"][..], Told::default(), with_key),
            (&["--merchant-key", "a secret"], file(), with_key),
            (&["--merchant-key-file", "a.keys"], key(), with_file),
            (&[], key(), with_key),
            (&[], file(), with_file),
        ] {
            let words = [&target, flags].concat();
            assert_eq!(repeated_with(&words, &environment), expected, "{flags:?}");
        }
        // A server of its own has a key of its own.
        assert_eq!(repeated_with(&[], &key()), "holdfast rehearse");
    }
}
