//! The session of one connection, in any protocol: runs the effects of its consumers in order.
//!
//! In: messages, acknowledgements, and the end of the connection. Out: sends through an [`Outlet`], joins and leaves in
//! the hub, publishes to the layer, calls to the backend. As in Channels, one message is handled at a time: during a
//! wait (for a join, a publish, the backend), the connection's next messages wait, within limits, and other connections
//! continue. Waiting messages are counted, and dropped if the node holds too much. The session never depends on a
//! transport.

mod asks;
mod identity;
mod queue;
mod refresh;
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
    queue::{Buffered, Item, Queue, UNCOUNTED, weight_of},
    work::{Pending, Work},
};
use super::services::WorkerServices;
use crate::{
    consumer::{Context, Continuation, MessageProblem, Outcome, Reaction},
    event::{GapReason, Incoming, Value},
    hub::{Member, Released},
    packet::RawEvent,
    socket::{Held, Inbox, Keeper, close::CloseCode},
    warn_bounded,
};

pub use super::{binding::Binding, effects::Outlet};

/// Messages that may wait before reading from the client pauses.
const HOLD_AT: usize = 64;

/// The interval of checks for room for a message.
const ROOM: Duration = Duration::from_millis(5);

/// How long messages of a gone client are still handled: Daphne's `application_close_timeout`.
const FORGET: Duration = Duration::from_secs(10);

/// Maximum number of waiting messages: a polling client can send many at once.
const MAX_WAITING: usize = 4096;

/// Work in order, each item for one of the session's bindings.
type Agenda = VecDeque<(usize, Work)>;

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
            attempt,
        };
        session.joined();
        Rc::new(session)
    }

    /// The connection in the hub; `None` once it is gone.
    pub fn member(&self) -> Option<Rc<Member>> {
        self.member.borrow().clone()
    }

    /// The connection is open: runs the consumers' `on_connect`, releases the member, then enters presence.
    pub fn opened(self: &Rc<Self>) {
        let mut agenda = Agenda::new();
        for (index, binding) in self.bindings.iter().enumerate() {
            let reaction = binding.with_context(|context| binding.consumer.on_connect(context));
            self.plan(&mut agenda, index, reaction, "on_connect");
        }
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
        if !has_room && weight_of(incoming, source) > UNCOUNTED {
            return self.wait_for_room(Buffered::new(incoming, source));
        }
        let agenda = self.react(incoming);
        self.start(agenda, || weight_of(incoming, source));
    }

    fn inbox(&self) -> Option<Rc<Inbox>> {
        self.member().map(|member| Rc::clone(member.connection().inbox()))
    }

    fn wait_for_room(self: &Rc<Self>, message: Buffered) {
        let mut queue = Queue::new(0, self.inbox());
        queue.push(Item::Message(message));
        *self.queue.borrow_mut() = Some(Box::new(queue));
        self.weigh();
        actix_rt::spawn(Rc::clone(self).go_on(None, Agenda::new()));
    }

    /// Handles an acknowledgement with its arguments.
    pub fn acknowledged(self: &Rc<Self>, id: u64, args: Value) {
        self.resolve(id, Outcome::Acknowledged(args));
    }

    /// The connection is gone: it receives nothing any more, and the consumers' `on_disconnect` runs.
    pub fn gone(self: &Rc<Self>) {
        let Some(member) = self.member.borrow_mut().take() else { return };
        self.services.shard.leave_all(&member);
        *self.asks.borrow_mut() = None;
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.push(Item::Gone);
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
        let forgotten = session.queue.borrow_mut().as_deref_mut().map_or(0, Queue::clear);
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

    /// Number of waiting messages.
    pub fn waiting(&self) -> usize {
        self.queue.borrow().as_ref().map_or(0, |queue| queue.len())
    }

    /// The handler is done: its member is held no longer.
    fn release(&self) {
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.has_joined = false;
        }
        if let Some(member) = self.member()
            && self.services.shard.release(&member) == Released::Lossy
            && member.gap_consumer().is_some()
        {
            self.services.metrics.gap(GapReason::Held.label());
            self.missed(GapReason::Held);
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

    fn bound(&self, waiting: usize) {
        if waiting == HOLD_AT {
            self.outlet.hold(true);
        } else if waiting > MAX_WAITING {
            self.services.metrics.closed("too_many_messages");
            self.outlet.close(CloseCode::POLICY_VIOLATION, "too many messages wait");
        }
    }

    /// Counts the kept bytes. Above the limit, reading from the client pauses.
    fn weigh(self: &Rc<Self>) {
        let bytes = self.queue.borrow_mut().as_deref_mut().map_or(0, |queue| {
            let inbox = queue.inbox.clone();
            queue.counted.set(queue.bytes(), || self.held(inbox));
            queue.bytes()
        });
        if let Some(member) = self.member() {
            if bytes > member.connection().inbox().max_kept() {
                self.outlet.hold(true);
            }
            member.connection().took_more();
        }
    }

    fn held(self: &Rc<Self>, inbox: Option<Rc<Inbox>>) -> Option<Held> {
        let keeper = Rc::downgrade(self);
        inbox.map(|inbox| inbox.keep(keeper))
    }

    fn react(&self, incoming: Incoming<'_>) -> Agenda {
        let mut agenda = Agenda::new();
        let handled = |binding: &Binding| self.bindings.len() == 1 || binding.consumer.handles(&incoming);
        let mut any = false;
        for (index, binding) in self.bindings.iter().enumerate().filter(|(_, binding)| handled(binding)) {
            any = true;
            self.plan(&mut agenda, index, binding.react(incoming), "a message");
        }
        // No consumer handles the message: the first one decides about it.
        if let (false, Some(first)) = (any, self.bindings.first()) {
            self.plan(&mut agenda, 0, first.react(incoming), "a message");
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

    /// Runs the work until the first wait; a task then continues with the rest, and its bytes are counted.
    fn start(self: &Rc<Self>, mut agenda: Agenda, bytes: impl FnOnce() -> usize) {
        if let Some(pending) = self.advance(&mut agenda) {
            *self.queue.borrow_mut() = Some(Box::new(Queue::new(bytes(), self.inbox())));
            self.weigh();
            actix_rt::spawn(Rc::clone(self).go_on(Some(pending), agenda));
        }
    }

    /// Runs the agenda up to the first wait.
    fn advance(self: &Rc<Self>, agenda: &mut Agenda) -> Option<(usize, Pending)> {
        while let Some((index, work)) = agenda.pop_front() {
            if let Some(pending) = self.at_once(index, work) {
                return Some((index, pending));
            }
        }
        None
    }

    async fn go_on(self: Rc<Self>, mut next: Option<(usize, Pending)>, mut agenda: Agenda) {
        let stop = self.queue.borrow().as_ref().map(|queue| Rc::clone(&queue.stop)).unwrap_or_default();
        loop {
            while let Some((index, pending)) = next {
                // Changes of user counts and presence are not interrupted.
                let can_stop = pending.can_stop();
                if self.has_joined() {
                    self.hold();
                }
                if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
                    queue.can_stop = can_stop;
                }
                tokio::select! {
                    after = self.in_time(index, pending) => match after {
                        After::More(more) => more.into_iter().rev().for_each(|work| agenda.push_front((index, work))),
                        After::End => agenda.retain(|(of, work)| *of != index || !matches!(work, Work::Effect(_))),
                    },
                    () = stop.notified(), if can_stop => agenda.clear(),
                }
                next = self.advance(&mut agenda);
            }
            self.release();
            while self.queue.borrow().as_ref().is_some_and(|queue| queue.lacks_room()) {
                sleep(ROOM).await;
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
            let bytes;
            (agenda, bytes) = match waiting {
                None => {
                    self.outlet.hold(false);
                    return;
                }
                Some(Item::Gone) => (self.farewell(), 0),
                Some(Item::Resume { index, then, outcome }) => (self.resume(index, &then, outcome), then.weight()),
                Some(Item::Message(message)) => {
                    let weight = message.weight();
                    (self.react_to(message), weight)
                }
            };
            if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
                queue.handled = bytes;
            }
            self.weigh();
            next = self.advance(&mut agenda);
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

impl Keeper for Session {
    fn let_go(&self) -> bool {
        *self.asks.borrow_mut() = None;
        let mut freed = true;
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.clear();
            queue.stop.notify_one();
            freed = queue.can_stop;
        }
        match self.member() {
            Some(member) => member.connection().overloads(),
            None => self.services.metrics.refused_message("overloaded"),
        }
        freed
    }
}

#[cfg(test)]
mod tests;
