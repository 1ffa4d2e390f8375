//! Calls that run a project's own consumers in Django.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Span, did_you_mean};

/// Time and limits of the calls; `backend` says where they go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bridge {
    /// How long a message, a group event or a disconnect may take; each line of the answer begins it anew.
    pub timeout: Span,
    /// How long a connection waits while Django refuses connections.
    pub wait: Span,
    /// Calls that go on after they have answered something; they do not count in `backend.concurrency`.
    pub streams: usize,
    /// Maximum number of disconnects passed to Django per second.
    pub disconnects_per_second: u32,
    /// Maximum number of calls of this node for one event.
    pub max_calls_per_event: usize,
}

impl Default for Bridge {
    fn default() -> Self {
        Self {
            timeout: Span::seconds(30),
            wait: Span::seconds(30),
            streams: 256,
            disconnects_per_second: 200,
            max_calls_per_event: 256,
        }
    }
}

/// The parts of a consumer that Django runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Django {
    /// `connect()`.
    pub connect: bool,
    /// What a client sends, unless a handler of the configuration matches it.
    pub receive: bool,
    /// `disconnect()`.
    pub disconnect: bool,
}

impl Django {
    /// All parts.
    pub const ALL: Self = Self { connect: true, receive: true, disconnect: true };

    /// The names of the parts in a list.
    const NAMES: [&str; 3] = ["connect", "receive", "disconnect"];

    /// Whether Django runs any part.
    pub const fn is_any(self) -> bool {
        self.connect || self.receive || self.disconnect
    }

    const fn parts(self) -> [bool; 3] {
        [self.connect, self.receive, self.disconnect]
    }
}

impl Serialize for Django {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::ALL => serializer.serialize_bool(true),
            some if !some.is_any() => serializer.serialize_bool(false),
            some => {
                serializer.collect_seq(Self::NAMES.iter().zip(some.parts()).filter(|part| part.1).map(|part| part.0))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Django {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected true, or a list of \"connect\", \"receive\" and \"disconnect\"")]
        enum Written {
            All(bool),
            Some(Vec<String>),
        }
        match Written::deserialize(deserializer)? {
            Written::All(true) => Ok(Self::ALL),
            Written::All(false) => Ok(Self::default()),
            Written::Some(names) if names.is_empty() => {
                Err(de::Error::custom("names no part of a consumer; write true for all of it, or leave it out"))
            }
            Written::Some(names) if (1..names.len()).any(|index| names[..index].contains(&names[index])) => {
                Err(de::Error::custom("names a part of a consumer twice"))
            }
            Written::Some(names) => names.iter().try_fold(Self::default(), |parts, name| match name.as_str() {
                "connect" => Ok(Self { connect: true, ..parts }),
                "receive" => Ok(Self { receive: true, ..parts }),
                "disconnect" => Ok(Self { disconnect: true, ..parts }),
                other => {
                    let near = did_you_mean(other, Self::NAMES);
                    let names = Self::NAMES.join(", ");
                    Err(de::Error::custom(format!("unknown part of a consumer {other:?}; known: {names}{near}")))
                }
            }),
        }
    }
}

/// The members of a group that share a call of their consumer's method in Django. Each node makes its own calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PythonPer {
    /// All.
    Event,
    /// Those with the same parameters of the path.
    Room,
    /// Those of the same user; anonymous ones share nothing.
    User,
    /// None: a call for each.
    Connection,
}

impl PythonPer {
    /// As it is written, and the label in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Room => "room",
            Self::User => "user",
            Self::Connection => "connection",
        }
    }
}
