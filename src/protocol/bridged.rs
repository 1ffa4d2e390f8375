//! A connection's part that Django runs: what its next call needs, and what the end of a call means for it.

use std::{
    cell::Cell,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::kept::KeptState;
use crate::{
    backend::bridge::{BridgeCall, CallEvent, Command, Lines},
    consumer::{Consumer, Effect},
    event::ConnectionId,
    layer::Layer,
};

/// A connection's part that Django runs. Besides its state, it is nearly all that the connection costs more than another.
pub struct Bridged {
    id: ConnectionId,
    /// The number of the next call. After the last one Django refuses the state: that takes months of calls without a pause.
    seq: Cell<u32>,
    /// What the last call left. Absent while a call runs, and once no call can follow.
    state: Cell<Option<KeptState>>,
    /// The id of the user that Django named.
    user: Cell<Option<Box<str>>>,
    /// When that user's login expires, in seconds since 1970; infinite if never.
    expires: Cell<f64>,
    /// A call failed: only `disconnect()` may follow.
    failed: Cell<bool>,
    /// The class of its consumer, as a number; 0 if it is not known.
    class: Cell<u32>,
}

impl Bridged {
    /// A connection before its first call.
    pub fn new(id: ConnectionId) -> Self {
        Self {
            id,
            seq: Cell::new(0),
            state: Cell::default(),
            user: Cell::default(),
            expires: Cell::new(f64::INFINITY),
            failed: Cell::new(false),
            class: Cell::new(0),
        }
    }

    /// The next call; `None` if no call can follow.
    pub fn call(&self, consumer: &Consumer, event: CallEvent, layer: &dyn Layer) -> Option<BridgeCall> {
        if self.failed.get() && !matches!(event, CallEvent::Disconnect { .. }) {
            return None;
        }
        let state = self.state.take().map(|state| state.text().into());
        if state.is_none() && !matches!(event, CallEvent::Connect(_)) {
            return None;
        }
        let id = self.id.text();
        // What a shared call leaves is not for each of its connections.
        let export = if matches!(event, CallEvent::Shared(..)) { Arc::default() } else { consumer.export() };
        Some(BridgeCall {
            connection: Arc::from(&*id),
            seq: self.seq.replace(self.seq.get().wrapping_add(1)).into(),
            channel_name: layer.channel_name(&id).into(),
            consumer: consumer.shared_name(),
            state,
            event,
            export,
        })
    }

    /// A call has left this for the next one.
    pub fn keep(&self, state: &str) {
        self.state.set(Some(KeptState::new(state)));
    }

    /// Django has not seen a call: the next one has its number and its state.
    pub fn unseen(&self, state: Option<&str>) {
        self.seq.set(self.seq.get().saturating_sub(1));
        self.state.set(state.map(KeptState::new));
    }

    /// The connection's id.
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// Whether a call can be made.
    pub fn is_ready(&self) -> bool {
        let state = self.state.take();
        let is_there = state.is_some();
        self.state.set(state);
        is_there && !self.failed.get()
    }

    /// The class of the consumer: connections of different classes share no call.
    pub const fn class(&self) -> u32 {
        self.class.get()
    }

    /// Django named the class.
    pub fn set_class(&self, name: &str) {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "half of a hash is enough to tell a few classes apart")]
        self.class.set(hasher.finish() as u32);
    }

    /// A call failed, and the connection ends: what still waits is not handled.
    pub fn fail(&self) {
        self.failed.set(true);
    }

    /// The consumer is called no more.
    pub fn stop(&self) {
        self.fail();
        self.state.set(None);
    }

    /// The id of the user that Django named.
    pub fn user_id(&self) -> Option<String> {
        let user = self.user.take();
        let id = user.as_deref().map(str::to_owned);
        self.user.set(user);
        id
    }

    /// Django named this user.
    pub fn set_user(&self, id: Option<String>) {
        self.user.set(id.map(Into::into));
    }

    /// When the login of that user expires.
    pub fn expires(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(self.expires.get()).ok()?)
    }

    /// The login of that user expires then, in seconds since 1970.
    pub fn set_expires(&self, at: Option<f64>) {
        self.expires.set(at.unwrap_or(f64::INFINITY));
    }

    /// The call of `disconnect()`, if one is to follow; the connection ended with this code.
    pub fn disconnect(&self, consumer: &Consumer, layer: &dyn Layer, code: u16) -> Option<BridgeCall> {
        let event = CallEvent::Disconnect { code, reason: Arc::default() };
        consumer.django().disconnect.then(|| self.call(consumer, event, layer)).flatten()
    }
}

/// A call that runs.
pub struct RunningCall {
    /// The binding whose consumer it is.
    pub index: usize,
    pub lines: Lines,
    /// The state before it, in case that Django never sees the call.
    pub before: Option<Arc<str>>,
    /// When it began: a user who was disconnected since then is not let in by it.
    pub began: Instant,
}

/// What a consumer does, as an effect; `None` for what is possible only while a client connects.
pub fn effect_of(command: Command) -> Option<Effect> {
    Some(match command {
        Command::Send(payload) => Effect::Reply(payload),
        Command::Close { code, reason } => Effect::Close { code, reason },
        Command::GroupAdd(group) => Effect::Join { groups: vec![group], failed: None },
        Command::GroupDiscard(group) => Effect::Leave(vec![group]),
        Command::GroupSend { group, message } => Effect::Publish { group, body: Arc::new(message), failed: None },
        Command::SendChannel { channel, message } => Effect::Send { channel, body: message },
        Command::Accept { .. } | Command::Deny { .. } | Command::DenyBody(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_django_has_64_bytes_beside_its_state() {
        assert_eq!(size_of::<Bridged>(), 64);
    }

    #[test]
    fn a_login_expires_at_a_time_that_the_clock_can_have() {
        let bridged = Bridged::new(ConnectionId::random());
        for (at, expected) in [
            (Some(1.5), Some(UNIX_EPOCH + Duration::from_millis(1500))),
            (Some(0.0), Some(UNIX_EPOCH)),
            (Some(-1.0), None),
            (Some(f64::NAN), None),
            (Some(1e300), None),
            (None, None),
        ] {
            bridged.set_expires(at);
            assert_eq!(bridged.expires(), expected, "{at:?}");
        }
    }
}
