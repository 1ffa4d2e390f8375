//! How a refused plain WebSocket is closed, instead of an answer that a browser cannot read.

use super::{Cause, Refusal, UNAVAILABLE};
use crate::{
    config::{Reject, RejectClose},
    socket::close::CloseCode,
};

/// The close of a client that is accepted only for this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing<'a> {
    /// The code.
    pub code: CloseCode,
    /// The reason.
    pub reason: &'a str,
    /// Whether the frame of `consumer.reject` comes before it: it says what the client did wrong.
    pub frame: bool,
}

impl Refusal {
    /// The close, if the consumer has a code for it or the refusal its own; `None`: the client gets the HTTP answer.
    pub fn closing<'a>(&'a self, reject: &'a Reject) -> Option<Closing<'a>> {
        let cause = self.row().cause;
        let own = if let Self::Denied(denial) = self { denial.code.map(|code| (code, &*denial.text)) } else { None };
        let codes = reject.close.map(RejectClose::codes);
        let (code, reason) = match (cause, own) {
            (Cause::Early, _) => return None,
            (_, Some(own)) => own,
            (Cause::Missing, _) => (codes?.missing, &*reject.reason),
            (Cause::Invalid, _) => (codes?.invalid, &*reject.reason),
            (Cause::Forbidden, _) => (codes?.forbidden, self.reason(reject)),
            (Cause::Unavailable, _) => (codes?.unavailable, self.reason(reject)),
            // As a consumer that fails after it has accepted.
            (Cause::Failed, _) => codes.map(|_| (CloseCode::INTERNAL_ERROR.get(), ""))?,
        };
        // The configuration was checked to contain only codes that may be sent.
        let code = CloseCode::new(code).unwrap_or(CloseCode::POLICY_VIOLATION);
        Some(Closing { code, reason, frame: !matches!(cause, Cause::Unavailable | Cause::Failed) })
    }

    /// The reason of a close without a reason of its own code.
    fn reason<'a>(&'a self, reject: &'a Reject) -> &'a str {
        match self {
            Self::Limited(over) => super::row::text_of(over.limit),
            Self::Denied(denial) if reject.reason.is_empty() || self.row().cause == Cause::Unavailable => &denial.text,
            _ if self.row().cause == Cause::Unavailable => UNAVAILABLE,
            _ => &reject.reason,
        }
    }
}
