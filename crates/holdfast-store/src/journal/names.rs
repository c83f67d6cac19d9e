//! The names of the journal's files, and what each name says.

use super::replay::COUNT_MAX;
use crate::LogId;

/// A zero-filled segment that waits to be used.
pub(super) const SPARE: &str = "journal-spare.log";

const TEMPORARY: &str = ".tmp";

/// What a file in the folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A segment, with its number.
    Segment(u64),
    /// The spare segment.
    Spare,
    /// A snapshot of a log, with the sequence up to which it stands.
    Snapshot(LogId, u64),
    /// One of the above, unfinished: whoever wrote it was killed.
    Unfinished,
    /// Not ours.
    Foreign,
}

pub(super) fn segment(number: u64) -> String {
    format!("journal-{number:010}.log")
}

pub(super) fn snapshot(log: LogId, sequence: u64) -> String {
    format!("snapshot-{:010}-{sequence:020}.snap", log.0)
}

/// The name a file has until it is complete and durable.
pub(super) fn temporary(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}

/// Reads a name.
pub(super) fn kind(name: &str) -> Kind {
    if let Some(finished) = name.strip_suffix(TEMPORARY) {
        return match finished_kind(finished) {
            Kind::Foreign => Kind::Foreign,
            _ => Kind::Unfinished,
        };
    }
    finished_kind(name)
}

fn finished_kind(name: &str) -> Kind {
    if name == SPARE {
        return Kind::Spare;
    }
    // A name counts only if it is spelled exactly as this program spells it.
    parse_segment(name)
        .filter(|&number| (1..COUNT_MAX).contains(&number) && segment(number) == name)
        .map(Kind::Segment)
        .or_else(|| {
            parse_snapshot(name)
                .filter(|&(log, sequence)| snapshot(log, sequence) == name)
                .map(|(log, sequence)| Kind::Snapshot(log, sequence))
        })
        .unwrap_or(Kind::Foreign)
}

fn parse_segment(name: &str) -> Option<u64> {
    name.strip_prefix("journal-")?.strip_suffix(".log")?.parse().ok()
}

fn parse_snapshot(name: &str) -> Option<(LogId, u64)> {
    let (log, sequence) = name.strip_prefix("snapshot-")?.strip_suffix(".snap")?.split_once('-')?;
    Some((LogId(log.parse().ok()?), sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_as_they_are_written() {
        assert_eq!(kind(&segment(7)), Kind::Segment(7));
        assert_eq!(kind(&segment(u64::from(u32::MAX) * 10)), Kind::Segment(42_949_672_950));
        assert_eq!(kind(SPARE), Kind::Spare);
        assert_eq!(kind(&snapshot(LogId(3), 42)), Kind::Snapshot(LogId(3), 42));
        for name in [segment(7), SPARE.into(), snapshot(LogId(3), 42)] {
            assert_eq!(kind(&temporary(&name)), Kind::Unfinished);
        }
    }

    #[test]
    fn other_names_are_foreign() {
        for name in [
            "LOCK",
            "journal-1.log",
            "journal-0000000000.log",
            "journal-+000000001.log",
            "journal-0000000001.log.bak",
            "snapshot-0000000001.snap",
            "notes.tmp",
            ".tmp",
        ] {
            assert_eq!(kind(name), Kind::Foreign, "{name}");
        }
    }
}
