//! Text under construction, at most 80 columns wide where the words allow.

use std::fmt::Write;

use crate::Percentiles;
use crate::wire::Counts;
use crate::words::time;

const WIDTH: usize = 80;

/// Text under construction.
pub(super) struct Text(pub(super) String);

impl Text {
    pub(super) fn line(&mut self, line: &str) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    /// Breaks at spaces, but not between a number and its unit, and indents what follows.
    pub(super) fn paragraph(&mut self, words: &str) {
        self.broken(" ", words);
    }

    /// The same, beginning at the edge.
    pub(super) fn last(&mut self, words: &str) {
        self.broken("", words);
    }

    fn broken(&mut self, first: &str, words: &str) {
        let mut together: Vec<String> = Vec::new();
        for word in words.split_whitespace() {
            match together.last_mut() {
                Some(number) if is_unit(word) => number.extend([" ", word]),
                _ => together.push(word.to_owned()),
            }
        }
        let mut line = String::from(first);
        for word in &together {
            if line.len() + 1 + word.len() > WIDTH {
                self.line(&line);
                line = String::from("   ");
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }

    pub(super) fn count(&mut self, what: &str, count: u64, by: &Counts) {
        self.line(&format!("  {what:<10} {count:>9}"));
        for (why, count) in by {
            self.line(&format!("             {count:>9}  {why}"));
        }
    }

    pub(super) fn percentiles(&mut self, who: &str, percentiles: Option<Percentiles>) {
        let mut line = format!("  {who:<10}");
        match percentiles {
            Some(Percentiles { p50, p90, p99, p999, max, .. }) => {
                for ms in [p50, p90, p99, p999, max] {
                    // Writing into a text cannot fail.
                    let _ = write!(line, "{:>10}", time(ms));
                }
            }
            None => line.push_str("        -"),
        }
        self.line(&line);
    }
}

fn is_unit(word: &str) -> bool {
    matches!(word.trim_end_matches([',', ';', '.', ')']), "ms" | "s" | "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_break_at_the_width_and_lose_no_word() {
        let mut text = Text(String::new());
        let words = "word ".repeat(40);
        text.paragraph(&words);
        assert!(text.0.lines().all(|line| line.len() <= WIDTH), "{}", text.0);
        assert_eq!(text.0.split_whitespace().count(), 40);
        assert_eq!(text.0.lines().count(), 3);
        let mut text = Text(String::new());
        text.paragraph(&"it took 100 ms, ".repeat(20));
        assert!(text.0.lines().all(|line| !line.trim().starts_with("ms")), "{}", text.0);
    }
}
