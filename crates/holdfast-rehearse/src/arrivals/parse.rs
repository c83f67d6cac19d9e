//! The small language in which arrivals are written.

use std::str::FromStr;
use std::time::Duration;

use super::{Arrivals, Wave, recorded};
use crate::duration::duration;

const FORMS: &str = "a wave is one of: 50000 over 30s; 50000 at once; steady 500/s for 10s; \
                     poisson 500/s for 10s; ramp 0/s to 5000/s for 20s; pause 5s; recorded FILE";
const RATE_MAX: f64 = 10_000_000.0;

impl FromStr for Arrivals {
    type Err = String;

    /// Takes waves, separated by commas. Reads the file of a recorded one.
    fn from_str(text: &str) -> Result<Self, String> {
        let wave =
            |text: &str| wave(text.trim()).map_err(|reason| format!("{:?}: {reason}", text.trim()));
        let waves = text.split(',').map(wave).collect::<Result<_, _>>()?;
        Ok(Self { waves })
    }
}

fn wave(text: &str) -> Result<Wave, String> {
    if let Some(file) = text.strip_prefix("recorded ") {
        let file = file.trim().to_owned();
        let content = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        return Ok(Wave::Recorded { file, moments: recorded::read(&content)?.into() });
    }
    let words: Vec<_> = text.split_whitespace().collect();
    Ok(match words[..] {
        [buyers, "over", over] => Wave::Uniform { buyers: count(buyers)?, over: time(over)? },
        [buyers, "at", "once"] => Wave::Uniform { buyers: count(buyers)?, over: Duration::ZERO },
        ["steady", per_second, "for", over] => {
            Wave::Steady { per_second: rate(per_second)?, over: time(over)? }
        }
        ["poisson", per_second, "for", over] => {
            Wave::Poisson { per_second: rate(per_second)?, over: time(over)? }
        }
        ["ramp", from, "to", to, "for", over] => {
            Wave::Ramp { from: rate(from)?, to: rate(to)?, over: time(over)? }
        }
        ["pause", over] => Wave::Pause { over: time(over)? },
        _ => return Err(FORMS.into()),
    })
}

fn count(text: &str) -> Result<u32, String> {
    text.replace('_', "").parse().map_err(|_| format!("{text:?} is not a number of buyers"))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.strip_suffix("/s").and_then(|rate| rate.parse::<f64>().ok());
    rate.filter(|rate| (0.0..=RATE_MAX).contains(rate))
        .ok_or_else(|| format!("{text:?} is not a rate, such as 500/s"))
}

fn time(text: &str) -> Result<Duration, String> {
    duration(text).map_err(|reason| format!("{text:?} is not a time: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_shown_as_they_are_written() {
        for text in [
            "50000 over 30s",
            "50000 at once",
            "steady 500/s for 10s, pause 500ms",
            "poisson 12.5/s for 10s",
            "ramp 0/s to 5000/s for 20s, poisson 1000/s for 2m",
        ] {
            assert_eq!(text.parse::<Arrivals>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_wave_is_refused_in_words() {
        for (text, words) in [
            ("", "a wave is one of"),
            ("5000", "a wave is one of"),
            ("5000 over 30s,", "a wave is one of"),
            ("many over 30s", "\"many\" is not a number of buyers"),
            ("-1 over 30s", "not a number of buyers"),
            ("5000 over night", "\"night\" is not a time"),
            ("steady 500 for 3s", "not a rate, such as 500/s"),
            ("poisson -1/s for 3s", "not a rate"),
            ("poisson NaN/s for 3s", "not a rate"),
            ("recorded no/such/file", "No such file"),
        ] {
            let error = text.parse::<Arrivals>().unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
