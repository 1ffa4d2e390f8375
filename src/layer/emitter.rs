//! Decodes messages of Socket.IO publishers in Redis as [`Signal`](super::Signal)s.
//!
//! In: the payload of a PUBLISH. Out: an emission, an order to remove members from a room, or an error. Pure; every
//! decoder behind it expects hostile input.
//!
//! - `python`: python-socketio's `RedisManager(write_only=True)`, in its four forms
//! - `node`: `@socket.io/redis-emitter`, and the broadcasts of `@socket.io/redis-adapter`

mod node;
mod python;
#[cfg(test)]
mod vectors;

use std::{sync::Arc, time::Instant};

use super::codec::{json::JsonError, msgpack::MsgpackError, pickle::PickleError};
use crate::{
    event::{Content, Emission, EmissionTarget, Source, Value},
    telemetry::DropReason,
};

pub use node::decode as decode_node;
pub use python::decode as decode_python;

/// Why a message gives no emission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitterError {
    /// Bad JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Bad msgpack.
    #[error(transparent)]
    Msgpack(#[from] MsgpackError),
    /// A pickle with more than plain data, or an invalid one.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// Not in the form of the publishers.
    #[error("not a valid emitter message: {0}")]
    Malformed(&'static str),
    /// A request that the node does not support.
    #[error("{0} is not supported")]
    Unsupported(String),
}

impl EmitterError {
    /// The reason under which it is counted.
    pub const fn drop_reason(&self) -> DropReason {
        match self {
            Self::Unsupported(_) => DropReason::Unsupported,
            Self::Json(JsonError::TooMany)
            | Self::Msgpack(MsgpackError::TooMany)
            | Self::Pickle(PickleError::TooLarge) => DropReason::TooLarge,
            _ => DropReason::Decode,
        }
    }
}

/// The parts that differ between emissions; `args` without the name.
struct Parts {
    namespace: Arc<str>,
    rooms: Vec<Arc<str>>,
    except: Vec<Arc<str>>,
    event: Vec<Value>,
    volatile: bool,
}

impl Parts {
    fn emission(self) -> Emission {
        Emission {
            presence: None,
            target: EmissionTarget::Namespace(self.namespace),
            rooms: self.rooms,
            except: self.except,
            content: Content::Event(self.event),
            volatile: self.volatile,
            source: Source::Emitter,
            received: Instant::now(),
        }
    }
}

/// The name of a room: text, or a number like Django's primary keys.
fn room(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::Str(text) => Some((**text).into()),
        Value::Int(number) => Some(number.to_string().into()),
        Value::UInt(number) => Some(number.to_string().into()),
        Value::Big(digits) => Some((**digits).into()),
        _ => None,
    }
}

/// All rooms; `None` if one is not a room.
fn rooms(values: &[Value]) -> Option<Vec<Arc<str>>> {
    values.iter().map(room).collect()
}
