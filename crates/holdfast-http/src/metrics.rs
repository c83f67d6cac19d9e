//! What the routes count.

use std::sync::Arc;

use holdfast_api::Code;
use holdfast_metrics::{Histogram, LATENCY_SECONDS};
use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};

/// Statuses of answers that are no problems.
const STATUSES: [(StatusCode, &str); 4] = [
    (StatusCode::OK, "200"),
    (StatusCode::CREATED, "201"),
    (StatusCode::ACCEPTED, "202"),
    (StatusCode::NO_CONTENT, "204"),
];

/// The routes' counters; cheap to clone, all clones are one.
#[derive(Clone)]
pub(crate) struct Metrics {
    answers: Family<Answered, Counter>,
    latencies: Family<For, Histogram, fn() -> Histogram>,
    /// The same counters where they are found without a search.
    problems: Arc<[Counter]>,
    statuses: Arc<[Counter]>,
    other: Counter,
    by_kind: Arc<[Histogram]>,
}

/// What a request is for, as far as its latency is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To hold units.
    Reserve,
    /// To look at something.
    Look,
    /// To change something else.
    Change,
}

const KINDS: [&str; 3] = ["reserve", "look", "change"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct For {
    kind: &'static str,
}

impl Kind {
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Look,
            Method::POST if path.ends_with("/holds") => Self::Reserve,
            _ => Self::Change,
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let answers = Family::<Answered, Counter>::default();
        let latencies: Family<For, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(&LATENCY_SECONDS));
        let answer = |code| answers.get_or_create_owned(&Answered { code });
        Self {
            problems: Code::ALL.iter().map(|code| answer(code.as_str())).collect(),
            statuses: STATUSES.iter().map(|(_, code)| answer(code)).collect(),
            other: answer("other"),
            by_kind: KINDS.map(|kind| latencies.get_or_create_owned(&For { kind })).into(),
            answers,
            latencies,
        }
    }
}

impl Metrics {
    /// Counts an answer by what it says.
    pub(crate) fn count(&self, status: StatusCode, code: Option<&Code>) {
        let counter = match code {
            Some(code) => &self.problems[*code as usize],
            None => {
                let at = STATUSES.iter().position(|(known, _)| *known == status);
                at.map_or(&self.other, |at| &self.statuses[at])
            }
        };
        counter.inc();
    }

    /// How long answers of a kind took.
    pub(crate) fn latency(&self, kind: Kind) -> &Histogram {
        &self.by_kind[kind as usize]
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "answers",
            "Answers by code: a problem's code, or the status of what is none",
            self.answers.clone(),
        );
        registry.register_with_unit(
            "answer",
            "Time from the head of a request to its answer, by what it was for",
            Unit::Seconds,
            self.latencies.clone(),
        );
    }
}
