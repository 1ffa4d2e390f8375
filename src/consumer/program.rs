//! All handlers of a consumer, compiled to one list of operations: so that a handler can stop at a question to the
//! backend, and go on from there when it is answered, with nothing but a number in between.

use std::{collections::HashMap, sync::Arc};

use super::{
    emit::Emit,
    expression::Expression,
    form::{FormId, Forms},
    scope::NameSet,
    template::GroupTemplate,
    wire::Wire,
};
use crate::config::{Rate, Span};

/// The compiled handlers of a consumer.
#[derive(Debug)]
pub(super) struct Program {
    pub ops: Vec<Instruction>,
    pub handlers: Vec<HandlerInfo>,
    /// How many limits there are.
    pub limits: u16,
    /// The consumer's name.
    pub name: Arc<str>,
    pub wire: Wire,
    /// The forms of its rooms.
    pub forms: Arc<Forms>,
    /// Whether there is anybody to ask.
    pub backend: bool,
    /// Whether clients show tokens.
    pub tokens: bool,
    pub max_topics: usize,
    /// Bytes of what is kept of a connection.
    pub max_state: usize,
    /// What a client is told that is refused without a text of its own.
    pub rejection: Box<str>,
}

/// A handler, by its place in [`Program::handlers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HandlerId(pub u16);

/// Handlers by name, and one for the rest.
#[derive(Debug, Default)]
pub(super) struct HandlerTable {
    pub by_name: HashMap<Box<str>, HandlerId>,
    pub rest: Option<HandlerId>,
}

impl HandlerTable {
    /// The handler for a name, or for what has none.
    pub fn find(&self, name: Option<&str>) -> Option<HandlerId> {
        name.and_then(|name| self.by_name.get(name)).copied().or(self.rest)
    }
}

/// What is known of a handler.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HandlerInfo {
    pub start: u32,
    /// The names that its expressions start from.
    pub names: NameSet,
}

/// One operation, and how many answers around it are known to its expressions.
#[derive(Debug)]
pub(super) struct Instruction {
    pub depth: u8,
    pub op: Op,
}

#[derive(Debug)]
pub(super) enum Op {
    /// Goes on at `or_else` unless it is true.
    When {
        test: Expression,
        or_else: u32,
    },
    /// Ends unless it is true.
    Require(Expression, Arc<Guard>),
    /// Refuses the connection unless it is true.
    Admit(Expression),
    /// Ends if it comes too often.
    Limit {
        limit: u16,
        rate: Rate,
        limited: Vec<Emit>,
    },
    /// Takes another token of the same user, and goes on behind this.
    Refresh {
        handler: HandlerId,
        token: Expression,
        guard: Arc<Guard>,
    },
    Set(Vec<(Box<str>, Expression)>),
    User(Expression),
    Refuse(Box<str>),
    Leave(Vec<GroupTemplate>, Arc<Guard>),
    Join(Vec<GroupTemplate>, Arc<Guard>),
    Subscribe(Expression),
    Unsubscribe(Expression),
    Call(Box<Call>),
    Emit(Box<Emit>, Arc<Guard>),
    Ask(Box<Ask>),
    ReplyRaw(Expression),
    Ack(Expression),
    AckArgs(Expression),
    Publish {
        group: GroupTemplate,
        event: Expression,
        guard: Arc<Guard>,
    },
    Close(u16),
    Jump(u32),
    End,
}

/// What stands around the rooms of a step: which of them a client may name, and what it is told otherwise.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Unset: every room.
    pub allow: Option<Vec<FormId>>,
    /// What the client is told.
    pub denied: Vec<Emit>,
    /// What the client is told if Redis does not take it.
    pub failed: Vec<Emit>,
}

/// A question to the backend, and where to go on.
#[derive(Debug)]
pub(super) struct Call {
    pub handler: HandlerId,
    pub action: Arc<str>,
    pub data: Option<Expression>,
    pub idempotent: bool,
    pub timeout: Option<Span>,
    pub ok: Option<u32>,
    pub statuses: Vec<(u16, u32)>,
    pub error: Option<u32>,
    /// What follows the call.
    pub after: u32,
}

/// An event that asks for an acknowledgement, and where to go on with it.
#[derive(Debug)]
pub(super) struct Ask {
    pub handler: HandlerId,
    pub emit: Emit,
    pub timeout: Span,
    pub ok: Option<u32>,
    pub error: Option<u32>,
}
