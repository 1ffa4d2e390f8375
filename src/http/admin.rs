//! The admin API under `/api/websocket/`: the state of the cluster, a user's rooms, and events to users, rooms and
//! roles.
//!
//! In: requests with an access token that has the right role. Out: `{"status": "success"|"error", "message", "data"}`;
//! answers of all nodes also list in `silent` the nodes that did not answer in time. docs/ADMIN.md is the contract.

mod access;
mod disconnect;
mod emit;
mod live;
mod membership;
mod order;
mod overview;
mod stats;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, HttpResponse, Resource, ResponseError as _, http::StatusCode, http::header, web};
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;

use self::access::{Access, Problem};
use super::{
    body::BodyLimits,
    health::Draining,
    resource::{self, Verbs},
};
use crate::{
    auth::Authenticator,
    cluster::{Answer, Answers, Cluster, ClusterError, NodeId, OrderError, Query},
    config::Config,
    hub::Registry,
    layer::Readiness,
    presence::Presence,
};

/// How long the other nodes have to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The header with which a node shows that it is one.
pub(super) const TICKET: &str = "x-channelgate-ticket";

/// When a retry makes sense while Redis is unreachable.
const RETRY_AFTER: Duration = Duration::from_secs(2);

const NO_ANSWER: &str = "No node answered in time";

/// The health check is public, so it asks Redis at most this often.
const COUNT_AGE: Duration = Duration::from_secs(1);

/// The data of the routes; cheap to clone, one for all workers.
#[derive(Clone)]
pub struct Admin(Arc<Shared>);

struct Shared {
    access: Access,
    cluster: Arc<Cluster>,
    presence: Arc<dyn Presence>,
    users: Mutex<Option<(Instant, usize)>>,
    recent: stats::Recent,
    streams: live::Streams,
    body: BodyLimits,
}

impl Admin {
    /// The API of this node.
    pub fn new(
        config: &Config,
        authenticator: Arc<Authenticator>,
        cluster: Arc<Cluster>,
        presence: Arc<dyn Presence>,
    ) -> Self {
        let access = Access::new(authenticator, config.api.admin_roles.clone());
        let users = Mutex::new(None);
        let body = BodyLimits::new(config.api.max_body, config);
        let (recent, streams) = (stats::Recent::default(), live::Streams::default());
        Self(Arc::new(Shared { access, cluster, presence, users, recent, streams, body }))
    }

    /// Whether another node of the cluster asks, for one of its operators.
    pub(super) fn is_asked_by_a_node(&self, request: &HttpRequest) -> bool {
        let Some(ticket) = request.headers().get(TICKET).and_then(|value| value.to_str().ok()) else { return false };
        let Shared { cluster, access, .. } = &*self.0;
        let accepts =
            |address: Arc<str>| access.authenticator().accepts_ticket(ticket, cluster.id().as_str(), &address);
        cluster.address().is_some_and(accepts)
    }

    async fn users(&self) -> usize {
        let mut known = self.0.users.lock().await;
        if let Some((at, count)) = *known
            && at.elapsed() < COUNT_AGE
        {
            return count;
        }
        let count = self.0.presence.count().await;
        *known = Some((Instant::now(), count));
        count
    }

    async fn ask(&self, query: Query) -> Result<NodesAnswered, ClusterError> {
        Ok(Self::asked(self.0.cluster.ask(query, PATIENCE).await?))
    }

    fn asked(Answers { by_node, silent }: Answers) -> NodesAnswered {
        let mut asked = NodesAnswered { answers: Vec::new(), silent };
        for (node, answer) in by_node {
            match answer {
                Answer::Failed(reason) => {
                    log::warn!("node {node} could not answer: {reason}");
                    asked.silent.push(node);
                }
                answer => asked.answers.push((node, answer)),
            }
        }
        asked
    }
}

/// The answers of the nodes.
struct NodesAnswered {
    answers: Vec<(NodeId, Answer)>,
    silent: Vec<NodeId>,
}

impl NodesAnswered {
    /// A success, unless no node answered.
    fn respond(self, message: &str, data: &Json) -> HttpResponse {
        if self.answers.is_empty() {
            return Problem::Unavailable(NO_ANSWER.to_owned(), RETRY_AFTER).error_response();
        }
        success(message, data, &self.silent)
    }
}

/// `{"status": "success", …}`.
fn success(message: &str, data: &Json, silent: &[NodeId]) -> HttpResponse {
    let body = json!({ "status": "success", "message": message, "data": data, "silent": silent });
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// `{"status": "error", "message": …}`, with the field at fault if any.
fn problem(status: StatusCode, message: &str, field: Option<&str>) -> HttpResponse {
    let mut body = json!({ "status": "error", "message": message });
    if let Some(field) = field {
        body["field"] = field.into();
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

impl From<ClusterError> for Problem {
    fn from(error: ClusterError) -> Self {
        Self::Unavailable(format!("The other nodes cannot be asked: {error}"), RETRY_AFTER)
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Invalid(invalid) => invalid.into(),
            OrderError::Cluster(error) => error.into(),
        }
    }
}

/// Registers the routes.
pub fn configure(service: &mut web::ServiceConfig) {
    let scope = web::scope("/api/websocket")
        .service(read("/health").route(Verbs::Read.route().to(health)))
        .service(resource::counted(read("/stats").route(Verbs::Read.route().to(stats::stats))))
        .service(resource::counted(read("/live").route(Verbs::Read.route().to(live::open))))
        .service(resource::counted(read("/user/{id}/rooms").route(Verbs::Read.route().to(user_rooms))))
        .service(resource::counted(post("/user/{id}/join").route(Verbs::Post.route().to(membership::join))))
        .service(resource::counted(post("/user/{id}/leave").route(Verbs::Post.route().to(membership::leave))))
        .service(resource::counted(post("/disconnect").route(Verbs::Post.route().to(disconnect::disconnect))))
        .service(resource::counted(post("/emit/room/{name}").route(Verbs::Post.route().to(emit::to_room))))
        .service(resource::counted(post("/emit/role/{name}").route(Verbs::Post.route().to(emit::to_role))))
        .service(resource::counted(post("/emit/{name}").route(Verbs::Post.route().to(emit::to_user))))
        .default_service(web::to(unknown));
    service.service(scope);
}

fn read(path: &str) -> Resource {
    resource::both(path, Verbs::Read, |status, message| problem(status, message, None))
}

fn post(path: &str) -> Resource {
    resource::both(path, Verbs::Post, |status, message| problem(status, message, None))
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    problem(StatusCode::NOT_FOUND, &format!("Nothing is served at {}", request.path()), None)
}

/// `GET health`: public.
async fn health(admin: web::Data<Admin>, registry: web::Data<Registry>, draining: web::Data<Draining>) -> HttpResponse {
    let reason = match registry.layer().readiness() {
        _ if draining.is_draining() => Some("the node is draining".to_owned()),
        Readiness::Ready | Readiness::Degraded(_) => None,
        Readiness::NotReady(reason) => Some(reason),
    };
    let mut body = json!({
        "service": "websocket",
        "status": if reason.is_none() { "active" } else { "inactive" },
        "connectedUsers": admin.users().await,
        "timestamp": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    });
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if let Some(reason) = reason {
        body["reason"] = reason.into();
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

/// `GET user/{id}/rooms`: the rooms of a user's sockets.
async fn user_rooms(
    request: HttpRequest,
    admin: web::Data<Admin>,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    admin.0.access.check(&request).await?;
    let id = id.into_inner();
    let asked = admin.ask(Query::UserRooms(id.clone())).await?;
    let (mut rooms, mut sockets) = (BTreeSet::new(), Vec::new());
    for (node, answer) in &asked.answers {
        let Answer::Rooms(found) = answer else { continue };
        for socket in found {
            rooms.extend(socket.rooms.iter().cloned());
            sockets.push(json!({
                "id": socket.socket, "namespace": socket.namespace, "node": node, "rooms": socket.rooms,
            }));
        }
    }
    let message = format!("{} in {}", plural(sockets.len() as u64, "connection"), plural(rooms.len() as u64, "room"));
    Ok(asked.respond(&message, &json!({ "userId": id, "rooms": rooms, "sockets": sockets })))
}

fn plural(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
