//! Flags and environment of `rehearse`, and what they come to.

mod crowd;
mod payments;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use holdfast_rehearse::{Arrivals, BuyerLimit, Options, Target, duration};

use crowd::CrowdArgs;
use payments::PaymentArgs;

use super::repeat;
use crate::secret_file;
use crate::settings::Told;

/// What `--help` ends with.
pub(crate) const EXAMPLES: &str = "\
Examples:
  holdfast rehearse
      50,000 buyers within 30 seconds for 5,000 units, against a server started for it
  holdfast rehearse --over 1s --html report.html
      the same within one second; what came of it as a page with charts
  holdfast rehearse --arrivals 'ramp 0/s to 5000/s for 20s, poisson 1000/s for 20s'
      a rush that grows, then a calm: waves one after another
  holdfast rehearse --arrivals 'recorded arrivals.csv' --retries 30% --bots 10% --vanish 5%
      yesterday's arrivals, and a crowd as it really is
  holdfast rehearse --pay 80% --declined 20% --think 1m --hold-seconds 300
      who pays, whose card is declined, and how long they think; --pay 0% ends with the holds
  holdfast rehearse --target http://shop.test:8080 --merchant-key-file merchant.keys
      against a server that runs: it makes, names and closes a sale of its own there

Waves of --arrivals, separated by commas:
  50000 over 30s               so many buyers, at moments drawn from that time
  50000 at once
  steady 500/s for 10s         at equal distances
  poisson 500/s for 10s        at random, as people do who know nothing of each other
  ramp 0/s to 5000/s for 20s   at a rate that rises or falls evenly
  pause 5s
  recorded FILE                one moment a line: seconds (1.25), with a unit (1250ms), or RFC 3339;
                               of a CSV file the first column

It exits 0 only if every promise held, every buyer who waited was told yes or no, and the money is
where the orders say.";

/// Flags and environment of `rehearse`.
#[derive(clap::Args)]
pub(crate) struct RehearseArgs {
    /// Server to rehearse against, or several that share their sales, with commas; without it, one is
    /// started for the rehearsal
    #[arg(long, env = "HOLDFAST_TARGET", value_name = "URL")]
    pub(super) target: Option<Target>,

    /// That server's merchant key. In the environment: `HOLDFAST_MERCHANT_KEY`
    #[arg(long, value_name = "KEY", requires = "target")]
    pub(super) merchant_key: Option<String>,

    /// File that has that server's merchant key. In the environment: `HOLDFAST_MERCHANT_KEY_FILE`
    #[arg(long, value_name = "FILE", requires = "target")]
    pub(super) merchant_key_file: Option<PathBuf>,

    /// File with the HS256 secret that the target was given with --buyer-key: buyers then come
    /// with tokens of their own, and not with the merchant's key. A server that is started for
    /// the rehearsal gets one by itself
    #[arg(long, env = "HOLDFAST_REHEARSE_BUYER_SECRET", value_name = "FILE", requires = "target")]
    pub(super) buyer_secret: Option<PathBuf>,

    /// How often the server lets one buyer ask, as it was told with its own --limit-buyer, or off; a
    /// server that is started for the rehearsal is told the same. A 429 to a buyer with a token of
    /// their own who asks more often is no failure [default: 10/s]
    #[arg(long, env = "HOLDFAST_REHEARSE_LIMIT_BUYER", value_name = "RATE")]
    limit_buyer: Option<BuyerLimit>,

    /// Buyers, each on a connection of their own
    #[arg(long, env = "HOLDFAST_REHEARSE_BUYERS", default_value_t = 50_000)]
    pub(super) buyers: u32,

    /// Time within which they come, such as 30s, 500ms or 1m; 0s: all at once
    #[arg(long, env = "HOLDFAST_REHEARSE_OVER", default_value = "30s", value_parser = duration)]
    pub(super) over: Duration,

    /// Instead of --buyers and --over: waves of buyers, one after another; see below
    #[arg(
        long,
        env = "HOLDFAST_REHEARSE_ARRIVALS",
        value_name = "WAVES",
        conflicts_with_all = ["buyers", "over"]
    )]
    pub(super) arrivals: Option<Arrivals>,

    /// Units in the sale
    #[arg(long, env = "HOLDFAST_REHEARSE_CAPACITY", default_value_t = 5_000)]
    pub(super) capacity: u32,

    /// How long a buyer waits in all, from their moment on
    #[arg(long, env = "HOLDFAST_REHEARSE_PATIENCE", default_value = "30s", value_parser = duration)]
    pub(super) patience: Duration,

    /// How long a hold lasts, in seconds; longer than rush, verdict and thoughts, so that none runs
    /// out meanwhile
    #[arg(
        long,
        env = "HOLDFAST_REHEARSE_HOLD_SECONDS",
        value_name = "SECONDS",
        default_value_t = 300
    )]
    pub(super) hold_seconds: u32,

    /// Take no offence at buyers who end with 429 or 503 overloaded: for load beyond what the
    /// server can bear
    #[arg(long, env = "HOLDFAST_REHEARSE_ALLOW_SHED", value_parser = yes_or_no)]
    pub(super) allow_shed: bool,

    /// Connections that are open at a time [default: as many as there are buyers]
    #[arg(long, env = "HOLDFAST_REHEARSE_CONNECTIONS", value_name = "COUNT")]
    pub(super) connections: Option<usize>,

    /// Processes that play buyers [default: as many as their open files need, see `ulimit -n`]
    #[arg(long, env = "HOLDFAST_REHEARSE_PROCESSES", value_name = "COUNT")]
    pub(super) processes: Option<usize>,

    /// Address that connections come from; several with commas, in turn. Each has some 28,000
    /// ports [default: the system's choice, or 64 addresses if the target is on 127.0.0.0/8]
    #[arg(
        long,
        env = "HOLDFAST_REHEARSE_SOURCE_ADDRESS",
        value_delimiter = ',',
        value_name = "IP"
    )]
    pub(super) source_address: Vec<IpAddr>,

    /// Draws the buyers' moments and manners
    #[arg(long, env = "HOLDFAST_REHEARSE_SEED", default_value_t = 1)]
    pub(super) seed: u64,

    /// Also write the report as JSON
    #[arg(long, env = "HOLDFAST_REHEARSE_JSON", value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Also write the report as a page with charts, in one file
    #[arg(long, env = "HOLDFAST_REHEARSE_HTML", value_name = "FILE")]
    pub(super) html: Option<PathBuf>,

    /// Print the JSON Schema of the report, and do nothing else
    #[arg(long)]
    pub(super) json_schema: bool,

    // Last, since their headings would be over what follows too.
    #[command(flatten)]
    pub(super) crowd: CrowdArgs,

    #[command(flatten)]
    pub(super) payments: PaymentArgs,
}

impl RehearseArgs {
    /// Everything but the server, put over the defaults.
    pub(super) fn over(&self, options: Options) -> anyhow::Result<Options> {
        let generator = std::env::current_exe().context("find this program")?;
        Ok(Options {
            arrivals: self.waves(),
            manners: self.crowd.manners(),
            payments: self.payments.payments(),
            capacity: self.capacity,
            hold_seconds: self.hold_seconds,
            patience: self.patience,
            seed: self.seed,
            connections: self.connections,
            processes: self.processes,
            generator: Some(vec![generator.into(), super::GENERATOR.into()]),
            source_addresses: self.source_address.clone(),
            allow_shed: self.allow_shed,
            buyer_limit: self.limit_buyer(),
            command: repeat::command(self, &Told::by_environment()?),
            ..options
        })
    }

    pub(super) fn waves(&self) -> Arrivals {
        self.arrivals.clone().unwrap_or_else(|| Arrivals::uniform(self.buyers, self.over))
    }

    /// How often the server lets one buyer ask.
    pub(super) fn limit_buyer(&self) -> BuyerLimit {
        self.limit_buyer.unwrap_or(BuyerLimit::USUAL)
    }

    /// Payments that a server that is started for the rehearsal may begin in a second.
    pub(super) fn payments_per_second(&self) -> u32 {
        let winners = self.waves().buyers_about().round().min(self.capacity.into());
        self.payments.budget_for(winners)
    }

    /// What was asked for and has no effect, in words.
    pub(super) fn without_effect(&self) -> Option<&'static str> {
        let is_told = self.limit_buyer.is_some();
        let by_merchant = self.target.is_some() && self.buyer_secret.is_none();
        (is_told && by_merchant).then_some(
            "--limit-buyer has no effect: without --buyer-secret, buyers come with the merchant's \
             key, and have no limit of their own",
        )
    }

    pub(super) fn secret_of_buyers(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(path) = &self.buyer_secret else { return Ok(None) };
        let take = |text: &str| holdfast_http::signing_secret(text).map(<[u8]>::to_vec);
        secret_file::take(path, "--buyer-secret", take).map(Some)
    }
}

/// What the environment says of a flag, which has no value itself.
fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("in the environment it is 1 or 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_in_the_environment_is_1_or_0_or_a_word_for_it() {
        for (text, on) in [("1", true), ("true", true), ("Yes", true), ("0", false), ("", false)] {
            assert_eq!(yes_or_no(text), Ok(on), "{text:?}");
        }
        assert!(yes_or_no("maybe").is_err());
    }

    #[test]
    fn a_limit_that_no_buyer_comes_under_is_said_to_have_no_effect() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            args: RehearseArgs,
        }
        let (target, limit) = (["--target", "http://127.0.0.1:1"], ["--limit-buyer", "10/s"]);
        let secret = ["--buyer-secret", "secret"];
        for (flags, has_none) in [
            (vec![target, limit], true),
            (vec![target, limit, secret], false),
            (vec![target], false),
            (vec![limit], false),
        ] {
            let words = ["rehearse"].into_iter().chain(flags.iter().copied().flatten());
            let cli = <Cli as clap::Parser>::try_parse_from(words).unwrap();
            assert_eq!(cli.args.without_effect().is_some(), has_none, "{flags:?}");
        }
    }
}
