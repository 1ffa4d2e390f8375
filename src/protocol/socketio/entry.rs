//! Who comes in: authenticates, asks each consumer of a namespace, and joins the groups of those that admit.

use std::{rc::Rc, sync::Arc};

use futures_util::future::try_join_all;

use super::{endpoint::Served, head::Head};
use crate::{
    auth::{AuthError, Authenticator, Identity, Method},
    consumer::{Consumer, ConsumerId, Context},
    event::{GroupName, Value},
    hub::Member,
    layer::Readiness,
    protocol::{
        desk::{Desk, Refused},
        session::Part,
    },
    socket::Connection,
    warn_bounded,
};

/// What a client is told where the node is at fault; why is in the log.
const UNAVAILABLE: &str = "Service unavailable";

/// Lets clients in. One per worker.
pub struct Entry {
    /// What the worker works with.
    pub desk: Rc<Desk>,
    /// Who is connecting.
    pub authenticator: Arc<Authenticator>,
}

/// A client that one consumer at least has admitted.
pub struct Admitted {
    parts: Vec<Part>,
    groups: Vec<(GroupName, ConsumerId)>,
    before_subscribe: crate::config::BeforeSubscribe,
}

impl Entry {
    /// Asks the consumers, each for itself; refused with the first one's text where none admits. `auth` is what the
    /// client sent with its CONNECT packet; a token in it goes before those of the request's head.
    pub async fn admit(
        &self,
        consumers: &[Served],
        head: &Head,
        (route, auth): (&Value, Value),
        id: &Arc<str>,
    ) -> Result<Admitted, String> {
        let mut known: Option<(&[Method], Result<Identity, AuthError>)> = None;
        let mut refused = None;
        let mut admitted: Option<Admitted> = None;
        for Served { consumer, methods } in consumers {
            // Consumers that authenticate alike see the same user; some tokens are good for one look only.
            let identity = match known.take().filter(|(tried, _)| *tried == methods.as_slice()) {
                Some((_, identity)) => identity,
                None => self.identity(methods, head, &auth).await,
            };
            known = Some((methods, identity.clone()));
            let admission = match identity {
                Ok(identity) => self.ask(consumer, identity, head, (route, &auth), id).await,
                Err(error) => Err(refusal(consumer, &error)),
            };
            match admission {
                Ok((context, groups)) => {
                    let all = admitted.get_or_insert_with(|| Admitted {
                        parts: Vec::with_capacity(1),
                        groups: Vec::new(),
                        before_subscribe: consumer.topics().before_subscribe,
                    });
                    all.parts.push(Part::new(Arc::clone(consumer), context));
                    all.groups.extend(groups.into_iter().map(|group| (group, consumer.id())));
                }
                Err(text) => {
                    refused.get_or_insert(text);
                }
            }
        }
        admitted.ok_or_else(|| refused.unwrap_or_else(|| "Invalid namespace".to_owned()))
    }

    /// Joins all groups, as a member that gets nothing before it is seated.
    pub async fn join(
        &self,
        connection: &Rc<Connection>,
        admitted: Admitted,
        id: &Arc<str>,
    ) -> Result<(Rc<Member>, Box<[Part]>), String> {
        let member = Member::waiting(Rc::clone(connection), Arc::clone(id), admitted.before_subscribe);
        let shard = &self.desk.shard;
        if !admitted.groups.is_empty() {
            if let Readiness::NotReady(reason) = shard.registry().layer().readiness() {
                log::debug!("the channel layer is not ready: {reason}");
                return Err(UNAVAILABLE.to_owned());
            }
            let joins = admitted.groups.iter().map(|(group, consumer)| shard.join(&member, group, *consumer));
            if let Err(error) = try_join_all(joins).await {
                warn_bounded!("a client is refused: {error}");
                shard.leave_all(&member);
                return Err(UNAVAILABLE.to_owned());
            }
        }
        Ok((member, admitted.parts.into_boxed_slice()))
    }

    async fn identity(&self, methods: &[Method], head: &Head, auth: &Value) -> Result<Identity, AuthError> {
        let shown = auth.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let identity = match shown {
            Some(token) => self.by_token(methods, token.strip_prefix("Bearer ").unwrap_or(token)).await,
            None => {
                let cookies = head.cookies();
                self.authenticator.authenticate(methods, &head.request(&cookies)).await
            }
        };
        self.desk.metrics.token(identity.as_ref().map_or_else(AuthError::label, |_| "valid"));
        identity
    }

    /// As [`Authenticator::authenticate`], with a token that is already found.
    async fn by_token(&self, methods: &[Method], token: &str) -> Result<Identity, AuthError> {
        let mut worst = None;
        for method in methods.iter().filter(|method| **method != Method::Anonymous) {
            match self.authenticator.identify(*method, token.trim()).await {
                Ok(identity) => return Ok(identity),
                Err(error) => {
                    if worst.as_ref().is_none_or(|worst: &AuthError| error.retry_after() > worst.retry_after()) {
                        worst = Some(error);
                    }
                }
            }
        }
        // Nobody here looks at tokens.
        worst.map_or_else(|| Ok(Identity::default()), Err)
    }

    async fn ask(
        &self,
        consumer: &Arc<Consumer>,
        identity: Identity,
        head: &Head,
        (route, auth): (&Value, &Value),
        id: &Arc<str>,
    ) -> Result<(Context, Vec<GroupName>), String> {
        let context = Context {
            route: route.clone(),
            query: crate::protocol::query(&head.query),
            user: identity.user,
            claims: identity.claims,
            auth: auth.clone(),
            id: Arc::clone(id),
            ..Context::default()
        };
        let context = self.desk.admit(consumer, context).await.map_err(|Refused(text)| text)?;
        let mut groups = consumer.groups(&context).map_err(|reason| {
            log::debug!("{}: a client is refused: {reason}", consumer.name());
            consumer.rejection_text(false).to_owned()
        })?;
        if let Some(everybody) = consumer.namespace().and_then(|name| GroupName::of_namespace(name).ok()) {
            groups.push(everybody);
        }
        Ok((context, groups))
    }
}

/// What a client is told that could not be authenticated.
fn refusal(consumer: &Consumer, error: &AuthError) -> String {
    match error {
        AuthError::Missing => consumer.rejection_text(true).to_owned(),
        AuthError::Invalid(_) | AuthError::Origin => consumer.rejection_text(false).to_owned(),
        AuthError::Unconfigured(_) | AuthError::Unavailable { .. } => {
            warn_bounded!("{}: a client is refused: {error}", consumer.name());
            UNAVAILABLE.to_owned()
        }
    }
}
