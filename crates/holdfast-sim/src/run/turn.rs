//! One turn: requests go in, a look is attached, and everybody hears what they may hear.

use std::sync::{Arc, Mutex, PoisonError};

use holdfast_core::{Command, HoldKey, Sale};
use holdfast_engine::{EngineError, Look, Reply, Request, SaleRef, Sales};

use super::agenda::Event;
use super::flight::Replied;
use super::words::{Words, kind};
use super::{Breach, Run};
use crate::auditor::{Asked, Seen, Turn, Wanted};
use crate::crowd::Act;

/// What a look at all sales showed, or why nothing could be seen.
type Shown = Result<Vec<Option<Seen>>, EngineError>;

/// Where a look leaves what it saw.
type Place = Arc<Mutex<Option<Shown>>>;

/// Where a look leaves its copies of all sales.
type Copies = Arc<Mutex<Vec<Option<Sale>>>>;

/// What came of a turn.
struct Taken {
    turn: Turn,
    replies: Vec<(u64, Reply)>,
    shown: Option<Shown>,
    /// Copies of all sales, if they were to be compared.
    copies: Vec<Option<Sale>>,
}

/// A pause after a turn in which something failed, in microseconds.
const BREATH_US: u64 = 10_000;

/// About how long a sale stays paused, at most.
const PAUSE_US: u64 = 2_000_000;

/// How long an engine may refuse to write after something failed, in microseconds.
const REST_US: u64 = 260_000;

impl Run {
    pub(super) fn buyer_acts(
        &mut self,
        sale: usize,
        buyer: usize,
        asked: &mut Vec<Asked>,
        looks: &mut Vec<(usize, HoldKey)>,
    ) {
        let plan = &self.plan.sales[sale];
        match self.crowds[sale].buyers[buyer].act(&mut self.rng, plan) {
            Some(Act::Ask(command)) => asked.push(Asked { sale, who: Some(buyer), command }),
            Some(Act::Look(hold)) => looks.push((sale, hold)),
            None => return,
        }
        // Some ask again at once, as a browser does whose connection broke.
        let think_us = self.rng.between(0, plan.think_us * 2);
        let at_us = (self.clock.now_us() + think_us + 1).next_multiple_of(self.plan.window_us);
        self.agenda.enter(at_us, Event::Buyer { sale, buyer });
    }

    pub(super) fn merchant_acts(&mut self, sale: usize, asked: &mut Vec<Asked>) {
        let (now_us, plan) = (self.clock.now_us(), &self.plan.sales[sale]);
        let merchant = &mut self.crowds[sale].merchant;
        let act = merchant.act(&mut self.rng, plan, now_us >= plan.starts_us);
        let wait_us = match &act {
            _ if merchant.is_setting_up() => 150_000,
            // They pause for a moment, and go on.
            Some(Act::Ask(Command::Pause)) => plan.merchant_us.min(PAUSE_US),
            _ => plan.merchant_us,
        };
        if let Some(Act::Ask(command)) = act {
            asked.push(Asked { sale, who: None, command });
        }
        let at_us = now_us + self.rng.between(wait_us / 2, wait_us * 2);
        self.agenda.enter(at_us, Event::Merchant { sale });
    }

    pub(super) fn till_acts(&mut self, sale: usize, asked: &mut Vec<Asked>) {
        let (now_us, plan) = (self.clock.now_us(), &self.plan.sales[sale]);
        let commands = self.crowds[sale].till.act(&mut self.rng, plan, now_us);
        asked.extend(commands.into_iter().map(|command| Asked { sale, who: None, command }));
        let wait_us = self.rng.between(plan.till_us / 2, plan.till_us * 2);
        let at_us = (now_us + wait_us).next_multiple_of(self.plan.window_us);
        self.agenda.enter(at_us, Event::Till { sale });
    }

    pub(super) fn turn(
        &mut self,
        asked: &[Asked],
        looks: &[(usize, HoldKey)],
    ) -> Result<(), Breach> {
        self.stats.commands += asked.len() as u64;
        for one in asked {
            self.trace.note(self.clock.now_us(), format_args!("{}: {:?}", one.sale, one.command));
        }
        if self.process.is_none() {
            let nobody = Err(EngineError::Stopped);
            asked.iter().for_each(|one| self.tell(one, Some(&nobody)));
            return Ok(());
        }
        if std::mem::replace(&mut self.seen_outages, self.clock.outages()) != self.clock.outages() {
            self.auditor.blind();
        }
        self.auditor.ask(asked, self.clock.now_us())?;
        let (fired, place) = (self.disk.fired_count(), self.interject());
        let Taken { turn, replies, shown, copies } = self.take_turn(asked, looks);
        self.interjected(&place, fired)?;
        if self.disk.is_dead() {
            self.hear_the_last(asked, &replies, &turn)?;
            return self.die();
        }
        if replies.len() != asked.len() {
            let what = format!("{} requests, {} replies", asked.len(), replies.len());
            return Err(Breach::new(7, what));
        }
        for (token, reply) in &replies {
            let lost = self.rng.percent(self.plan.lost_replies);
            let one = usize::try_from(*token).ok().and_then(|token| asked.get(token));
            let one = one.ok_or_else(|| Breach::new(7, "a reply that nobody waits for"))?;
            self.hear(one, (!lost).then_some(reply), &turn)?;
        }
        self.show(shown, &turn)?;
        self.hold_against_the_logs(asked, &replies, &copies)?;
        let unknown = replies.iter().any(|(_, r)| matches!(r, Err(EngineError::Unknown(_))));
        self.mind_doubt(unknown);
        if !turn.healthy {
            self.clock.advance(BREATH_US);
        }
        Ok(())
    }

    /// What a process said that died in this turn: the replies that had left it, and no others.
    fn hear_the_last(
        &mut self,
        asked: &[Asked],
        replies: &[(u64, Reply)],
        turn: &Turn,
    ) -> Result<(), Breach> {
        let mut lost = Vec::new();
        for (token, one) in (0..).zip(asked) {
            let reply = replies.iter().find(|(other, _)| *other == token).map(|(_, reply)| reply);
            self.crowds[one.sale].follower.hear(&one.command, reply);
            lost.extend(reply.is_none().then_some(one));
        }
        for (token, reply) in replies {
            let one = usize::try_from(*token).ok().and_then(|token| asked.get(token));
            one.map_or(Ok(()), |one| self.hear(one, Some(reply), turn))?;
        }
        lost.into_iter().try_for_each(|one| self.hear(one, None, turn))
    }

    /// What the engine said and has is what the naive model says and has, by the logs.
    fn hold_against_the_logs(
        &mut self,
        asked: &[Asked],
        replies: &[(u64, Reply)],
        copies: &[Option<Sale>],
    ) -> Result<(), Breach> {
        for (token, one) in (0..).zip(asked) {
            let reply = replies.iter().find(|(other, _)| *other == token).map(|(_, reply)| reply);
            self.crowds[one.sale].follower.hear(&one.command, reply);
        }
        self.follow()?;
        for (crowd, copy) in self.crowds.iter().zip(copies) {
            if let Some(copy) = copy {
                crowd.follower.compare(copy, self.auditor.checks_mut())?;
            }
        }
        Ok(())
    }

    /// The turn itself, and what it was like.
    fn take_turn(&mut self, asked: &[Asked], looks: &[(usize, HoldKey)]) -> Taken {
        let start = self.moment();
        let (full, fired) = (self.disk.is_filled_up(), self.disk.fired_count());
        let requests = (0..)
            .zip(asked)
            .map(|(reply, one)| Request::Do {
                sale: SaleRef::Id(self.crowds[one.sale].id),
                command: one.command.clone(),
                reply,
            })
            .collect();
        let (look, place) = self.prepare_look(looks);
        let mut all_looks = vec![Request::Look(look)];
        let copies = Copies::default();
        if std::mem::take(&mut self.compare) {
            all_looks.push(Request::Look(self.copy_into(&copies)));
        }
        let Replied { mut replies, left } = self.drive(requests, all_looks);
        if self.disk.is_dead() {
            replies.truncate(left);
        }
        let in_doubt =
            self.process.as_ref().is_some_and(|process| process.engine.doubt().is_some());
        self.stats.turns += 1;
        self.clock.advance(self.rng.between(20, 3_000));
        let end = self.moment();
        let struck = self.disk.fired_count() != fired || end.outages != start.outages;
        if full || struck {
            self.resting_until_us = end.now_us + REST_US;
        }
        let healthy = !in_doubt && start.now_us >= self.resting_until_us && !full && !struck;
        let shown = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let copies = std::mem::take(&mut *copies.lock().unwrap_or_else(PoisonError::into_inner));
        Taken { turn: Turn { start, end, healthy }, replies, shown, copies }
    }

    /// Copies every sale as the engine has it.
    fn copy_into(&self, copies: &Copies) -> Look {
        let sales: Vec<_> = self.crowds.iter().map(|crowd| SaleRef::Id(crowd.id)).collect();
        let into = Arc::clone(copies);
        Box::new(move |all: Result<&Sales, EngineError>| {
            let Ok(all) = all else { return };
            let copy = |sale: &SaleRef| all.get(*sale).map(|(sale, _)| sale.clone());
            let copies = sales.iter().map(copy).collect();
            *into.lock().unwrap_or_else(PoisonError::into_inner) = copies;
        })
    }

    /// A look at everything that the auditor wants to see.
    fn prepare_look(&self, looks: &[(usize, HoldKey)]) -> (Look, Place) {
        let now_us = self.clock.now_us();
        let wanted = self.crowds.iter().enumerate().map(|(sale, crowd)| {
            let holds: Vec<_> =
                looks.iter().filter(|(of, _)| *of == sale).map(|(_, hold)| *hold).collect();
            (SaleRef::Id(crowd.id), self.auditor.wanted(sale, &holds, now_us))
        });
        let wanted: Vec<(SaleRef, Wanted)> = wanted.collect();
        let place = Place::default();
        let into = Arc::clone(&place);
        let look = move |sales: Result<&Sales, EngineError>| {
            let shown = sales.map(|sales| wanted.iter().map(|one| see(sales, one)).collect());
            *into.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        };
        (Box::new(look), place)
    }

    /// The auditor and whoever asked hear a reply; `None`: it never arrives.
    fn hear(&mut self, one: &Asked, reply: Option<&Reply>, turn: &Turn) -> Result<(), Breach> {
        self.trace.note(turn.end.now_us, format_args!("  {}", Words(reply)));
        self.tell(one, reply);
        self.stats.replies += u64::from(reply.is_some());
        if let Some(Ok(answer)) = reply {
            self.stats.answer(kind(answer));
        }
        self.last_answer = reply.and_then(|reply| reply.as_ref().ok()).cloned();
        self.auditor.hear(one, reply, turn)
    }

    fn tell(&mut self, one: &Asked, reply: Option<&Reply>) {
        let crowd = &mut self.crowds[one.sale];
        crowd.till.hear(reply);
        match one.who.and_then(|buyer| crowd.buyers.get_mut(buyer)) {
            Some(buyer) => buyer.hear(reply),
            None => crowd.merchant.hear(&one.command, reply),
        }
    }

    fn show(&mut self, shown: Option<Shown>, turn: &Turn) -> Result<(), Breach> {
        match shown {
            Some(Ok(sales)) => {
                let mut numbered = sales.iter().enumerate();
                numbered.try_for_each(|(sale, seen)| self.auditor.look(sale, seen.as_ref(), turn))
            }
            Some(Err(error)) if turn.healthy => {
                Err(Breach::new(4, format!("nothing is wrong, and nothing to be seen: {error}")))
            }
            Some(Err(_)) => {
                self.auditor.blind();
                Ok(())
            }
            None => Err(Breach::new(4, "a look without an answer")),
        }
    }

    /// An engine that is in doubt is restarted; until then it may say nothing.
    fn mind_doubt(&mut self, unknown: bool) {
        let doubt = self.process.as_ref().is_some_and(|process| process.engine.doubt().is_some());
        if !unknown && !doubt {
            return;
        }
        self.auditor.doubt();
        if !std::mem::replace(&mut self.dying, true) {
            self.stats.recovery("in doubt, then restarted");
            let wait_us = self.rng.between(0, 2_000) * 1_000;
            self.agenda.enter(self.clock.now_us() + wait_us, Event::Replace);
        }
    }
}

fn see(sales: &Sales, (sale, wanted): &(SaleRef, Wanted)) -> Option<Seen> {
    let (sale, clock_ms) = sales.get(*sale)?;
    let hold = |key: HoldKey| (key, sale.hold_by_key(key, clock_ms));
    let holds: Vec<_> = wanted.holds.iter().map(|key| hold(*key)).collect();
    // What late money bought is seen with what it was for.
    let linked = holds.iter().filter_map(|(_, view)| view.as_ref()?.payment?.linked);
    let linked: Vec<_> = linked.map(hold).collect();
    let latest = |buyer: &holdfast_core::BuyerId| (*buyer, sale.hold_of(buyer, clock_ms));
    Some(Seen {
        view: sale.view(clock_ms)?,
        holds: holds.into_iter().chain(linked).collect(),
        latest: wanted.buyers.iter().map(latest).collect(),
    })
}
