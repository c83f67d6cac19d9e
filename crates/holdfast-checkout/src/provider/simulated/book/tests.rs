//! The book's steps, from every state.

use super::*;
use PaymentStatus::{Authorised, Cancelled, Captured, Declined, Pending, Refunded};

fn reference(text: &str) -> Reference {
    Reference::new(text).unwrap()
}

fn charge(text: &str, manner: Manner) -> Wish {
    let total = Money { amount: 4_500, currency: Currency::new("EUR").unwrap() };
    let manner = Some(manner);
    Wish::Authorise(Charge { reference: reference(text), total, manner, late_ms: 1_000 })
}

/// Does what is asked, without a key, and gives the answer's status and the payment's.
fn ask(book: &mut Book, wish: &Wish, now_ms: u64) -> (u16, PaymentStatus) {
    let said = book.call(wish, None, Treatment::default(), now_ms).unwrap();
    (said.answer.status, book.find(wish.reference()).unwrap().status)
}

/// A payment in each state.
fn payment_in(book: &mut Book, state: PaymentStatus) -> Reference {
    let name = state.as_str();
    let manner = match state {
        Pending => Manner::Late,
        Declined => Manner::Decline,
        _ => Manner::Approve,
    };
    let wishes = [Wish::Capture(reference(name)), Wish::Cancel(reference(name))];
    ask(book, &charge(name, manner), 0);
    match state {
        Captured => assert_eq!(ask(book, &wishes[0], 0), (200, Captured)),
        Cancelled => assert_eq!(ask(book, &wishes[1], 0), (200, Cancelled)),
        Refunded => {
            ask(book, &wishes[0], 0);
            assert_eq!(ask(book, &Wish::Refund(reference(name)), 0), (200, Refunded));
        }
        _ => {}
    }
    assert_eq!(book.find(&reference(name)).unwrap().status, state);
    reference(name)
}

#[test]
fn every_step_from_every_state() {
    let steps: [fn(Reference) -> Wish; 3] = [Wish::Capture, Wish::Cancel, Wish::Refund];
    for (state, after) in [
        (Pending, [None, None, None]),
        (Authorised, [Some(Captured), Some(Cancelled), None]),
        (Declined, [None, None, None]),
        (Captured, [None, None, Some(Refunded)]),
        (Cancelled, [None, None, None]),
        (Refunded, [None, None, None]),
    ] {
        for (step, after) in steps.into_iter().zip(after) {
            let folder = tempfile::tempdir().unwrap();
            let mut book = Book::open(folder.path()).unwrap();
            let wish = step(payment_in(&mut book, state));
            let expected = after.map_or((409, state), |after| (200, after));
            assert_eq!(ask(&mut book, &wish, 0), expected, "{wish:?}");
            let again = charge(state.as_str(), Manner::Approve);
            assert_eq!(ask(&mut book, &again, 0), (409, expected.1), "{again:?}");
        }
    }
}

#[test]
fn what_is_late_is_authorised_when_its_time_has_come_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut book = Book::open(folder.path()).unwrap();
    assert_eq!(ask(&mut book, &charge("a", Manner::Late), 500), (201, Pending));
    assert_eq!(ask(&mut book, &charge("b", Manner::Late), 600), (201, Pending));
    assert_eq!(book.next_due_ms(), Some(1_500));
    assert_eq!(book.ripen(1_499).unwrap(), None);
    let change = book.ripen(1_500).unwrap().unwrap();
    assert_eq!((change.kept.payment.status, change.kept.due_ms), (Authorised, None));
    assert_eq!(book.ripen(1_500).unwrap(), None);
    drop(book);
    // The other one is late over a restart too.
    let mut book = Book::open(folder.path()).unwrap();
    assert_eq!(book.next_due_ms(), Some(1_600));
    assert_eq!(book.ripen(9_999).unwrap().unwrap().kept.payment.reference, reference("b"));
    assert_eq!(book.next_due_ms(), None);
}

#[test]
fn after_a_failed_write_nothing_is_done_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut book = Book::open(folder.path()).unwrap();
    ask(&mut book, &charge("a", Manner::Approve), 0);
    book.journal.fail_next();
    let wish = charge("b", Manner::Approve);
    for _ in 0..2 {
        assert!(book.call(&wish, None, Treatment::default(), 0).is_err());
        assert!(book.is_broken() && book.find(&reference("b")).is_none());
    }
}
