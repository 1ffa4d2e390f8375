//! The program being compiled, and what every key of a step needs: operations, and expressions over the names known at
//! their place.

use crate::{
    config::KeyPath,
    consumer::{
        compiler::Compiler,
        expression::Expression,
        place::Place,
        program::{HandlerId, HandlerInfo, Instruction, Op, Program},
        scope::{Allowed, Name, NameSet},
    },
};

/// The position of the current step.
#[derive(Clone, Copy, Debug)]
pub(in crate::consumer) struct Site {
    pub place: Place,
    /// The number of known answers.
    pub depth: u8,
    /// Whether the last of them is the backend's, and not a client's acknowledgement.
    pub backend: bool,
    /// Whether a call came before: then the connection's limits are not available.
    pub called: bool,
}

/// Writes the program of one consumer.
pub(in crate::consumer) struct Writer<'a, 'b> {
    pub compiler: &'a mut Compiler<'b>,
    pub program: Program,
}

impl Writer<'_, '_> {
    /// Adds a handler.
    pub(super) fn add(&mut self, place: Place, write: impl FnOnce(&mut Self, &mut Site)) -> HandlerId {
        let id = HandlerId(u16::try_from(self.program.handlers.len()).unwrap_or(u16::MAX));
        self.program.handlers.push(HandlerInfo { start: self.next(), names: NameSet::default() });
        let mut site = Site { place, depth: 0, backend: false, called: false };
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

    pub(super) fn op_at(&mut self, place: u32) -> Option<&mut Op> {
        self.program.ops.get_mut(place as usize).map(|instruction| &mut instruction.op)
    }

    /// The handler being compiled.
    pub(super) fn current(&self) -> HandlerId {
        HandlerId(u16::try_from(self.program.handlers.len().saturating_sub(1)).unwrap_or(u16::MAX))
    }

    pub(super) fn uses(&mut self, names: NameSet) {
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
        let mut names = site.place.names(self.program.wire.protocol);
        if site.depth > 0 {
            names.insert(0, Name::Result);
        }
        compile(self.compiler, Allowed { names: &names, place: "here" })
    }

    pub(super) fn expression(&mut self, source: &str, site: Site, key: &KeyPath) -> Option<Expression> {
        let expression = self.compile(site, |compiler, allowed| compiler.expression(source, allowed, key))?;
        self.uses(expression.names());
        Some(expression)
    }
}
