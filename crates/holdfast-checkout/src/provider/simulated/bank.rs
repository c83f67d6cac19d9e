//! The bank: its book, its manners, its limits, and whom it tells.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::{Notify, mpsc};

use super::Options;
use super::answer::Answer;
use super::book::{Book, Change, Said, Treatment, Wish};
use super::clock::now_ms;
use super::courier::Address;
use super::journal::BankError;
use super::limits::{Endpoint, Limits};
use super::manners::{Delivery, InvalidManners, Manners, Met, Mood};
use crate::provider::{Payment, Reference};

/// Changes that wait to be told, at most. What comes while so many wait is never told.
const NEWS_MAX: usize = 10_000;

/// A bank: payments in a folder, of which it forgets none. Cheap to clone.
///
/// The file there grows with every call and is read as a whole at the start: it is for tests.
#[derive(Clone)]
pub struct Bank(Arc<Inner>);

struct Inner {
    secret: [u8; 32],
    book: Mutex<Book>,
    mood: Mutex<Mood>,
    limits: Limits,
    /// Wakes whoever authorises late payments.
    is_due: Notify,
    news: Option<mpsc::Sender<News>>,
    /// For whoever serves the bank; `None`: somebody does.
    duties: Mutex<Option<Duties>>,
}

/// A change to tell, and what the message meets on its way.
#[derive(Debug)]
pub(super) struct News {
    pub(super) change: Change,
    pub(super) delivery: Delivery,
}

/// What is to be done while a bank is served.
pub(super) struct Duties {
    /// Whom to tell what.
    pub(super) tell: Option<(Address, mpsc::Receiver<News>)>,
}

impl Bank {
    /// Opens the bank in a folder, which is made if it is missing.
    ///
    /// # Errors
    /// When the folder cannot be had, is another bank's, or is damaged; and when an option makes no
    /// sense.
    pub fn open(folder: &Path, options: Options) -> Result<Self, BankError> {
        let Options { secret, webhooks, per_second, manners, seed } = options;
        manners.check()?;
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BankError::Secret);
        }
        let address =
            webhooks.as_ref().map(Address::of).transpose().map_err(BankError::Webhooks)?;
        let (sender, receiver) = mpsc::channel(NEWS_MAX);
        let inner = Inner {
            secret: sha256(secret.as_bytes()),
            book: Mutex::new(Book::open(folder)?),
            mood: Mutex::new(Mood::new(manners, seed)),
            limits: Limits::new(per_second),
            is_due: Notify::new(),
            news: address.is_some().then_some(sender),
            duties: Mutex::new(Some(Duties { tell: address.map(|address| (address, receiver)) })),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// How ill it behaves.
    pub fn manners(&self) -> Manners {
        lock(&self.0.mood).manners
    }

    /// Behaves so from now on.
    ///
    /// # Errors
    /// When a probability is none, or an answer would be held back too long.
    pub fn set_manners(&self, manners: Manners) -> Result<(), InvalidManners> {
        manners.check()?;
        lock(&self.0.mood).manners = manners;
        Ok(())
    }

    /// Whether this is the secret that whoever asks must bring. Takes the same time either way.
    pub(super) fn is_secret(&self, secret: &str) -> bool {
        verify_slices_are_equal(&self.0.secret, &sha256(secret.as_bytes())).is_ok()
    }

    pub(super) fn take(&self, endpoint: Endpoint) -> Result<(), Duration> {
        self.0.limits.take(endpoint)
    }

    pub(super) fn meet(&self) -> Met {
        lock(&self.0.mood).meet()
    }

    pub(super) fn take_duties(&self) -> Option<Duties> {
        lock(&self.0.duties).take()
    }

    pub(super) fn give_duties_back(&self, duties: Duties) {
        *lock(&self.0.duties) = Some(duties);
    }

    /// Does what is asked. On disk when it comes back.
    pub(super) async fn call(&self, wish: Wish, key: Option<String>, treatment: Treatment) -> Said {
        let bank = self.clone();
        let act = move |book: &mut Book, now_ms| {
            let mut said = book.call(&wish, key, treatment, now_ms)?;
            said.change.take().into_iter().for_each(|change| bank.tell(change));
            Ok(said)
        };
        let broken = || Said { answer: Answer::broken(), is_replayed: false, change: None };
        self.with_book(act).await.unwrap_or_else(broken)
    }

    pub(super) async fn find(&self, reference: Reference) -> Result<Option<Payment>, Answer> {
        let look = move |book: &mut Book, _| Ok(book.find(&reference).cloned());
        self.with_book(look).await.ok_or_else(Answer::broken)
    }

    pub(super) async fn after(
        &self,
        id: Option<String>,
        limit: NonZeroU32,
    ) -> Result<Vec<Payment>, Answer> {
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let look = move |book: &mut Book, _| {
            Ok(book.after(id.as_deref(), limit).into_iter().cloned().collect())
        };
        self.with_book(look).await.ok_or_else(Answer::broken)
    }

    /// Authorises late payments when their time has come, for ever; ends if the file fails.
    pub(super) async fn ripen(&self) {
        loop {
            let Some(next) = self.with_book(|book, _| Ok(book.next_due_ms())).await else { return };
            let wait = next.map(|due_ms| Duration::from_millis(due_ms.saturating_sub(now_ms())));
            tokio::select! {
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
                () = self.0.is_due.notified() => {}
            }
        }
    }

    /// Works on the book after what is due has been done, on a thread that may wait for the disk.
    /// `None`: the file has failed, now or before.
    async fn with_book<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Book, u64) -> std::io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let bank = self.clone();
        let work = move || {
            let mut book = lock(&bank.0.book);
            let now_ms = now_ms();
            while let Some(change) = book.ripen(now_ms)? {
                bank.tell(change);
            }
            if book.is_broken() {
                return Err(std::io::Error::other("an earlier write failed"));
            }
            let due = book.next_due_ms();
            let done = work(&mut book, now_ms)?;
            if book.next_due_ms() != due {
                bank.0.is_due.notify_one();
            }
            Ok(done)
        };
        let failed = |error| tracing::error!(%error, "the provider's file has failed: nothing is done any more");
        tokio::task::spawn_blocking(work).await.ok()?.map_err(failed).ok()
    }

    /// Lets others know of a change, once it is on disk. Called while the book is held, so that
    /// changes are told in their order.
    fn tell(&self, change: Change) {
        let Some(news) = &self.0.news else { return };
        let delivery = lock(&self.0.mood).deliver();
        if news.try_send(News { change, delivery }).is_err() {
            tracing::warn!("nobody takes the webhooks: one is never sent");
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// A lock whose holder panicked: what it guards is changed in one go, so it is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
