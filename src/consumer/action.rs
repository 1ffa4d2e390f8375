//! What a client's message, or its coming, makes happen on its own connection.

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;
use minijinja::{Value as Jinja, value::ValueKind};

use super::{
    Context, Effect, Incoming, Payload,
    compile::Compiler,
    expression::{Expression, Name, Scope},
    frame,
    mapping::{name, raw},
    view::Root,
};
use crate::{
    config::{self, KeyPath},
    event::Value,
};

/// Longer names of topics are refused: what one connection can make the node remember is bounded.
const MAX_TOPIC_LENGTH: usize = 256;

/// What expressions may use where there is no message.
pub(super) const CONNECTION: &[Name] = &[Name::User, Name::Route, Name::Query, Name::Claims];
const MESSAGE: &[Name] = &[Name::Message, Name::User, Name::Route, Name::Query, Name::Claims];

/// Handlers and policies for client messages.
#[derive(Debug)]
pub(super) struct Actions {
    key: Box<str>,
    raw: HashMap<Box<str>, Action>,
    raw_rest: Option<Action>,
    json: HashMap<Box<str>, Action>,
    json_rest: Option<Action>,
    bad_json: Policy,
    unknown: Policy,
}

#[derive(Debug, Default)]
pub(super) struct Action {
    subscribe: Option<Expression>,
    unsubscribe: Option<Expression>,
    reply: Vec<Expression>,
    reply_raw: Option<Expression>,
    close: Option<u16>,
    max_topics: usize,
}

#[derive(Debug)]
enum Policy {
    Ignore,
    Close(u16),
    Reply(Expression),
}

/// What came of a message: what to do now, and what was wrong with it, if anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reaction {
    /// What to do, in order; in answer to a problem, what the consumer's policy says.
    pub effects: Vec<Effect>,
    /// For counting and, at a bounded rate, for the log.
    pub problem: Option<MessageProblem>,
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
}

impl MessageProblem {
    /// The metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::BadJson(_) => "bad_json",
            Self::Unknown => "unknown_message",
            Self::Failed(_) => "failed_message",
        }
    }
}

impl Actions {
    pub fn compile(spec: &config::Consumer, key: &KeyPath, compiler: &mut Compiler<'_>) -> Self {
        let mut table = |handlers: &IndexMap<String, config::MessageHandler>, key: &KeyPath| {
            let mut actions: HashMap<Box<str>, Action> = HashMap::new();
            for (name, handler) in handlers {
                let action = Action::compile(handler, MESSAGE, spec, &key.then(name.as_str()), compiler);
                actions.insert(name.as_str().into(), action);
            }
            let rest = actions.remove("*");
            (actions, rest)
        };
        let (raw, raw_rest) = table(&spec.on_raw, &key.then("on_raw"));
        let (json, json_rest) = table(&spec.on_message, &key.then("on_message"));
        let mut policy = |policy: &config::Policy, names: &[Name], name: &str| match policy {
            config::Policy::Ignore => Policy::Ignore,
            config::Policy::Close(code) => Policy::Close(*code),
            config::Policy::Reply(reply) => {
                let place = &format!("in {name}");
                match compiler.expression(reply, names, place, &key.then(name).then("reply")) {
                    Some(reply) => Policy::Reply(reply),
                    None => Policy::Ignore,
                }
            }
        };
        let bad_json = policy(&spec.on_bad_json, CONNECTION, "on_bad_json");
        let unknown = policy(&spec.on_unknown_message, MESSAGE, "on_unknown_message");
        Self { key: spec.message_key.as_str().into(), raw, raw_rest, json, json_rest, bad_json, unknown }
    }

    /// Whether any of it uses the connection's user, path or query.
    pub fn needs_context(&self) -> bool {
        let policies = [&self.bad_json, &self.unknown].into_iter().filter_map(|policy| match policy {
            Policy::Reply(reply) => Some(reply),
            Policy::Ignore | Policy::Close(_) => None,
        });
        let actions = self.raw.values().chain(&self.raw_rest).chain(self.json.values()).chain(&self.json_rest);
        actions
            .flat_map(Action::expressions)
            .chain(policies)
            .any(|expression| expression.names().iter().any(|name| *name != Name::Message))
    }

    pub fn message(&self, context: &Context, incoming: Incoming<'_>) -> Reaction {
        let raw = match incoming {
            Incoming::Text(text) => self.raw.get(text).or(self.raw_rest.as_ref()),
            Incoming::Binary(_) => self.raw_rest.as_ref(),
            Incoming::Event { .. } => None,
        };
        if let Some(action) = raw {
            return self.act(action, context, Message::Raw(incoming));
        }
        let parsed = match incoming {
            Incoming::Text(text) => serde_json::from_str::<Value>(text).map_err(|error| error.to_string()),
            Incoming::Binary(_) => Err("it is binary".to_owned()),
            Incoming::Event { .. } => Err("it is a Socket.IO event".to_owned()),
        };
        let message = match parsed {
            Ok(message) => Arc::new(message),
            Err(reason) => return self.bad_json.apply(context, None, MessageProblem::BadJson(reason)),
        };
        let kind = message.get(&self.key).and_then(Value::as_str);
        match kind.and_then(|kind| self.json.get(kind)).or(self.json_rest.as_ref()) {
            Some(action) => self.act(action, context, Message::Json(message)),
            None => self.unknown.apply(context, Some(message), MessageProblem::Unknown),
        }
    }

    fn act(&self, action: &Action, context: &Context, message: Message<'_>) -> Reaction {
        match action.effects(context, Some(message)) {
            Ok(effects) => Reaction { effects, problem: None },
            // A message of a known type that lacks what its handler needs is malformed, like one that is no JSON.
            Err(reason) => self.bad_json.apply(context, None, MessageProblem::Failed(reason)),
        }
    }
}

/// A message as a handler sees it.
pub(super) enum Message<'a> {
    Raw(Incoming<'a>),
    Json(Arc<Value>),
}

impl Action {
    pub fn compile(
        handler: &config::MessageHandler,
        names: &[Name],
        spec: &config::Consumer,
        key: &KeyPath,
        compiler: &mut Compiler<'_>,
    ) -> Self {
        let place = "here";
        Self {
            subscribe: compiler.optional(handler.subscribe.as_ref(), names, place, &key.then("subscribe")),
            unsubscribe: compiler.optional(handler.unsubscribe.as_ref(), names, place, &key.then("unsubscribe")),
            reply: compiler.list(handler.reply.as_ref(), names, place, &key.then("reply")),
            reply_raw: compiler.optional(handler.reply_raw.as_ref(), names, place, &key.then("reply_raw")),
            close: handler.close,
            max_topics: spec.topics.max,
        }
    }

    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.subscribe.iter().chain(&self.unsubscribe).chain(&self.reply).chain(&self.reply_raw)
    }

    /// What it does: topics first, then replies, then the close.
    pub fn effects(&self, context: &Context, message: Option<Message<'_>>) -> Result<Vec<Effect>, String> {
        if let (Some(Message::Raw(incoming)), Some(reply)) = (&message, &self.reply_raw)
            && reply.is_just(Name::Message)
            && self.expressions().count() == 1
        {
            // An echo of up to 16 MiB: one copy, and no look inside.
            let payload = match incoming {
                Incoming::Text(text) => Payload::Text(text.as_bytes().to_vec().into()),
                Incoming::Binary(bytes) => Payload::Binary(bytes.to_vec().into()),
                Incoming::Event { .. } => return Err("an event is not raw".to_owned()),
            };
            return Ok(std::iter::once(Effect::Reply(payload)).chain(self.closing()).collect());
        }
        let scope = self.scope(context, message);
        let mut effects = Vec::new();
        if let Some(names) = &self.subscribe {
            effects.push(Effect::Subscribe(topics(&names.evaluate(&scope)?, self.max_topics)?));
        }
        if let Some(names) = &self.unsubscribe {
            effects.push(Effect::Unsubscribe(topics(&names.evaluate(&scope)?, self.max_topics)?));
        }
        for reply in &self.reply {
            effects.push(Effect::Reply(Payload::Text(frame::json(&reply.evaluate(&scope)?)?)));
        }
        if let Some(reply) = &self.reply_raw {
            effects.push(Effect::Reply(raw(&reply.evaluate(&scope)?)?));
        }
        effects.extend(self.closing());
        Ok(effects)
    }

    fn closing(&self) -> Option<Effect> {
        self.close.map(|code| Effect::Close { code, reason: String::new() })
    }

    fn scope(&self, context: &Context, message: Option<Message<'_>>) -> Jinja {
        let scope = match message {
            None | Some(Message::Raw(Incoming::Event { .. })) => Scope::default(),
            Some(Message::Json(message)) => Scope::default().with(Name::Message, Root::Data(message).into_jinja()),
            Some(Message::Raw(Incoming::Text(text))) => Scope::default().with(Name::Message, Jinja::from(text)),
            Some(Message::Raw(Incoming::Binary(bytes))) => {
                Scope::default().with(Name::Message, Jinja::from_bytes(bytes.to_vec()))
            }
        };
        connection_scope(scope, context, self.expressions()).into_jinja()
    }
}

impl Policy {
    fn apply(&self, context: &Context, message: Option<Arc<Value>>, problem: MessageProblem) -> Reaction {
        let effect = match self {
            Self::Ignore => None,
            Self::Close(code) => Some(Effect::Close { code: *code, reason: String::new() }),
            Self::Reply(reply) => {
                let scope = match message {
                    Some(message) => Scope::default().with(Name::Message, Root::Data(message).into_jinja()),
                    None => Scope::default(),
                };
                let scope = connection_scope(scope, context, std::iter::once(reply)).into_jinja();
                let text = reply.evaluate(&scope).and_then(|value| frame::json(&value));
                text.ok().map(|text| Effect::Reply(Payload::Text(text)))
            }
        };
        Reaction { effects: effect.into_iter().collect(), problem: Some(problem) }
    }
}

/// Adds what the expressions use of the connection, and nothing more: it is copied.
pub(super) fn connection_scope<'a>(
    scope: Scope,
    context: &Context,
    expressions: impl IntoIterator<Item = &'a Expression>,
) -> Scope {
    let used: Vec<Name> = expressions.into_iter().flat_map(|expression| expression.names()).copied().collect();
    let parts = [
        (Name::User, &context.user),
        (Name::Route, &context.route),
        (Name::Query, &context.query),
        (Name::Claims, &context.claims),
    ];
    let used = parts.into_iter().filter(|(name, _)| used.contains(name));
    used.fold(scope, |scope, (name, value)| scope.with(name, Root::Data(Arc::new(value.clone())).into_jinja()))
}

/// A name or a list of names. Of too many only one more than allowed is kept, which is enough to be refused.
fn topics(value: &Jinja, max: usize) -> Result<Vec<Arc<str>>, String> {
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
