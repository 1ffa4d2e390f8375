//! Admits clients: one way for plain WebSocket, Engine.IO and each CONNECT of Socket.IO.
//!
//! In: a client, and the consumers that it connects to. Out: a session's parts and a member of the hub in all its
//! groups, or the [`Refusal`]. A failed or cancelled admission leaves nothing behind. It writes nothing to the client.

use std::{iter::repeat_n, mem::take, rc::Rc, sync::Arc, time::Instant};

use tokio::{sync::Notify, time::timeout};

use super::{
    endpoint::Namespace,
    refusal::{Cause, Refusal},
    services::WorkerServices,
    session::Binding,
};
use crate::{
    admission::UserPermit,
    auth::{self, AuthError, Identity, RequestHead, claims::user_id_of},
    config::{BeforeSubscribe, InvalidToken},
    consumer::{Consumer, ConsumerId, Context, Traits},
    event::{ConnectionId, GroupName, Payload, Value},
    hub::{Member, Principal},
    socket::Connection,
};

/// Admits clients. One per worker.
pub struct Admission {
    /// The worker's services.
    pub services: Rc<WorkerServices>,
    /// Notified when the attempt of a Socket.IO client to connect to a namespace has an outcome.
    pub ended: Notify,
}

/// A client that requests admission; the origin of its page was checked when its request arrived.
pub struct Client<'a> {
    /// The head with its credentials.
    pub head: &'a RequestHead<'a>,
    /// How it is connected.
    pub connection: &'a Rc<Connection>,
    /// The context for consumers, without the user. A token in the CONNECT data takes precedence over those in the
    /// head.
    pub context: Context,
}

/// The identity of a client from its token, and its entry among those who can be disconnected.
#[derive(Clone)]
struct Identified {
    identity: Identity,
    principal: Option<Rc<Principal>>,
    /// Whether the connection ends with the token, and when its check began.
    ends: bool,
    began: Instant,
}

/// A client admitted by at least one consumer.
pub struct Admitted {
    bindings: Vec<Binding>,
    /// The subprotocol to echo, if any.
    pub(super) subprotocol: Option<String>,
    pub(super) groups: Vec<(GroupName, ConsumerId)>,
    permits: Vec<Rc<UserPermit>>,
    before_subscribe: BeforeSubscribe,
    /// The consumer that sends gap notices to the client: the first one that it asked.
    gap_consumer: Option<ConsumerId>,
    /// What the client gets first: the hello of the first consumer that it asked for one.
    pub(super) hello: Option<Payload>,
    /// Whether that names the connection, so that others must be able to name it, too.
    hello_names: bool,
    /// What the conditions of its consumers compare of it.
    traits: Option<Box<Traits>>,
}

/// A client that is in all its groups.
pub struct LetIn {
    /// The held member.
    pub member: Rc<Member>,
    /// Its consumers' parts in the session.
    pub bindings: Box<[Binding]>,
    /// What it gets first.
    pub hello: Option<Payload>,
}

impl Admission {
    /// With the services of a worker.
    pub fn new(services: Rc<WorkerServices>) -> Self {
        Self { services, ended: Notify::new() }
    }

    /// Asks each consumer of a namespace; if none admits, the client is refused with the first one's reason, and with
    /// that of an unavailable service before any other.
    pub async fn admit(&self, namespace: &Namespace, client: Client<'_>) -> Result<Admitted, Refusal> {
        let Client { head, connection, context } = client;
        let token = context
            .auth
            .as_deref()
            .and_then(|auth| auth.get("token"))
            .and_then(Value::as_str)
            .filter(|token| !token.is_empty());
        let token = token.map(str::to_owned);
        let mut contexts = repeat_n(context, namespace.alike.iter().map(Vec::len).sum());
        let mut admitted = None;
        let mut refused = None;
        for alike in &namespace.alike {
            let known = self.identify(alike, head, token.as_deref(), connection).await;
            let each = alike.iter().zip(repeat_n(known, alike.len())).zip(contexts.by_ref());
            for ((consumer, known), context) in each {
                let asked = match known {
                    Ok(known) => {
                        let of = (consumer, &*namespace.name);
                        self.ask(of, known, context, connection, &mut admitted).await
                    }
                    Err(error) => Err(Refusal::Auth(error)),
                };
                if let Err(refusal) = asked {
                    // The client may still be admitted by another one; its first refusal is logged by the caller.
                    log::debug!("{}: does not admit a client: {}", consumer.name(), refusal.row().detail);
                    // If one of them is away, it may admit the client later, whatever the others say.
                    let away = |refusal: &Refusal| refusal.row().cause == Cause::Unavailable;
                    if refused.as_ref().is_none_or(|first| away(&refusal) && !away(first)) {
                        refused = Some(refusal);
                    }
                }
            }
        }
        admitted.ok_or_else(|| refused.unwrap_or(Refusal::Namespace))
    }

    /// Admits a client and joins its groups, in time, as a held member: the message that confirms the connection must
    /// come first.
    pub async fn let_in(&self, namespace: &Namespace, client: Client<'_>, attempt: u32) -> Result<LetIn, Refusal> {
        let (connection, id) = (Rc::clone(client.connection), client.context.id);
        self.in_time(async {
            let mut admitted = self.admit(namespace, client).await?;
            let bindings = admitted.take_parts();
            let member = self.member(&mut admitted, &connection, id);
            let hello = admitted.hello.take();
            self.join(admitted, &member, &connection, attempt).await?;
            Ok(LetIn { member, bindings, hello })
        })
        .await
    }

    /// The client as a member of the hub, without groups yet; it is held until its session is open. `id` is unset if
    /// nothing can name it.
    pub fn member(&self, admitted: &mut Admitted, connection: &Rc<Connection>, id: Option<ConnectionId>) -> Rc<Member> {
        let member = Member::new(Rc::clone(connection), id, admitted.before_subscribe);
        member.set_traits(admitted.traits.take());
        if let Some(consumer) = admitted.gap_consumer {
            member.tell_gaps(consumer);
        }
        self.services.shard.hold(&member);
        member
    }

    /// Cancels what takes too long.
    pub async fn in_time<T>(&self, work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
        timeout(self.services.control.admission_timeout(), work).await.unwrap_or(Err(Refusal::Late))
    }

    /// Joins a client's groups; leaves all of them again if that fails or is cancelled. Then its users' permits belong
    /// to the connection.
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

    /// The identity of a client for consumers with the same authentication; from now on it can be disconnected.
    async fn identify(
        &self,
        alike: &[Arc<Consumer>],
        head: &RequestHead<'_>,
        token: Option<&str>,
        connection: &Rc<Connection>,
    ) -> Result<Identified, AuthError> {
        let began = Instant::now();
        let first = alike.first();
        let (methods, invalid) = first.map_or((&[][..], InvalidToken::Refuse), |one| (one.auth(), one.invalid()));
        let identity = self.services.authenticator.authenticate_client(methods, invalid, token, head).await;
        match &identity {
            // This client is not refused, so nothing else says why it has no user.
            Ok(Identity { ignored: Some(error), .. }) => {
                auth::report(&self.services.metrics, first.map_or("", |one| one.name()), Err(error));
            }
            checked => auth::count(&self.services.metrics, checked.as_ref().map(|_| "valid")),
        }
        let identity = identity?;
        let ends = alike.iter().any(|consumer| consumer.ends_with_token());
        let principal = self.services.enter(connection, &identity, &identity.user, ends, began)?;
        Ok(Identified { identity, principal, ends, began })
    }

    /// Whether a consumer admits a client, and the groups that it then joins.
    async fn ask(
        &self,
        (consumer, namespace): (&Arc<Consumer>, &str),
        known: Identified,
        context: Context,
        connection: &Rc<Connection>,
        admitted: &mut Option<Admitted>,
    ) -> Result<(), Refusal> {
        let Identified { mut identity, mut principal, ends, began } = known;
        let subject = user_id_of(&identity.user);
        // Only `on_admit` can set another user than the token's.
        let user = if consumer.has_on_admit() { identity.user.clone() } else { take(&mut identity.user) };
        let channel_name = match context.id.filter(|_| consumer.reads_channel_name()) {
            Some(id) => self.services.shard.registry().layer().channel_name(&id.text()).into(),
            None => Arc::default(),
        };
        let context = Context { user, claims: take(&mut identity.claims), channel_name, ..context };
        if !consumer.may_keep(context.weight()) {
            return Err(Refusal::State);
        }
        let context = self.services.admit(consumer, context).await.map_err(Refusal::from)?;
        // The user found by `on_admit` replaces the token's user, also where connections are counted and disconnected.
        // A user without an id remains the token's: when the token or its user ends, the connection must be found.
        let found = user_id_of(&context.user).filter(|found| subject.as_ref() != Some(found));
        if found.is_some() {
            principal =
                self.services.enter(connection, &identity, &context.user, ends, began).map_err(Refusal::Auth)?;
        }
        let permit = self.permit(connection, found.or(subject).as_deref()).await?;
        let groups = consumer.groups(&context).map_err(Refusal::Groups)?;
        let everybody = consumer.everybody(namespace).map_err(Refusal::Groups)?;
        let audience = self.services.shard.audience(consumer, Some(namespace));

        let all = admitted.get_or_insert_with(|| Admitted {
            bindings: Vec::with_capacity(1),
            subprotocol: identity.subprotocol,
            groups: Vec::new(),
            permits: Vec::new(),
            before_subscribe: consumer.topics().before_subscribe,
            gap_consumer: None,
            hello: None,
            hello_names: false,
            traits: None,
        });
        if let Some(traits) = consumer.traits(&context) {
            all.traits = Some(traits.with(all.traits.take()));
        }
        all.gap_consumer = all.gap_consumer.or_else(|| consumer.asks_for_gaps(&context).then_some(audience));
        if all.hello.is_none() {
            all.hello = consumer.hello(&context);
            all.hello_names = all.hello.is_some() && consumer.hello_names();
        }
        all.bindings.push(Binding::new(Arc::clone(consumer), context, principal));
        all.permits.extend(permit);
        all.groups.extend(groups.into_iter().chain(everybody).map(|group| (group, audience)));
        Ok(())
    }

    /// The user's permit for this connection, if users are counted.
    async fn permit(&self, connection: &Connection, user: Option<&str>) -> Result<Option<Rc<UserPermit>>, Refusal> {
        let (Some(users), Some(user)) = (self.services.control.users(), user) else { return Ok(None) };
        let permit = connection.with_permits(|permits| permits.of_user(user));
        permit.take(users).await.map_err(Refusal::Limited)?;
        Ok(Some(permit))
    }
}

impl Admitted {
    /// Its consumers' parts in the session.
    pub fn take_parts(&mut self) -> Box<[Binding]> {
        take(&mut self.bindings).into_boxed_slice()
    }

    /// Whether its first message names the connection.
    pub(super) const fn is_named(&self) -> bool {
        self.hello_names
    }

    /// Gives its users' permits to the connection, for as long as this attempt lasts.
    pub fn keep_permits(&mut self, connection: &Connection, attempt: u32) {
        if !self.permits.is_empty() {
            connection.with_permits(|permits| permits.keep(attempt, take(&mut self.permits)));
        }
    }
}
