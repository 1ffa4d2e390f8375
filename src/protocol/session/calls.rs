//! Calls of the project's own consumer: one at a time, and while one runs, the events of the connection wait.
//!
//! What the consumer does arrives line by line and is carried out at once, by the interpreter of all other effects.

use std::{rc::Rc, sync::Arc, time::Instant};

use scopeguard::{ScopeGuard, guard};

use super::{
    After, Agenda, Binding, EventWork, Queue, Session,
    work::{Failed, Pending, Work},
};
use crate::{
    backend::bridge::{CallEvent, Command, End, Failure, Line},
    consumer::Effect,
    event::{Event, GroupName, Value},
    hub::{EventCall, Member},
    protocol::{
        bridged::{Bridged, RunningCall, effect_of},
        effects::{Remaining, Stage, carry_out},
        refusal::{BridgeClose, BridgeRefusal, Refusal},
    },
    socket::close::Ending,
};

/// The largest body of a denial, in bytes.
const MAX_DENIAL: usize = 1 << 20;

/// A group could not be joined, or an event not be published.
pub(super) const NOT_CARRIED_OUT: &str = "what the consumer did could not be carried out";

/// What the end of a call means for a client that is not accepted, or whose connection cannot go on.
pub(super) fn refusal_of(end: End) -> BridgeRefusal {
    match end {
        End::Open { .. } | End::Stopped => BridgeRefusal::Stopped,
        End::Error { kind, text } => BridgeRefusal::Error { kind, text },
        End::Refused { kind, text } => BridgeRefusal::Refused { kind, text },
        End::Restart(reason) => BridgeRefusal::Restart(reason),
        End::Failed(failure) => failure.into(),
    }
}

/// A client that its consumer has accepted.
pub struct Accepted {
    /// The subprotocol to echo.
    pub subprotocol: Option<String>,
    /// Further headers of the answer.
    pub headers: Vec<(String, String)>,
    /// `connect()`, which goes on.
    pub call: RunningCall,
}

impl Session {
    /// From now on the work of events comes to this session, which handles the connection already: calls, and what they
    /// ask of the connection.
    pub fn serve_calls(&self, member: &Member) {
        if self.is_bridged() || self.bindings.iter().any(|binding| binding.consumer.has_outcomes()) {
            member.serves_calls();
        }
    }

    /// Whether Django runs a part of a consumer.
    pub fn is_bridged(&self) -> bool {
        self.bindings.iter().any(|binding| binding.bridged.is_some())
    }

    /// The binding whose `connect()` Django runs.
    fn connecting(&self) -> Option<(usize, &Binding)> {
        self.bindings.iter().enumerate().find(|(_, binding)| binding.consumer.django().connect)
    }

    /// Runs `connect()` up to its decision; `None` if Django does not run it.
    pub async fn connect(&self, scope: impl FnOnce() -> Value) -> Result<Option<Accepted>, Refusal> {
        let Some((index, binding)) = self.connecting() else { return Ok(None) };
        // The session is busy: events wait for the end of the call.
        *self.queue.borrow_mut() = Some(Box::new(Queue::new(0, self.inbox())));
        let busy = guard((), |()| *self.queue.borrow_mut() = None);
        let event = CallEvent::Connect(Box::new(scope()));
        let Some(mut call) = self.begin(index, event) else { return Err(Refusal::State) };
        self.set_asked(Some(call.began));
        let mut decision: Option<BridgeRefusal> = None;
        loop {
            let command = match call.lines.next().await {
                Line::Command(command) => command,
                Line::End(end) => {
                    if let (End::Open { state, .. }, Some(bridged)) = (&end, binding.bridged.as_deref()) {
                        bridged.keep(state);
                    }
                    return Err(Refusal::Bridge(decision.unwrap_or_else(|| refusal_of(end))));
                }
            };
            match (command, &mut decision) {
                (Command::Accept { subprotocol, headers }, None) => {
                    // As uvicorn does: an empty name stands for no subprotocol.
                    let subprotocol = subprotocol.filter(|name| !name.is_empty());
                    BridgeRefusal::check_accept(subprotocol.as_deref(), &headers).map_err(Refusal::Bridge)?;
                    ScopeGuard::into_inner(busy);
                    return Ok(Some(Accepted { subprotocol, headers, call }));
                }
                (Command::Close { .. }, None) => decision = Some(BridgeRefusal::Closed),
                (Command::Deny { status, headers }, None) => {
                    decision = Some(BridgeRefusal::Denied { status, headers, body: Vec::new().into() });
                }
                (Command::DenyBody(piece), Some(BridgeRefusal::Denied { body, .. })) => {
                    if body.len() + piece.len() > MAX_DENIAL {
                        let text = format!("the body of its answer has more than {MAX_DENIAL} bytes");
                        return Err(Refusal::Bridge(BridgeRefusal::Error { kind: "answer".to_owned(), text }));
                    }
                    *body = [&**body, &*piece].concat().into();
                }
                (Command::Accept { .. } | Command::Deny { .. } | Command::DenyBody(_) | Command::Close { .. }, _) => {}
                (Command::Send(_), _) => {
                    let reason = "the consumer sends before it accepts the client".to_owned();
                    return Err(Refusal::Bridge(BridgeRefusal::Broken(reason)));
                }
                (command, _) => {
                    if let Some(effect) = effect_of(command)
                        && matches!(self.apply(index, effect).await, After::End)
                    {
                        return Err(Refusal::Bridge(BridgeRefusal::Broken(NOT_CARRIED_OUT.to_owned())));
                    }
                }
            }
        }
    }

    /// Starts a call; `None` if none can follow.
    pub(super) fn begin(&self, index: usize, event: CallEvent) -> Option<RunningCall> {
        let binding = &self.bindings[index];
        let bridged = binding.bridged.as_deref()?;
        let call = bridged.call(&binding.consumer, event, &**self.services.shard.registry().layer())?;
        let before = call.state.clone();
        let began = Instant::now();
        Some(RunningCall { index, lines: self.services.bridge.call(call), before, began })
    }

    /// Carries out what the consumer of a running call does, until the call ends.
    pub(super) async fn follow(&self, mut call: RunningCall) -> After {
        let index = call.index;
        let binding = &self.bindings[index];
        self.set_asked(Some(call.began));
        loop {
            let command = match call.lines.next().await {
                Line::Command(command) => command,
                Line::End(end) => return self.ended(binding, call.before, end).await,
            };
            let Some(effect) = effect_of(command) else {
                log::debug!("{}: the client is accepted already", binding.consumer.name());
                continue;
            };
            if let (Effect::Reply(_), Some(member)) = (&effect, self.member()) {
                // Meanwhile the answer is read no further, and the consumer waits in its `send()`.
                member.connection().wait_for_room().await;
            }
            if let After::End = self.apply(index, effect).await {
                // In Channels the consumer would fail on it.
                return self.fail(binding, &BridgeRefusal::Broken(NOT_CARRIED_OUT.to_owned()));
            }
        }
    }

    pub(super) async fn apply(&self, index: usize, effect: Effect) -> After {
        let binding = &self.bindings[index];
        if let Effect::Leave(groups) = &effect
            && let Err(failed) = self.depart(binding, groups).await
        {
            return self.or_reply(binding, Err(failed), None);
        }
        match carry_out(effect, &binding.consumer, Stage::Open(self.open(binding))) {
            Remaining::Wait(wait) => Box::pin(self.in_time(index, Pending::Effect(wait))).await,
            Remaining::Done | Remaining::Refuse(_) | Remaining::Ask { .. } => After::More(Vec::new()),
        }
    }

    /// Leaves groups as in Channels: an event that was sent before still comes, also the consumer's own.
    pub(super) async fn depart(&self, binding: &Binding, groups: &[GroupName]) -> Result<(), Failed> {
        let (shard, consumer) = (&self.services.shard, self.audience(&binding.consumer));
        for group in groups {
            let Some(member) = self.member() else { return Ok(()) };
            let left = shard.depart(&member, group, consumer).await;
            if let Some(id) = member.id() {
                // Another process may have added this connection's channel.
                shard.registry().layer().discard(group, &id.text());
            }
            left.map_err(|error| ("not_joined", format!("group {group}, to leave it: {error}")))?;
        }
        Ok(())
    }

    pub(super) async fn ended(&self, binding: &Binding, before: Option<Arc<str>>, end: End) -> After {
        let Some(bridged) = binding.bridged.as_deref() else { return After::End };
        match end {
            End::Open { state, user, expires, vars, class } => {
                if !binding.consumer.may_keep(state.len()) {
                    let text = "its state is larger than limits.connection_state".to_owned();
                    return self.fail(binding, &BridgeRefusal::Refused { kind: "state_size".to_owned(), text });
                }
                bridged.keep(&state);
                if let Some(vars) = vars {
                    binding.change(&self.services.shard, self.member().as_deref(), |context| context.vars = vars);
                }
                if let Some(class) = class {
                    bridged.set_class(&class);
                }
                if let Some(expires) = expires {
                    bridged.set_expires(expires);
                }
                match user {
                    Some(user) => self.become_user(binding, user).await,
                    None if expires.is_some() => self.renew_login(binding),
                    None => After::More(Vec::new()),
                }
            }
            End::Stopped => self.stop(bridged),
            end => {
                if let End::Failed(Failure::Away { .. } | Failure::Overloaded | Failure::TooLarge(_)) = &end {
                    bridged.unseen(before.as_deref());
                }
                self.close_for(binding, &refusal_of(end))
            }
        }
    }

    /// The node cannot do what a call asks for. No line about the call says so.
    pub(super) fn fail(&self, binding: &Binding, refusal: &BridgeRefusal) -> After {
        refusal.log_close(binding.consumer.name());
        self.close_for(binding, refusal)
    }

    /// The consumer is called no more. As in Channels, the connection stays, and no event reaches it.
    pub(super) fn stop(&self, bridged: &Bridged) -> After {
        bridged.stop();
        if let Some(member) = self.member() {
            self.services.shard.leave_all(&member);
        }
        After::More(Vec::new())
    }

    /// Closes the connection after a call that failed.
    pub(super) fn close_for(&self, binding: &Binding, refusal: &BridgeRefusal) -> After {
        if let Some(bridged) = binding.bridged.as_deref() {
            bridged.fail();
        }
        if let Some(member) = self.member() {
            let BridgeClose { label, code, reason } = refusal.close();
            member.connection().end(&Ending { label, code, reason: reason.into(), reconnect: true });
        }
        After::End
    }

    /// The call of `disconnect()`, in its turn after all others.
    pub(super) fn call_disconnect(&self, binding: &Binding) {
        let (layer, code) = (self.services.shard.registry().layer(), self.closed.get());
        let call = binding.bridged.as_deref().and_then(|bridged| bridged.disconnect(&binding.consumer, &**layer, code));
        if let Some(call) = call {
            self.services.bridge.disconnect(call);
        }
    }

    /// The work of the next event that has some; the messages before it are sent, and what follows waits.
    pub(super) fn event_work(&self, work: EventWork) -> Agenda {
        let work = match work {
            EventWork::Call(call) => {
                let bridged = self.bindings.iter().position(|binding| binding.bridged.is_some());
                bridged.map(|index| (index, Work::Event(call)))
            }
            EventWork::Outcome(index, effects) => Some((index, Work::Outcome(effects))),
        };
        work.into_iter().collect()
    }

    /// Begins with an event that its consumer is to handle itself.
    pub(super) fn begin_event(&self, index: usize, event: EventCall) -> Option<Pending> {
        match event.shared {
            Some(calls) => self.attend(index, calls),
            None => self.begin(index, CallEvent::Event(event.event)).map(Pending::Call),
        }
    }
}

/// Another process has added this connection's channel to a group of the channel layer, or removed it.
enum MembershipChange {
    Added(GroupName),
    Discarded(GroupName),
}

impl MembershipChange {
    /// The package `channelgate` sends it to the connection's channel.
    fn of(event: &Event) -> Option<Self> {
        let make = match event.kind()? {
            "channelgate.group_add" => Self::Added,
            "channelgate.group_discard" => Self::Discarded,
            _ => return None,
        };
        GroupName::new(event.body.get("group")?.as_str()?).ok().map(make)
    }
}

impl Session {
    /// A membership counts once, in whatever way it was made: the node's own replaces one in the layer, and both end together.
    fn membership_changed(&self, binding: &Binding, member: &Rc<Member>, change: MembershipChange) {
        let (shard, consumer) = (&self.services.shard, self.audience(&binding.consumer));
        match change {
            MembershipChange::Added(group) => {
                if let (true, Some(id)) = (shard.holds(member, &group, consumer), member.id()) {
                    shard.registry().layer().discard(&group, &id.text());
                }
            }
            MembershipChange::Discarded(group) => shard.leave_after(member, &group, consumer),
        }
    }
}

impl Session {
    /// Work waits for its member.
    pub fn work_waits(self: &Rc<Self>) {
        // A busy session looks for itself.
        while self.queue.borrow().is_none()
            && let Some(work) = self.release()
        {
            let agenda = self.event_work(work);
            self.start(agenda, || 0);
        }
    }

    /// A message for its connection alone.
    pub fn direct(&self, event: &Arc<Event>) {
        let bridged = self.bindings.iter().find(|binding| binding.bridged.is_some());
        let (Some(binding), Some(member)) = (bridged, self.member()) else { return };
        match MembershipChange::of(event) {
            Some(change) => self.membership_changed(binding, &member, change),
            None => self.services.shard.react_for(&member, &binding.consumer, event),
        }
    }
}
