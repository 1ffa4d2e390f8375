//! What an event asks of members besides frames: a call of their own consumer's method in Python, an outcome, or their
//! end.
//!
//! In: an event that a consumer does not map, or that it fails to map, or whose handler has outcomes. Out: work that
//! takes its place among the messages of each member, and that the member's handler gets from
//! [`Shard::release`](super::Shard::release).

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    sync::Arc,
};

use super::{
    calls::EventCalls,
    hold::{HeldCall, HeldWork},
    member::Member,
    notice,
    outcome::{HeldOutcome, MemberOutcome},
    tally::Tally,
};
use crate::{
    config::PythonPer,
    consumer::{Consumer, Mapped},
    event::{Event, GapReason},
    socket::{EncodedMessage, close::Ending},
};

/// The work of an event for each of its members.
pub(super) enum MemberWork {
    /// Calls for the members of the node, as many as may be.
    Calls(Arc<EventCalls>),
    /// A call for the only receiver.
    Call(Arc<Event>),
    /// What the event asks of each member's session.
    Outcome(Arc<MemberOutcome>),
    /// The connection ends, as with a consumer of Channels that raises an exception.
    Close(Ending),
}

impl MemberWork {
    /// What a mapped event asks of its members after the messages, and the topic that they must have subscribed to. An
    /// outcome that fails ends a connection of a consumer in Django, as an exception does in Channels.
    pub fn after<'a>(mapped: &'a Mapped, consumer: &Consumer) -> Option<(Self, Option<&'a Arc<str>>)> {
        match mapped.outcome.as_ref()? {
            Ok(outcome) => {
                let work = Arc::new(MemberOutcome::new(consumer, outcome.clone()));
                Some((Self::Outcome(work), outcome.topic.as_ref()))
            }
            Err(_) if consumer.django().is_any() => Some((Self::Close(Ending::event_failed()), None)),
            Err(_) => None,
        }
    }

    /// Its bytes in a worker's backlog.
    pub fn weight(&self) -> usize {
        match self {
            Self::Calls(calls) => calls.event().body.weight(),
            Self::Call(event) => event.body.weight(),
            Self::Outcome(outcome) => outcome.weight(),
            Self::Close(_) => 0,
        }
    }
}

/// The members of a worker whose handlers are to be called.
pub(super) type Woken = Rc<RefCell<Vec<Rc<Member>>>>;

/// An event's work on this worker.
pub(super) struct WorkHere {
    work: Arc<MemberWork>,
    woken: Woken,
    /// Made for the first member that is called.
    call: OnceCell<Rc<HeldCall>>,
    /// The same for an outcome.
    outcome: OnceCell<Rc<HeldOutcome>>,
}

impl WorkHere {
    pub fn new(work: &Arc<MemberWork>, woken: &Woken) -> Self {
        Self { work: Arc::clone(work), woken: Rc::clone(woken), call: OnceCell::new(), outcome: OnceCell::new() }
    }

    /// Gives a member its work, in its place among the member's messages.
    pub fn give(&self, member: &Rc<Member>, served: &mut Tally) {
        if let Some(work) = self.of(member, served)
            && member.take_work(work)
        {
            self.woken.borrow_mut().push(Rc::clone(member));
        }
    }

    /// The work for a member; `None` if there are too many calls.
    pub fn of(&self, member: &Rc<Member>, served: &mut Tally) -> Option<HeldWork> {
        Some(match &*self.work {
            MemberWork::Calls(calls) if calls.per() == PythonPer::Connection => match calls.take() {
                true => self.held(member, calls.event(), None),
                false => {
                    miss(calls, member, served);
                    return None;
                }
            },
            // Who shares a call with whom is known when a member comes to the event.
            MemberWork::Calls(calls) => self.held(member, calls.event(), Some(calls)),
            MemberWork::Call(event) => self.held(member, event, None),
            MemberWork::Outcome(outcome) => {
                let make = || Rc::new(HeldOutcome::new(outcome, member.connection()));
                HeldWork::Outcome(Rc::clone(self.outcome.get_or_init(make)))
            }
            MemberWork::Close(ending) => HeldWork::Close(ending.clone()),
        })
    }

    fn held(&self, member: &Member, event: &Arc<Event>, shared: Option<&Arc<EventCalls>>) -> HeldWork {
        let make = || Rc::new(HeldCall::new(event, shared, member.connection()));
        HeldWork::Call(Rc::clone(self.call.get_or_init(make)))
    }
}

/// Sends the gap notice to a member that gets no call and wants a notice.
fn miss(calls: &EventCalls, member: &Member, served: &mut Tally) {
    let consumer = calls.consumer();
    if member.gap_consumer() != Some(consumer.id()) {
        return;
    }
    let make = || notice::frame(consumer, GapReason::Calls, Some(&[&calls.event().group]), None);
    if let Some(frame) = calls.notice(make) {
        let connection = member.connection();
        let bytes = frame.bytes(connection.deflate(), &connection.limits().compression).clone();
        let message = EncodedMessage::recurring(bytes, frame.loss().clone());
        let taken = member.deliver(&message, &[]);
        served.add(taken, &message);
    }
}
