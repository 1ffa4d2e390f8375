//! Gap notices: sent to clients that want them when events may have been missed.
//!
//! In: a gap's reason and groups. Out: a frame, or a Socket.IO event. Which connections want notices is evaluated once,
//! when they open.

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
    Allowed { names: &[Var::Gap], at: "in on_gap, which is not evaluated for a connection" };

/// A compiled `on_gap`.
#[derive(Debug)]
pub(super) struct GapNotice {
    when: Option<Expression>,
    content: EmitContent,
}

impl GapNotice {
    pub fn compile(
        handler: &config::GapHandler,
        wire: &Wire,
        key: &KeyPath,
        compiler: &mut Compiler<'_>,
    ) -> Option<Self> {
        let allowed = Allowed { names: kind::of_groups(wire.protocol), at: "in the \"when\" of on_gap" };
        let when = compiler.optional(handler.when.as_ref(), allowed, &key.then("when"));
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
                EmitContent::compile(emit, ALLOWED, &here, compiler)
            }
            (false, Some(send), None) => {
                compiler.expression(send, ALLOWED, &key.then("send")).map(EmitContent::Message)
            }
            (socketio, None, None) => {
                let missing = if socketio { "emit" } else { "send" };
                compiler.note(key, format!("the key \"{missing}\" is missing"));
                None
            }
        };
        let notice = Self { when, content: content? };
        // An expression that cannot be evaluated is found now and not at the first gap.
        for groups in [None, Some(&[][..])] {
            if let Err(reason) = notice.payload(GapReason::Reconnected, groups, wire) {
                compiler.note(key, format!("gives no notice: {reason}; known: gap.reason and gap.groups"));
                return None;
            }
        }
        Some(notice)
    }

    pub fn is_asked_for(&self, context: &Context) -> bool {
        let Some(when) = &self.when else { return true };
        match when.evaluate(&of_connection(context, when.names()).into_jinja()) {
            Ok(value) => value.is_true(),
            Err(reason) => {
                log::debug!("a connection gets no gap notices: {reason}");
                false
            }
        }
    }

    /// The names that decide about it.
    pub fn names(&self) -> VarSet {
        self.when.as_ref().map_or_else(VarSet::default, Expression::names)
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
        self.content.payload(&Scope::default().with(Var::Gap, gap).into_jinja(), wire)
    }
}
