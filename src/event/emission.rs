//! An event that names its receivers itself: rooms of a Socket.IO namespace, or the connections of one consumer.
//!
//! Socket.IO emitters write them to Redis, and connections make them with the actions `room`, `others`, `user`, `role` and
//! `all`; those travel between the nodes as events of the reserved type [`Emission::TYPE`]. Channels' own consumers
//! never get them: an unknown type would end them.

use std::{sync::Arc, time::Instant};

use super::{Event, GroupName, Source, Value};

/// The connections that may receive an emission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmissionTarget {
    /// Every consumer that serves this Socket.IO namespace, `/` or `/admin`.
    Namespace(Arc<str>),
    /// One consumer, by its name.
    Consumer(Arc<str>),
    /// One consumer in one namespace of its form.
    ConsumerIn {
        /// The consumer's name.
        consumer: Arc<str>,
        /// The namespace.
        namespace: Arc<str>,
    },
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A Socket.IO event: its name first, then its arguments. Binary data stays [`Value::Bytes`].
    Event(Vec<Value>),
    /// A message of a plain WebSocket consumer.
    Message(Value),
}

/// One event with its receivers.
#[derive(Clone, Debug)]
pub struct Emission {
    /// The connections that may receive it.
    pub target: EmissionTarget,
    /// Rooms or socket ids, as written; the event goes to their union. Empty: the whole audience.
    pub rooms: Vec<Arc<str>>,
    /// Rooms or socket ids; their members get nothing.
    pub except: Vec<Arc<str>>,
    /// What is sent.
    pub content: Content,
    /// Dropped for slow clients.
    pub volatile: bool,
    /// The change of presence that it reports: the scope, and the moment.
    pub presence: Option<(Arc<str>, u64)>,
    /// Which source it came from.
    pub source: Source,
    /// When this node received it.
    pub received: Instant,
}

/// An order of an emitter (`close_room`, `leave_room`) to remove members from a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// The connections concerned.
    pub target: EmissionTarget,
    /// The room.
    pub room: Arc<str>,
    /// Only the member with this id; unset: every member.
    pub id: Option<Arc<str>>,
}

impl Emission {
    /// The type of the events that carry emissions between nodes; no handler of a consumer ever gets it.
    pub const TYPE: &str = "channelgate.emit";

    /// The event that carries an emission to rooms of a consumer. A single room is the group that it is published to;
    /// several are named in it, because their members get it once.
    ///
    /// ```text
    /// {"type": "channelgate.emit", "consumer": "chat", "event": ["said", {"text": "hi"}], "except": ["<id>"], "volatile": false}
    /// {"type": "channelgate.emit", "consumer": "feed", "message": {"text": "hi"}, "except": [], "volatile": false, "rooms": ["a", "b"]}
    /// ```
    pub fn relay_body(
        consumer: &str,
        groups: &[GroupName],
        content: Content,
        except: &[&str],
        volatile: bool,
    ) -> Value {
        let (key, content) = match content {
            Content::Event(args) => ("event", Value::List(args)),
            Content::Message(value) => ("message", value),
        };
        let except = except.iter().map(|id| Value::from(*id)).collect();
        let entries = [
            ("type", Self::TYPE.into()),
            ("consumer", consumer.into()),
            (key, content),
            ("except", Value::List(except)),
            ("volatile", Value::Bool(volatile)),
        ];
        let rooms = groups.iter().map(|group| group.as_str().into()).collect();
        let rooms = (groups.len() > 1).then_some(("rooms", Value::List(rooms)));
        entries.into_iter().chain(rooms).collect()
    }

    /// The same emission, to one namespace of the consumer's form only.
    pub fn keep_in(body: &mut Value, namespace: &str) {
        if let Value::Map(entries) = body {
            entries.insert("namespace".into(), namespace.into());
        }
    }

    /// The same emission, as the report of a change of presence.
    pub fn report(body: &mut Value, scope: &str, at: u64) {
        if let Value::Map(entries) = body {
            let report = [("scope", scope.into()), ("at", at.into())];
            entries.insert("presence".into(), report.into_iter().collect());
        }
    }

    /// Whether an event carries an emission.
    pub fn is_relayed(body: &Value) -> bool {
        body.get("type").and_then(Value::as_str) == Some(Self::TYPE)
    }

    /// The emission that an event carries; `None` for every other event.
    ///
    /// # Errors
    /// An event of [`Self::TYPE`] that does not have the form of [`Self::relay_body`], with the reason.
    pub fn from_event(event: &Event) -> Result<Option<Self>, &'static str> {
        if !Self::is_relayed(&event.body) {
            return Ok(None);
        }
        Self::from_body(&event.body, vec![event.group.as_str().into()], event.source, event.received).map(Some)
    }

    /// The emission to several rooms that an event for all nodes carries.
    ///
    /// # Errors
    /// It does not have the form of [`Self::relay_body`], with the reason.
    pub fn from_rooms(body: &Value, source: Source, received: Instant) -> Result<Self, &'static str> {
        let rooms = texts(body, "rooms", "its rooms are not a list", "a room is not text")?;
        if !Self::is_relayed(body) || rooms.is_empty() {
            return Err("it is not an emission to rooms");
        }
        Self::from_body(body, rooms, source, received)
    }

    fn from_body(body: &Value, rooms: Vec<Arc<str>>, source: Source, received: Instant) -> Result<Self, &'static str> {
        let consumer = body.get("consumer").and_then(Value::as_str).ok_or("its consumer is not text")?;
        let content = match (body.get("event"), body.get("message")) {
            (Some(Value::List(args)), None) => match args.first() {
                Some(Value::Str(_)) => Content::Event(args.clone()),
                _ => return Err("its event does not begin with a name"),
            },
            (None, Some(value)) => Content::Message(value.clone()),
            (Some(_), None) => return Err("its event is not a list"),
            _ => return Err("it needs either event or message"),
        };
        let except = texts(body, "except", "its except is not a list", "an id in its except is not text")?;
        let volatile = match body.get("volatile") {
            None => false,
            Some(Value::Bool(volatile)) => *volatile,
            Some(_) => return Err("its volatile is not a boolean"),
        };
        let consumer = consumer.into();
        let target = match body.get("namespace") {
            None => EmissionTarget::Consumer(consumer),
            Some(Value::Str(_)) => {
                let namespace = body.get("namespace").and_then(Value::as_str).unwrap_or_default().into();
                EmissionTarget::ConsumerIn { consumer, namespace }
            }
            Some(_) => return Err("its namespace is not text"),
        };
        let presence = match body.get("presence") {
            None => None,
            Some(report) => {
                let at = match report.get("at") {
                    Some(Value::Int(at)) => u64::try_from(*at).ok(),
                    Some(Value::UInt(at)) => Some(*at),
                    _ => None,
                };
                let scope = report.get("scope").and_then(Value::as_str);
                Some(scope.map(Arc::from).zip(at).ok_or("its presence has no scope and moment")?)
            }
        };
        Ok(Self { target, rooms, except, content, volatile, presence, source, received })
    }
}

/// A list of texts; a missing one is empty.
fn texts(body: &Value, key: &str, no_list: &'static str, no_text: &'static str) -> Result<Vec<Arc<str>>, &'static str> {
    match body.get(key) {
        None => Ok(Vec::new()),
        Some(Value::List(items)) => items.iter().map(|item| item.as_str().map(Arc::from).ok_or(no_text)).collect(),
        Some(_) => Err(no_list),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::GroupName;

    fn event(body: Value) -> Event {
        Event { group: GroupName::new("room_1").unwrap(), body, source: Source::Memory, received: Instant::now() }
    }

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_relayed_emission_comes_back_unchanged() {
        let args = vec![Value::from("said"), Value::Bytes(Bytes::from_static(&[0, 255])), Value::Null];
        for content in [Content::Event(args), Content::Message(Value::Int(7))] {
            let group = [GroupName::new("room_1").unwrap()];
            let body = Emission::relay_body("chat", &group, content.clone(), &["a", "b"], true);
            assert_eq!(body.get("rooms"), None);
            let emission = Emission::from_event(&event(body)).unwrap().unwrap();
            assert_eq!(emission.target, EmissionTarget::Consumer("chat".into()));
            assert_eq!(emission.rooms, [Arc::<str>::from("room_1")]);
            assert_eq!(emission.except, [Arc::<str>::from("a"), "b".into()]);
            assert_eq!((emission.content, emission.volatile), (content, true));
        }
    }

    #[test]
    fn an_emission_keeps_to_its_namespace() {
        let group = [GroupName::new("room_1").unwrap()];
        let mut body = Emission::relay_body("chat", &group, Content::Message(Value::Null), &[], false);
        Emission::keep_in(&mut body, "/workspace-7");
        let target = EmissionTarget::ConsumerIn { consumer: "chat".into(), namespace: "/workspace-7".into() };
        assert_eq!(Emission::from_event(&event(body)).unwrap().unwrap().target, target);
    }

    #[test]
    fn an_emission_to_several_rooms_names_them() {
        let groups = ["a", "b"].map(|name| GroupName::new(name).unwrap());
        let body = Emission::relay_body("chat", &groups, Content::Message(Value::Int(7)), &[], false);
        let emission = Emission::from_rooms(&body, Source::Publish, Instant::now()).unwrap();
        assert_eq!(emission.rooms, [Arc::<str>::from("a"), "b".into()]);
        for wrong in [
            r#"{"type": "channelgate.emit", "consumer": "c", "message": 1}"#,
            r#"{"type": "channelgate.emit", "consumer": "c", "message": 1, "rooms": []}"#,
            r#"{"type": "channelgate.emit", "consumer": "c", "message": 1, "rooms": ["a", 1]}"#,
            r#"{"type": "channelgate.emit", "consumer": "c", "message": 1, "rooms": "a"}"#,
            r#"{"type": "chat.message", "consumer": "c", "message": 1, "rooms": ["a"]}"#,
        ] {
            assert!(Emission::from_rooms(&json(wrong), Source::Publish, Instant::now()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_events_are_not_emissions() {
        for body in [r#"{"type": "chat.message", "event": []}"#, r#"{"n": 1}"#, r#"{"type": ["channelgate.emit"]}"#] {
            assert!(Emission::from_event(&event(json(body))).unwrap().is_none(), "{body}");
        }
    }

    #[test]
    fn malformed_emissions_are_errors() {
        for rest in [
            r#""event": ["e"]"#,
            r#""consumer": 7, "event": ["e"]"#,
            r#""consumer": "c""#,
            r#""consumer": "c", "event": ["e"], "message": 1"#,
            r#""consumer": "c", "event": []"#,
            r#""consumer": "c", "event": [1]"#,
            r#""consumer": "c", "event": "e""#,
            r#""consumer": "c", "message": 1, "except": "id""#,
            r#""consumer": "c", "message": 1, "except": [1]"#,
            r#""consumer": "c", "message": 1, "volatile": 1"#,
            r#""consumer": "c", "message": 1, "namespace": 7"#,
        ] {
            let body = json(&format!(r#"{{"type": "channelgate.emit", {rest}}}"#));
            assert!(Emission::from_event(&event(body)).is_err(), "{rest}");
        }
    }
}
