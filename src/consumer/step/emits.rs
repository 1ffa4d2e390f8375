//! Rooms and emits of a step.

use std::sync::Arc;

use super::writer::{Site, Writer};
use crate::{
    config::{self, Emits, KeyPath, OneOrMany},
    consumer::{
        compiler::Room,
        emit::{Emit, Target},
        program::Guard,
        template::GroupTemplate,
    },
    event::GroupName,
};

/// The receivers of an emit, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// A reply.
    Own,
    /// This connection, too: a reply when something fails.
    Told,
    Others,
    Room,
    User,
    Role,
    All,
}

/// Where the emits of a key go.
#[derive(Clone, Copy)]
pub(super) struct Receivers<'a> {
    pub whom: Whom,
    /// Rooms that the step joins or leaves.
    pub own: &'a [String],
    pub guard: Option<&'a Arc<Guard>>,
}

impl Receivers<'_> {
    /// This connection only.
    pub const fn connection(whom: Whom) -> Self {
        Self { whom, own: &[], guard: None }
    }
}

impl Writer<'_, '_> {
    pub(super) fn rooms(&mut self, sources: &OneOrMany, room: Room, site: Site, key: &KeyPath) -> Vec<GroupTemplate> {
        sources.keyed(key).filter_map(|(here, source)| self.room(source, room, site, &here)).collect()
    }

    pub(super) fn room(&mut self, source: &str, room: Room, site: Site, key: &KeyPath) -> Option<GroupTemplate> {
        let room = Room { answered: !site.backend, ..room };
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
        if matches!(to.whom, Whom::Own | Whom::Told) && emit.volatile {
            self.compiler.note(&key.then("volatile"), "applies to messages to others; a reply is always sent");
        }
        if to.whom != Whom::Own && emit.expect.is_some() {
            self.compiler.note(&key.then("expect"), "only a reply can expect an acknowledgement");
        }
        let compiled = Emit { target: target?, ..compiled? };
        self.uses(compiled.names());
        Some(compiled)
    }

    fn target(&mut self, emit: &config::Emit, receivers: Receivers<'_>, site: Site, key: &KeyPath) -> Option<Target> {
        let Receivers { whom, own, guard } = receivers;
        let room = Room { allowed: guard.is_some_and(|guard| guard.allow.is_some()), ..Room::default() };
        let to = key.then("to");
        let prefix = match (whom, &emit.to) {
            (Whom::Own | Whom::Told, Some(_)) => {
                self.compiler.note(&to, "goes to this connection only; write room = { to = … }");
                return None;
            }
            (Whom::All, Some(_)) => {
                self.compiler.note(&to, "goes to the whole namespace; write room = { to = … }");
                return None;
            }
            (Whom::Own | Whom::Told, None) => return Some(Target::Own),
            (Whom::All, None) => {
                return GroupName::of_namespace(&self.program.wire.namespace).ok().map(Target::Group);
            }
            (Whom::Others, None) if !own.is_empty() => {
                // Compiled again: the same room in the same step.
                let own = own.iter().filter_map(|source| self.room(source, room, site, &to));
                return Some(Target::Rooms { rooms: own.collect(), but_me: true });
            }
            (Whom::Others, None) => {
                self.compiler.note(key, "the key \"to\" is missing: the step joins and leaves no room");
                return None;
            }
            (_, None) => {
                self.compiler.note(key, "the key \"to\" is missing");
                return None;
            }
            (Whom::User, Some(_)) => "user_",
            (Whom::Role, Some(_)) => "role_",
            (Whom::Others | Whom::Room, Some(_)) => "",
        };
        let source = format!("{prefix}{}", emit.to.as_deref().unwrap_or_default());
        let room = self.room(&source, room, site, &to)?;
        Some(Target::Rooms { rooms: vec![room], but_me: whom == Whom::Others })
    }
}
