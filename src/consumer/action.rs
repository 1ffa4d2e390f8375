//! What happens on a connection: its messages, its coming and going. Finds the handler; `run` carries it out.

use std::{collections::HashMap, sync::Arc, time::Instant};

use indexmap::IndexMap;
use minijinja::{Value as Jinja, value::ValueKind};

use super::{
    Context, Continuation, Effect, Incoming, Limits, Outcome,
    compile::Compiler,
    mapping::name,
    message::Message,
    place::Place,
    program::{HandlerId, Program},
    run::{Buckets, Ran},
    scope::NameSet,
    step::Writer,
};
use crate::{
    config::{self, Handler, KeyPath},
    event::Value,
};

/// Longer names of topics are refused: what one connection can make the node remember is bounded.
const MAX_TOPIC_LENGTH: usize = 256;

/// Handlers by name, and one for the rest.
type Table = (HashMap<Box<str>, HandlerId>, Option<HandlerId>);

/// Handlers and policies of a consumer.
#[derive(Debug)]
pub(super) struct Actions {
    program: Program,
    key: Box<str>,
    raw: Table,
    messages: Table,
    bad_json: Option<HandlerId>,
    unknown: Option<HandlerId>,
    pub admit: Option<HandlerId>,
    pub connect: Option<HandlerId>,
    pub disconnect: Option<HandlerId>,
    pub online: Option<HandlerId>,
    pub offline: Option<HandlerId>,
    needs_context: bool,
    names: NameSet,
}

/// What came of a message: what to do now, and what was wrong with it, if anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaction {
    /// What to do, in order; in answer to a problem, what the consumer's policy says.
    pub effects: Vec<Effect>,
    /// For counting and, at a bounded rate, for the log.
    pub problem: Option<MessageProblem>,
}

impl From<Ran> for Reaction {
    fn from((effects, problem): Ran) -> Self {
        Self { effects, problem }
    }
}

impl From<Result<Ran, String>> for Reaction {
    fn from(ran: Result<Ran, String>) -> Self {
        ran.map_or_else(|reason| (Vec::new(), Some(MessageProblem::Failed(reason))).into(), Self::from)
    }
}

/// What was wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageProblem {
    /// No JSON, or binary where JSON is spoken.
    #[error("the message is no JSON: {0}")]
    BadJson(String),
    /// No handler takes it.
    #[error("no handler takes the message")]
    Unknown,
    /// Its handler failed on it, for instance for a missing key.
    #[error("the message's handler failed: {0}")]
    Failed(String),
    /// What `require` or `allow` says stands against it.
    #[error("the message is not allowed")]
    Denied,
    /// It came too soon after others.
    #[error("the client sends too fast")]
    Limited,
    /// The backend did not answer, or with a status that the handler does not know.
    #[error("the backend did not help: {0}")]
    Unanswered(String),
}

impl MessageProblem {
    /// The metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::BadJson(_) => "bad_json",
            Self::Unknown => "unknown_message",
            Self::Failed(_) => "failed_message",
            Self::Denied => "denied_message",
            Self::Limited => "limited_message",
            Self::Unanswered(_) => "unanswered_call",
        }
    }
}

impl Actions {
    pub fn compile(spec: &config::Consumer, program: Program, key: &KeyPath, compiler: &mut Compiler<'_>) -> Self {
        let mut writer = Writer { compiler, program };
        let mut table = |handlers: &IndexMap<String, Handler>, name: &str| {
            let mut table = Table::default();
            for (kind, handler) in handlers {
                let id = writer.handler(handler, Place::Message, &key.then(name).then(kind.as_str()));
                match kind.as_str() {
                    "*" => table.1 = Some(id),
                    kind => drop(table.0.insert(kind.into(), id)),
                }
            }
            table
        };
        let (raw, messages) = (table(&spec.on_raw, "on_raw"), table(&spec.on_message, "on_message"));
        let mut policy = |policy: &config::Policy, place: Place, name: &str| match policy {
            config::Policy::Ignore => None,
            config::Policy::Close(code) => Some(writer.close(*code)),
            config::Policy::Reply(reply) => Some(writer.replies(reply, place, &key.then(name).then("reply"))),
        };
        let bad_json = policy(&spec.on_bad_json, Place::BadMessage, "on_bad_json");
        let unknown = policy(&spec.on_unknown_message, Place::Message, "on_unknown_message");
        let one = |writer: &mut Writer<'_, '_>, handler: &Option<Handler>, place: Place, name: &str| {
            handler.as_ref().map(|handler| writer.handler(handler, place, &key.then(name)))
        };
        let connect = one(&mut writer, &spec.on_connect, Place::Connect, "on_connect");
        let disconnect = one(&mut writer, &spec.on_disconnect, Place::Disconnect, "on_disconnect");
        let online = one(&mut writer, &spec.on_online, Place::Online, "on_online");
        // The others have a context of their own.
        let needs_context = needs_context(&writer.program);
        let mut names = NameSet::default();
        writer.program.handlers.iter().for_each(|handler| names.add(handler.names));
        let offline = one(&mut writer, &spec.on_offline, Place::Offline, "on_offline");
        let admit = one(&mut writer, &spec.on_admit, Place::Admit, "on_admit");
        let program = writer.program;
        Self {
            program,
            key: spec.message_key.as_str().into(),
            raw,
            messages,
            bad_json,
            unknown,
            admit,
            connect,
            disconnect,
            online,
            offline,
            needs_context,
            names,
        }
    }

    /// Whether any of it uses what is known of the connection.
    pub const fn needs_context(&self) -> bool {
        self.needs_context
    }

    /// The names that handlers of a connection's life start from.
    pub const fn names(&self) -> NameSet {
        self.names
    }

    /// What is written for the consumer's clients.
    pub const fn wire(&self) -> &super::wire::Wire {
        &self.program.wire
    }

    /// Carries out a handler that no message is about.
    pub fn happen(&self, handler: Option<HandlerId>, context: &Context) -> Reaction {
        let Some(handler) = handler else { return Reaction::default() };
        self.program.start(handler, context, Message::None, None, None).into()
    }

    /// Goes on after a question.
    pub fn resume(&self, context: &Context, then: &Continuation, outcome: Outcome) -> Reaction {
        self.program.resume(context, then, outcome).into()
    }

    /// Whether a handler takes the message.
    pub fn handles(&self, incoming: &Incoming<'_>) -> bool {
        match incoming {
            Incoming::Event { name, .. } => self.messages.0.contains_key(*name) || self.messages.1.is_some(),
            Incoming::Text(_) | Incoming::Binary(_) => true,
        }
    }

    pub fn message(&self, context: &Context, incoming: Incoming<'_>, limits: &mut Limits, now: Instant) -> Reaction {
        let buckets = Some((limits, now));
        let raw = match incoming {
            Incoming::Text(text) => self.raw.0.get(text).or(self.raw.1.as_ref()),
            Incoming::Binary(_) => self.raw.1.as_ref(),
            Incoming::Event { name, args, ack } => {
                let message = Message::Event { name, args };
                return match self.messages.0.get(name).or(self.messages.1.as_ref()) {
                    Some(handler) => self.act(*handler, context, message, ack, buckets),
                    None => self.apply(self.unknown, context, message, MessageProblem::Unknown),
                };
            }
        };
        if let Some(handler) = raw {
            return self.act(*handler, context, Message::Raw(incoming), None, buckets);
        }
        let parsed = match incoming {
            Incoming::Text(text) => serde_json::from_str::<Value>(text).map_err(|error| error.to_string()),
            Incoming::Binary(_) | Incoming::Event { .. } => Err("it is binary".to_owned()),
        };
        let message = match parsed {
            Ok(message) => Arc::new(message),
            Err(reason) => {
                return self.apply(self.bad_json, context, Message::None, MessageProblem::BadJson(reason));
            }
        };
        let kind = message.get(&self.key).and_then(Value::as_str);
        match kind.and_then(|kind| self.messages.0.get(kind)).or(self.messages.1.as_ref()) {
            Some(handler) => self.act(*handler, context, Message::Json(&message), None, buckets),
            None => self.apply(self.unknown, context, Message::Json(&message), MessageProblem::Unknown),
        }
    }

    fn act(
        &self,
        handler: HandlerId,
        context: &Context,
        message: Message<'_>,
        ack: Option<u64>,
        buckets: Option<Buckets<'_>>,
    ) -> Reaction {
        match self.program.start(handler, context, message, ack, buckets) {
            Ok(ran) => ran.into(),
            // A message of a known type that lacks what its handler needs is malformed, like one that is no JSON.
            Err(reason) => self.apply(self.bad_json, context, Message::None, MessageProblem::Failed(reason)),
        }
    }

    /// What the consumer does about a problem.
    fn apply(
        &self,
        policy: Option<HandlerId>,
        context: &Context,
        message: Message<'_>,
        problem: MessageProblem,
    ) -> Reaction {
        let ran = policy.map(|policy| self.program.start(policy, context, message, None, None));
        let effects = ran.and_then(Result::ok).unwrap_or_default().0;
        Reaction { effects, problem: Some(problem) }
    }
}

/// Whether the handlers so far look at the connection, or change what is known of it.
fn needs_context(program: &Program) -> bool {
    program.handlers.iter().any(|handler| handler.names.meets(NameSet::CONNECTION))
}

/// A name or a list of names. Of too many only one more than allowed is kept, which is enough to be refused.
pub(super) fn topics(value: &Jinja, max: usize) -> Result<Vec<Arc<str>>, String> {
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut add = |value: &Jinja| {
        let name = name(value)?;
        if name.len() > MAX_TOPIC_LENGTH {
            return Err(format!("the name of a topic has at most {MAX_TOPIC_LENGTH} bytes"));
        }
        if !names.contains(&name) {
            names.push(name);
        }
        Ok(names.len() <= max)
    };
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        for item in value.try_iter().map_err(|error| error.to_string())? {
            if !add(&item)? {
                break;
            }
        }
    } else {
        add(value)?;
    }
    Ok(names)
}
