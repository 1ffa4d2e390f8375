//! Expressions, rooms and emits of a step.

use std::sync::Arc;

use super::{Site, Whom, Writer};
use crate::{
    config::{self, Emits, KeyPath, OneOrMany},
    consumer::{
        emit::{Args, Content, Emit, Target},
        expression::Expression,
        program::Guard,
        route::Pattern,
        scope::{Name, NameSet},
        template::{GroupTemplate, Template},
        wire::check_name,
    },
    event::GroupName,
};

/// What is known of rooms in a step.
#[derive(Clone, Copy, Default)]
pub(super) struct Rooms<'a> {
    /// Those that it joins, or leaves.
    pub own: &'a [String],
    pub guard: Option<&'a Arc<Guard>>,
}

impl Writer<'_, '_> {
    fn names(&self, site: Site) -> Vec<Name> {
        let mut names = site.place.names(self.program.wire.protocol);
        if site.depth > 0 {
            names.insert(0, Name::Result);
        }
        names
    }

    pub(super) fn expression(&mut self, source: &str, site: Site, key: &KeyPath) -> Option<Expression> {
        let expression = self.compiler.expression(source, &self.names(site), "here", key)?;
        self.uses(expression.names());
        Some(expression)
    }

    pub(super) fn optional(&mut self, source: Option<&String>, site: Site, key: &KeyPath) -> Option<Expression> {
        self.expression(source?, site, key)
    }

    pub(super) fn patterns(&mut self, allow: &OneOrMany, key: &KeyPath) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for (index, source) in allow.indexed() {
            match Pattern::room(source) {
                Ok(pattern) => patterns.push(pattern),
                Err(reason) => {
                    let here = index.map_or_else(|| key.clone(), |index| key.then(index));
                    self.compiler.note(&here, reason);
                }
            }
        }
        patterns
    }

    /// Rooms; with a guard those that a client could choose freely are noted.
    pub(super) fn rooms(
        &mut self,
        sources: &OneOrMany,
        guard: Option<&Arc<Guard>>,
        site: Site,
        key: &KeyPath,
    ) -> Vec<GroupTemplate> {
        let compile = |(index, source): (Option<usize>, &String)| {
            let here = index.map_or_else(|| key.clone(), |index| key.then(index));
            self.room(source, guard, site, &here)
        };
        sources.indexed().filter_map(compile).collect()
    }

    pub(super) fn room(
        &mut self,
        source: &str,
        guard: Option<&Arc<Guard>>,
        site: Site,
        key: &KeyPath,
    ) -> Option<GroupTemplate> {
        let names = self.names(site);
        let room = self.compiler.group(source, &names, "here", self.program.wire.is_socketio(), key)?;
        let template = room.template();
        self.uses(template.names());
        if guard.is_some_and(|guard| guard.allow.is_none())
            && !template.begins_with_text()
            && template.names().meets(NameSet::OF_CLIENTS)
        {
            let reason = "would let clients choose any room, also those of others; begin it with text, or list in \
                          \"allow\" what they may name";
            self.compiler.note(key, reason);
        }
        Some(room)
    }

    pub(super) fn emits(
        &mut self,
        emits: Option<&Emits>,
        whom: Whom,
        rooms: Rooms<'_>,
        site: Site,
        key: &KeyPath,
    ) -> Vec<Emit> {
        let compile = |(index, emit): (Option<usize>, &config::Emit)| {
            let here = index.map_or_else(|| key.clone(), |index| key.then(index));
            self.emit(emit, whom, rooms, site, &here)
        };
        emits.into_iter().flat_map(Emits::indexed).filter_map(compile).collect()
    }

    pub(super) fn emit(
        &mut self,
        emit: &config::Emit,
        whom: Whom,
        rooms: Rooms<'_>,
        site: Site,
        key: &KeyPath,
    ) -> Option<Emit> {
        let names = self.names(site);
        let when = self.optional(emit.when.as_ref(), site, &key.then("when"));
        let content = self.compiler.content(emit, &names, "here", self.program.wire.is_socketio(), key);
        let target = self.target(emit, whom, rooms, site, key);
        if matches!(whom, Whom::Own | Whom::Told) && emit.volatile {
            self.compiler.note(&key.then("volatile"), "is for what goes to others; a reply is always sent");
        }
        if whom != Whom::Own && emit.expect.is_some() {
            self.compiler.note(&key.then("expect"), "only a reply can expect an acknowledgement");
        }
        let compiled = Emit { target: target?, when, content: content?, volatile: emit.volatile };
        self.uses(compiled.names());
        Some(compiled)
    }

    fn target(
        &mut self,
        emit: &config::Emit,
        whom: Whom,
        rooms: Rooms<'_>,
        site: Site,
        key: &KeyPath,
    ) -> Option<Target> {
        let to = key.then("to");
        let prefix = match (whom, &emit.to) {
            (Whom::Own | Whom::Told, Some(_)) => {
                self.compiler.note(&to, "goes to this connection alone; write room = { to = … }");
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
            (Whom::Others, None) if !rooms.own.is_empty() => {
                // Compiled anew: the same room in the same step.
                let own = rooms.own.iter().filter_map(|source| self.room(source, rooms.guard, site, &to));
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
        let room = self.room(&source, rooms.guard, site, &to)?;
        Some(Target::Rooms { rooms: vec![room], but_me: whom == Whom::Others })
    }
}

impl crate::consumer::compile::Compiler<'_> {
    /// What an emit sends.
    pub fn content(
        &mut self,
        emit: &config::Emit,
        names: &[Name],
        place: &str,
        socketio: bool,
        key: &KeyPath,
    ) -> Option<Content> {
        if !socketio {
            for (name, is_set) in
                [("event", emit.event.is_some()), ("data", emit.data.is_some()), ("args", emit.args.is_some())]
            {
                if is_set {
                    self.note(
                        &key.then(name),
                        "is for Socket.IO; clients of this consumer get a frame: write \"send\"",
                    );
                }
            }
            if emit.send.is_none() {
                self.note(key, "the key \"send\" is missing");
            }
            let key = if emit.is_short() { key.clone() } else { key.then("send") };
            return self.optional(emit.send.as_ref(), names, place, &key).map(Content::Message);
        }
        if emit.send.is_some() {
            let reason = "Socket.IO clients get events: write { event = \"name\", data = \"…\" }";
            self.note(key, reason);
            return None;
        }
        let Some(event) = &emit.event else {
            self.note(key, "the key \"event\" is missing");
            return None;
        };
        let name = match Template::compile(event, names, place) {
            Ok(name) => name,
            Err(reason) => {
                self.note(&key.then("event"), format!("bad name of an event: {reason}"));
                return None;
            }
        };
        if let Some(Err(reason)) = name.constant().map(check_name) {
            self.note(&key.then("event"), reason);
        }
        name.expressions().for_each(|expression| self.check_route(expression, &key.then("event")));
        let args = match (&emit.data, &emit.args) {
            (Some(_), Some(_)) => {
                self.note(&key.then("args"), "is the whole list of arguments; \"data\" is the only one: write either");
                return None;
            }
            (Some(data), None) => Args::One(self.expression(data, names, place, &key.then("data"))?),
            (None, Some(args)) => Args::List(self.expression(args, names, place, &key.then("args"))?),
            (None, None) => Args::None,
        };
        Some(Content::Event { name, args })
    }
}
