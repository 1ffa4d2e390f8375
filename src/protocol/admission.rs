//! Letting clients in: one way for plain WebSocket, Engine.IO and each CONNECT of Socket.IO.
//!
//! In: a client, and the consumers that it comes for. Out: a session's parts and a member of the hub in all its groups, or
//! the [`Refusal`]. What fails or is given up on the way leaves nothing behind. It writes nothing to the client.

use std::{iter::repeat_n, mem::take, rc::Rc, sync::Arc, time::Instant};

use tokio::time::timeout;

use super::{
    endpoint::Namespace,
    refusal::Refusal,
    services::{Refused, WorkerServices},
    session::Part,
};
use crate::{
    admission::UserPermit,
    auth::{AuthError, Identity, RequestHead, claims::user_id_of},
    config::BeforeSubscribe,
    consumer::{Consumer, ConsumerId, Context},
    event::{GroupName, Value},
    hub::{Member, Principal},
    socket::Connection,
};

/// Lets clients in. One per worker.
pub struct Admission {
    /// What the worker works with.
    pub services: Rc<WorkerServices>,
}

/// A client that asks to be let in; whether its page may ask was looked at when its request came.
pub struct Client<'a> {
    /// Where its credentials are.
    pub head: &'a RequestHead<'a>,
    /// How it is connected.
    pub connection: &'a Rc<Connection>,
    /// What consumers know of it, except who it is. A token in what it sent with CONNECT goes before those of the head.
    pub context: Context,
}

/// Who a client is by its token, and its entry among those who can be disconnected.
#[derive(Clone)]
struct Known {
    identity: Identity,
    principal: Option<Rc<Principal>>,
    /// Whether the connection ends with the token, and when the look at it began.
    ends: bool,
    began: Instant,
}

/// A client that one consumer at least has admitted.
pub struct Admitted {
    parts: Vec<Part>,
    /// The subprotocol to echo, if any.
    pub(super) subprotocol: Option<String>,
    pub(super) groups: Vec<(GroupName, ConsumerId)>,
    permits: Vec<Rc<UserPermit>>,
    before_subscribe: BeforeSubscribe,
    /// The consumer that tells the client of gaps: the first that it asked.
    gap_consumer: Option<ConsumerId>,
}

impl Admission {
    /// Asks each consumer of a namespace for itself; refused with the first one's reason where none admits.
    pub async fn admit(&self, namespace: &Namespace, client: Client<'_>) -> Result<Admitted, Refusal> {
        let Client { head, connection, context } = client;
        let token = context.auth.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let token = token.map(str::to_owned);
        let mut contexts = repeat_n(context, namespace.alike.iter().map(Vec::len).sum());
        let mut admitted = None;
        let mut refused = None;
        for alike in &namespace.alike {
            let known = self.identify(alike, head, token.as_deref(), connection).await;
            let each = alike.iter().zip(repeat_n(known, alike.len())).zip(contexts.by_ref());
            for ((consumer, known), context) in each {
                let asked = match known {
                    Ok(known) => self.ask(consumer, known, context, connection, &mut admitted).await,
                    Err(error) => Err(Refusal::Auth(error)),
                };
                if let Err(refusal) = asked {
                    refusal.log(consumer.name());
                    refused.get_or_insert(refusal);
                }
            }
        }
        admitted.ok_or_else(|| refused.unwrap_or(Refusal::Namespace))
    }

    /// Admits a client and joins its groups, in time, as a member that gets nothing before it is seated: what says that it
    /// is connected must come first.
    pub async fn let_in(
        &self,
        namespace: &Namespace,
        client: Client<'_>,
        attempt: u32,
    ) -> Result<(Rc<Member>, Box<[Part]>), Refusal> {
        let (connection, id) = (Rc::clone(client.connection), Arc::clone(&client.context.id));
        self.in_time(namespace, async {
            let mut admitted = self.admit(namespace, client).await?;
            let parts = admitted.take_parts();
            let member = admitted.member(|topics| Member::waiting(Rc::clone(&connection), id, topics));
            self.join(admitted, &member, &connection, attempt).await?;
            Ok((member, parts))
        })
        .await
    }

    /// Gives up what takes too long.
    pub async fn in_time<T>(
        &self,
        namespace: &Namespace,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        timeout(self.services.control.admission_timeout(), work).await.unwrap_or_else(|_| {
            Refusal::Late.log(namespace.first.name());
            Err(Refusal::Late)
        })
    }

    /// Puts a client into its groups; out of all of them again, if that fails or is given up. Its users' permits are the
    /// connection's then.
    pub async fn join(
        &self,
        mut admitted: Admitted,
        member: &Rc<Member>,
        connection: &Connection,
        attempt: u32,
    ) -> Result<(), Refusal> {
        self.services.shard.join_all(member, &admitted.groups).await.map_err(Refusal::Layer)?;
        admitted.keep_permits(connection, attempt);
        Ok(())
    }

    /// Who it is for consumers that authenticate alike; from now on it can be disconnected.
    async fn identify(
        &self,
        alike: &[Arc<Consumer>],
        head: &RequestHead<'_>,
        token: Option<&str>,
        connection: &Rc<Connection>,
    ) -> Result<Known, AuthError> {
        let began = Instant::now();
        let (authenticator, methods) = (&self.services.authenticator, alike.first().map_or(&[][..], |one| one.auth()));
        let identity = match token {
            Some(token) => {
                let token = token.strip_prefix("Bearer ").unwrap_or(token);
                authenticator.identify_by(methods, token.trim()).await
            }
            None => authenticator.authenticate(methods, head).await,
        };
        self.services.metrics.token(identity.as_ref().map_or_else(AuthError::label, |_| "valid"));
        let identity = identity?;
        let ends = alike.iter().any(|consumer| consumer.ends_with_token());
        let principal = self.services.enter(connection, &identity, &identity.user, ends, began)?;
        Ok(Known { identity, principal, ends, began })
    }

    /// Whether a consumer admits a client, and what it joins then.
    async fn ask(
        &self,
        consumer: &Arc<Consumer>,
        known: Known,
        context: Context,
        connection: &Rc<Connection>,
        admitted: &mut Option<Admitted>,
    ) -> Result<(), Refusal> {
        let Known { mut identity, mut principal, ends, began } = known;
        let subject = user_id_of(&identity.user);
        // Only `on_admit` can make it another user than the token's.
        let user = if consumer.has_on_admit() { identity.user.clone() } else { take(&mut identity.user) };
        let context = Context { user, claims: take(&mut identity.claims), ..context };
        if !consumer.may_keep(context.weight()) {
            return Err(Refusal::State);
        }
        let context = self.services.admit(consumer, context).await.map_err(|Refused(text)| Refusal::Denied(text))?;
        // Whom `on_admit` found stands for whom the token named, also where it is counted and disconnected. A user without
        // an id is still the token's: the end of the token, and of its user, must find the connection.
        let found = user_id_of(&context.user).filter(|found| subject.as_ref() != Some(found));
        if found.is_some() {
            principal =
                self.services.enter(connection, &identity, &context.user, ends, began).map_err(Refusal::Auth)?;
        }
        let permit = self.permit(connection, found.or(subject).as_deref()).await?;
        let groups = consumer.groups(&context).map_err(Refusal::Groups)?;
        let everybody = consumer.namespace().and_then(|name| GroupName::of_namespace(name).ok());

        let all = admitted.get_or_insert_with(|| Admitted {
            parts: Vec::with_capacity(1),
            subprotocol: identity.subprotocol,
            groups: Vec::new(),
            permits: Vec::new(),
            before_subscribe: consumer.topics().before_subscribe,
            gap_consumer: None,
        });
        all.gap_consumer = all.gap_consumer.or_else(|| consumer.asks_for_gaps(&context).then(|| consumer.id()));
        all.parts.push(Part::new(Arc::clone(consumer), context, principal));
        all.permits.extend(permit);
        all.groups.extend(groups.into_iter().chain(everybody).map(|group| (group, consumer.id())));
        Ok(())
    }

    /// The user's permit for this connection, where users are counted.
    async fn permit(&self, connection: &Connection, user: Option<&str>) -> Result<Option<Rc<UserPermit>>, Refusal> {
        let (Some(users), Some(user)) = (self.services.control.users(), user) else { return Ok(None) };
        let permit = connection.with_permits(|permits| permits.of_user(user));
        permit.take(users).await.map_err(Refusal::Limited)?;
        Ok(Some(permit))
    }
}

impl Admitted {
    /// The client as a member of the hub, which joins no group yet.
    pub fn member(&self, make: impl FnOnce(BeforeSubscribe) -> Rc<Member>) -> Rc<Member> {
        let member = make(self.before_subscribe);
        if let Some(consumer) = self.gap_consumer {
            member.tell_gaps(consumer);
        }
        member
    }

    /// Its consumers' parts in the session.
    pub fn take_parts(&mut self) -> Box<[Part]> {
        take(&mut self.parts).into_boxed_slice()
    }

    /// Its users' permits are the connection's from now on, for as long as this attempt lasts.
    pub fn keep_permits(&mut self, connection: &Connection, attempt: u32) {
        if !self.permits.is_empty() {
            connection.with_permits(|permits| permits.keep(attempt, take(&mut self.permits)));
        }
    }
}
