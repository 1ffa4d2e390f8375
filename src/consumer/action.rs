//! Finds the handler for a connection's messages, opening and closing; `run` carries it out.

use std::{sync::Arc, time::Instant};

use super::{
    compiler::Compiler,
    context::Context,
    effect::{Continuation, MessageProblem, Outcome, Reaction},
    expression::VarSet,
    groups::Forms,
    input::Input,
    kind::HandlerKind,
    program::{HandlerId, HandlerTable, Program, ProgramWriter, Quotas},
    wire::Wire,
};
use crate::{
    config::{self, KeyPath},
    event::{Incoming, Value, json},
};

/// Handlers and policies of a consumer.
#[derive(Debug)]
pub(super) struct Actions {
    program: Program,
    key: Box<str>,
    raw: HandlerTable,
    messages: HandlerTable,
    bad_json: Option<HandlerId>,
    failed: Option<HandlerId>,
    unknown: Option<HandlerId>,
    pub admit: Option<HandlerId>,
    pub connect: Option<HandlerId>,
    pub disconnect: Option<HandlerId>,
    pub online: Option<HandlerId>,
    pub offline: Option<HandlerId>,
    names: VarSet,
    changes_connections: bool,
}

impl Actions {
    pub fn compile(spec: &config::Consumer, program: Program, key: &KeyPath, compiler: &mut Compiler<'_>) -> Self {
        let mut writer = ProgramWriter { compiler, program };
        let raw = writer.table(&spec.on_raw, &key.then("on_raw"));
        let messages = writer.table(&spec.on_message, &key.then("on_message"));
        let bad_json = writer.policy(&spec.on_bad_json, HandlerKind::BadMessage, &key.then("on_bad_json"));
        let failed = writer.policy(&spec.on_failed, HandlerKind::BadMessage, &key.then("on_failed"));
        let unknown = writer.policy(&spec.on_unknown_message, HandlerKind::Message, &key.then("on_unknown_message"));
        let connect = writer.maybe(spec.on_connect.as_ref(), HandlerKind::Connect, &key.then("on_connect"));
        let disconnect = writer.maybe(spec.on_disconnect.as_ref(), HandlerKind::Disconnect, &key.then("on_disconnect"));
        let online = writer.maybe(spec.on_online.as_ref(), HandlerKind::Online, &key.then("on_online"));
        // The handlers below have a context of their own.
        let mut names = VarSet::default();
        writer.program.handlers.iter().for_each(|handler| names.add(handler.names));
        let changes_connections = writer.program.changes_connections();
        let offline = writer.maybe(spec.on_offline.as_ref(), HandlerKind::Offline, &key.then("on_offline"));
        let admit = writer.maybe(spec.on_admit.as_ref(), HandlerKind::Admit, &key.then("on_admit"));
        Self {
            program: writer.program,
            key: spec.message_key.as_str().into(),
            raw,
            messages,
            bad_json,
            failed,
            unknown,
            admit,
            connect,
            disconnect,
            online,
            offline,
            names,
            changes_connections,
        }
    }

    /// Sets the final forms of its rooms.
    pub fn settle(&mut self, forms: Arc<Forms>) {
        self.program.forms = forms;
    }

    /// Whether handlers of a connection's life read or change its context.
    pub const fn needs_context(&self) -> bool {
        self.names.meets(VarSet::CONNECTION)
    }

    /// Whether handlers change the user, the variables or the claims of a connection.
    pub const fn changes_connections(&self) -> bool {
        self.changes_connections
    }

    /// The names used by handlers of a connection's life.
    pub const fn names(&self) -> VarSet {
        self.names
    }

    /// The names used by all handlers.
    pub fn all_names(&self) -> VarSet {
        self.program.handlers.iter().fold(VarSet::default(), |names, handler| names.and(handler.names))
    }

    /// The writer for the consumer's clients.
    pub const fn wire(&self) -> &Wire {
        &self.program.wire
    }

    /// Maximum bytes of a connection's state.
    pub const fn max_state(&self) -> usize {
        self.program.max_state
    }

    /// Runs a handler that is not about a message.
    pub fn happen(&self, handler: Option<HandlerId>, context: &Context) -> Reaction {
        let Some(handler) = handler else { return Reaction::default() };
        or_failed(self.program.start(handler, context, Input::None, None, None))
    }

    /// Continues after an outcome; the policy for a message whose handler fails applies after a call, too.
    pub fn resume(&self, context: &Context, then: &Continuation, outcome: Outcome) -> Reaction {
        self.program.resume(context, then, outcome).unwrap_or_else(|problem| {
            let policy = self.failed.filter(|_| self.program.is_of_message(then));
            self.apply(policy, context, Input::None, problem)
        })
    }

    /// Whether a handler matches the message.
    pub fn handles(&self, incoming: &Incoming<'_>) -> bool {
        match incoming {
            Incoming::Event { name, .. } => self.messages.find(Some(name)).is_some(),
            Incoming::Text(_) | Incoming::Binary(_) => true,
        }
    }

    /// Runs the handler of a client's message, or the policy for an invalid one.
    pub fn message(&self, context: &Context, incoming: Incoming<'_>, limits: &mut Quotas, now: Instant) -> Reaction {
        let found = match self.find(&incoming) {
            Ok(found) => found,
            Err(reason) => return self.apply(self.bad_json, context, Input::None, MessageProblem::BadJson(reason)),
        };
        let Some(handler) = found.handler else {
            return self.apply(self.unknown, context, found.input(incoming).0, MessageProblem::Unknown);
        };
        self.run(handler, context, found.input(incoming), limits, now)
    }

    /// Whether there is a handler for any message.
    pub fn handles_messages(&self) -> bool {
        !self.raw.is_empty() || !self.messages.is_empty()
    }

    /// Runs the handler that matches a client's message, if there is one.
    pub fn matching(
        &self,
        context: &Context,
        incoming: Incoming<'_>,
        limits: &mut Quotas,
        now: Instant,
    ) -> Option<Reaction> {
        if !self.handles_messages() {
            return None;
        }
        let found = self.find(&incoming).ok()?;
        Some(self.run(found.handler?, context, found.input(incoming), limits, now))
    }

    fn run(
        &self,
        handler: HandlerId,
        context: &Context,
        (message, ack): (Input<'_>, Option<u64>),
        limits: &mut Quotas,
        now: Instant,
    ) -> Reaction {
        match self.program.start(handler, context, message, ack, Some((limits, now))) {
            Ok(reaction) => reaction,
            Err(problem) => self.apply(self.failed, context, Input::None, problem),
        }
    }

    /// The handler of a message; an error if it is not JSON, and nothing takes it unparsed.
    fn find(&self, incoming: &Incoming<'_>) -> Result<Found, String> {
        let raw = match incoming {
            Incoming::Text(text) => self.raw.find(Some(text)),
            Incoming::Binary(_) => self.raw.find(None),
            Incoming::Event { name, .. } => {
                return Ok(Found { handler: self.messages.find(Some(name)), parsed: None });
            }
        };
        if raw.is_some() {
            return Ok(Found { handler: raw, parsed: None });
        }
        let parsed = parse(*incoming)?;
        let kind = parsed.get(&self.key).and_then(Value::as_str);
        Ok(Found { handler: self.messages.find(kind), parsed: Some(Arc::new(parsed)) })
    }

    /// Applies the consumer's policy for a problem.
    fn apply(
        &self,
        policy: Option<HandlerId>,
        context: &Context,
        message: Input<'_>,
        problem: MessageProblem,
    ) -> Reaction {
        let ran = policy.and_then(|policy| self.program.start(policy, context, message, None, None).ok());
        Reaction { effects: ran.unwrap_or_default().effects, problem: Some(problem) }
    }
}

/// The handler of a message, and what was read of it.
struct Found {
    handler: Option<HandlerId>,
    parsed: Option<Arc<Value>>,
}

impl Found {
    /// The message for the handler, and the number of its acknowledgement.
    fn input<'a>(&'a self, incoming: Incoming<'a>) -> (Input<'a>, Option<u64>) {
        match (&self.parsed, incoming) {
            (Some(parsed), _) => (Input::Json(parsed), None),
            (None, Incoming::Event { name, args, ack }) => (Input::Event { name, args }, ack),
            (None, Incoming::Text(_) | Incoming::Binary(_)) => (Input::Raw(incoming), None),
        }
    }
}

fn or_failed(ran: Result<Reaction, MessageProblem>) -> Reaction {
    ran.unwrap_or_else(Reaction::from)
}

fn parse(incoming: Incoming<'_>) -> Result<Value, String> {
    match incoming {
        Incoming::Text(text) => json::read(text.as_bytes()).map_err(|error| error.to_string()),
        Incoming::Binary(_) | Incoming::Event { .. } => Err("it is binary".to_owned()),
    }
}
