//! What a consumer does when something happens: an admission, a message of the client, an event, the end.

use std::{sync::Arc, time::Instant};

use super::{Consumer, Context, Continuation, Effect, EventOutcome, MapError, Mapped, Outcome, Quotas, Reaction};
use crate::{
    event::{Event, GapReason, GroupName, Incoming, Payload},
    limited::WriteError,
    warn_bounded,
};

impl Consumer {
    /// Whether an authenticated connection is admitted.
    pub fn admit(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.admit, context)
    }

    /// Whether it has `on_admit`.
    pub fn has_on_admit(&self) -> bool {
        self.actions.admit.is_some()
    }

    /// Runs once the socket is open and its groups are joined.
    pub fn on_connect(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.connect, context)
    }

    /// Runs when the connection has closed.
    pub fn on_disconnect(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.disconnect, context)
    }

    /// Runs when the member's first connection has opened, on that connection.
    pub fn on_online(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.online, context)
    }

    /// Runs when the member's last connection has closed; of the context only the user is used.
    pub fn on_offline(&self, context: &Context) -> Reaction {
        self.actions.happen(self.actions.offline, context)
    }

    /// Whether a handler matches the message.
    pub fn handles(&self, incoming: &Incoming<'_>) -> bool {
        self.actions.handles(incoming)
    }

    /// Whether all messages go to Django as they are.
    pub fn passes_messages_on(&self) -> bool {
        self.spec.django.receive && !self.actions.handles_messages()
    }

    /// Handles a client's message if a handler matches it; `None`: it is for Django.
    pub fn on_matching(
        &self,
        context: &Context,
        incoming: Incoming<'_>,
        limits: &mut Quotas,
        now: Instant,
    ) -> Option<Reaction> {
        self.actions.matching(context, incoming, limits, now)
    }

    /// Handles a client's message.
    pub fn on_message(&self, context: &Context, incoming: Incoming<'_>, limits: &mut Quotas, now: Instant) -> Reaction {
        self.actions.message(context, incoming, limits, now)
    }

    /// Continues a handler after the outcome of a call, question or refresh.
    pub fn resume(&self, context: &Context, then: &Continuation, outcome: Outcome) -> Reaction {
        self.actions.resume(context, then, outcome)
    }

    /// The messages for the members of an event's group, in order; empty if `when` is false.
    pub fn on_event(&self, event: &Arc<Event>) -> Result<Mapped, MapError> {
        self.mappings.map((self.id, &self.name), event)
    }

    /// Whether an event asks something of its connections besides frames.
    pub fn has_outcomes(&self) -> bool {
        self.mappings.has_outcomes()
    }

    /// What an event asks of this connection.
    pub fn outcome(&self, outcome: &EventOutcome, context: &Context) -> Result<Vec<Effect>, MapError> {
        self.with_user(context, |context| self.mappings.outcome(outcome, context, self.allow.as_deref()))
    }

    /// Whether any of its connections may receive gap notices.
    pub fn has_gap_notice(&self) -> bool {
        self.notice.is_some()
    }

    /// Whether this connection wants gap notices; evaluated once, when it opens.
    pub fn asks_for_gaps(&self, context: &Context) -> bool {
        self.notice.as_ref().is_some_and(|notice| notice.is_asked_for(context))
    }

    /// The first message for this connection, if it asks for one.
    pub fn hello(&self, context: &Context) -> Option<Payload> {
        match self.hello.as_ref()?.payload(context, self.actions.wire())? {
            Ok(hello) => Some(hello),
            Err(reason) => {
                warn_bounded!("{}: cannot send a hello: {reason}", self.name());
                None
            }
        }
    }

    /// The gap notice for a connection about these of its groups; `None`: any of them.
    pub fn gap_notice(&self, reason: GapReason, groups: Option<&[&GroupName]>) -> Result<Payload, WriteError> {
        let notice = self.notice.as_ref().ok_or_else(|| "this consumer has no gap notice".to_owned())?;
        notice.payload(reason, groups, self.actions.wire())
    }
}
