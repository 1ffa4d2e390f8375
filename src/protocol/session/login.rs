//! A client without a user has a limited time to get one, where its consumer says so.

use std::rc::{Rc, Weak};

use super::{Binding, Session};
use crate::{
    protocol::login_deadlines::{LoginDeadlines, LoginDue},
    socket::close::CloseCode,
};

/// The reason of the close, if the consumer has none of its own.
const LATE: &str = "no login in time";

impl Session {
    /// From now on the time runs for those of its consumers that limit it.
    pub(super) fn expect_login(self: &Rc<Self>, deadlines: &Rc<LoginDeadlines>) {
        for (index, binding) in self.bindings.iter().enumerate() {
            if let Some(time) = binding.consumer.anonymous_for()
                && !has_user(binding)
            {
                let client: Weak<dyn LoginDue> = Rc::<Self>::downgrade(self);
                deadlines.add(time, client, index);
            }
        }
    }
}

impl LoginDue for Session {
    fn login_due(&self, index: usize) {
        let Some(binding) = self.bindings.get(index).filter(|binding| !has_user(binding)) else { return };
        if self.member().is_none() {
            return;
        }
        let reject = binding.consumer.reject();
        let codes = reject.close.unwrap_or_default().codes();
        if let Some(frame) = binding.with_context(|context| binding.consumer.refusal_frame(context)) {
            self.outlet.send(&frame);
        }
        self.services.metrics.closed("no_login");
        log::debug!("{}: a client is closed: {LATE} (anonymous_for)", binding.consumer.name());
        // The configuration was checked to contain only codes that may be sent.
        let code = CloseCode::new(codes.missing).unwrap_or(CloseCode::POLICY_VIOLATION);
        self.outlet.close(code, if reject.reason.is_empty() { LATE } else { &reject.reason });
    }
}

fn has_user(binding: &Binding) -> bool {
    binding.principal().is_some() || binding.user_id().is_some()
}
