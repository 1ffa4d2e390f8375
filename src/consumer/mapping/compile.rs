//! Compiles the handlers of events.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{EventEmit, Mapping, Mappings, Sent};
use crate::{
    config::{self, KeyPath},
    consumer::{
        compiler::{Compiler, Usage},
        condition::{Condition, Questions, of_connections},
        emit::{EmitContent, EmitTarget},
        expression::{Allowed, Expression},
        kind::{OF_EVENTS, of_conditions, of_messages},
        outcome::Outcomes,
        personal::{Content, PersonalMessage},
        wire::Wire,
    },
};

const ALLOWED: Allowed<'static> =
    Allowed { names: OF_EVENTS, at: "in on_event, which is evaluated once for all connections" };

impl Mappings {
    pub fn compile(
        handlers: &IndexMap<String, config::EventHandler>,
        wire: Wire,
        key: &KeyPath,
        compiler: &mut Compiler<'_>,
    ) -> Self {
        let mut by_type = IndexMap::new();
        let mut rest = None;
        let mut questions = Questions::default();
        for (kind, handler) in handlers {
            let here = key.then(kind.as_str());
            let mapping = Mapping::compile(handler, &wire, &here, (&mut *compiler, &mut questions));
            if kind == "*" {
                rest = Some(mapping);
                continue;
            }
            let method = kind.replace('.', "_");
            if method.starts_with('_') {
                compiler
                    .note(&here, "Channels refuses event types that begin with \"_\" or \".\"; it would never match");
            } else if by_type.insert(method.into_boxed_str(), mapping).is_some() {
                compiler.note(&here, "appears twice: dots and underscores are the same in event types");
            }
        }
        Self { wire, forms: Arc::default(), by_type, rest, questions }
    }
}

impl Mapping {
    fn compile(
        handler: &config::EventHandler,
        wire: &Wire,
        key: &KeyPath,
        (compiler, questions): (&mut Compiler<'_>, &mut Questions),
    ) -> Self {
        if wire.is_socketio() {
            for (name, is_set) in [("send", handler.send.is_some()), ("send_text", handler.send_text.is_some())] {
                if is_set {
                    compiler.note(&key.then(name), "Socket.IO clients get events; write \"emit\"");
                }
            }
        }
        let here = key.then("emit");
        let emits = handler.emit.iter().flat_map(|emits| emits.keyed(&here));
        let names = of_messages(wire.protocol);
        let allowed = Allowed { names: &names, at: "in a message of on_event, which is encoded for many connections" };
        let emits =
            emits.filter_map(|(here, emit)| Self::emit(emit, wire, allowed, &here, (&mut *compiler, &mut *questions)));
        let emits = emits.collect();
        let here = key.then("send");
        let send = compiler.list(handler.send.as_ref(), allowed, &here).into_iter();
        let send =
            send.filter_map(|one| Self::sent(one, Content::Json, wire, &here, (&mut *compiler, &mut *questions)));
        let send = send.collect();
        let here = key.then("send_text");
        let send_text = compiler.optional(handler.send_text.as_ref(), allowed, &here);
        let send_text =
            send_text.and_then(|one| Self::sent(one, Content::Text, wire, &here, (&mut *compiler, &mut *questions)));
        Self {
            when: Self::condition(handler.when.as_ref(), wire, key, (&mut *compiler, questions)),
            topic: compiler.optional(handler.topic.as_ref(), ALLOWED, &key.then("topic")),
            key: compiler.optional(handler.key.as_ref(), ALLOWED, &key.then("key")),
            send,
            send_text,
            emits,
            throttle: handler.throttle.map(Arc::new),
            outcomes: Outcomes::compile(handler, wire, key, compiler).map(Box::new),
            python_per: handler.python_per,
        }
    }

    fn sent(
        one: Expression,
        content: fn(Expression) -> Content,
        wire: &Wire,
        key: &KeyPath,
        (compiler, questions): (&mut Compiler<'_>, &mut Questions),
    ) -> Option<Sent<Expression>> {
        match one.names().meets(of_connections()) {
            false => Some(Sent::Same(one)),
            true => Self::personal(content(one), wire, key, (compiler, questions)).map(Sent::Personal),
        }
    }

    fn personal(
        content: Content,
        wire: &Wire,
        key: &KeyPath,
        (compiler, questions): (&mut Compiler<'_>, &mut Questions),
    ) -> Option<Arc<PersonalMessage>> {
        content.expressions().iter().for_each(|expression| compiler.check_null(expression, key));
        let message = PersonalMessage::new(content, wire, questions);
        compiler.noted(message.ok_or_else(|| "there are too many messages".to_owned()), key)
    }

    fn condition(
        source: Option<&String>,
        wire: &Wire,
        key: &KeyPath,
        into: (&mut Compiler<'_>, &mut Questions),
    ) -> Option<Condition> {
        let allowed = Allowed { names: &of_conditions(wire.protocol), at: "in a condition of on_event" };
        Condition::compile(source?, allowed, &key.then("when"), into)
    }

    /// Messages for the members of the event's group, or for those of another room.
    fn emit(
        emit: &config::Emit,
        wire: &Wire,
        allowed: Allowed<'_>,
        key: &KeyPath,
        (compiler, questions): (&mut Compiler<'_>, &mut Questions),
    ) -> Option<EventEmit> {
        let when = Self::condition(emit.when.as_ref(), wire, key, (&mut *compiler, &mut *questions));
        if emit.expect.is_some() {
            compiler.note(&key.then("expect"), "only a reply can expect an acknowledgement");
        }
        let content = EmitContent::compile(emit, allowed, key, compiler);
        let target = match &emit.to {
            None => EmitTarget::Connection,
            Some(to) => {
                let room = compiler.group(to, ALLOWED, Usage::default(), &key.then("to"))?;
                EmitTarget::Rooms { rooms: vec![room], but_me: false }
            }
        };
        let content = match content? {
            same if !same.names().meets(of_connections()) => Sent::Same(same),
            own => Sent::Personal(Self::personal(Content::Emit(own), wire, key, (compiler, questions))?),
        };
        Some(EventEmit { when, target, content, volatile: emit.volatile })
    }
}
