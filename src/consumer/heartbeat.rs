//! The heartbeat of a consumer, compiled: its message is the same for all connections and all times.

use super::{
    compiler::Compiler,
    expression::{Allowed, Scope},
    wire::Wire,
};
use crate::{
    config::{self, KeyPath},
    event::Payload,
};

/// The close code of a client that does not answer, like the HTTP status 408 of a client that is too slow.
const CLOSE: u16 = 4408;

/// The close reason, unless there is another one.
const REASON: &str = "no answer to the heartbeat";

/// How many messages may be without an answer, unless there is another number.
const MISSED: u8 = 2;

/// A message that every client gets at intervals, and its answer.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// Seconds from one message to the next.
    pub every: u32,
    /// The message.
    pub payload: Payload,
    /// The answer: the value of a key of a JSON message or, without a key, its text.
    pub answer: Option<(Option<Box<str>>, Box<str>)>,
    /// How many messages may be without an answer.
    pub missed: u8,
    /// The close code then.
    pub code: u16,
    /// The close reason.
    pub reason: Box<str>,
}

impl Heartbeat {
    pub(super) fn compile(
        spec: &config::Consumer,
        wire: &Wire,
        key: &KeyPath,
        compiler: &mut Compiler<'_>,
    ) -> Option<Self> {
        let heartbeat = spec.heartbeat.as_ref()?;
        let allowed = Allowed { names: &[], at: "in a heartbeat, which is encoded once for all connections" };
        let payload = match (&heartbeat.send, &heartbeat.send_text) {
            (Some(source), _) => {
                let here = key.then("send");
                let send = compiler.expression(source, allowed, &here)?;
                if send.calls("now") {
                    compiler.note(&here, "is encoded once for all connections, so it cannot have the time");
                    return None;
                }
                let value = send.evaluate(&Scope::default().into_jinja()).and_then(|value| wire.json(&value));
                compiler.noted(value.map_err(|error| error.to_string()), &here)?
            }
            (None, Some(text)) => Payload::Text(text.clone().into()),
            (None, None) => return None,
        };
        let by_key =
            heartbeat.expect.as_ref().map(|kind| (Some(spec.message_key.as_str().into()), kind.as_str().into()));
        let by_text = || heartbeat.expect_text.as_ref().map(|text| (None, text.as_str().into()));
        let close = heartbeat.close.as_ref();
        let reason = close.and_then(|close| close.reason.as_deref()).unwrap_or(REASON);
        if reason.contains(['{', '}']) {
            compiler.note(&key.then("close").then("reason"), "is the same for all connections; write it without {{ }}");
        }
        Some(Self {
            every: u32::try_from(heartbeat.every.0.as_secs()).unwrap_or(u32::MAX).max(1),
            payload,
            answer: by_key.or_else(by_text),
            missed: heartbeat.missed.unwrap_or(MISSED).max(1),
            code: close.map_or(CLOSE, |close| close.code),
            reason: reason.into(),
        })
    }
}
