//! What actix-http may read of a connection now.
//!
//! actix-http reads ahead: up to 128 KiB while a request is answered, decoded into 5,000 requests of 12 KB at once. So
//! while a request waits for its answer, or an answer for the client to read it, nothing more is read, except a body
//! that a route waits for. One turn, which is one poll of the dispatcher, gets one piece.
//!
//! In: what the routes, the socket and the dispatcher of a connection say while that dispatcher is polled. Out: whether
//! the socket may be read, and another poll when it may be again.

use std::{
    cell::Cell,
    task::{Context, Poll},
};

/// The state of one connection; in [`TURN`] while its dispatcher is polled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Requests that a route answers now.
    answering: u32,
    /// A route waits for more of a body.
    wants_body: bool,
    /// The client does not read its answers.
    is_blocked: bool,
    /// Bytes were read in this turn.
    has_read: bool,
    /// More has arrived than was read.
    has_more: bool,
    /// A request was not read to its end.
    is_unread: bool,
}

thread_local! {
    /// The connection that this thread polls.
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

/// Tells the connection that is polled now.
fn tell(change: impl FnOnce(&mut Turn)) {
    // At the end of the thread nobody listens.
    let _ = TURN.try_with(|turn| {
        if let Some(mut now) = turn.get() {
            change(&mut now);
            turn.set(Some(now));
        }
    });
}

impl Turn {
    /// Polls the dispatcher of this connection.
    pub fn poll<T>(&mut self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        TURN.set(Some(Self { has_read: false, has_more: false, ..*self }));
        let polled = poll(cx);
        *self = TURN.take().unwrap_or_default();
        // Nothing else wakes it: what has arrived is announced once.
        if polled.is_pending() && self.has_more && self.may_read() {
            cx.waker().wake_by_ref();
        }
        polled
    }

    /// Whether a request was not read to its end.
    pub const fn is_unread(&self) -> bool {
        self.is_unread
    }

    const fn may_read(&self) -> bool {
        !self.is_blocked && (self.answering == 0 || self.wants_body)
    }
}

/// Whether a route waits for a body, so that what comes next is no head.
pub(super) fn wants_body() -> bool {
    TURN.get().is_some_and(|turn| turn.wants_body)
}

/// Whether the socket may be read now.
pub(super) fn may_read() -> bool {
    TURN.get().is_none_or(|turn| turn.may_read() && !turn.has_read)
}

/// Bytes were read.
pub(super) fn has_read() {
    tell(|turn| turn.has_read = true);
}

/// Bytes have arrived that may not be read now.
pub(super) fn has_more() {
    tell(|turn| turn.has_more = true);
}

/// Whether the client lets its answers wait.
pub(super) fn is_blocked(is_blocked: bool) {
    tell(|turn| turn.is_blocked = is_blocked);
}

/// The request that is answered now has data that is not read.
pub fn mark_unread() {
    tell(|turn| turn.is_unread = true);
}

/// Whether the route of the request that is answered now waits for more of its body.
pub fn want_body(wants: bool) {
    tell(|turn| turn.wants_body = wants);
}

/// A request that a route answers.
#[derive(Debug)]
pub struct Answering(());

impl Answering {
    /// From now until it is dropped.
    pub fn begin() -> Self {
        tell(|turn| turn.answering += 1);
        Self(())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        tell(|turn| {
            turn.answering = turn.answering.saturating_sub(1);
            turn.wants_body = false;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Wake, Waker},
    };

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One turn with something more to read; returns how often it wakes its task.
    fn wakes(turn: &mut Turn, act: impl FnOnce()) -> usize {
        let counted = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&counted));
        let polled = turn.poll(&mut Context::from_waker(&waker), |_| {
            act();
            has_more();
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        counted.0.load(Ordering::Relaxed)
    }

    #[test]
    fn a_connection_is_read_when_nothing_waits_for_an_answer_or_for_the_client() {
        assert!(may_read(), "not polled as a connection");
        let (mut turn, mut other) = (Turn::default(), Turn::default());
        let mut answering = None;
        let begun = wakes(&mut turn, || {
            assert!(may_read());
            has_read();
            assert!(!may_read(), "one piece in one turn");
            answering = Some(Answering::begin());
        });
        assert_eq!(begun, 0, "its answer wakes it");
        assert_eq!(wakes(&mut other, || assert!(may_read(), "another connection")), 1);
        assert_eq!(wakes(&mut turn, || assert!(!may_read())), 0);
        let waiting = wakes(&mut turn, || want_body(true));
        assert_eq!((waiting, wakes(&mut turn, || assert!(may_read() && wants_body()))), (1, 1));
        let answered = wakes(&mut turn, || {
            drop(answering.take());
            is_blocked(true);
        });
        assert_eq!(answered, 0, "the client reads nothing");
        assert_eq!(wakes(&mut turn, || assert!(!may_read() && !wants_body())), 0);
        assert_eq!(wakes(&mut turn, || is_blocked(false)), 1);
    }

    #[test]
    fn what_happens_outside_of_a_turn_belongs_to_no_connection() {
        let mut turn = Turn::default();
        mark_unread();
        has_read();
        assert_eq!(wakes(&mut turn, || assert!(may_read())), 1);
        assert!(!turn.is_unread());
        wakes(&mut turn, mark_unread);
        assert!(turn.is_unread());
    }
}
