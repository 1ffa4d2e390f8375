//! Who comes in: authenticates, asks each consumer of a namespace, and joins the groups of those that admit.

use std::{rc::Rc, sync::Arc, time::Instant};

use super::head::Head;
use crate::{
    admission::{Door, Refused as Limited, Seat},
    auth::{AuthError, Authenticator, Identity, claims::user_id_text},
    config::AuthMethod,
    consumer::{Consumer, ConsumerId, Context},
    event::{GroupName, Value},
    hub::{Member, Principal},
    protocol::{
        services::{Refused, WorkerServices},
        session::Part,
    },
    socket::Connection,
    warn_bounded,
};

/// What a client is told where the node is at fault; why is in the log.
const UNAVAILABLE: &str = "Service unavailable";

/// Who it is, and its place among those who can be disconnected.
type Entered = Result<(Identity, Option<Rc<Principal>>), AuthError>;

/// Lets clients in. One per worker.
pub struct Entry {
    /// What the worker works with.
    pub desk: Rc<WorkerServices>,
    /// Who is connecting.
    pub authenticator: Arc<Authenticator>,
    /// How many connections a user may have.
    pub door: Arc<Door>,
}

/// Why a client does not come in.
#[derive(Clone, Debug)]
pub enum Denied {
    /// For this reason, in words for the client.
    Text(String),
    /// Its user has reached a limit.
    Limited(Limited),
}

impl Denied {
    /// What the client is told.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Limited(refused) if refused.limit.is_the_clients() => refused.limit.text(),
            Self::Limited(_) => UNAVAILABLE,
        }
    }
}

impl From<String> for Denied {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A client that one consumer at least has admitted.
pub struct Admitted {
    parts: Vec<Part>,
    groups: Vec<(GroupName, ConsumerId)>,
    /// The places of its users among their connections.
    seats: Vec<Rc<Seat>>,
    before_subscribe: crate::config::BeforeSubscribe,
    /// The consumer that tells the client of gaps: the first that it asked.
    teller: Option<ConsumerId>,
}

impl Entry {
    /// Asks the consumers, each for itself; refused with the first one's text where none admits. `auth` is what the
    /// client sent with its CONNECT packet; a token in it goes before those of the request's head.
    pub async fn admit(
        &self,
        consumers: &[Arc<Consumer>],
        head: &Head,
        (route, auth): (&Value, Value),
        connection: &Rc<Connection>,
        id: &Arc<str>,
    ) -> Result<Admitted, Denied> {
        let mut known: Option<(&[AuthMethod], Entered)> = None;
        let mut refused = None;
        let mut admitted: Option<Admitted> = None;
        for consumer in consumers {
            let methods = consumer.auth();
            // Consumers that authenticate alike see the same user; some tokens are good for one look only.
            let identity = match known.take().filter(|(tried, _)| *tried == methods) {
                Some((_, identity)) => identity,
                None => {
                    let alike = |other: &&Arc<Consumer>| other.auth() == methods;
                    let ends = consumers.iter().filter(alike).any(|other| other.ends_with_token());
                    let began = Instant::now();
                    let identity = self.identity(methods, head, &auth).await;
                    identity.and_then(|identity| {
                        let principal = self.desk.enter(connection, &identity, ends, began)?;
                        Ok((identity, principal))
                    })
                }
            };
            known = Some((methods, identity.clone()));
            let admission = match identity {
                Ok((identity, principal)) => match self.seat(connection, &identity).await {
                    Ok(seat) => {
                        let asked = self.ask(consumer, identity, head, (route, &auth), id).await;
                        asked.map(|(context, groups)| (context, groups, seat, principal)).map_err(Denied::Text)
                    }
                    Err(refused) => Err(Denied::Limited(refused)),
                },
                Err(error) => Err(Denied::Text(refusal(consumer, &error))),
            };
            match admission {
                Ok((context, groups, seat, principal)) => {
                    let all = admitted.get_or_insert_with(|| Admitted {
                        parts: Vec::with_capacity(1),
                        groups: Vec::new(),
                        seats: Vec::new(),
                        before_subscribe: consumer.topics().before_subscribe,
                        teller: None,
                    });
                    all.teller = all.teller.or_else(|| consumer.asks_for_gaps(&context).then(|| consumer.id()));
                    all.parts.push(Part::new(Arc::clone(consumer), context, principal));
                    all.seats.extend(seat);
                    all.groups.extend(groups.into_iter().map(|group| (group, consumer.id())));
                }
                Err(denied) => {
                    refused.get_or_insert(denied);
                }
            }
        }
        admitted.ok_or_else(|| refused.unwrap_or_else(|| Denied::Text("Invalid namespace".to_owned())))
    }

    /// The user's place for this connection, where users are counted.
    async fn seat(&self, connection: &Connection, identity: &Identity) -> Result<Option<Rc<Seat>>, Limited> {
        let Some(users) = self.door.users() else { return Ok(None) };
        let Some(user) = identity.user.get("id").and_then(user_id_text) else { return Ok(None) };
        let seat = connection.with_places(|places| places.seat(&user));
        let taken = seat.take(users).await;
        if let Err(refused) = &taken {
            self.desk.metrics.handshake(refused.limit.label());
        }
        taken.map(|()| Some(seat))
    }

    /// Joins all groups, as a member that gets nothing before it is seated. Its users' places are the connection's then, for as
    /// long as this attempt lasts.
    pub async fn join(
        &self,
        connection: &Rc<Connection>,
        attempt: u32,
        admitted: Admitted,
        id: &Arc<str>,
    ) -> Result<(Rc<Member>, Box<[Part]>), String> {
        let member = Member::waiting(Rc::clone(connection), Arc::clone(id), admitted.before_subscribe);
        if let Some(teller) = admitted.teller {
            member.tell_gaps(teller);
        }
        if let Err(error) = self.desk.shard.join_all(&member, &admitted.groups).await {
            warn_bounded!("a client is refused: {error}");
            return Err(UNAVAILABLE.to_owned());
        }
        if !admitted.seats.is_empty() {
            connection.with_places(|places| places.keep(attempt, admitted.seats));
        }
        Ok((member, admitted.parts.into_boxed_slice()))
    }

    /// What a client is told whom it took too long to let in.
    pub fn too_late(&self) -> String {
        self.desk.metrics.handshake("timeout");
        warn_bounded!("a client is refused: it took longer than {:?} to let it in", self.door.admission_timeout());
        UNAVAILABLE.to_owned()
    }

    async fn identity(&self, methods: &[AuthMethod], head: &Head, auth: &Value) -> Result<Identity, AuthError> {
        let shown = auth.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let identity = match shown {
            Some(token) => {
                let token = token.strip_prefix("Bearer ").unwrap_or(token);
                self.authenticator.identify_by(methods, token.trim()).await
            }
            None => {
                let cookies = head.cookies();
                self.authenticator.authenticate(methods, &head.request(&cookies)).await
            }
        };
        self.desk.metrics.token(identity.as_ref().map_or_else(AuthError::label, |_| "valid"));
        identity
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
        AuthError::Invalid(_) | AuthError::Revoked | AuthError::Origin => consumer.rejection_text(false).to_owned(),
        AuthError::Unconfigured(_) | AuthError::Unavailable { .. } => {
            warn_bounded!("{}: a client is refused: {error}", consumer.name());
            UNAVAILABLE.to_owned()
        }
    }
}
