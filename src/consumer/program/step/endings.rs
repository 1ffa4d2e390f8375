//! What ends something: the refusal of a client, the close of a connection, and the policies for bad messages.

use std::sync::Arc;

use super::{
    emits::{Receivers, To},
    keys::unless,
    writer::{ProgramWriter, Site},
};
use crate::{
    config::{self, KeyPath, Policy, Protocol, Step},
    consumer::{
        effect::Denial,
        expression::Template,
        kind::HandlerKind,
        program::{HandlerId, Op},
    },
};
impl ProgramWriter<'_, '_> {
    /// Adds the policy for an invalid message.
    pub fn policy(&mut self, policy: &Policy, kind: HandlerKind, key: &KeyPath) -> Option<HandlerId> {
        match policy {
            Policy::Ignore => None,
            Policy::Close(close) => Some(self.add(kind, |writer, site| {
                let reason = writer.close_reason(close, *site, &key.then("close"));
                writer.push(*site, Op::Close { code: close.code, reason });
            })),
            Policy::Reply(replies) => Some(self.add(kind, |writer, site| {
                for emit in writer.emits(replies, Receivers::connection(To::Failure), *site, &key.then("reply")) {
                    writer.push(*site, Op::Emit(Box::new(emit), Arc::default()));
                }
            })),
        }
    }

    pub(super) fn refuse(&mut self, refuse: &config::Refuse, site: Site, key: &KeyPath) {
        let against = unless(site.kind == HandlerKind::Admit, "a connection can be refused only in on_admit");
        let here = self.key("refuse", against, key);
        let protocol = self.program.wire.protocol;
        if refuse.code.is_some() && protocol != Protocol::WebSocket {
            self.compiler.note(&here.then("code"), "only a plain WebSocket is closed with a code; write \"text\"");
        }
        if refuse.status.is_some() && protocol == Protocol::SocketIo {
            let reason = "a Socket.IO client is refused with connect_error, which has no status; write \"text\"";
            self.compiler.note(&here.then("status"), reason);
        }
        let (text, code, status) = (refuse.text.as_str().into(), refuse.code, refuse.status);
        self.push(site, Op::Refuse(Denial { text, code, status, away: site.away, retry_after: None }));
    }

    /// `close` and `disconnect`.
    pub(super) fn end(&mut self, step: &Step, site: Site, key: &KeyPath) {
        let plain = self.program.wire.protocol == Protocol::WebSocket;
        if step.close.is_some() {
            let against = unless(plain, "only a plain WebSocket has close codes; write disconnect = true");
            self.key("close", site.unconnected().into_iter().chain(against), key);
        }
        if step.disconnect {
            let against = unless(!plain, "is for Socket.IO and Engine.IO; write close = 1000");
            self.key("disconnect", site.unconnected().into_iter().chain(against), key);
        }
        if let Some(close) = &step.close {
            let reason = self.close_reason(close, site, &key.then("close"));
            self.push(site, Op::Close { code: close.code, reason });
        } else if step.disconnect {
            self.push(site, Op::Close { code: 1000, reason: None });
        }
    }

    fn close_reason(&mut self, close: &config::Close, site: Site, key: &KeyPath) -> Option<Template> {
        let (source, here) = (close.reason.as_ref()?, key.then("reason"));
        if self.program.wire.is_socketio() {
            self.compiler.note(&here, "a Socket.IO client that is disconnected gets no reason");
        }
        let template = self.compile(site, |compiler, allowed| compiler.text("close reason", source, allowed, &here))?;
        self.uses(template.names());
        Some(template)
    }
}
