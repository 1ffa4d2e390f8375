//! The hold: the only way in which a member waits.
//!
//! While a member is held, the messages of its groups are kept for it, in order. Its release sends them. What the
//! handlers of its own connection send is not held, so it comes before them:
//!
//! - **Connecting.** A connection joins its groups as a held member. It is released when its `on_connect` handler is
//!   done. The packet that confirms the connection, the greeting, and a snapshot that the handler fetches come before
//!   the first event.
//! - **A handler that joins a group.** From the join on, its member is held until the handler is done. An event is
//!   either older than the join, and part of what the handler fetches then, or it comes after the handler's answer.
//!
//! - **Conditions.** What a handler changes of the connection (its user, its variables) counts for the events that wait:
//!   a message whose condition or content may depend on that is decided at the release, in its place. So is a report of
//!   presence: the handler may take a snapshot that contains it.
//!
//! - **Work for the member.** An event that the consumer's own method in Python handles is a call, and one with outcomes
//!   asks the session to join, leave or close: this takes its place among the kept messages, and from then on the member
//!   is held. Its release sends what comes before the work and hands the work out; what comes after it waits on.
//!
//! A hold ends with the work of the handler, whose waits all have a deadline; a wait for the client itself
//! (an acknowledgement) ends it, too. The kept messages are bounded and counted like an outbox. When there is no room
//! for one, all of them are dropped and counted, and the client learns it: by a gap notice after the release, or, if
//! it does not ask for notices, by the close code 1013.
//!
//! A member without a hold pays nothing: its seat in a group contains its connection, and that of a held member does
//! not. `Shard::hold` and `Shard::release` change the seats.

use std::{collections::VecDeque, fmt, rc::Rc, sync::Arc};

use super::{
    calls::EventCalls,
    outcome::{HeldOutcome, MemberOutcome},
    tally::Tally,
};
use crate::{
    event::Event,
    socket::{Charge, Connection, EncodedMessage, Outbox, close::Ending},
};

/// Maximum number of calls that wait for one member.
pub(super) const MAX_CALLS: usize = 1024;

/// A call that waits, shared by the members of a worker; its bytes are counted once.
pub(super) struct HeldCall {
    call: EventCall,
    _charge: Charge,
}

/// An event that a consumer's own method in Python handles.
#[derive(Clone)]
pub struct EventCall {
    /// The event.
    pub event: Arc<Event>,
    /// The calls of the event that members share; `None`: it is a call for this member alone.
    pub shared: Option<Arc<EventCalls>>,
}

impl HeldCall {
    /// A call that waits for this client, among others of its worker.
    pub fn new(event: &Arc<Event>, shared: Option<&Arc<EventCalls>>, connection: &Connection) -> Self {
        let call = EventCall { event: Arc::clone(event), shared: shared.cloned() };
        Self { call, _charge: connection.charge(event.body.weight()) }
    }
}

/// Work that waits for one member.
pub(super) enum HeldWork {
    Call(Rc<HeldCall>),
    Outcome(Rc<HeldOutcome>),
    Close(Ending),
    /// It is not known yet whether the member gets this message.
    Undecided(Box<dyn Undecided>),
}

/// A message whose condition or content may depend on what the handler of the member's connection changes, or reads.
pub(super) trait Undecided {
    /// Its bytes in the outbox of its member.
    fn weight(&self) -> usize;

    /// Sends it, if it is for the member; returns the work that the member has instead.
    fn decide(&self, served: &mut Tally) -> Option<HeldWork>;
}

impl HeldWork {
    /// Its bytes in the outbox of its member.
    fn weight(&self) -> usize {
        match self {
            Self::Call(held) => held.call.event.body.weight(),
            Self::Outcome(held) => held.outcome.weight(),
            Self::Close(_) => 0,
            Self::Undecided(message) => message.weight(),
        }
    }

    const fn is_undecided(&self) -> bool {
        matches!(self, Self::Undecided(_))
    }
}

/// What is kept for one member.
#[derive(Default)]
pub struct Hold {
    /// The messages after the last call.
    kept: Outbox,
    /// Messages were dropped, and nothing is kept from then on.
    lost: bool,
    /// Some of what was sent since the last release was lost while it waited.
    missed: bool,
    /// The calls, and the messages before each.
    waiting: Option<Box<Queue>>,
}

/// The work that waits, in order; boxed, because nearly always there is none.
#[derive(Default)]
struct Queue {
    all: VecDeque<Waiting>,
    bytes: usize,
    /// How many of them are more than messages.
    calls: usize,
}

/// One piece of work, after the messages that come before it.
struct Waiting {
    before: Outbox,
    work: HeldWork,
}

impl Waiting {
    fn size(&self) -> usize {
        self.before.bytes() + self.work.weight()
    }
}

/// How a hold ended, or why it goes on.
#[derive(Clone)]
pub enum Released {
    /// Everything was sent.
    Complete,
    /// Messages were lost: the client must get a gap notice.
    Lossy,
    /// The member's consumer is to be called with this event. The member is still held.
    Call(EventCall),
    /// The member's session is to carry out what an event asks. The member is still held.
    Outcome(Arc<MemberOutcome>),
    /// The connection is to end: the consumer cannot handle an event. The member is still held.
    Close(Ending),
}

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("Complete"),
            Self::Lossy => f.write_str("Lossy"),
            Self::Call(call) => f.debug_tuple("Call").field(&call.event).finish(),
            Self::Outcome(asked) => f.debug_tuple("Outcome").field(asked).finish(),
            Self::Close(ending) => f.debug_tuple("Close").field(ending).finish(),
        }
    }
}

impl PartialEq for Released {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Complete, Self::Complete) | (Self::Lossy, Self::Lossy) => true,
            (Self::Call(one), Self::Call(other)) => Arc::ptr_eq(&one.event, &other.event),
            (Self::Outcome(one), Self::Outcome(other)) => Arc::ptr_eq(one, other),
            (Self::Close(one), Self::Close(other)) => one == other,
            _ => false,
        }
    }
}

impl Hold {
    /// Keeps messages; returns how many. `has_notices`: the client gets a gap notice if some are lost.
    pub(super) fn push(&mut self, connection: &Connection, messages: &[EncodedMessage], has_notices: bool) -> u32 {
        if self.lost {
            connection.held_back(messages);
            return 0;
        }
        let ahead = self.ahead();
        let taken = connection.keep(&mut self.kept, messages, ahead);
        if taken.is_none() {
            self.lose(connection, 0, has_notices);
        }
        taken.unwrap_or_default()
    }

    /// Keeps work in its place after the messages.
    pub(super) fn push_work(&mut self, connection: &Connection, work: HeldWork, has_notices: bool) {
        let (calls, is_call) = (self.queue().map_or(0, |queue| queue.calls), !work.is_undecided());
        let (bytes, weight) = (self.ahead() + self.kept.bytes(), work.weight());
        let is_first = self.queue().is_none() && self.kept.is_empty();
        let fits = is_first || bytes + weight <= connection.limits().outbox;
        if self.lost || (is_call && calls >= MAX_CALLS) || !fits || connection.is_pressed() {
            return self.lose(connection, 1, has_notices);
        }
        let before = std::mem::take(&mut self.kept);
        let queue = self.waiting.get_or_insert_default();
        queue.bytes += before.bytes() + weight;
        queue.calls += usize::from(is_call);
        queue.all.push_back(Waiting { before, work });
    }

    /// Drops everything, and the client learns it.
    fn lose(&mut self, connection: &Connection, refused: u64, has_notices: bool) {
        let was_lost = std::mem::replace(&mut self.lost, true);
        let mut kept = vec![std::mem::take(&mut self.kept)];
        let mut calls = refused;
        if let Some(waiting) = self.waiting.take() {
            calls += waiting.all.len() as u64;
            kept.extend(waiting.all.into_iter().map(|one| one.before));
        }
        connection.lose_kept(kept, calls);
        if !was_lost && !has_notices {
            connection.close_for_loss();
        }
    }

    /// Sends what was kept, up to the next piece of work.
    pub(super) fn release(&mut self, connection: &Connection, served: &mut Tally) -> Released {
        while let Some(Waiting { before, work }) = self.next() {
            self.missed |= connection.send_kept(before);
            let work = match work {
                HeldWork::Undecided(message) => message.decide(served),
                work => Some(work),
            };
            return match work {
                Some(HeldWork::Call(held)) => Released::Call(held.call.clone()),
                Some(HeldWork::Outcome(held)) => Released::Outcome(Arc::clone(&held.outcome)),
                Some(HeldWork::Close(ending)) => Released::Close(ending),
                Some(HeldWork::Undecided(_)) | None => continue,
            };
        }
        let lost = connection.send_kept(std::mem::take(&mut self.kept));
        let missed = std::mem::take(&mut self.missed) | std::mem::take(&mut self.lost);
        if lost || missed { Released::Lossy } else { Released::Complete }
    }

    /// Drops what was kept: the member has left.
    pub(super) fn discard(self, connection: &Connection) {
        connection.discard_kept(self.kept, 0);
        for waiting in self.waiting.into_iter().flat_map(|waiting| waiting.all) {
            connection.discard_kept(waiting.before, 1);
        }
    }

    fn next(&mut self) -> Option<Waiting> {
        let queue = self.waiting.as_mut()?;
        let next = queue.all.pop_front();
        match &next {
            Some(next) if !queue.all.is_empty() => {
                queue.bytes -= next.size();
                queue.calls -= usize::from(!next.work.is_undecided());
            }
            _ => self.waiting = None,
        }
        next
    }

    fn queue(&self) -> Option<&Queue> {
        self.waiting.as_deref()
    }

    /// The bytes before those of `kept`.
    fn ahead(&self) -> usize {
        self.queue().map_or(0, |queue| queue.bytes)
    }
}
