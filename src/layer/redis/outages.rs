//! Why one connected host cannot guarantee events now: it does not answer, or it answers that it is full, read-only, or
//! that this is not allowed.
//!
//! In: reasons, by the part of the session that met them, and their ends. Out: joins are refused and the host does not
//! count as ready while there is a reason. The connection stays, because what is registered still delivers.

use std::{cell::RefCell, rc::Rc};

use redis::RedisError;

use super::LayerContext;
use crate::redis::one_line;

/// A part of a session.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// Probes that are sent, but do not return.
    Silence,
    /// Probes that Redis refuses.
    Probes,
    /// Registrations.
    Registrations,
    /// Pops.
    Pops,
}

/// The metric label of an error code.
fn reason(code: &str) -> &'static str {
    match code {
        "OOM" => "full",
        "READONLY" => "read_only",
        "NOREPLICAS" => "few_replicas",
        "MISCONF" => "not_saved",
        "NOPERM" => "not_allowed",
        _ => "other",
    }
}

/// The reasons of one session.
pub(super) struct Outages {
    context: Rc<LayerContext>,
    host: usize,
    reasons: RefCell<[Option<String>; 4]>,
}

impl Outages {
    pub fn new(context: &Rc<LayerContext>, host: usize) -> Self {
        Self { context: Rc::clone(context), host, reasons: RefCell::default() }
    }

    /// Nothing new can be guaranteed, for this reason.
    pub fn begin(&self, part: Part, reason: &str) {
        self.context.states.out(self.host, reason);
        let was_out = self.any();
        self.reasons.borrow_mut()[part as usize] = Some(reason.to_owned());
        if !was_out {
            log::warn!("{}: {reason}; new joins are refused", self.label());
            self.context.groups.borrow_mut().suspend(self.host, reason);
        }
    }

    /// The reason of this part is over.
    pub fn end(&self, part: Part) {
        let ended = self.reasons.borrow_mut()[part as usize].take();
        if ended.is_some() && !self.any() {
            log::warn!("{}: joins are accepted again", self.label());
            self.context.groups.borrow_mut().resume(self.host);
        }
    }

    /// Whether this part has a reason.
    pub fn has(&self, part: Part) -> bool {
        self.reasons.borrow()[part as usize].is_some()
    }

    /// Whether there is a reason.
    pub fn any(&self) -> bool {
        self.reasons.borrow().iter().any(Option::is_some)
    }

    /// Handles an error: `Ok` if Redis refuses and the session can go on without it.
    ///
    /// A host whose address can change may have become a replica; a new connection finds the master.
    pub fn refused(&self, part: Part, error: RedisError) -> Result<(), RedisError> {
        let moves = self.context.hosts[self.host].moves();
        match error.code() {
            None => Err(error),
            Some("READONLY") if moves => Err(error),
            Some(code) => {
                self.context.decoder.metrics().redis_refused(reason(code));
                self.begin(part, &one_line(&error));
                Ok(())
            }
        }
    }

    fn label(&self) -> &str {
        self.context.hosts[self.host].label()
    }
}
