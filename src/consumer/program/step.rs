//! Compiles the steps of a handler from the file into the operations of a [`Program`](super::Program); every
//! key that makes no sense at its place is reported.
//!
//! A new key is a field of [`Step`], the lines here that compile it, an [`Op`] and its arm in `run`.

mod emits;
mod endings;
mod keys;
mod writer;

use std::sync::Arc;

use indexmap::IndexMap;

use self::{
    emits::{Receivers, To},
    keys::unless,
    writer::Site,
};
use super::{AskOp, CallOp, Guard, HandlerId, HandlerTable, Op, is_at_fault};
use crate::{
    config::{self, Emits, Handler, KeyPath, OneOrMany, Step},
    consumer::{
        compiler::Usage,
        emit::Emit,
        expression::{Allowed, Expression, Var, VarSet},
        kind::HandlerKind,
    },
};

pub use writer::ProgramWriter;

/// An objection to a signed group.
const NO_SECRET: &str = "no secret is set that Django could sign with: set backend.secret (CHANNELGATE_BACKEND_SECRET) or \
                         auth.secret_key (DJANGO_SECRET_KEY)";

impl ProgramWriter<'_, '_> {
    /// Adds a handler.
    pub fn handler(&mut self, handler: &Handler, kind: HandlerKind, key: &KeyPath) -> HandlerId {
        self.add(kind, |writer, site| writer.steps(handler, site, key))
    }

    /// Adds an optional handler.
    pub fn maybe(&mut self, handler: Option<&Handler>, kind: HandlerKind, key: &KeyPath) -> Option<HandlerId> {
        handler.map(|handler| self.handler(handler, kind, key))
    }

    /// Adds the handlers of messages.
    pub fn table(&mut self, handlers: &IndexMap<String, Handler>, key: &KeyPath) -> HandlerTable {
        let mut table = HandlerTable::default();
        for (name, handler) in handlers {
            let id = self.handler(handler, HandlerKind::Message, &key.then(name.as_str()));
            match name.as_str() {
                "*" => table.rest = Some(id),
                name => drop(table.by_name.insert(name.into(), id)),
            }
        }
        table
    }

    fn steps(&mut self, handler: &Handler, site: &mut Site, key: &KeyPath) {
        for (here, step) in handler.keyed(key) {
            self.step(step, site, &here);
        }
    }

    /// Compiles the keys of a step in the order in which they run.
    fn step(&mut self, step: &Step, site: &mut Site, key: &KeyPath) {
        self.check_together(step, key);
        let when = self.optional("when", step.when.as_ref(), None, *site, key).map(|test| {
            let position = self.next();
            self.push(*site, Op::When { test, or_else: 0 });
            position
        });
        let guard = Arc::new(Guard {
            allow: step.allow.as_ref().map(|allow| self.compiler.patterns(allow, &key.then("allow"))),
            denied: self.failure_emits("denied", step.denied.as_ref(), *site, key),
            failed: self.failure_emits("failed", step.failed.as_ref(), *site, key),
        });
        self.conditions(step, &guard, site, key);
        self.identity(step, *site, key);
        self.membership(step, &guard, *site, key);
        if let Some(call) = &step.call {
            self.call(call, site, &key.then("call"));
        }
        let each = self.optional("each", step.each.as_ref(), None, *site, key).map(Arc::new);
        let sends = self.next();
        self.answers(step, each.as_ref(), *site, key);
        self.messages(step, (&guard, each.as_ref()), *site, key);
        if each.is_some() {
            self.check_each(step, sends, key);
        }
        self.end(step, *site, key);
        let end = self.next();
        if let Some(Op::When { or_else, .. }) = when.and_then(|position| self.op_at(position)) {
            *or_else = end;
        }
    }

    /// Writes what a key sends, once per item of `each` if the step has it.
    fn per_item(&mut self, each: Option<&Arc<Expression>>, site: Site, write: impl FnOnce(&mut Self, Site)) {
        let Some(list) = each else { return write(self, site) };
        let position = self.next();
        self.push(site, Op::Each { list: Arc::clone(list), end: 0 });
        write(self, Site { each: true, ..site });
        let after = self.next();
        if let Some(Op::Each { end, .. }) = self.op_at(position) {
            *end = after;
        }
    }

    /// The replies to this connection if the step fails.
    fn failure_emits(&mut self, name: &str, emits: Option<&Emits>, site: Site, key: &KeyPath) -> Vec<Emit> {
        let Some(emits) = emits else { return Vec::new() };
        let here = self.key(name, site.unconnected(), key);
        self.emits(emits, Receivers::connection(To::Failure), site, &here)
    }

    /// `require`, `limit` and `refresh`: keys at which a handler may end.
    fn conditions(&mut self, step: &Step, guard: &Arc<Guard>, site: &mut Site, key: &KeyPath) {
        if let Some(test) = self.optional("require", step.require.as_ref(), None, *site, key) {
            let op =
                if site.kind == HandlerKind::Admit { Op::Admit(test) } else { Op::Require(test, Arc::clone(guard)) };
            self.push(*site, op);
        }
        let limited = self.failure_emits("limited", step.limited.as_ref(), *site, key);
        if let Some(rate) = step.limit {
            let against = match site.kind {
                HandlerKind::Message => {
                    unless(!site.called, "comes too late after a call; write it in an earlier step")
                }
                _ => Some("limits how often a client may send; write it in on_message"),
            };
            self.key("limit", against, key);
            self.push(*site, Op::Limit { limit: self.program.limits, rate, limited });
            self.program.limits = self.program.limits.saturating_add(1);
        }
        let here = site.kind == HandlerKind::Message;
        let against = [
            unless(here, "takes a token that a client sends; write it in on_message"),
            unless(self.program.tokens, "no client of this consumer has a token that could be replaced"),
        ];
        let against = against.into_iter().flatten();
        if let Some(token) = self.optional("refresh", step.refresh.as_ref(), against, *site, key) {
            self.push(*site, Op::Refresh { handler: self.current(), token, guard: Arc::clone(guard) });
            site.called = true;
        }
    }

    /// `set`, `user` and `refuse`.
    fn identity(&mut self, step: &Step, site: Site, key: &KeyPath) {
        let here = key.then("set");
        let mut vars = Vec::new();
        for (name, source) in &step.set {
            let value = self.expression(source, site, &here.then(name.as_str()));
            vars.extend(value.map(|value| (name.as_str().into(), value)));
        }
        if !vars.is_empty() {
            self.uses(VarSet::of(&[Var::Vars]));
            self.push(site, Op::Set(vars));
        }
        if let Some(source) = &step.user {
            let knows = site.kind == HandlerKind::Admit || site.backend;
            let against = unless(knows, "the user can be set only in on_admit, or from the backend's answer to a call");
            let here = self.key("user", against, key);
            // No value from a client: identity comes from the token or from the backend.
            let known: &[Var] = &[Var::User, Var::Claims, Var::Result, Var::Backend];
            let names = if site.backend { known } else { &[Var::User, Var::Claims, Var::Backend] };
            let allowed = Allowed { names, at: "where the user is set" };
            if let Some(user) = self.compiler.expression(source, allowed, &here) {
                self.uses(user.names());
                self.uses(VarSet::of(&[Var::User]));
                self.push(site, Op::User(user));
            }
        }
        if let Some(refuse) = &step.refuse {
            self.refuse(refuse, site, key);
        }
    }

    /// Rooms and topics.
    fn membership(&mut self, step: &Step, guard: &Arc<Guard>, site: Site, key: &KeyPath) {
        if let Some(leave) = &step.leave {
            let here = self.key("leave", site.unconnected(), key);
            let usage = Usage { allowed: guard.allow.is_some(), harmless: true, ..Usage::default() };
            let rooms = self.rooms(leave, usage, site, &here);
            self.push(site, Op::Leave(rooms, Arc::clone(guard)));
        }
        if let Some(join) = &step.join {
            let here = self.key("join", site.unconnected(), key);
            let usage = Usage { joins: true, allowed: guard.allow.is_some(), ..Usage::default() };
            let rooms = self.rooms(join, usage, site, &here);
            self.push(site, Op::Join(rooms, Arc::clone(guard)));
        }
        let against = [
            site.unconnected(),
            unless(self.compiler.config.signing_secrets().next().is_some(), NO_SECRET),
            unless(step.join.is_none(), "a step joins by names or by tokens; write \"join\" in a step of its own"),
        ];
        let against = against.into_iter().flatten();
        if let Some(tokens) = self.optional("join_token", step.join_token.as_ref(), against, site, key) {
            // A token names its user.
            self.uses(VarSet::of(&[Var::User]));
            self.push(site, Op::JoinSigned(tokens, Arc::clone(guard)));
        }
        if let Some(names) = self.optional("subscribe", step.subscribe.as_ref(), site.unconnected(), site, key) {
            self.push(site, Op::Subscribe(names));
        }
        if let Some(names) = self.optional("unsubscribe", step.unsubscribe.as_ref(), site.unconnected(), site, key) {
            self.push(site, Op::Unsubscribe(names));
        }
    }

    /// Replies to this connection.
    fn answers(&mut self, step: &Step, each: Option<&Arc<Expression>>, site: Site, key: &KeyPath) {
        let socketio = self.program.wire.is_socketio();
        if let Some(replies) = &step.reply {
            let expects = replies.as_slice().iter().any(|emit| emit.expect.is_some());
            let against = unless(socketio || !expects, "only Socket.IO has acknowledgements to expect");
            let here = self.key("reply", site.unconnected().into_iter().chain(against), key);
            self.per_item(each, site, |writer, site| {
                for (here, reply) in replies.keyed(&here) {
                    let to = Receivers::connection(To::Reply);
                    let Some(emit) = writer.emit(reply, to, site, &here) else { continue };
                    match &reply.expect {
                        None => writer.push(site, Op::Emit(Box::new(emit), Arc::default())),
                        Some(expect) => writer.ask(emit, expect, site, &here.then("expect")),
                    }
                }
            });
        }
        let against = unless(!socketio, "Socket.IO clients get events; write \"reply\" or \"ack\"");
        let against = site.unconnected().into_iter().chain(against);
        if let Some(reply) = self.optional("reply_raw", step.reply_raw.as_ref(), against, site, key) {
            self.push(site, Op::ReplyRaw(reply));
        }
        let against = match site.kind {
            HandlerKind::Message => unless(socketio, "only Socket.IO has acknowledgements; write \"reply\""),
            _ => Some("only a client's event can be acknowledged"),
        };
        if let Some(data) = self.optional("ack", step.ack.as_ref(), against, site, key) {
            self.push(site, Op::Ack(data));
        }
        if let Some(args) = self.optional("ack_args", step.ack_args.as_ref(), against, site, key) {
            self.push(site, Op::AckArgs(args));
        }
    }

    /// Messages to other connections.
    fn messages(
        &mut self,
        step: &Step,
        (guard, each): (&Arc<Guard>, Option<&Arc<Expression>>),
        site: Site,
        key: &KeyPath,
    ) {
        let own = step.join.as_ref().or(step.leave.as_ref()).map_or(&[][..], OneOrMany::as_slice);
        let connection = site.kind != HandlerKind::Offline;
        let against_others = unless(connection, "the connection is closed; write \"room\"");
        let socketio = self.program.wire.is_socketio();
        let against_all = unless(socketio, "only Socket.IO has namespaces; write room = { to = … }");
        let keys = [
            ("others", &step.others, To::Others, against_others),
            ("room", &step.room, To::Room, None),
            ("to_user", &step.to_user, To::User, None),
            ("to_role", &step.to_role, To::Role, None),
            ("all", &step.all, To::All, against_all),
        ];
        for (name, emits, recipient, against) in keys {
            let Some(emits) = emits else { continue };
            let here = self.key(name, site.unadmitted().into_iter().chain(against), key);
            self.per_item(each, site, |writer, site| {
                for emit in writer.emits(emits, Receivers { to: recipient, own, guard: Some(guard) }, site, &here) {
                    if recipient == To::Others {
                        writer.uses(VarSet::of(&[Var::Id]));
                    }
                    writer.push(site, Op::Emit(Box::new(emit), Arc::clone(guard)));
                }
            });
        }
        let Some(publish) = &step.publish else { return };
        let here = self.key("publish", site.unadmitted(), key);
        self.per_item(each, site, |writer, site| {
            for (here, publish) in publish.keyed(&here) {
                let to = Usage { allowed: guard.allow.is_some(), ..Usage::default() };
                let group = writer.room(&publish.group, to, site, &here.then("group"));
                let event = writer.expression(&publish.event, site, &here.then("event"));
                if let (Some(group), Some(event)) = (group, event) {
                    writer.push(site, Op::Publish { group, event, guard: Arc::clone(guard) });
                }
            }
        });
    }

    fn call(&mut self, call: &config::Call, site: &mut Site, key: &KeyPath) {
        self.uses(VarSet::of(&[Var::User, Var::Id]));
        let data = self.optional("data", call.data.as_ref(), None, *site, key);
        let position = self.next();
        let compiled = CallOp {
            handler: self.current(),
            action: call.action.as_str().into(),
            data,
            idempotent: call.idempotent,
            timeout: call.timeout,
            ok: None,
            statuses: Vec::new(),
            unavailable: None,
            error: None,
            after: 0,
        };
        self.push(*site, Op::Call(Box::new(compiled)));
        site.called = true;
        let answered = Site { backend: true, away: false, ..*site };
        // Branches that continue after the call end in a jump; its target is known only later.
        let mut jumps = Vec::new();
        let ok = call.ok.as_ref().map(|branch| self.branch(branch, answered, &key.then("ok"), Some(&mut jumps)));
        let mut statuses = Vec::new();
        for (status, branch) in &call.status {
            // An invalid status is reported by the check of values.
            let Ok(number) = status.parse::<u16>() else { continue };
            let good = (200..300).contains(&number).then_some(&mut jumps);
            let answered = Site { away: is_at_fault(number), ..answered };
            statuses.push((number, self.branch(branch, answered, &key.then("status").then(status.as_str()), good)));
        }
        let mut failure = |branch: &Option<Handler>, name: &str, away| {
            branch.as_ref().map(|branch| self.branch(branch, Site { away, ..answered }, &key.then(name), None))
        };
        let unavailable = failure(&call.unavailable, "unavailable", true);
        let error = failure(&call.error, "error", false);
        let end = self.next();
        for jump in jumps {
            if let Some(Op::Jump(position)) = self.op_at(jump) {
                *position = end;
            }
        }
        if let Some(Op::Call(call)) = self.op_at(position) {
            (call.ok, call.statuses, call.after) = (ok, statuses, end);
            (call.unavailable, call.error) = (unavailable, error);
        }
    }

    fn ask(&mut self, emit: Emit, expect: &config::Expect, site: Site, key: &KeyPath) {
        let position = self.next();
        let ask = AskOp { handler: self.current(), emit, timeout: expect.timeout, ok: None, error: None };
        self.push(site, Op::Ask(Box::new(ask)));
        // The rest of this handler does not wait for the client.
        let over = self.next();
        self.push(site, Op::Jump(0));
        let answered = Site { backend: false, ..site };
        let ok = expect.ok.as_ref().map(|branch| self.branch(branch, answered, &key.then("ok"), None));
        let error = expect.error.as_ref().map(|branch| self.branch(branch, answered, &key.then("error"), None));
        let end = self.next();
        if let Some(Op::Jump(position)) = self.op_at(over) {
            *position = end;
        }
        if let Some(Op::Ask(ask)) = self.op_at(position) {
            (ask.ok, ask.error) = (ok, error);
        }
    }

    /// Steps after an answer; then the end, or a jump that is recorded in `jumps`.
    fn branch(&mut self, branch: &Handler, site: Site, key: &KeyPath, jumps: Option<&mut Vec<u32>>) -> u32 {
        let start = self.next();
        let mut inside = Site { depth: site.depth.saturating_add(1), called: true, ..site };
        self.steps(branch, &mut inside, key);
        match jumps {
            None => self.push(inside, Op::End),
            Some(jumps) => {
                jumps.push(self.next());
                self.push(inside, Op::Jump(0));
            }
        }
        start
    }
}
