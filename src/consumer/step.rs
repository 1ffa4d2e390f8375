//! From the steps of a handler in the file to the operations of a [`Program`]; every key that makes no sense where it
//! stands is noted.

mod emits;
mod keys;

use std::sync::Arc;

use super::{
    compile::Compiler,
    emit::Emit,
    place::Place,
    program::{Ask, Call, Guard, HandlerId, HandlerInfo, Instruction, Op, Program},
    scope::{Name, NameSet},
};
use crate::config::{self, Emits, Handler, KeyPath, OneOrMany, Step};
use emits::Rooms;

/// Where the step at hand stands.
#[derive(Clone, Copy, Debug)]
struct Site {
    place: Place,
    /// How many answers are known.
    depth: u8,
    /// Whether something was asked before: then the connection's limits are not at hand.
    called: bool,
}

/// Whom an emit is for, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    /// A reply.
    Own,
    /// This connection, too, which is told that something is wrong.
    Told,
    Others,
    Room,
    User,
    Role,
    All,
}

/// Writes the program of one consumer.
pub(super) struct Writer<'a, 'b> {
    pub compiler: &'a mut Compiler<'b>,
    pub program: Program,
}

impl Writer<'_, '_> {
    /// Adds a handler.
    pub fn handler(&mut self, handler: &Handler, place: Place, key: &KeyPath) -> HandlerId {
        self.add(place, |writer, site| writer.steps(handler, site, key))
    }

    /// Adds a handler that only replies.
    pub fn replies(&mut self, replies: &Emits, place: Place, key: &KeyPath) -> HandlerId {
        self.add(place, |writer, site| {
            for emit in writer.emits(Some(replies), Whom::Told, Rooms::default(), *site, key) {
                writer.push(*site, Op::Emit(Box::new(emit), Arc::default()));
            }
        })
    }

    /// Adds a handler that only closes the connection.
    pub fn close(&mut self, code: u16) -> HandlerId {
        self.add(Place::BadMessage, |writer, site| writer.push(*site, Op::Close(code)))
    }

    fn add(&mut self, place: Place, write: impl FnOnce(&mut Self, &mut Site)) -> HandlerId {
        let id = HandlerId(u16::try_from(self.program.handlers.len()).unwrap_or(u16::MAX));
        self.program.handlers.push(HandlerInfo { start: self.next(), names: NameSet::default() });
        let mut site = Site { place, depth: 0, called: false };
        write(self, &mut site);
        self.push(site, Op::End);
        id
    }

    fn next(&self) -> u32 {
        u32::try_from(self.program.ops.len()).unwrap_or(u32::MAX)
    }

    fn push(&mut self, site: Site, op: Op) {
        self.program.ops.push(Instruction { depth: site.depth, op });
    }

    fn op_at(&mut self, place: u32) -> Option<&mut Op> {
        self.program.ops.get_mut(place as usize).map(|instruction| &mut instruction.op)
    }

    /// The handler that is being written.
    fn current(&self) -> HandlerId {
        HandlerId(u16::try_from(self.program.handlers.len().saturating_sub(1)).unwrap_or(u16::MAX))
    }

    fn uses(&mut self, names: NameSet) {
        if let Some(handler) = self.program.handlers.last_mut() {
            handler.names.add(names);
        }
    }

    fn steps(&mut self, handler: &Handler, site: &mut Site, key: &KeyPath) {
        for (index, step) in handler.indexed() {
            self.step(step, site, &index.map_or_else(|| key.clone(), |index| key.then(index)));
        }
    }

    /// The keys of a step in the order in which they are done.
    fn step(&mut self, step: &Step, site: &mut Site, key: &KeyPath) {
        self.check_keys(step, *site, key);
        let when = step.when.as_ref().and_then(|when| {
            let test = self.expression(when, *site, &key.then("when"))?;
            let place = self.next();
            self.push(*site, Op::When { test, or_else: 0 });
            Some(place)
        });
        let guard = Arc::new(Guard {
            allow: step.allow.as_ref().map(|allow| self.patterns(allow, &key.then("allow"))),
            denied: self.emits(step.denied.as_ref(), Whom::Told, Rooms::default(), *site, &key.then("denied")),
            failed: self.emits(step.failed.as_ref(), Whom::Told, Rooms::default(), *site, &key.then("failed")),
        });
        if let Some(require) = &step.require
            && let Some(test) = self.expression(require, *site, &key.then("require"))
        {
            let op = if site.place == Place::Admit { Op::Admit(test) } else { Op::Require(test, Arc::clone(&guard)) };
            self.push(*site, op);
        }
        if let Some(rate) = step.limit {
            let limited = self.emits(step.limited.as_ref(), Whom::Told, Rooms::default(), *site, &key.then("limited"));
            self.push(*site, Op::Limit { limit: self.program.limits, rate, limited });
            self.program.limits = self.program.limits.saturating_add(1);
        }
        if let Some(token) = self.optional(step.refresh.as_ref(), *site, &key.then("refresh")) {
            self.push(*site, Op::Refresh { handler: self.current(), token, guard: Arc::clone(&guard) });
            site.called = true;
        }
        self.identity(step, *site, key);
        self.membership(step, &guard, *site, key);
        if let Some(call) = &step.call {
            self.call(call, site, &key.then("call"));
        }
        self.answers(step, *site, key);
        self.messages(step, &guard, *site, key);
        if let Some(code) = step.close.or(step.disconnect.then_some(1000)) {
            self.push(*site, Op::Close(code));
        }
        let end = self.next();
        if let Some(Op::When { or_else, .. }) = when.and_then(|place| self.op_at(place)) {
            *or_else = end;
        }
    }

    /// `set`, `user` and `refuse`.
    fn identity(&mut self, step: &Step, site: Site, key: &KeyPath) {
        let mut vars = Vec::new();
        for (name, source) in &step.set {
            let key = key.then("set").then(name.as_str());
            vars.extend(self.expression(source, site, &key).map(|value| (name.as_str().into(), value)));
        }
        if !vars.is_empty() {
            self.uses(NameSet::of(&[Name::Vars]));
            self.push(site, Op::Set(vars));
        }
        if let Some(source) = &step.user {
            // Nothing that a client says: who somebody is, is known from its token or from the backend.
            let known: &[Name] = &[Name::User, Name::Claims, Name::Result, Name::Backend];
            let known = if site.depth > 0 { known } else { &[Name::User, Name::Claims, Name::Backend] };
            let place = "where the user is set";
            if let Some(user) = self.compiler.expression(source, known, place, &key.then("user")) {
                self.uses(user.names());
                self.uses(NameSet::of(&[Name::User]));
                self.push(site, Op::User(user));
            }
        }
        if let Some(text) = &step.refuse {
            self.push(site, Op::Refuse(text.as_str().into()));
        }
    }

    /// Rooms and topics.
    fn membership(&mut self, step: &Step, guard: &Arc<Guard>, site: Site, key: &KeyPath) {
        if let Some(leave) = &step.leave {
            let rooms = self.rooms(leave, None, site, &key.then("leave"));
            self.push(site, Op::Leave(rooms, Arc::clone(guard)));
        }
        if let Some(join) = &step.join {
            let rooms = self.rooms(join, Some(guard), site, &key.then("join"));
            self.push(site, Op::Join(rooms, Arc::clone(guard)));
        }
        if let Some(names) = self.optional(step.subscribe.as_ref(), site, &key.then("subscribe")) {
            self.push(site, Op::Subscribe(names));
        }
        if let Some(names) = self.optional(step.unsubscribe.as_ref(), site, &key.then("unsubscribe")) {
            self.push(site, Op::Unsubscribe(names));
        }
    }

    /// What goes back to this connection.
    fn answers(&mut self, step: &Step, site: Site, key: &KeyPath) {
        let here = key.then("reply");
        for (index, reply) in step.reply.iter().flat_map(Emits::indexed) {
            let here = index.map_or_else(|| here.clone(), |index| here.then(index));
            let Some(emit) = self.emit(reply, Whom::Own, Rooms::default(), site, &here) else { continue };
            match &reply.expect {
                None => self.push(site, Op::Emit(Box::new(emit), Arc::default())),
                Some(expect) => self.ask(emit, expect, site, &here.then("expect")),
            }
        }
        if let Some(reply) = self.optional(step.reply_raw.as_ref(), site, &key.then("reply_raw")) {
            self.push(site, Op::ReplyRaw(reply));
        }
        if let Some(data) = self.optional(step.ack.as_ref(), site, &key.then("ack")) {
            self.push(site, Op::Ack(data));
        }
        if let Some(args) = self.optional(step.ack_args.as_ref(), site, &key.then("ack_args")) {
            self.push(site, Op::AckArgs(args));
        }
    }

    /// What goes to others.
    fn messages(&mut self, step: &Step, guard: &Arc<Guard>, site: Site, key: &KeyPath) {
        let own = step.join.as_ref().or(step.leave.as_ref()).map_or(&[][..], OneOrMany::as_slice);
        let rooms = Rooms { own, guard: Some(guard) };
        let keys = [
            ("others", &step.others, Whom::Others),
            ("room", &step.room, Whom::Room),
            ("to_user", &step.to_user, Whom::User),
            ("to_role", &step.to_role, Whom::Role),
            ("all", &step.all, Whom::All),
        ];
        for (name, emits, whom) in keys {
            for emit in self.emits(emits.as_ref(), whom, rooms, site, &key.then(name)) {
                if whom == Whom::Others {
                    self.uses(NameSet::of(&[Name::Id]));
                }
                self.push(site, Op::Emit(Box::new(emit), Arc::clone(guard)));
            }
        }
        for (index, publish) in step.publish.iter().flat_map(OneOrMany::indexed) {
            let here = key.then("publish");
            let here = index.map_or_else(|| here.clone(), |index| here.then(index));
            let group = self.room(&publish.group, Some(guard), site, &here.then("group"));
            let event = self.expression(&publish.event, site, &here.then("event"));
            if let (Some(group), Some(event)) = (group, event) {
                self.push(site, Op::Publish { group, event, guard: Arc::clone(guard) });
            }
        }
    }

    fn call(&mut self, call: &config::Call, site: &mut Site, key: &KeyPath) {
        self.uses(NameSet::of(&[Name::User, Name::Id]));
        let data = self.optional(call.data.as_ref(), *site, &key.then("data"));
        let place = self.next();
        let compiled = Call {
            handler: self.current(),
            action: call.action.as_str().into(),
            data,
            idempotent: call.idempotent,
            timeout: call.timeout,
            ok: None,
            statuses: Vec::new(),
            error: None,
            after: 0,
        };
        self.push(*site, Op::Call(Box::new(compiled)));
        site.called = true;
        // Branches that go on behind the call end in a jump whose end is known only then.
        let mut jumps = Vec::new();
        let ok = call.ok.as_ref().map(|branch| self.branch(branch, *site, &key.then("ok"), Some(&mut jumps)));
        let mut statuses = Vec::new();
        for (status, branch) in &call.status {
            // What is no status is noted by the check of values.
            let Ok(number) = status.parse::<u16>() else { continue };
            let good = (200..300).contains(&number).then_some(&mut jumps);
            statuses.push((number, self.branch(branch, *site, &key.then("status").then(status.as_str()), good)));
        }
        let error = call.error.as_ref().map(|branch| self.branch(branch, *site, &key.then("error"), None));
        let end = self.next();
        for jump in jumps {
            if let Some(Op::Jump(place)) = self.op_at(jump) {
                *place = end;
            }
        }
        if let Some(Op::Call(call)) = self.op_at(place) {
            (call.ok, call.statuses, call.error, call.after) = (ok, statuses, error, end);
        }
    }

    fn ask(&mut self, emit: Emit, expect: &config::Expect, site: Site, key: &KeyPath) {
        let place = self.next();
        let ask = Ask { handler: self.current(), emit, timeout: expect.timeout, ok: None, error: None };
        self.push(site, Op::Ask(Box::new(ask)));
        // Whatever follows in this handler does not wait for the client.
        let over = self.next();
        self.push(site, Op::Jump(0));
        let ok = expect.ok.as_ref().map(|branch| self.branch(branch, site, &key.then("ok"), None));
        let error = expect.error.as_ref().map(|branch| self.branch(branch, site, &key.then("error"), None));
        let end = self.next();
        if let Some(Op::Jump(place)) = self.op_at(over) {
            *place = end;
        }
        if let Some(Op::Ask(ask)) = self.op_at(place) {
            (ask.ok, ask.error) = (ok, error);
        }
    }

    /// Steps after an answer; then the end, or a jump that is noted in `jumps`.
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
