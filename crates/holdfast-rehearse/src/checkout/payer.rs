//! One winner on their way: a thought, the checkout, and looks at how it ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use super::{Payer, Till};
use crate::exchange::{Answer, Ask, Failure};
use crate::payments::Fate;
use crate::wire::{Checkout, Hold};

/// Time that one request may take.
const ANSWER_SECONDS_MAX: u64 = 10;
/// The pause before a request is made again that was not answered, or with "come back later".
const AGAIN: Duration = Duration::from_millis(200);
/// Whoever waits looks again after an eighth of the time they have waited for, within these.
const LOOK: Duration = Duration::from_millis(50);
const LOOK_MAX: Duration = Duration::from_secs(5);

/// What became of a winner's hold, as they were told.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) buyer: u32,
    /// The hold that they won.
    pub(crate) hold: String,
    pub(crate) fate: Fate,
    pub(crate) said: Said,
    /// When the hold was to end at the earliest, as they were told when they won it.
    pub(crate) expires_at: String,
    /// Whether the hold's end has moved later since, as far as they saw, or may have when nobody
    /// could tell them anything: while the server can keep nothing, the time of its holds stands still.
    pub(crate) may_have_moved: bool,
    /// The hold's last status that they saw, when, and the order that it told of.
    pub(crate) status: String,
    pub(crate) seen_at: Timestamp,
    pub(crate) order: Option<String>,
    /// Whether the server took it to the checkout.
    pub(crate) began: bool,
    /// Payments of it that were told to be declined.
    pub(crate) declined: u32,
    /// From the last checkout until they were told how it ended.
    pub(crate) took: Duration,
    /// The part of it in which they saw the payment queued.
    pub(crate) queued: Duration,
}

/// A checkout that was begun, or why not.
pub(super) struct Ahead {
    asked: Instant,
    pub(super) began: Result<(), Said>,
}

/// What they were told in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Nothing: they left.
    Nothing,
    HandedBack,
    Paid,
    Declined,
    /// The money came after the hold had ended: it bought another unit, whose order they were told,
    /// or nothing was taken.
    TooLate,
    /// Any other end of a payment: `void`, `refunded`.
    Otherwise(String),
    /// The provider is none that is simulated.
    NotSimulated,
    /// The server would not: its status and code.
    Refused(String),
    /// Not how it ended, in all the time there was.
    Unclear(String),
}

impl Way {
    /// Whether they would have paid.
    pub(crate) fn wants_to_pay(&self) -> bool {
        matches!(self.fate, Fate::Pays | Fate::PaysSecond | Fate::PaysLate)
    }

    /// Whether the hold's time was certainly not up when they last saw it.
    pub(crate) fn has_time(&self) -> bool {
        self.told_end().is_some_and(|end| self.seen_at < end)
    }

    fn told_end(&self) -> Option<Timestamp> {
        self.expires_at.parse().ok()
    }

    /// Notes what a look has shown.
    fn see(&mut self, hold: Hold) {
        let end = hold.expires_at.parse::<Timestamp>().ok();
        self.may_have_moved |= end.zip(self.told_end()).is_some_and(|(end, told)| end > told);
        (self.status, self.order, self.seen_at) = (hold.status, hold.order, Timestamp::now());
    }

    fn new(payer: Payer) -> Self {
        let Payer { buyer, hold, intent } = payer;
        Self {
            buyer,
            hold: hold.id,
            fate: intent.fate,
            said: Said::Nothing,
            expires_at: hold.expires_at,
            may_have_moved: false,
            status: hold.status,
            seen_at: Timestamp::now(),
            order: None,
            began: false,
            declined: 0,
            took: Duration::ZERO,
            queued: Duration::ZERO,
        }
    }
}

impl Till {
    /// Takes one who pays to the checkout at once, and no further.
    pub(super) async fn go_ahead(&self, payer: Payer) -> (Way, Ahead) {
        let (mut way, asked) = (Way::new(payer), Instant::now());
        let began = self.check_out(&mut way, "approve", 1).await;
        (way, Ahead { asked, began })
    }

    /// Waits until whoever went ahead is told how that ended.
    pub(super) async fn follow_up(&self, mut way: Way, ahead: Ahead) -> Way {
        self.end(&mut way, ahead).await;
        way
    }

    /// Plays one winner to the end.
    pub(super) async fn go(&self, payer: Payer) -> Way {
        let intent = payer.intent;
        let mut way = Way::new(payer);
        self.sleep(intent.think).await;
        match intent.fate {
            Fate::Leaves => {}
            _ if self.is_over() => way.said = Said::Unclear("there was no time left".into()),
            Fate::HandsBack => way.said = self.hand_back(&mut way).await,
            Fate::Pays => self.pay(&mut way, "approve", 1).await,
            Fate::PaysLate => self.pay(&mut way, "late", 1).await,
            Fate::GivesUp => self.pay(&mut way, "decline", 1).await,
            Fate::PaysSecond => {
                self.pay(&mut way, "decline", 1).await;
                if way.said == Said::Declined {
                    self.sleep(intent.think_again).await;
                    self.pay(&mut way, "approve", 2).await;
                }
            }
        }
        way
    }

    /// Goes to the checkout and waits until it is told how that ended.
    async fn pay(&self, way: &mut Way, simulate: &str, attempt: u32) {
        let asked = Instant::now();
        let began = self.check_out(way, simulate, attempt).await;
        self.end(way, Ahead { asked, began }).await;
    }

    async fn end(&self, way: &mut Way, Ahead { asked, began }: Ahead) {
        way.said = match began {
            Ok(()) => self.follow(way, asked).await,
            Err(said) => said,
        };
        way.took = asked.elapsed();
        let counter = match way.said {
            Said::Paid => &self.counters.paid,
            Said::Declined => &self.counters.declined,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        way.declined += u32::from(way.said == Said::Declined);
    }

    async fn check_out(&self, way: &mut Way, simulate: &str, attempt: u32) -> Result<(), Said> {
        let key = format!("pay-{}-{attempt}", way.buyer);
        let ask = self.shop.checkout(way.buyer, &way.hold, simulate, &key);
        let said = self.insist(way, ask).await?;
        if said.status != 200 {
            let is_real = said.status == 422 && said.problem().field == "simulate";
            return Err(if is_real { Said::NotSimulated } else { Said::Refused(said.summary()) });
        }
        way.began = true;
        self.counters.at_checkout.fetch_add(1, Ordering::Relaxed);
        let begun: Checkout = serde_json::from_slice(&said.body).unwrap_or_default();
        if begun.payment.status.is_empty() {
            return Err(Said::Unclear("the checkout told of no payment".into()));
        }
        Ok(())
    }

    /// Looks until the payment has ended.
    async fn follow(&self, way: &mut Way, asked: Instant) -> Said {
        loop {
            self.sleep((asked.elapsed() / 8).clamp(LOOK, LOOK_MAX)).await;
            let ask = self.shop.hold(way.buyer, &way.hold);
            let said = match self.insist(way, ask).await {
                Ok(said) if said.status == 200 => said,
                Ok(said) => return Said::Refused(said.summary()),
                Err(said) => return said,
            };
            let mut hold: Hold = serde_json::from_slice(&said.body).unwrap_or_default();
            let payment = hold.payment.take().unwrap_or_default().status;
            way.see(hold);
            match payment.as_str() {
                "queued" => way.queued = asked.elapsed(),
                // Money that came too late bought another unit, or is being given back.
                "moved" => return Said::TooLate,
                "processing" | "authorised" | "cancelled" => {}
                "paid" => return Said::Paid,
                "declined" if way.wants_to_pay() && !way.has_time() => return Said::TooLate,
                "declined" => return Said::Declined,
                _ => return Said::Otherwise(payment),
            }
            if self.is_over() {
                return Said::Unclear(format!("the payment was {payment} to the last"));
            }
        }
    }

    async fn hand_back(&self, way: &mut Way) -> Said {
        let ask = self.shop.give_back(way.buyer, &way.hold);
        match self.insist(way, ask).await {
            Ok(said) if said.status == 204 => Said::HandedBack,
            Ok(said) => Said::Refused(said.summary()),
            Err(said) => said,
        }
    }

    /// Asks until there is an answer that is no "come back later", or no time left.
    async fn insist(&self, way: &mut Way, ask: Result<Ask, Failure>) -> Result<Answer, Said> {
        let ask = ask.map_err(|failure| Said::Refused(failure.to_string()))?;
        loop {
            let (why, pause) = match self.once(way.buyer, &ask).await {
                Ok(said) if said.status == 429 || said.status.is_server_error() => {
                    (said.summary(), said.retry_after.unwrap_or_default())
                }
                Ok(said) => return Ok(said),
                Err(failure) => (failure.to_string(), Duration::ZERO),
            };
            way.may_have_moved = true;
            self.sleep(pause.max(AGAIN)).await;
            if self.is_over() {
                return Err(Said::Unclear(why));
            }
        }
    }

    async fn once(&self, buyer: u32, ask: &[u8]) -> Result<Answer, Failure> {
        // The line is never closed.
        let _turn = self.turns.acquire().await.map_err(|_| Failure::Late)?;
        let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
        timeout(limit, self.shop.once(ask, buyer)).await.unwrap_or(Err(Failure::Late))
    }
}
