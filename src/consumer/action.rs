//! What happens on a connection: its messages, its coming and going. Finds the handler; `run` carries it out.

use std::{sync::Arc, time::Instant};

use super::{
    compiler::Compiler,
    context::Context,
    effect::{Continuation, MessageProblem, Outcome, Reaction},
    form::Forms,
    limits::Limits,
    message::Message,
    place::Place,
    program::{HandlerId, HandlerTable, Program},
    scope::NameSet,
    step::Writer,
    wire::Wire,
};
use crate::{
    config::{self, KeyPath},
    event::{Incoming, Value},
};

/// Handlers and policies of a consumer.
#[derive(Debug)]
pub(super) struct Actions {
    program: Program,
    key: Box<str>,
    raw: HandlerTable,
    messages: HandlerTable,
    bad_json: Option<HandlerId>,
    unknown: Option<HandlerId>,
    pub admit: Option<HandlerId>,
    pub connect: Option<HandlerId>,
    pub disconnect: Option<HandlerId>,
    pub online: Option<HandlerId>,
    pub offline: Option<HandlerId>,
    names: NameSet,
}

impl Actions {
    pub fn compile(spec: &config::Consumer, program: Program, key: &KeyPath, compiler: &mut Compiler<'_>) -> Self {
        let mut writer = Writer { compiler, program };
        let raw = writer.table(&spec.on_raw, &key.then("on_raw"));
        let messages = writer.table(&spec.on_message, &key.then("on_message"));
        let bad_json = writer.policy(&spec.on_bad_json, Place::BadMessage, &key.then("on_bad_json"));
        let unknown = writer.policy(&spec.on_unknown_message, Place::Message, &key.then("on_unknown_message"));
        let connect = writer.maybe(spec.on_connect.as_ref(), Place::Connect, &key.then("on_connect"));
        let disconnect = writer.maybe(spec.on_disconnect.as_ref(), Place::Disconnect, &key.then("on_disconnect"));
        let online = writer.maybe(spec.on_online.as_ref(), Place::Online, &key.then("on_online"));
        // The handlers below have a context of their own.
        let mut names = NameSet::default();
        writer.program.handlers.iter().for_each(|handler| names.add(handler.names));
        let offline = writer.maybe(spec.on_offline.as_ref(), Place::Offline, &key.then("on_offline"));
        let admit = writer.maybe(spec.on_admit.as_ref(), Place::Admit, &key.then("on_admit"));
        Self {
            program: writer.program,
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
            names,
        }
    }

    /// Learns which of its rooms can be taken for others.
    pub fn settle(&mut self, forms: Arc<Forms>) {
        self.program.forms = forms;
    }

    /// Whether handlers of a connection's life look at the connection, or change what is known of it.
    pub const fn needs_context(&self) -> bool {
        self.names.meets(NameSet::CONNECTION)
    }

    /// The names that handlers of a connection's life start from.
    pub const fn names(&self) -> NameSet {
        self.names
    }

    /// What is written for the consumer's clients.
    pub const fn wire(&self) -> &Wire {
        &self.program.wire
    }

    /// Bytes that may be kept of a connection.
    pub const fn max_state(&self) -> usize {
        self.program.max_state
    }

    /// Carries out a handler that no message is about.
    pub fn happen(&self, handler: Option<HandlerId>, context: &Context) -> Reaction {
        let Some(handler) = handler else { return Reaction::default() };
        or_failed(self.program.start(handler, context, Message::None, None, None))
    }

    /// Goes on after a question.
    pub fn resume(&self, context: &Context, then: &Continuation, outcome: Outcome) -> Reaction {
        or_failed(self.program.resume(context, then, outcome))
    }

    /// Whether a handler takes the message.
    pub fn handles(&self, incoming: &Incoming<'_>) -> bool {
        match incoming {
            Incoming::Event { name, .. } => self.messages.find(Some(name)).is_some(),
            Incoming::Text(_) | Incoming::Binary(_) => true,
        }
    }

    /// Carries out the handler of a client's message, or what the consumer does about one that is wrong.
    pub fn message(&self, context: &Context, incoming: Incoming<'_>, limits: &mut Limits, now: Instant) -> Reaction {
        let raw = match incoming {
            Incoming::Text(text) => self.raw.find(Some(text)),
            Incoming::Binary(_) => self.raw.find(None),
            Incoming::Event { .. } => None,
        };
        let parsed;
        let (handler, message, ack) = match (raw, incoming) {
            (Some(handler), _) => (Some(handler), Message::Raw(incoming), None),
            (None, Incoming::Event { name, args, ack }) => {
                (self.messages.find(Some(name)), Message::Event { name, args }, ack)
            }
            (None, Incoming::Text(_) | Incoming::Binary(_)) => {
                parsed = match parse(incoming) {
                    Ok(message) => Arc::new(message),
                    Err(reason) => {
                        return self.apply(self.bad_json, context, Message::None, MessageProblem::BadJson(reason));
                    }
                };
                let kind = parsed.get(&self.key).and_then(Value::as_str);
                (self.messages.find(kind), Message::Json(&parsed), None)
            }
        };
        let Some(handler) = handler else {
            return self.apply(self.unknown, context, message, MessageProblem::Unknown);
        };
        match self.program.start(handler, context, message, ack, Some((limits, now))) {
            Ok(reaction) => reaction,
            // A message of a known type that lacks what its handler needs is malformed, like one that is no JSON.
            Err(problem) => self.apply(self.bad_json, context, Message::None, problem),
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
        let ran = policy.and_then(|policy| self.program.start(policy, context, message, None, None).ok());
        Reaction { effects: ran.unwrap_or_default().effects, problem: Some(problem) }
    }
}

fn or_failed(ran: Result<Reaction, MessageProblem>) -> Reaction {
    ran.unwrap_or_else(Reaction::from)
}

fn parse(incoming: Incoming<'_>) -> Result<Value, String> {
    match incoming {
        Incoming::Text(text) => serde_json::from_str(text).map_err(|error| error.to_string()),
        Incoming::Binary(_) | Incoming::Event { .. } => Err("it is binary".to_owned()),
    }
}
