//! What an answer, or none, means to a buyer.

use http::StatusCode;

use super::buy::Ending;
use crate::exchange::{Answer, Failure};
use crate::manners::Sign;
use crate::series::Class;

/// What a try came to.
pub(super) struct Judged {
    pub(super) ending: Ending,
    pub(super) class: Class,
    pub(super) sign: Sign,
    /// Whether the server may have served it without saying so.
    pub(super) doubt: bool,
}

pub(super) fn judge(answer: &Result<Answer, Failure>) -> Judged {
    match answer {
        Ok(answer) => match answer.status {
            StatusCode::OK | StatusCode::CREATED => success(answer),
            _ => refusal(answer),
        },
        Err(failure) => Judged {
            ending: Ending::Unanswered(failure.to_string()),
            class: Class::Unanswered,
            sign: Sign::Open,
            doubt: !matches!(failure, Failure::Connect(_) | Failure::Request(_)),
        },
    }
}

fn success(answer: &Answer) -> Judged {
    match serde_json::from_slice(&answer.body) {
        Ok(hold) => {
            let ending = Ending::Won(hold);
            Judged { ending, class: Class::Won, sign: Sign::Final, doubt: false }
        }
        Err(_) => {
            let ending = Ending::Refused(format!("{} without a hold", answer.status.as_str()));
            Judged { ending, class: Class::Refused, sign: Sign::Final, doubt: true }
        }
    }
}

fn refusal(answer: &Answer) -> Judged {
    let code = answer.problem().code;
    let (class, sign) = match (answer.status.as_u16(), code.as_str()) {
        (409, "all_held") => (Class::AllHeld, Sign::Open),
        (409, "sold_out") => (Class::SoldOut, Sign::Final),
        (409, "not_enough") => (Class::Refused, Sign::Open),
        (429, _) => (Class::Limited, later(answer)),
        (503, "overloaded") => (Class::Shed, later(answer)),
        (500..=599, _) => (Class::Refused, later(answer)),
        _ => (Class::Refused, Sign::Final),
    };
    // The codes that say "there is no unit for you", whether or not they are true.
    let lost = answer.status == 409 && matches!(&*code, "all_held" | "sold_out" | "not_enough");
    Judged {
        ending: if lost { Ending::Lost(code) } else { Ending::Refused(answer.summary()) },
        class,
        sign,
        doubt: answer.status.is_server_error() && class != Class::Shed,
    }
}

fn later(answer: &Answer) -> Sign {
    answer.retry_after.map_or(Sign::Open, Sign::ComeBack)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn judged(status: u16, code: &str, retry_after: Option<Duration>) -> Judged {
        let body = format!(r#"{{"code":"{code}"}}"#).into_bytes();
        let status = StatusCode::from_u16(status).unwrap();
        judge(&Ok(Answer { status, retry_after, body, at: Instant::now() }))
    }

    #[test]
    fn every_answer_has_its_meaning() {
        let second = Duration::from_secs(1);
        for (status, code, after, class, sign, doubt) in [
            (409, "all_held", None, Class::AllHeld, Sign::Open, false),
            (409, "sold_out", None, Class::SoldOut, Sign::Final, false),
            (409, "hold_exists", None, Class::Refused, Sign::Final, false),
            (429, "rate_limited", Some(second), Class::Limited, Sign::ComeBack(second), false),
            (503, "overloaded", Some(second), Class::Shed, Sign::ComeBack(second), false),
            (503, "overloaded", None, Class::Shed, Sign::Open, false),
            (503, "outcome_unknown", Some(second), Class::Refused, Sign::ComeBack(second), true),
            (500, "", None, Class::Refused, Sign::Open, true),
            (401, "unauthorised", None, Class::Refused, Sign::Final, false),
        ] {
            let judged = judged(status, code, after);
            assert_eq!((judged.class, judged.sign, judged.doubt), (class, sign, doubt), "{code}");
        }
        assert!(matches!(judged(409, "all_held", None).ending, Ending::Lost(_)));
        assert!(matches!(judged(404, "all_held", None).ending, Ending::Refused(_)));
    }

    #[test]
    fn silence_leaves_a_doubt_unless_nothing_was_sent() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(!judge(&Err(Failure::Connect(refused))).doubt);
        assert!(judge(&Err(Failure::Late)).doubt);
        assert!(judge(&Err(Failure::Broken("reset".into()))).doubt);
    }
}
