//! Accepts another token of the same user on an open connection.

use std::time::Instant;

use super::{After, Binding, Session};
use crate::{
    auth::{self, AuthError, Reason, credential},
    consumer::{Continuation, Outcome},
    event::Value,
    protocol::{effects::FailureReplies, principal::proof},
    warn_bounded,
};

impl Session {
    /// Accepts the token and continues the handler; or sends the reply for a failure, and changes nothing.
    pub(super) async fn refresh(
        &self,
        index: usize,
        token: &str,
        then: &Continuation,
        replies: &FailureReplies,
    ) -> After {
        let binding = &self.bindings[index];
        let error = match self.renew(binding, token).await {
            Ok(()) => {
                let outcome = Outcome::Acknowledged(Value::Null);
                let reaction = binding.with_context(|context| binding.consumer.resume(context, then, outcome));
                return self.go_on_with(index, reaction);
            }
            Err(error) => error,
        };
        let name = binding.consumer.name();
        let (label, payloads) = match error.retry_after() {
            Some(_) => {
                warn_bounded!("{name}: a new token of an open connection cannot be checked now: {error}");
                ("refresh_failed", &replies.failed)
            }
            None => {
                warn_bounded!("{name}: a new token of an open connection is refused: {error}");
                ("refresh_denied", &replies.denied)
            }
        };
        self.services.metrics.refused_message(label);
        payloads.as_deref().into_iter().flatten().for_each(|payload| self.outlet.send(payload));
        After::End
    }

    async fn renew(&self, binding: &Binding, token: &str) -> Result<(), AuthError> {
        let principal = binding.principal().ok_or(AuthError::Missing)?;
        let began = Instant::now();
        let token = credential::bare(token);
        let identity = match token.is_empty() {
            true => Err(AuthError::Missing),
            false => self.services.authenticator.identify_by(binding.consumer.auth(), token).await,
        };
        auth::report(&self.services.metrics, binding.consumer.name(), identity.as_ref().map(|_| "valid"));
        let identity = identity?;
        // Consumers with the same authentication share the token.
        let alike = || self.bindings.iter().filter(|one| one.consumer.auth() == binding.consumer.auth());
        let ends = alike().any(|one| one.consumer.ends_with_token());
        let proof = proof(&identity, ends, began).filter(|proof| proof.user == principal.subject());
        let proof = proof.ok_or(AuthError::from(Reason::OtherUser))?;
        for one in alike() {
            let Some(principal) = one.principal() else { continue };
            if !principal.renew(proof.clone()) {
                return Err(AuthError::Revoked);
            }
            // A user set by a handler or by `on_admit` stays.
            let found = principal.user() != principal.subject();
            one.change(&self.services.shard, self.member().as_deref(), |context| {
                let user = if found { context.user.clone() } else { identity.user.clone() };
                one.consumer.renew(context, &user, &identity.claims);
            });
        }
        Ok(())
    }
}
