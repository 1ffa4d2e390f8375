//! Notices to the clients that ask for them: a gap, where events may have been missed, and the first message (hello).
//!
//! In: a gap's reason and groups, or a connection that opens. Out: a frame, or a Socket.IO event. Who wants them is
//! evaluated once, when the connection opens. A hello is made then, too, so that nothing of it is kept.

use minijinja::Value as Jinja;

use super::{
    compiler::Compiler,
    context::Context,
    emit::EmitContent,
    expression::{Allowed, Expression, Scope, Var, VarSet},
    input::of_connection,
    kind,
    wire::Wire,
};
use crate::{
    config::{self, KeyPath},
    event::{GapReason, GroupName, Payload},
    limited::WriteError,
};

const ALLOWED: Allowed<'static> =
    Allowed { names: &[Var::Gap, Var::Node], at: "in on_gap, which is not evaluated for a connection" };

/// Who gets a notice, and what it is.
#[derive(Debug)]
struct Notice {
    when: Option<Expression>,
    content: EmitContent,
}

/// A compiled `on_gap`.
#[derive(Debug)]
pub(super) struct GapNotice(Notice);

/// A compiled `hello`.
#[derive(Debug)]
pub(super) struct Hello(Notice);

impl Notice {
    /// `at` is the place of its condition.
    fn compile(
        handler: &config::Notice,
        wire: &Wire,
        allowed: Allowed<'_>,
        at: &str,
        (key, compiler): (&KeyPath, &mut Compiler<'_>),
    ) -> Option<Self> {
        let when = Allowed { names: kind::of_groups(wire.protocol), at };
        let when = compiler.optional(handler.when.as_ref(), when, &key.then("when"));
        let here = key.then("emit");
        let content = match (wire.is_socketio(), &handler.send, &handler.emit) {
            (true, Some(_), _) => {
                compiler.note(&key.then("send"), "Socket.IO clients get events; write \"emit\"");
                None
            }
            (false, _, Some(_)) => {
                compiler.note(&here, "is for Socket.IO; clients of this consumer get a frame: write \"send\"");
                None
            }
            (true, None, Some(emit)) => {
                for (name, is_set) in [
                    ("to", emit.to.is_some()),
                    ("when", emit.when.is_some()),
                    ("volatile", emit.volatile),
                    ("expect", emit.expect.is_some()),
                ] {
                    if is_set {
                        compiler.note(&here.then(name), "a notice goes only to the connections that ask for it");
                    }
                }
                EmitContent::compile(emit, allowed, &here, compiler)
            }
            (false, Some(send), None) => {
                compiler.expression(send, allowed, &key.then("send")).map(EmitContent::Message)
            }
            (socketio, None, None) => {
                let missing = if socketio { "emit" } else { "send" };
                compiler.note(key, format!("the key \"{missing}\" is missing"));
                None
            }
        };
        Some(Self { when, content: content? })
    }

    /// Whether this connection asks for it; errors call it `what`.
    fn is_asked_for(&self, context: &Context, what: &str) -> bool {
        let Some(when) = &self.when else { return true };
        match when.evaluate(&of_connection(context, when.names()).into_jinja()) {
            Ok(value) => value.is_true(),
            Err(reason) => {
                log::debug!("a connection gets no {what}: {reason}");
                false
            }
        }
    }

    /// The names that decide about it.
    fn names(&self) -> VarSet {
        self.when.as_ref().map_or_else(VarSet::default, Expression::names)
    }
}

impl GapNotice {
    pub fn compile(handler: &config::Notice, wire: &Wire, key: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Self> {
        let at = "in the \"when\" of on_gap";
        let notice = Self(Notice::compile(handler, wire, ALLOWED, at, (key, &mut *compiler))?);
        // An expression that cannot be evaluated is found now and not at the first gap.
        for groups in [None, Some(&[][..])] {
            if let Err(reason) = notice.payload(GapReason::Reconnected, groups, wire) {
                compiler.note(key, format!("gives no notice: {reason}; known: gap.reason, gap.groups and node"));
                return None;
            }
        }
        Some(notice)
    }

    pub fn is_asked_for(&self, context: &Context) -> bool {
        self.0.is_asked_for(context, "gap notices")
    }

    /// The names that decide about it.
    pub fn names(&self) -> VarSet {
        self.0.names()
    }

    pub fn payload(
        &self,
        reason: GapReason,
        groups: Option<&[&GroupName]>,
        wire: &Wire,
    ) -> Result<Payload, WriteError> {
        let groups =
            groups.map_or_else(|| Jinja::from(()), |groups| groups.iter().map(|group| group.as_str()).collect());
        let gap = Jinja::from_pairs([("reason", Jinja::from(reason.label())), ("groups", groups)]);
        let scope = Scope::default().with(Var::Gap, gap).with(Var::Node, wire.node.value());
        self.0.content.payload(&scope.into_jinja(), wire)
    }
}

impl Hello {
    pub fn compile(handler: &config::Notice, wire: &Wire, key: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Self> {
        let names = kind::of_hello(wire.protocol);
        let allowed = Allowed { names: &names, at: "in hello" };
        let notice = Notice::compile(handler, wire, allowed, "in the \"when\" of hello", (key, &mut *compiler))?;
        notice.content.expressions().iter().for_each(|expression| compiler.check_null(expression, key));
        Some(Self(notice))
    }

    /// The names that it reads of a connection.
    pub fn names(&self) -> VarSet {
        self.0.names().and(self.0.content.names())
    }

    /// The first message of this connection; `None` if it does not ask for it.
    pub fn payload(&self, context: &Context, wire: &Wire) -> Option<Result<Payload, WriteError>> {
        self.0.is_asked_for(context, "hello").then(|| {
            let scope = of_connection(context, self.0.content.names()).with(Var::Node, wire.node.value());
            self.0.content.payload(&scope.into_jinja(), wire)
        })
    }
}
