//! One connection at work, whatever it speaks: carries out what its consumers ask for, in order.
//!
//! In: messages, acknowledgements, and the end of the connection. Out: sends through an [`Outlet`], joins and leaves in the
//! hub, publishes to the layer, calls to the backend. As in Channels, one message is handled at a time: while something is
//! waited for (a join, a publish, the backend), what comes next from this connection waits, bounded, and other
//! connections go on. It knows no protocol.

mod asks;
mod identity;
mod queue;
mod refresh;
mod work;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
};

use self::{
    asks::Asks,
    queue::{Queue, Waiting},
    work::{Pending, Work},
};
use super::services::WorkerServices;
use crate::{
    consumer::{Context, Continuation, MessageProblem, Outcome, Reaction},
    event::{GapReason, Incoming, Value},
    hub::Member,
    socket::close::CloseCode,
    warn_bounded,
};

pub use super::{effects::Outlet, part::Part};

/// Messages that may wait before the client is read no further.
const HOLD_AT: usize = 64;

/// Messages that may wait at all: a polling client can send many at once.
const MAX_WAITING: usize = 4096;

/// What is to be done, in order, each for one of the session's parts.
type Agenda = VecDeque<(usize, Work)>;

/// How it goes on after something that was waited for.
enum After {
    /// First with this.
    More(Vec<Work>),
    /// Not with the rest of the handler.
    End,
}

/// One connection's session.
pub struct Session {
    services: Rc<WorkerServices>,
    outlet: Rc<dyn Outlet>,
    member: RefCell<Option<Rc<Member>>>,
    parts: Box<[Part]>,
    /// There while something is waited for.
    queue: RefCell<Option<Box<Queue>>>,
    asks: RefCell<Option<Box<Asks>>>,
    /// Groups that the connection was put into when it came; the rest it joined by its messages.
    own_groups: Cell<u16>,
    /// Under which number the connection keeps the permits of its users.
    attempt: u32,
}

impl Session {
    /// A session that is not open yet.
    pub fn new(
        services: Rc<WorkerServices>,
        outlet: Rc<dyn Outlet>,
        member: Rc<Member>,
        parts: Box<[Part]>,
        attempt: u32,
    ) -> Rc<Self> {
        let session = Self {
            services,
            outlet,
            member: RefCell::new(Some(member)),
            parts,
            queue: RefCell::default(),
            asks: RefCell::default(),
            own_groups: Cell::default(),
            attempt,
        };
        session.joined();
        Rc::new(session)
    }

    /// The connection as the hub sees it; `None` once it is gone.
    pub fn member(&self) -> Option<Rc<Member>> {
        self.member.borrow().clone()
    }

    /// The connection is there: the consumers' `on_connect`, then their presence.
    pub fn opened(self: &Rc<Self>) {
        let mut agenda = Agenda::new();
        for (place, part) in self.parts.iter().enumerate() {
            let reaction = part.with_context(|context| part.consumer.on_connect(context));
            self.plan(&mut agenda, place, reaction, "on_connect");
        }
        for (place, part) in self.parts.iter().enumerate() {
            if part.consumer.has_presence() {
                agenda.push_back((place, Work::Enter));
            }
        }
        self.start(agenda);
    }

    /// The groups that it came for are joined; those it joins from here on are rooms of its own choice, and bounded. To be
    /// called only where they are joined after the session was made.
    pub fn joined(&self) {
        if let Some(member) = self.member() {
            self.own_groups.set(u16::try_from(member.groups()).unwrap_or(u16::MAX));
        }
    }

    /// A message came.
    pub fn received(self: &Rc<Self>, incoming: Incoming<'_>) {
        self.services.metrics.messages.inc();
        let waiting = self.queue.borrow_mut().as_deref_mut().map(|queue| {
            queue.push(Waiting::message(incoming));
            queue.len()
        });
        if let Some(waiting) = waiting {
            return self.bound(waiting);
        }
        let agenda = self.react(incoming);
        self.start(agenda);
    }

    /// An acknowledgement came, with its arguments.
    pub fn acknowledged(self: &Rc<Self>, id: u64, args: Value) {
        self.resolve(id, Outcome::Acknowledged(args));
    }

    /// The connection is gone: nothing reaches it any more, and the consumers' `on_disconnect` runs.
    pub fn gone(self: &Rc<Self>) {
        let Some(member) = self.member.borrow_mut().take() else { return };
        self.services.shard.leave_all(&member);
        *self.asks.borrow_mut() = None;
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.push(Waiting::Gone);
            return;
        }
        let agenda = self.farewell();
        self.start(agenda);
    }

    /// Something that was for the client is lost: it is told, if it asked for that.
    pub fn missed(&self, reason: GapReason) {
        let Some(consumer) = self.member().and_then(|member| member.gap_consumer()) else { return };
        let Some(part) = self.parts.iter().find(|part| part.consumer.id() == consumer) else { return };
        match part.consumer.gap_notice(reason, None) {
            Ok(notice) => self.outlet.send(&notice),
            Err(reason) => warn_bounded!("{}: a client is not told of a gap: {reason}", part.consumer.name()),
        }
    }

    /// Messages that wait to be handled.
    pub fn waiting(&self) -> usize {
        self.queue.borrow().as_ref().map_or(0, |queue| queue.len())
    }

    fn bound(&self, waiting: usize) {
        if waiting == HOLD_AT {
            self.outlet.hold(true);
        } else if waiting > MAX_WAITING {
            self.services.metrics.closed("too_many_messages");
            self.outlet.close(CloseCode::POLICY_VIOLATION, "too many messages wait");
        }
    }

    fn react(&self, incoming: Incoming<'_>) -> Agenda {
        let mut agenda = Agenda::new();
        let handled = |part: &Part| self.parts.len() == 1 || part.consumer.handles(&incoming);
        let mut any = false;
        for (place, part) in self.parts.iter().enumerate().filter(|(_, part)| handled(part)) {
            any = true;
            self.plan(&mut agenda, place, part.react(incoming), "a message");
        }
        // Nobody's: the first consumer says what becomes of such messages.
        if let (false, Some(first)) = (any, self.parts.first()) {
            self.plan(&mut agenda, 0, first.react(incoming), "a message");
        }
        agenda
    }

    fn farewell(&self) -> Agenda {
        let mut agenda = Agenda::new();
        for (place, part) in self.parts.iter().enumerate() {
            let reaction = part.with_context(|context| part.consumer.on_disconnect(context));
            self.note(place, &reaction, "on_disconnect");
            if !reaction.effects.is_empty() {
                // Nothing of it is for the client, and the worker may end with its last connection.
                let context = part.with_context(Context::clone);
                self.services.background.start(Arc::clone(&part.consumer), context, reaction, "on_disconnect");
            }
            agenda.push_back((place, Work::Exit));
        }
        agenda
    }

    fn plan(&self, agenda: &mut Agenda, place: usize, reaction: Reaction, what: &str) {
        self.note(place, &reaction, what);
        agenda.extend(reaction.effects.into_iter().map(|effect| (place, Work::Effect(effect))));
    }

    fn note(&self, place: usize, reaction: &Reaction, what: &str) {
        if let Some(problem) = &reaction.problem {
            self.services.metrics.refused_message(problem.label());
            let name = self.parts[place].consumer.name();
            match problem {
                // Somebody misses events that he asked for, and may not know why.
                MessageProblem::Room(_) => warn_bounded!("{name}: {what}: {problem}"),
                _ => log::debug!("{name}: {what}: {problem}"),
            }
        }
    }

    /// Does what can be done at once; if something is to be waited for, a task goes on with the rest.
    fn start(self: &Rc<Self>, mut agenda: Agenda) {
        if let Some(pending) = self.advance(&mut agenda) {
            *self.queue.borrow_mut() = Some(Box::default());
            actix_rt::spawn(Rc::clone(self).go_on(pending, agenda));
        }
    }

    /// Works the agenda off up to something that is to be waited for.
    fn advance(self: &Rc<Self>, agenda: &mut Agenda) -> Option<(usize, Pending)> {
        while let Some((place, work)) = agenda.pop_front() {
            if let Some(pending) = self.at_once(place, work) {
                return Some((place, pending));
            }
        }
        None
    }

    async fn go_on(self: Rc<Self>, first: (usize, Pending), mut agenda: Agenda) {
        let mut next = Some(first);
        loop {
            while let Some((place, pending)) = next {
                match self.in_time(place, pending).await {
                    After::More(more) => more.into_iter().rev().for_each(|work| agenda.push_front((place, work))),
                    After::End => agenda.retain(|(of, work)| *of != place || !matches!(work, Work::Effect(_))),
                }
                next = self.advance(&mut agenda);
            }
            let waiting = {
                let mut queue = self.queue.borrow_mut();
                let waiting = queue.as_deref_mut().and_then(Queue::pop);
                if waiting.is_none() {
                    *queue = None;
                }
                waiting
            };
            self.set_asked(None);
            agenda = match waiting {
                None => {
                    self.outlet.hold(false);
                    return;
                }
                Some(Waiting::Gone) => self.farewell(),
                Some(Waiting::Resume { place, then, outcome }) => self.resume(place, &then, outcome),
                Some(Waiting::Message(message)) => self.react(message.as_incoming()),
            };
            next = self.advance(&mut agenda);
        }
    }

    fn resume(&self, place: usize, then: &Continuation, outcome: Outcome) -> Agenda {
        let part = &self.parts[place];
        let reaction = part.with_context(|context| part.consumer.resume(context, then, outcome));
        let mut agenda = Agenda::new();
        self.plan(&mut agenda, place, reaction, "an answer");
        agenda
    }
}

#[cfg(test)]
mod tests;
