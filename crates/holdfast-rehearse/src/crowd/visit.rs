//! One buyer: asks at their moment, and goes on as their manner is.

use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant as Deadline, sleep, timeout_at};

use super::Stage;
use super::buy::{Answered, Buy, Ending, GivenBack, Refusal, Said, Tries};
use super::judge::{Judged, judge};
use crate::exchange::{Answer, Ask, Failure, desert, exchange};
use crate::manners::{Exit, Manner, Persistence, Sign};
use crate::series::Class;
use crate::wire::Hold;

/// Times that a hold is offered back to a server that says "come back later".
const GIVE_BACKS_MAX: u32 = 10;
const GIVE_BACK_PAUSE: Duration = Duration::from_millis(200);

/// A buyer whose moment has come.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) buyer: u32,
    /// The moment, counted from the start.
    pub(super) due: Duration,
    /// What they will send, if it has been made ready.
    pub(super) ask: Option<Ask>,
}

/// A visit under way.
struct Visit<'a> {
    stage: &'a Stage,
    manner: Manner,
    /// When the try under way was due.
    due: Duration,
    /// When the buyer gives up.
    deadline: Duration,
    /// When the tries were told that the server has not refused as one too many.
    taken: Vec<Duration>,
    buy: Buy,
}

/// Plays one buyer to the end.
pub(super) async fn visit(stage: &Stage, call: Call) -> Buy {
    let Call { buyer, due, ask } = call;
    let buy = Buy {
        buyer,
        due,
        started: due,
        tried: due,
        asked: due,
        ended: due,
        waited: false,
        doubt: false,
        beyond_limit: false,
        tries: Tries::default(),
        answers: Vec::new(),
        refusals: Vec::new(),
        ending: Ending::Unanswered("never asked".into()),
        given_back: None,
    };
    let manner = stage.manners.of(stage.seed, buyer);
    let deadline = due + stage.patience;
    let mut visit = Visit { stage, manner, due, deadline, taken: Vec::new(), buy };
    match ask.map_or_else(|| stage.shop.reserve(buyer, true), Ok) {
        Ok(ask) => visit.ask(&ask).await,
        Err(failure) => visit.buy.ending = Ending::Unanswered(failure.to_string()),
    }
    if let (Exit::GivingBack(after), Ending::Won(hold)) = (manner.exit, &visit.buy.ending) {
        visit.buy.given_back = give_back(stage, buyer, hold, after).await;
    }
    visit.buy
}

impl Visit<'_> {
    /// Asks until there is an answer that will do, or no hope of one.
    async fn ask(&mut self, ask: &[u8]) {
        loop {
            // Whoever asks again waits for the answer to their last try as for any other.
            let within = self.stage.manners.answer_within(self.manner);
            let limit = within.map_or(self.deadline, |within| self.stage.now() + within);
            let limit = Deadline::from_std(self.stage.start + limit);
            let tried = timeout_at(limit, self.one_try(ask)).await.unwrap_or(Err(Failure::Late));
            let answer = match tried {
                Ok(None) => return self.vanish(),
                Ok(Some(answer)) => Ok(answer),
                Err(failure) => Err(failure),
            };
            let ended = match &answer {
                Ok(answer) => answer.at.duration_since(self.stage.start),
                Err(_) => self.stage.now(),
            };
            let Judged { ending, class, sign, doubt } = judge(&answer);
            self.stage.series().came_to(class, self.due, ended);
            self.count_limit(class, ended);
            match &answer {
                Ok(_) => self.buy.answers.push(Answered { at: ended, class }),
                Err(failure) => self.buy.tries.late += u32::from(matches!(failure, Failure::Late)),
            }
            if let Ending::Lost(code) = &ending {
                let (asked, code) = (self.buy.asked, code.clone());
                self.buy.refusals.push(Refusal { asked, told: ended, code });
            }
            self.buy.doubt |= doubt;
            (self.buy.ending, self.buy.ended) = (ending, ended);
            let (stage, asked) = (self.stage, self.buy.tries.asked);
            let pause = stage.manners.pause(self.manner, sign, stage.seed, self.buy.buyer, asked);
            let Some(pause) = pause else { return };
            self.due = ended + pause;
            if self.due >= self.deadline {
                return;
            }
            // Whoever hammers would have come anyway.
            let heeds = self.manner.persistence != Persistence::Bot;
            self.buy.tries.comeback += u32::from(heeds && matches!(sign, Sign::ComeBack(_)));
            tokio::time::sleep_until(Deadline::from_std(stage.start + self.due)).await;
        }
    }

    /// One try on a connection of its own; `None`: the buyer left without the answer.
    async fn one_try(&mut self, ask: &[u8]) -> Result<Option<Answer>, Failure> {
        self.buy.tries.asked += 1;
        self.buy.tried = self.due;
        let (_connection, waited) = turn(&self.stage.connections).await?;
        let asked = self.stage.now();
        self.buy.asked = asked;
        if self.buy.tries.asked == 1 {
            (self.buy.started, self.buy.waited) = (asked, waited);
            let mut series = self.stage.series();
            series.at(asked).begun += 1;
            series.at(self.due).lag.record(asked.saturating_sub(self.due));
        }
        self.stage.series().at(asked).tries += 1;
        let connecting = Instant::now();
        let shop = &self.stage.shop;
        let stream = shop.connect(self.buy.buyer, &mut self.buy.tries.connect).await?;
        self.stage.series().connects.record(connecting.elapsed());
        match self.manner.exit {
            Exit::AtOnce => desert(stream, ask, false).await.map(|()| None),
            Exit::Unread => desert(stream, ask, true).await.map(|()| None),
            Exit::Keeping | Exit::GivingBack(_) => exchange(stream, ask).await.map(Some),
        }
    }

    /// Notes whether a refusal as one too many is an honest one.
    fn count_limit(&mut self, class: Class, ended: Duration) {
        let is_limited = class == Class::Limited;
        self.buy.beyond_limit =
            is_limited && self.stage.limit.is_used_up(&self.taken, self.buy.asked);
        if !is_limited {
            self.taken.push(ended);
        } else if !self.buy.beyond_limit {
            self.buy.tries.limited_wrongly += 1;
        }
    }

    fn vanish(&mut self) {
        let now = self.stage.now();
        self.stage.series().at(now).vanished += 1;
        self.buy.doubt = true;
        (self.buy.ending, self.buy.ended) = (Ending::Vanished, now);
    }
}

/// The right to a connection, and whether it had to be waited for.
async fn turn(connections: &Semaphore) -> Result<(SemaphorePermit<'_>, bool), Failure> {
    if let Ok(permit) = connections.try_acquire() {
        return Ok((permit, false));
    }
    match connections.acquire().await {
        Ok(permit) => Ok((permit, true)),
        Err(_) => Err(Failure::Late),
    }
}

/// Gives `hold` back after this time, unless the server will not have it.
async fn give_back(stage: &Stage, buyer: u32, hold: &Hold, after: Duration) -> Option<GivenBack> {
    sleep(after).await;
    let asked = stage.now();
    let deadline = Deadline::from_std(stage.start + asked + stage.patience);
    let said = timeout_at(deadline, offer_back(stage, buyer, hold)).await;
    let said = said.unwrap_or_else(|_| Said::Unclear(Failure::Late.to_string()));
    let ended = stage.now();
    if said == Said::Yes {
        stage.series().at(ended).given_back += 1;
    }
    Some(GivenBack { asked, ended, said })
}

async fn offer_back(stage: &Stage, buyer: u32, hold: &Hold) -> Said {
    let ask = match stage.shop.give_back(buyer, &hold.id) {
        Ok(ask) => ask,
        Err(failure) => return Said::No(failure.to_string()),
    };
    let mut unclear = String::new();
    for _ in 0..GIVE_BACKS_MAX {
        let pause = match give_back_once(stage, buyer, &ask).await {
            Ok(answer) if answer.status == 204 => return Said::Yes,
            Ok(answer) if answer.status.is_server_error() || answer.status == 429 => {
                unclear = answer.summary();
                answer.retry_after.unwrap_or_default()
            }
            Ok(answer) => return Said::No(answer.summary()),
            Err(failure) => {
                unclear = failure.to_string();
                Duration::ZERO
            }
        };
        sleep(pause.max(GIVE_BACK_PAUSE)).await;
    }
    Said::Unclear(unclear)
}

async fn give_back_once(stage: &Stage, buyer: u32, ask: &[u8]) -> Result<Answer, Failure> {
    let (_connection, _) = turn(&stage.connections).await?;
    let stream = stage.shop.connect(buyer, &mut 0).await?;
    exchange(stream, ask).await
}
