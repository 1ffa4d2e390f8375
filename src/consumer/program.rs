//! All handlers of a consumer, compiled into one list of operations, so that a handler can stop at a call of the
//! backend and continue after the answer with only an index in between.

pub(super) mod quotas;
pub(super) mod resume;
pub(super) mod run;
pub(super) mod step;

use std::{collections::HashMap, sync::Arc};

pub use self::{quotas::Quotas, run::Run, step::ProgramWriter};
use super::{
    effect::{Continuation, Denial},
    emit::Emit,
    expression::{Expression, GroupTemplate, Template, VarSet},
    groups::{FormId, Forms},
    kind::HandlerKind,
    wire::Wire,
};
use crate::config::{Rate, Span};

/// The compiled handlers of a consumer.
#[derive(Debug)]
pub(super) struct Program {
    pub ops: Vec<Instruction>,
    pub handlers: Vec<HandlerInfo>,
    /// The number of limits.
    pub limits: u16,
    /// The consumer's name.
    pub name: Arc<str>,
    pub wire: Wire,
    /// The forms of its rooms.
    pub forms: Arc<Forms>,
    /// Whether a backend is configured.
    pub backend: bool,
    /// Whether clients send tokens.
    pub tokens: bool,
    /// The room of all connections in one of its namespaces, if the consumer has several.
    pub everybody: Option<String>,
    /// How many rooms a client may choose in one step that sends.
    pub max_rooms: usize,
    /// Maximum number of items of an `each`.
    pub max_items: usize,
    pub max_topics: usize,
    /// Maximum bytes of a connection's state.
    pub max_state: usize,
    /// The text for a refused client without a more specific text.
    pub rejection: Box<str>,
}

impl Program {
    /// Whether a handler decides about the admission of a client.
    pub fn admits(&self, handler: HandlerId) -> bool {
        self.is(handler, HandlerKind::Admit)
    }

    /// Whether an operation changes the user, the variables or the claims of a connection.
    pub fn changes_connections(&self) -> bool {
        self.ops.iter().any(|one| matches!(one.op, Op::Set(_) | Op::User(_) | Op::Refresh { .. }))
    }

    /// The handler that the operation at this position belongs to: they lie one after the other.
    pub fn handler_at(&self, position: u32) -> Option<HandlerId> {
        let before = self.handlers.iter().rposition(|info| info.start <= position)?;
        u16::try_from(before).ok().map(HandlerId)
    }

    /// Whether the handler of a client's message waits here.
    pub fn is_of_message(&self, then: &Continuation) -> bool {
        self.handler_at(then.0.position).is_some_and(|handler| self.is(handler, HandlerKind::Message))
    }

    fn is(&self, handler: HandlerId, kind: HandlerKind) -> bool {
        self.handlers.get(usize::from(handler.0)).is_some_and(|info| info.kind == kind)
    }
}

/// Whether the backend is too busy to answer: another try may succeed.
pub(super) const fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 502..=504)
}

/// Whether an answer with this status says nothing about the client: the backend is busy, broken, or somewhere else.
pub(super) const fn is_at_fault(status: u16) -> bool {
    is_busy(status) || !matches!(status, 200..=299 | 400..=499)
}

/// A handler, by its index in [`Program::handlers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HandlerId(pub u16);

/// Handlers by name, and one for all other names.
#[derive(Debug, Default)]
pub(super) struct HandlerTable {
    pub by_name: HashMap<Box<str>, HandlerId>,
    pub rest: Option<HandlerId>,
}

impl HandlerTable {
    /// Whether it has no handler.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.rest.is_none()
    }

    /// The handler for a name; for `None`, the one for all other names.
    pub fn find(&self, name: Option<&str>) -> Option<HandlerId> {
        name.and_then(|name| self.by_name.get(name)).copied().or(self.rest)
    }
}

/// Facts about a handler.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandlerInfo {
    pub kind: HandlerKind,
    pub start: u32,
    /// The names that its expressions use.
    pub names: VarSet,
}

/// One operation, and how many surrounding answers its expressions know.
#[derive(Debug)]
pub(super) struct Instruction {
    pub depth: u8,
    pub op: Op,
}

#[derive(Debug)]
pub(super) enum Op {
    /// Continues at `or_else` unless it is true.
    When {
        test: Expression,
        or_else: u32,
    },
    /// Ends unless it is true.
    Require(Expression, Arc<Guard>),
    /// Refuses the connection unless it is true.
    Admit(Expression),
    /// Ends if it runs too often.
    Limit {
        limit: u16,
        rate: Rate,
        limited: Vec<Emit>,
    },
    /// Checks another token of the same user, and continues after this.
    Refresh {
        handler: HandlerId,
        token: Expression,
        guard: Arc<Guard>,
    },
    Set(Vec<(Box<str>, Expression)>),
    User(Expression),
    Refuse(Denial),
    Leave(Vec<GroupTemplate>, Arc<Guard>),
    Join(Vec<GroupTemplate>, Arc<Guard>),
    /// Joins the groups of signed tokens.
    JoinSigned(Expression, Arc<Guard>),
    Subscribe(Expression),
    Unsubscribe(Expression),
    Call(Box<CallOp>),
    /// Runs the operations up to `end`, which only send, once per item of a list.
    Each {
        list: Arc<Expression>,
        end: u32,
    },
    Emit(Box<Emit>, Arc<Guard>),
    Ask(Box<AskOp>),
    ReplyRaw(Expression),
    Ack(Expression),
    AckArgs(Expression),
    Publish {
        group: GroupTemplate,
        event: Expression,
        guard: Arc<Guard>,
    },
    Close {
        code: u16,
        reason: Option<Template>,
    },
    Jump(u32),
    End,
}

/// The rooms that a client may name in a step, and the replies if the step fails.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Unset: every room.
    pub allow: Option<Vec<FormId>>,
    /// Sent to the client if it is denied.
    pub denied: Vec<Emit>,
    /// Sent to the client if Redis does not accept it.
    pub failed: Vec<Emit>,
}

/// A call of the backend, and where to continue.
#[derive(Debug)]
pub(super) struct CallOp {
    pub handler: HandlerId,
    pub action: Arc<str>,
    pub data: Option<Expression>,
    pub idempotent: bool,
    pub timeout: Option<Span>,
    pub ok: Option<u32>,
    pub statuses: Vec<(u16, u32)>,
    pub unavailable: Option<u32>,
    pub error: Option<u32>,
    /// The operation after the call.
    pub after: u32,
}

/// An event that asks for an acknowledgement, and where to continue with it.
#[derive(Debug)]
pub(super) struct AskOp {
    pub handler: HandlerId,
    pub emit: Emit,
    pub timeout: Span,
    pub ok: Option<u32>,
    pub error: Option<u32>,
}
