//! Calls that connections share: one of them makes the call, and each carries out for itself what the consumer does.
//!
//! What is for a connection (frames, its end, its groups, a message to its own channel) is done by each sharer. What is
//! for others is published once, by the one that makes the call.

use std::{pin::pin, rc::Rc, sync::Arc, time::Duration};

use tokio::{sync::Notify, task::yield_now, time::sleep};

use super::{
    After, Binding, Session,
    calls::{NOT_CARRIED_OUT, refusal_of},
    work::Pending,
};
use crate::{
    backend::bridge::{CallEvent, End, Failure, Line},
    config::PythonPer,
    consumer::Effect,
    event::{GapReason, json},
    hub::{
        EventCalls,
        shared::{Common, Lead, Next, Sharer, SharerKey, Step},
    },
    protocol::{
        bridged::{Bridged, effect_of},
        refusal::BridgeRefusal,
    },
    socket::{Connection, EncodedMessage, frame::Frame},
    telemetry::DropReason,
    warn_bounded,
};

/// Bytes after which other connections get a turn to take what was sent.
const TURN: usize = 64 << 10;

/// The interval of checks whether anyone still shares the call of a client that has gone.
const CHECK: Duration = Duration::from_secs(1);

impl Session {
    /// Comes to an event whose call others share; `None` if there is nothing to wait for.
    pub(super) fn attend(&self, index: usize, calls: Arc<EventCalls>) -> Option<Pending> {
        let binding = &self.bindings[index];
        let bridged = binding.bridged.as_deref().filter(|bridged| bridged.is_ready())?;
        let key = SharerKey { class: bridged.class(), of: common(binding, bridged, calls.per()) };
        match calls.attend(key) {
            Some(sharer) => Some(Pending::Shared(Box::new(sharer), calls)),
            None => {
                self.miss(binding, &calls);
                None
            }
        }
    }

    /// There are too many calls: the client gets a gap notice in the place of the event, if it asked for notices.
    fn miss(&self, binding: &Binding, calls: &EventCalls) {
        let asked = self.member().and_then(|member| member.gap_consumer());
        if asked != Some(self.audience(&binding.consumer)) {
            return;
        }
        match binding.consumer.gap_notice(GapReason::Calls, Some(&[&calls.event().group])) {
            Ok(notice) => self.outlet.send(&notice),
            Err(reason) => warn_bounded!("{}: a gap notice cannot be sent: {reason}", binding.consumer.name()),
        }
    }

    /// Takes part in a call to its end.
    pub(super) async fn share(&self, index: usize, mut sharer: Sharer, calls: Arc<EventCalls>) -> After {
        let binding = &self.bindings[index];
        let stop = self.stopping();
        loop {
            self.follows(true);
            let next = tokio::select! {
                next = sharer.next() => Some(next),
                () = stop.notified() => None,
            };
            self.follows(false);
            let Some(next) = next else { return After::More(Vec::new()) };
            match next {
                Next::Steps(steps) => {
                    for step in steps {
                        if !self.carry_out_step(index, step).await {
                            return After::End;
                        }
                    }
                }
                Next::Lead(lead) => return self.lead(index, &calls, lead).await,
                Next::End(end) => return self.shared_ended(binding, end),
                Next::Lost => return self.lost(binding),
            }
        }
    }

    /// Makes the call, for all that share it.
    async fn lead(&self, index: usize, calls: &Arc<EventCalls>, lead: Lead) -> After {
        let binding = &self.bindings[index];
        let event = CallEvent::Shared(Arc::clone(calls.event()), lead.sharing(calls.per()));
        // A client that has gone leaves it to another.
        let begun = self.member().and_then(|member| Some((Rc::clone(member.connection()), self.begin(index, event)?)));
        let Some((connection, mut call)) = begun else {
            lead.resign();
            return After::More(Vec::new());
        };
        self.set_asked(Some(call.began));
        charge(&lead, &connection);
        let mut abandoned = pin!(abandoned(self.stopping(), calls));
        let (mut sent, mut is_well, mut is_new) = (0, true, true);
        loop {
            let line = tokio::select! {
                line = call.lines.next() => line,
                () = &mut abandoned => return After::More(Vec::new()),
            };
            let command = match line {
                Line::Command(command) => command,
                Line::End(end) => {
                    match is_new && is_of_the_leader(&end) {
                        true => lead.resign(),
                        false => lead.end(&end),
                    }
                    if is_well {
                        return self.ended(binding, call.before, end).await;
                    }
                    if let (End::Open { state, .. }, Some(bridged)) = (end, binding.bridged.as_deref()) {
                        // Its connection has failed, so only `disconnect()` follows.
                        bridged.keep(&state);
                    }
                    return After::End;
                }
            };
            is_new = false;
            let Some(effect) = effect_of(command) else { continue };
            match self.step_of(binding, effect) {
                Ok(step) => {
                    let limit = if connection.is_pressed() { 0 } else { connection.limits().outbox };
                    sent += step.weight();
                    lead.add(step.clone(), limit);
                    is_well = is_well && self.carry_out_step(index, step).await;
                    if sent > TURN {
                        sent = 0;
                        yield_now().await;
                    }
                }
                Err(effect) => {
                    if let After::End = self.apply(index, effect).await {
                        // In Channels the consumer would fail on it.
                        let broken = NOT_CARRIED_OUT.to_owned();
                        lead.end(&End::Failed(Failure::Broken(broken.clone())));
                        return self.fail(binding, &BridgeRefusal::Broken(broken));
                    }
                }
            }
        }
    }

    /// What each sharer does for itself; other effects come back.
    fn step_of(&self, binding: &Binding, effect: Effect) -> Result<Step, Effect> {
        match effect {
            Effect::Reply(payload) => Ok(Step::Frame(Arc::new(Frame::new(&payload)))),
            Effect::Close { code, reason } => Ok(Step::Close { code, reason: reason.into() }),
            Effect::Join { groups, .. } => Ok(Step::Join(groups.into())),
            Effect::Leave(groups) => Ok(Step::Leave(groups.into())),
            Effect::Send { channel, body } if self.own_channel(binding).is_some_and(|own| own == channel) => {
                Ok(Step::ToItself(Arc::new(body)))
            }
            other => Err(other),
        }
    }

    fn own_channel(&self, binding: &Binding) -> Option<String> {
        let id = binding.bridged.as_deref()?.id();
        Some(self.services.shard.registry().layer().channel_name(&id.text()))
    }

    /// Carries out a step for this connection; whether the connection goes on.
    async fn carry_out_step(&self, index: usize, step: Step) -> bool {
        let binding = &self.bindings[index];
        let effect = match step {
            Step::Frame(frame) => {
                if let Some(member) = self.member() {
                    let connection = member.connection();
                    let bytes = frame.bytes(connection.deflate(), &connection.limits().compression).clone();
                    connection.deliver(&EncodedMessage::recurring(bytes, frame.loss().clone()), &[]);
                }
                return true;
            }
            Step::Close { code, reason } => Effect::Close { code, reason: reason.as_ref().into() },
            Step::Join(groups) => Effect::Join { groups: groups.to_vec(), failed: None },
            Step::Leave(groups) => Effect::Leave(groups.to_vec()),
            Step::ToItself(message) => match self.own_channel(binding) {
                Some(channel) => Effect::Send { channel, body: message.as_ref().clone() },
                None => return true,
            },
        };
        if let After::End = self.apply(index, effect).await {
            self.fail(binding, &BridgeRefusal::Broken(NOT_CARRIED_OUT.to_owned()));
            return false;
        }
        true
    }

    /// The call of another connection has ended.
    fn shared_ended(&self, binding: &Binding, end: End) -> After {
        let Some(bridged) = binding.bridged.as_deref() else { return After::End };
        match end {
            End::Open { .. } => After::More(Vec::new()),
            End::Stopped => self.stop(bridged),
            end => {
                if !matches!(end, End::Failed(_)) {
                    // As after an exception in Channels, nothing of the consumer runs any more.
                    bridged.stop();
                }
                self.close_for(binding, &refusal_of(end))
            }
        }
    }

    /// The connection came to the call when there was no room any more for all that it had missed.
    fn lost(&self, binding: &Binding) -> After {
        self.services.metrics.dropped(DropReason::Held, 1);
        if let Some(bridged) = binding.bridged.as_deref() {
            bridged.fail();
        }
        if let Some(member) = self.member() {
            member.connection().close_for_loss();
        }
        After::End
    }

    fn stopping(&self) -> Rc<Notify> {
        self.queue.borrow().as_ref().map(|queue| Rc::clone(&queue.stop)).unwrap_or_default()
    }

    /// Whether it waits for a call that another connection makes: then nothing is lost if it does not wait on.
    fn follows(&self, follows: bool) {
        if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
            queue.can_stop = follows;
            queue.follows = follows;
        }
    }
}

/// What a connection has in common with those that share its calls.
fn common(binding: &Binding, bridged: &Bridged, per: PythonPer) -> Common {
    let alone = || Common::Alone(bridged.id());
    match per {
        PythonPer::Event => Common::Event,
        PythonPer::Room => Common::Room(binding.with_context(|context| json::text(&context.route)).into()),
        PythonPer::User => binding.user_id().map_or_else(alone, |id| Common::User(id.into())),
        PythonPer::Connection => alone(),
    }
}

/// Whether a call failed before the handler ran, for a reason that concerns the leader's connection alone.
fn is_of_the_leader(end: &End) -> bool {
    match end {
        End::Restart(_) | End::Failed(Failure::TooLarge(_)) => true,
        End::Refused { kind, .. } => matches!(&**kind, "signature" | "replay"),
        _ => false,
    }
}

/// Resolves when the client has been gone for a while, and nobody shares its call any more.
async fn abandoned(stop: Rc<Notify>, calls: &Arc<EventCalls>) {
    stop.notified().await;
    while Arc::strong_count(calls) > 1 {
        sleep(CHECK).await;
    }
}

/// Counts what the call keeps for its sharers among all that waits on the worker.
fn charge(lead: &Lead, connection: &Rc<Connection>) {
    let (mut kept, connection) = (lead.kept(), Rc::clone(connection));
    actix_rt::spawn(async move {
        loop {
            let charge = connection.charge(kept.bytes());
            let goes_on = kept.changed().await;
            drop(charge);
            if !goes_on {
                return;
            }
        }
    });
}
