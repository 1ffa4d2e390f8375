//! Reports keys of a step that make no sense at their place, for the clients' protocol, or next to its other keys.

use super::writer::{ProgramWriter, Site};
use crate::{
    config::{KeyPath, Step},
    consumer::{
        expression::{Expression, Var},
        kind::HandlerKind,
        program::Op,
    },
};

/// An objection to a key, unless something holds.
pub(super) fn unless(holds: bool, reason: &'static str) -> Option<&'static str> {
    (!holds).then_some(reason)
}

impl Site {
    /// An objection to a key that sends to the connection itself.
    pub(super) const fn unconnected(self) -> Option<&'static str> {
        self.kind.no_connection()
    }

    /// An objection to a key that sends to others.
    pub(super) fn unadmitted(self) -> Option<&'static str> {
        self.unconnected().filter(|_| self.kind == HandlerKind::Admit)
    }
}

impl ProgramWriter<'_, '_> {
    /// The path of a key that the step has; an objection is reported.
    pub(super) fn key(
        &mut self,
        name: &str,
        against: impl IntoIterator<Item = &'static str>,
        step: &KeyPath,
    ) -> KeyPath {
        let here = step.then(name);
        against.into_iter().for_each(|reason| self.compiler.note(&here, reason));
        here
    }

    /// The expression of a key, if the step has it.
    pub(super) fn optional(
        &mut self,
        name: &str,
        source: Option<&String>,
        against: impl IntoIterator<Item = &'static str>,
        site: Site,
        step: &KeyPath,
    ) -> Option<Expression> {
        let source = source?;
        let here = self.key(name, against, step);
        self.expression(source, site, &here)
    }

    /// Reports an `each` for which nothing is sent, or always the same.
    pub(super) fn check_each(&mut self, step: &Step, sends: u32, key: &KeyPath) {
        let emits = [&step.reply, &step.others, &step.room, &step.to_user, &step.to_role, &step.all];
        let here = key.then("each");
        if emits.iter().all(|emits| emits.is_none()) && step.publish.is_none() {
            let reason = "the step sends nothing; write \"reply\", \"room\", \"others\", \"to_user\", \"to_role\", \"all\" \
                          or \"publish\"";
            return self.compiler.note(&here, reason);
        }
        let written = self.program.ops.get(sends as usize..).unwrap_or_default();
        let uses_item = written.iter().any(|instruction| match &instruction.op {
            Op::Emit(emit, _) => emit.names().has(Var::Item),
            Op::Publish { event, .. } => event.names().has(Var::Item),
            _ => false,
        });
        if !uses_item && self.compiler.errors.is_empty() {
            self.compiler.note(&here, "nothing that the step sends uses \"item\"");
        }
    }

    /// Reports keys that make no sense together, or without another.
    pub(super) fn check_together(&mut self, step: &Step, key: &KeyPath) {
        let unguarded = step.require.is_none() && step.allow.is_none() && step.refresh.is_none();
        if step.denied.is_some() && unguarded && step.join_token.is_none() {
            let reason = "is never sent without \"require\", \"allow\", \"refresh\" or \"join_token\"";
            self.compiler.note(&key.then("denied"), reason);
        }
        if step.limited.is_some() && step.limit.is_none() {
            self.compiler.note(&key.then("limited"), "is never sent without \"limit\"");
        }
        let to_others = [&step.others, &step.room, &step.to_user, &step.to_role, &step.all];
        let sends = to_others.iter().any(|emits| emits.is_some()) || step.publish.is_some();
        let joins = step.join.is_some() || step.join_token.is_some();
        if step.failed.is_some() && !sends && !joins && step.refresh.is_none() {
            let reason =
                "is never sent: the step neither joins a room, nor sends to others, nor publishes, nor refreshes";
            self.compiler.note(&key.then("failed"), reason);
        }
        let no_rooms = step.join.is_none() && step.leave.is_none() && step.others.is_none() && step.room.is_none();
        if step.allow.is_some() && no_rooms && step.publish.is_none() {
            self.compiler.note(&key.then("allow"), "the step names no room");
        }
        if step.ack.is_some() && step.ack_args.is_some() {
            let reason = "an event is acknowledged once; write either \"ack\" or \"ack_args\"";
            self.compiler.note(&key.then("ack_args"), reason);
        }
    }
}
