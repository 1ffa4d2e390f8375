//! How clients are refused and connections end, as written in the file: close codes, reasons, texts and statuses.
//!
//! Each value has a short form, a number or a text, and a table that says more.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Unexpected, Visitor, value::MapAccessDeserializer},
};

/// How a client is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reject {
    /// Unset: an HTTP answer before the upgrade, 403 or 503. Set: accepted, then closed with the code of the cause.
    pub close: Option<RejectClose>,
    /// Expression over `route` and `query`: who is accepted and then closed; others get the HTTP answer. Unset: everybody.
    pub when: Option<String>,
    /// The close reason, at most 123 bytes.
    pub reason: String,
    /// A frame before the close: an expression.
    pub send: Option<String>,
    /// The message of Socket.IO's `connect_error`.
    pub message: Option<String>,
    /// The same, for a client without a token.
    pub missing: Option<String>,
    /// The same, for a client with an invalid token.
    pub invalid: Option<String>,
}

/// The close codes of a refusal: one for every fault of the client, or one by cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RejectClose {
    /// This code, whatever the client did wrong; 1013 if it did nothing wrong.
    Code(u16),
    /// A code by cause.
    ByCause(CloseCodes),
}

/// A close code by cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CloseCodes {
    /// The client sent no token.
    pub missing: u16,
    /// Its token is malformed, expired or revoked.
    pub invalid: u16,
    /// Its token is good, and still it may not connect.
    pub forbidden: u16,
    /// The node cannot decide now: Redis or the backend is away, or a limit is reached.
    pub unavailable: u16,
}

impl Default for CloseCodes {
    fn default() -> Self {
        Self { missing: 4001, invalid: 4003, forbidden: 4403, unavailable: 1013 }
    }
}

impl Default for RejectClose {
    fn default() -> Self {
        Self::ByCause(CloseCodes::default())
    }
}

impl RejectClose {
    /// The codes by cause.
    pub fn codes(self) -> CloseCodes {
        match self {
            Self::ByCause(codes) => codes,
            Self::Code(code) => CloseCodes { missing: code, invalid: code, forbidden: code, ..CloseCodes::default() },
        }
    }
}

/// A refusal by `on_admit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Refuse {
    /// The text for the client.
    pub text: String,
    /// The code with which a plain WebSocket is accepted and then closed; unset: as `reject.close` says.
    #[serde(default)]
    pub code: Option<u16>,
    /// The status of the HTTP answer; unset: 403.
    #[serde(default)]
    pub status: Option<u16>,
}

/// The end of a connection by a handler or a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Close {
    /// The close code.
    pub code: u16,
    /// Template: the close reason, at most 123 bytes.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The end of a connection by an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct EventClose {
    /// The close code.
    pub code: EventCode,
    /// Template: the close reason, at most 123 bytes.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A close code, or where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EventCode {
    /// This code.
    Number(u16),
    /// Expression: the code.
    Expression(String),
}

/// Whether a server may send this close code: RFC 6455, section 7.4, and IANA's registry (1012 to 1014).
pub const fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// A value with a short form.
trait Short: Sized {
    /// What may be written, for errors.
    const EXPECTED: &'static str;

    /// The value of its short form.
    fn short(written: Written<'_>) -> Option<Self>;

    /// The value of its table.
    fn table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error>;
}

/// A short form.
enum Written<'a> {
    Code(u16),
    Text(&'a str),
}

impl Short for RejectClose {
    const EXPECTED: &'static str = "a close code, or a table of close codes by cause";

    fn short(written: Written<'_>) -> Option<Self> {
        if let Written::Code(code) = written { Some(Self::Code(code)) } else { None }
    }

    fn table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        CloseCodes::deserialize(table).map(Self::ByCause)
    }
}

impl Short for Refuse {
    const EXPECTED: &'static str = "a text, or a table { text, code, status }";

    fn short(written: Written<'_>) -> Option<Self> {
        if let Written::Text(text) = written { Some(Self { text: text.to_owned(), ..Self::default() }) } else { None }
    }

    fn table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }
}

impl Short for Close {
    const EXPECTED: &'static str = "a close code, or a table { code, reason }";

    fn short(written: Written<'_>) -> Option<Self> {
        if let Written::Code(code) = written { Some(Self { code, reason: None }) } else { None }
    }

    fn table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }
}

impl Short for EventClose {
    const EXPECTED: &'static str = "a close code, an expression, or a table { code, reason }";

    fn short(written: Written<'_>) -> Option<Self> {
        Some(Self { code: EventCode::short(written)?, reason: None })
    }

    fn table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }
}

impl Short for EventCode {
    const EXPECTED: &'static str = "a close code, or an expression";

    fn short(written: Written<'_>) -> Option<Self> {
        Some(match written {
            Written::Code(code) => Self::Number(code),
            Written::Text(source) => Self::Expression(source.to_owned()),
        })
    }

    fn table<'de, D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::invalid_type(Unexpected::Map, &Self::EXPECTED))
    }
}

struct ShortVisitor<T>(PhantomData<T>);

impl<'de, T: Short> Visitor<'de> for ShortVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        match u16::try_from(number) {
            Ok(code) => T::short(Written::Code(code)).ok_or_else(|| E::invalid_type(Unexpected::Signed(number), &self)),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &"a close code")),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::short(Written::Text(text)).ok_or_else(|| E::invalid_type(Unexpected::Str(text), &self))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::table(MapAccessDeserializer::new(map))
    }
}

impl<'de> Deserialize<'de> for RejectClose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShortVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Refuse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShortVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Close {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShortVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for EventClose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShortVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for EventCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShortVisitor(PhantomData))
    }
}

impl Serialize for Refuse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self { text, code: None, status: None } => serializer.serialize_str(text),
            table => Self::serialize(table, serializer),
        }
    }
}

impl Serialize for Close {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self { code, reason: None } => serializer.serialize_u16(*code),
            table => Self::serialize(table, serializer),
        }
    }
}

impl Serialize for EventClose {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self { code, reason: None } => code.serialize(serializer),
            table => Self::serialize(table, serializer),
        }
    }
}
