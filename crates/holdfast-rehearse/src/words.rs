//! Numbers in words.

use crate::wire::CURRENCY;

/// `1 try`, `2 tries`, `3 buyers`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    match what.strip_suffix('y') {
        _ if count == 1 => format!("1 {what}"),
        Some(stem) => format!("{count} {stem}ies"),
        None if what.ends_with('s') => format!("{count} {what}es"),
        None => format!("{count} {what}s"),
    }
}

/// Milliseconds, as people say them.
pub(crate) fn time(ms: f64) -> String {
    match ms {
        ms if ms >= 99_950.0 => format!("{:.0} s", ms / 1_000.0),
        ms if ms >= 9_995.0 => format!("{:.1} s", ms / 1_000.0),
        ms if ms >= 999.5 => format!("{:.2} s", ms / 1_000.0),
        ms if ms >= 100.0 => format!("{ms:.0} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

/// An amount in minor units of the currency that rehearsals sell in.
pub(crate) fn money(amount: u64) -> String {
    format!("{}.{:02} {CURRENCY}", amount / 100, amount % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let words = [counted(1, "try"), counted(2, "try"), counted(0, "buyer")];
        assert_eq!(words, ["1 try", "2 tries", "0 buyers"]);
        assert_eq!([counted(1, "process"), counted(3, "process")], ["1 process", "3 processes"]);
    }

    #[test]
    fn times_keep_their_digits_and_say_their_unit() {
        let times = [0.21, 99.999, 545.2, 999.6, 1_213.0, 10_001.0, 125_400.0].map(time);
        let words = ["0.21 ms", "100.00 ms", "545 ms", "1.00 s", "1.21 s", "10.0 s", "125 s"];
        assert_eq!(times, words);
    }
}
