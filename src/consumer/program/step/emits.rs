//! Rooms and emits of a step.

use std::sync::Arc;

use super::writer::{ProgramWriter, Site};
use crate::{
    config::{self, Emits, KeyPath, OneOrMany},
    consumer::{
        compiler::Usage,
        emit::{Emit, EmitTarget},
        expression::GroupTemplate,
        kind::HandlerKind,
        program::Guard,
    },
    event::GroupName,
};

/// The receivers of an emit, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// A reply.
    Reply,
    /// This connection, too: a reply when something fails.
    Failure,
    Others,
    Room,
    User,
    Role,
    All,
}

/// Where the emits of a key go.
#[derive(Clone, Copy)]
pub(super) struct Receivers<'a> {
    pub to: To,
    /// Rooms that the step joins or leaves.
    pub own: &'a [String],
    pub guard: Option<&'a Arc<Guard>>,
}

impl Receivers<'_> {
    /// This connection only.
    pub const fn connection(recipient: To) -> Self {
        Self { to: recipient, own: &[], guard: None }
    }
}

impl ProgramWriter<'_, '_> {
    pub(super) fn rooms(&mut self, sources: &OneOrMany, room: Usage, site: Site, key: &KeyPath) -> Vec<GroupTemplate> {
        sources.keyed(key).filter_map(|(here, source)| self.room(source, room, site, &here)).collect()
    }

    pub(super) fn room(&mut self, source: &str, room: Usage, site: Site, key: &KeyPath) -> Option<GroupTemplate> {
        let room = Usage { answered: !site.backend, ..room };
        // Who receives it is the same for every item.
        let site = Site { each: false, ..site };
        let room = self.compile(site, |compiler, allowed| compiler.group(source, allowed, room, key))?;
        self.uses(room.template().names());
        Some(room)
    }

    pub(super) fn emits(&mut self, emits: &Emits, to: Receivers<'_>, site: Site, key: &KeyPath) -> Vec<Emit> {
        emits.keyed(key).filter_map(|(here, emit)| self.emit(emit, to, site, &here)).collect()
    }

    pub(super) fn emit(&mut self, emit: &config::Emit, to: Receivers<'_>, site: Site, key: &KeyPath) -> Option<Emit> {
        let compiled = self.compile(site, |compiler, allowed| Emit::compile(emit, allowed, key, compiler));
        let target = self.target(emit, to, site, key);
        if matches!(to.to, To::Reply | To::Failure) && emit.volatile {
            self.compiler.note(&key.then("volatile"), "applies to messages to others; a reply is always sent");
        }
        if site.each && emit.expect.is_some() {
            self.compiler.note(&key.then("expect"), "is for a single event, not for the items of \"each\"");
        }
        if to.to != To::Reply && emit.expect.is_some() {
            self.compiler.note(&key.then("expect"), "only a reply can expect an acknowledgement");
        }
        let compiled = Emit { target: target?, ..compiled? };
        self.uses(compiled.names());
        Some(compiled)
    }

    /// Whether it is not known which of several namespaces is meant.
    fn is_lost(&self, site: Site) -> bool {
        site.kind == HandlerKind::Offline && self.program.everybody.is_some()
    }

    fn target(
        &mut self,
        emit: &config::Emit,
        receivers: Receivers<'_>,
        site: Site,
        key: &KeyPath,
    ) -> Option<EmitTarget> {
        let Receivers { to: recipient, own, guard } = receivers;
        let room = Usage { allowed: guard.is_some_and(|guard| guard.allow.is_some()), ..Usage::default() };
        let to = key.then("to");
        let prefix = match (recipient, &emit.to) {
            (To::Reply | To::Failure, Some(_)) => {
                self.compiler.note(&to, "goes to this connection only; write room = { to = … }");
                return None;
            }
            (To::All, Some(_)) => {
                self.compiler.note(&to, "goes to the whole namespace; write room = { to = … }");
                return None;
            }
            (To::Reply | To::Failure, None) => return Some(EmitTarget::Connection),
            (To::Room | To::Others | To::All | To::User | To::Role, _) if self.is_lost(site) => {
                let reason = "the member's last connection may have been in any of the consumer's namespaces, so nobody can \
                              be reached in one; write \"publish\"";
                self.compiler.note(key, reason);
                return None;
            }
            (To::All, None) if let Some(source) = self.program.everybody.clone() => {
                let room = Usage { harmless: true, ..Usage::default() };
                return self.room(&source, room, site, key).map(EmitTarget::Namespace);
            }
            (To::All, None) => {
                return GroupName::of_namespace(&self.program.wire.namespace).ok().map(EmitTarget::Group);
            }
            (To::Others, None) if !own.is_empty() => {
                // Compiled again: the same room in the same step.
                let own = own.iter().filter_map(|source| self.room(source, room, site, &to));
                return Some(EmitTarget::Rooms { rooms: own.collect(), but_me: true });
            }
            (To::Others, None) => {
                self.compiler.note(key, "the key \"to\" is missing: the step joins and leaves no room");
                return None;
            }
            (_, None) => {
                self.compiler.note(key, "the key \"to\" is missing");
                return None;
            }
            (To::User, Some(_)) => "user_",
            (To::Role, Some(_)) => "role_",
            (To::Others | To::Room, Some(_)) => "",
        };
        let source = format!("{prefix}{}", emit.to.as_deref().unwrap_or_default());
        let room = self.room(&source, room, site, &to)?;
        Some(EmitTarget::Rooms { rooms: vec![room], but_me: recipient == To::Others })
    }
}
