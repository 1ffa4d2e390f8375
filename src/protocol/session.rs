//! The session of one connection, in any protocol: runs the effects of its consumers in order.
//!
//! In: messages, acknowledgements, and the end of the connection. Out: sends through an [`Outlet`], joins and leaves in
//! the hub, publishes to the layer, calls to the backend. As in Channels, one message is handled at a time: during a
//! wait (for a join, a publish, the backend), the connection's next messages wait, within limits, and other connections
//! continue. Waiting messages are counted, and dropped if the node holds too much. The session never depends on a
//! transport. `agenda` runs the work, `work` is each piece of it.

mod agenda;
mod asks;
mod calls;
mod identity;
mod login;
mod orders;
mod outcomes;
mod presence;
mod queue;
mod refresh;
mod room;
mod shared;
mod work;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use tokio::time::sleep;

use self::{
    asks::Asks,
    queue::{Buffered, EventWork, Item, Queue, UNCOUNTED},
    work::Work,
};
use super::{bridged::RunningCall, services::WorkerServices};
use crate::{
    backend::bridge::CallEvent,
    consumer::{Context, Continuation, MessageProblem, Outcome, Reaction},
    event::{GapReason, Incoming, Payload, Value},
    hub::{Member, Released},
    packet::RawEvent,
    socket::About,
    warn_bounded,
};

pub use self::calls::Accepted;
pub use super::{binding::Binding, effects::Outlet};

/// How long messages of a gone client are still handled: Daphne's `application_close_timeout`.
const FORGET: Duration = Duration::from_secs(10);

/// Work in order, each item for one of the session's bindings.
type Agenda = VecDeque<(usize, Work)>;

/// The close code of a connection that ends without a Close, as ASGI servers report it.
const ABNORMAL: u16 = 1006;

/// How the session continues after a wait.
enum After {
    /// With this work first.
    More(Vec<Work>),
    /// Without the rest of the handler.
    End,
}

/// One connection's session.
pub struct Session {
    services: Rc<WorkerServices>,
    outlet: Rc<dyn Outlet>,
    member: RefCell<Option<Rc<Member>>>,
    bindings: Box<[Binding]>,
    /// Exists during a wait.
    queue: RefCell<Option<Box<Queue>>>,
    asks: RefCell<Option<Box<Asks>>>,
    /// Number of groups joined on connect; the connection joined the others by its messages.
    own_groups: Cell<u16>,
    /// How the connection ended.
    closed: Cell<u16>,
    /// The number of this session's user permits in its connection.
    attempt: u32,
}

impl Session {
    /// Creates a session that is not open yet.
    pub fn new(
        services: Rc<WorkerServices>,
        outlet: Rc<dyn Outlet>,
        member: Rc<Member>,
        bindings: Box<[Binding]>,
        attempt: u32,
    ) -> Rc<Self> {
        let session = Self {
            services,
            outlet,
            member: RefCell::new(Some(member)),
            bindings,
            queue: RefCell::default(),
            asks: RefCell::default(),
            own_groups: Cell::default(),
            closed: Cell::new(ABNORMAL),
            attempt,
        };
        session.joined();
        Rc::new(session)
    }

    /// The connection in the hub; `None` once it is gone.
    pub fn member(&self) -> Option<Rc<Member>> {
        self.member.borrow().clone()
    }

    /// The connection is open: sends its first message, goes on with the call that accepted it, runs the consumers'
    /// `on_connect`, releases the member, then enters presence.
    pub fn opened(self: &Rc<Self>, hello: Option<&Payload>, call: Option<RunningCall>) {
        if let Some(hello) = hello {
            self.outlet.send(hello);
        }
        self.expect_login(&self.services.logins);
        let mut agenda = Agenda::new();
        agenda.extend(call.map(|call| (call.index, Work::Follow(call))));
        agenda.extend((0..self.bindings.len()).map(|index| (index, Work::Connected)));
        agenda.push_back((0, Work::Release));
        for (index, binding) in self.bindings.iter().enumerate() {
            if binding.consumer.has_presence() {
                agenda.push_back((index, Work::Enter));
            }
        }
        self.start(agenda, || 0);
    }

    /// The groups of the connect are joined; all later ones count as rooms, which are limited. Call it only if they are
    /// joined after the session was created.
    pub fn joined(&self) {
        if let Some(member) = self.member() {
            self.own_groups.set(u16::try_from(member.groups()).unwrap_or(u16::MAX));
        }
    }

    /// Handles a message; for an event `source` is its undecoded text.
    pub fn received(self: &Rc<Self>, incoming: Incoming<'_>, source: Option<&RawEvent>) {
        self.services.metrics.messages.inc();
        let waiting = self.queue.borrow_mut().as_deref_mut().map(|queue| {
            queue.push(Item::Message(Buffered::new(incoming, source)));
            queue.len()
        });
        if let Some(waiting) = waiting {
            self.weigh();
            return self.bound(waiting);
        }
        let has_room = self.inbox().is_none_or(|inbox| inbox.has_room());
        if !has_room && self.weight_of(incoming, source) > UNCOUNTED {
            return self.wait_for_room(Buffered::new(incoming, source));
        }
        let agenda = self.react(incoming);
        self.start(agenda, || self.weight_of(incoming, source));
    }

    /// Handles an acknowledgement with its arguments.
    pub fn acknowledged(self: &Rc<Self>, id: u64, args: Value) {
        self.resolve(id, Outcome::Acknowledged(args));
    }

    /// The connection is gone: it receives nothing any more, and the consumers' `on_disconnect` runs.
    pub fn gone(self: &Rc<Self>) {
        let Some(member) = self.member.borrow_mut().take() else { return };
        self.closed.set(member.connection().close_code().unwrap_or(ABNORMAL));
        self.services.shard.leave_all(&member);
        *self.asks.borrow_mut() = None;
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.push(Item::Gone);
            if queue.follows {
                queue.stop.notify_one();
            }
            actix_rt::spawn(Self::forget(Rc::downgrade(self)));
            return;
        }
        let agenda = self.farewell();
        self.start(agenda, || 0);
    }

    /// Drops messages that still wait some time after the client has gone, when Daphne would end the consumer.
    async fn forget(session: Weak<Self>) {
        sleep(FORGET).await;
        let Some(session) = session.upgrade() else { return };
        let mut queue = session.queue.borrow_mut();
        let forgotten = queue.as_deref_mut().map_or(0, Queue::clear);
        if let Some(queue) = queue.as_deref()
            && session.is_bridged()
        {
            // The consumer's handler is cancelled, as under Daphne.
            queue.stop.notify_one();
        }
        drop(queue);
        for _ in 0..forgotten {
            session.services.metrics.refused_message("client_gone");
        }
        session.weigh();
    }

    /// Messages for the client are lost: sends a gap notice, if the client asked for notices.
    pub fn missed(&self, reason: GapReason) {
        let Some(consumer) = self.member().and_then(|member| member.gap_consumer()) else { return };
        let Some(binding) = self.bindings.iter().find(|binding| self.audience(&binding.consumer) == consumer) else {
            return;
        };
        match binding.consumer.gap_notice(reason, None) {
            Ok(notice) => self.outlet.send(&notice),
            Err(reason) => warn_bounded!("{}: a gap notice cannot be sent: {reason}", binding.consumer.name()),
        }
    }

    /// Whose session it is, for an operator.
    pub fn about(&self) -> About {
        let first = self.bindings.first();
        let id = self.member().and_then(|member| member.id());
        About {
            consumer: first.map_or_else(String::new, |binding| binding.consumer.name().to_owned()),
            user: first.and_then(Binding::user_id),
            socket: id.map(|id| id.text().to_string()),
        }
    }

    /// Number of waiting messages.
    pub fn waiting(&self) -> usize {
        self.queue.borrow().as_ref().map_or(0, |queue| queue.len())
    }

    /// The handler is done: its member is held no longer, except by work of an event, which comes next.
    fn release(&self) -> Option<EventWork> {
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.has_joined = false;
        }
        loop {
            let member = self.member()?;
            match self.services.shard.release(&member) {
                Released::Complete => return None,
                Released::Lossy => {
                    if member.gap_consumer().is_some() {
                        self.services.metrics.gap(GapReason::Held.label());
                        self.missed(GapReason::Held);
                    }
                    return None;
                }
                Released::Call(event) => return Some(EventWork::Call(event)),
                Released::Outcome(asked) => {
                    if let Some((index, effects)) = self.begin_outcome(&asked) {
                        return Some(EventWork::Outcome(index, effects));
                    }
                }
                Released::Close(ending) => {
                    self.end_as_failed(&ending);
                    return None;
                }
            }
        }
    }

    /// The handler has joined a group and waits: the events of the connection wait, too.
    fn hold(&self) {
        if let Some(member) = self.member() {
            self.services.shard.hold(&member);
        }
    }

    fn has_joined(&self) -> bool {
        self.queue.borrow().as_ref().is_some_and(|queue| queue.has_joined)
    }

    fn react(&self, incoming: Incoming<'_>) -> Agenda {
        let mut agenda = Agenda::new();
        let handled = |binding: &Binding| self.bindings.len() == 1 || binding.consumer.handles(&incoming);
        let mut any = false;
        for (index, binding) in self.bindings.iter().enumerate().filter(|(_, binding)| handled(binding)) {
            any = true;
            match binding.react(incoming) {
                Some(reaction) => self.plan(&mut agenda, index, reaction, "a message"),
                None => agenda.extend(CallEvent::of(incoming).map(|event| (index, Work::Call(event)))),
            }
        }
        // No consumer handles the message: the first one decides about it.
        if let (false, Some(first)) = (any, self.bindings.first()) {
            self.plan(&mut agenda, 0, first.react(incoming).unwrap_or_default(), "a message");
        }
        agenda
    }

    fn farewell(&self) -> Agenda {
        let mut agenda = Agenda::new();
        for (index, binding) in self.bindings.iter().enumerate() {
            let reaction = binding.with_context(|context| binding.consumer.on_disconnect(context));
            self.note(index, &reaction, "on_disconnect");
            if !reaction.effects.is_empty() {
                // Nothing of this is sent to the client, and the worker may end with its last connection.
                let context = binding.with_context(Context::clone);
                let namespace = self.outlet.namespace().cloned();
                let consumer = (Arc::clone(&binding.consumer), namespace);
                self.services.background.start(consumer, context, reaction, "on_disconnect");
            }
            self.call_disconnect(binding);
            agenda.push_back((index, Work::Exit));
        }
        agenda
    }

    fn plan(&self, agenda: &mut Agenda, index: usize, reaction: Reaction, what: &str) {
        self.note(index, &reaction, what);
        agenda.extend(reaction.effects.into_iter().map(|effect| (index, Work::Effect(effect))));
    }

    fn note(&self, index: usize, reaction: &Reaction, what: &str) {
        if let Some(problem) = &reaction.problem {
            self.services.metrics.refused_message(problem.label());
            let name = self.bindings[index].consumer.name();
            match problem {
                // The client misses events of a room, and may not know why.
                MessageProblem::Room(_) => warn_bounded!("{name}: {what}: {problem}"),
                _ => log::debug!("{name}: {what}: {problem}"),
            }
        }
    }

    fn react_to(&self, message: Buffered) -> Agenda {
        match message {
            Buffered::Text(text) => self.react(Incoming::Text(&text)),
            Buffered::Binary(bytes) => self.react(Incoming::Binary(&bytes)),
            // Decoding already succeeded on arrival.
            Buffered::Event { source, ack } => source.read().map_or_else(
                |_| Agenda::new(),
                |(name, args)| self.react(Incoming::Event { name: &name, args: &Arc::new(args), ack }),
            ),
        }
    }

    fn resume(&self, index: usize, then: &Continuation, outcome: Outcome) -> Agenda {
        let binding = &self.bindings[index];
        let reaction = binding.with_context(|context| binding.consumer.resume(context, then, outcome));
        let mut agenda = Agenda::new();
        self.plan(&mut agenda, index, reaction, "an answer");
        agenda
    }
}

#[cfg(test)]
mod tests;
