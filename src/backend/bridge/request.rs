//! The body of a request: one call, or a batch of them.
//!
//! In: [`BridgeCall`]s. Out: JSON within `backend.max_request`.

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{
    call::{BridgeCall, CallEvent},
    tagged::{Base64, Tagged},
};
use crate::{
    config::PythonPer,
    event::Value,
    limited::{self, WriteError},
};

/// Begins a call, before its fields.
const CALL: &[u8] = br#"{"v":1,"#;
/// Begins a batch, before its calls.
const BATCH: &[u8] = br#"{"v":1,"batch":["#;
/// Ends a batch.
const BATCH_END: &[u8] = b"]}";

/// A call as JSON, without the version.
#[derive(Clone, Debug)]
pub(super) struct Encoded(Bytes);

/// The fields of a call.
#[derive(Serialize)]
struct Fields<'a> {
    connection: &'a str,
    seq: u64,
    channel_name: &'a str,
    consumer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a Value>,
    state: Option<&'a str>,
    event: Written<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per: Option<PythonPer>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    export: &'a [String],
}

struct Written<'a>(&'a CallEvent);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let CallEvent::Event(event) | CallEvent::Shared(event, _) = self.0 {
            return Tagged(&event.body).serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            CallEvent::Connect(_) => map.serialize_entry("type", "websocket.connect")?,
            CallEvent::Text(text) => {
                map.serialize_entry("type", "websocket.receive")?;
                map.serialize_entry("text", &**text)?;
            }
            CallEvent::Binary(bytes) => {
                map.serialize_entry("type", "websocket.receive")?;
                map.serialize_entry("bytes", &Base64(bytes))?;
            }
            CallEvent::Disconnect { code, reason } => {
                map.serialize_entry("type", "websocket.disconnect")?;
                map.serialize_entry("code", code)?;
                map.serialize_entry("reason", &**reason)?;
            }
            CallEvent::Event(_) | CallEvent::Shared(..) => {}
        }
        map.end()
    }
}

impl Encoded {
    /// The call, if a request with it has at most `limit` bytes.
    pub fn new(call: &BridgeCall, limit: usize) -> Result<Self, WriteError> {
        let fields = Fields {
            connection: &call.connection,
            seq: call.seq,
            channel_name: &call.channel_name,
            consumer: &call.consumer,
            scope: match &call.event {
                CallEvent::Connect(scope) => Some(&**scope),
                _ => None,
            },
            state: call.state.as_deref(),
            event: Written(&call.event),
            per: match &call.event {
                CallEvent::Shared(_, sharing) => Some(sharing.per),
                _ => None,
            },
            export: &call.export,
        };
        let room = limit.saturating_sub(BATCH.len() + BATCH_END.len());
        match limited::json(&fields, room) {
            Ok(bytes) => Ok(Self(bytes.into())),
            Err(WriteError::TooLarge(_)) => Err(WriteError::TooLarge(limit)),
            Err(other) => Err(other),
        }
    }

    /// Its part of a batch, in bytes.
    pub const fn size(&self) -> usize {
        self.0.len() + 1
    }
}

/// The bytes that a batch needs beside its calls.
pub(super) const FRAME: usize = BATCH.len() + BATCH_END.len();

/// The body of a request with these calls; one call goes without a batch.
pub(super) fn body<'a>(calls: impl ExactSizeIterator<Item = &'a Encoded> + Clone) -> Bytes {
    let size = FRAME + calls.clone().map(Encoded::size).sum::<usize>();
    let mut body = Vec::with_capacity(size);
    if calls.len() == 1 {
        body.extend_from_slice(CALL);
        // An encoded call begins with a brace.
        calls.for_each(|call| body.extend_from_slice(call.0.get(1..).unwrap_or_default()));
        return body.into();
    }
    body.extend_from_slice(BATCH);
    for (index, call) in calls.enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&call.0);
    }
    body.extend_from_slice(BATCH_END);
    body.into()
}
