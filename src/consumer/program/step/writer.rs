//! The program being compiled, and what every key of a step needs: operations, and expressions over the names known at
//! their place.

use crate::{
    config::KeyPath,
    consumer::{
        compiler::Compiler,
        expression::{Allowed, Expression, Var, VarSet},
        kind::HandlerKind,
        program::{HandlerId, HandlerInfo, Instruction, Op, Program},
    },
};

/// The position of the current step.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    pub kind: HandlerKind,
    /// The number of known answers.
    pub depth: u8,
    /// Whether the last of them is the backend's, and not a client's acknowledgement.
    pub backend: bool,
    /// Whether a call came before: then the connection's limits are not available.
    pub called: bool,
    /// Whether what is sent is sent once per item.
    pub each: bool,
    /// Whether the backend is away, or at fault.
    pub away: bool,
}

/// Writes the program of one consumer.
pub struct ProgramWriter<'a, 'b> {
    pub compiler: &'a mut Compiler<'b>,
    pub program: Program,
}

impl ProgramWriter<'_, '_> {
    /// Adds a handler.
    pub(super) fn add(&mut self, kind: HandlerKind, write: impl FnOnce(&mut Self, &mut Site)) -> HandlerId {
        let id = HandlerId(u16::try_from(self.program.handlers.len()).unwrap_or(u16::MAX));
        self.program.handlers.push(HandlerInfo { kind, start: self.next(), names: VarSet::default() });
        let mut site = Site { kind, depth: 0, backend: false, called: false, each: false, away: false };
        write(self, &mut site);
        self.push(site, Op::End);
        id
    }

    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.program.ops.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn push(&mut self, site: Site, op: Op) {
        self.program.ops.push(Instruction { depth: site.depth, op });
    }

    pub(super) fn op_at(&mut self, position: u32) -> Option<&mut Op> {
        self.program.ops.get_mut(position as usize).map(|instruction| &mut instruction.op)
    }

    /// The handler being compiled.
    pub(super) fn current(&self) -> HandlerId {
        HandlerId(u16::try_from(self.program.handlers.len().saturating_sub(1)).unwrap_or(u16::MAX))
    }

    pub(super) fn uses(&mut self, names: VarSet) {
        if let Some(handler) = self.program.handlers.last_mut() {
            handler.names.add(names);
        }
    }

    /// Compiles a text with the names known here.
    pub(super) fn compile<T>(
        &mut self,
        site: Site,
        compile: impl FnOnce(&mut Compiler<'_>, Allowed<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut names = site.kind.names(self.program.wire.protocol);
        if site.depth > 0 {
            names.insert(0, Var::Result);
        }
        if site.each {
            names.insert(0, Var::Item);
        }
        self.compiler.answered = !site.backend;
        compile(self.compiler, Allowed { names: &names, at: "here" })
    }

    pub(super) fn expression(&mut self, source: &str, site: Site, key: &KeyPath) -> Option<Expression> {
        let expression = self.compile(site, |compiler, allowed| compiler.expression(source, allowed, key))?;
        self.uses(expression.names());
        Some(expression)
    }
}
