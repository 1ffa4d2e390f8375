//! Relays requests for a session of another node like a reverse proxy; the socket of an upgrade is spliced.
//!
//! In: the id of a node. Out: that node's answer, or nothing if the node is unknown or unreachable. A request
//! that is abandoned here is abandoned there.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use reqwest::Response;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    backend::NodeClients,
    cluster::Cluster,
    http::tunnel::{Drain, tunnel},
    warn_bounded,
};

/// How long finding and connecting to a node may take.
const FIND: Duration = Duration::from_secs(2);

/// A relayed request is not relayed again.
const RELAYED: &str = "x-channelgate-relay";

/// Headers of a client that the other node reads.
const PASSED_ON: [&str; 9] = [
    "host",
    "origin",
    "content-type",
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "user-agent",
];

/// Headers of an answer that are returned to the client.
const PASSED_BACK: [&str; 4] = ["content-type", "cache-control", "sec-websocket-accept", "sec-websocket-extensions"];

/// The nodes that sessions may be on.
pub trait Peers: Send + Sync + 'static {
    /// This node.
    fn node_id(&self) -> &str;

    /// Host and port of another node, or `unix:` and a path; `None` if no such node is live. Bounded in time.
    fn address_of<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Option<Arc<str>>>;
}

impl Peers for Cluster {
    fn node_id(&self) -> &str {
        self.id().as_str()
    }

    fn address_of<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Option<Arc<str>>> {
        Box::pin(async move {
            match timeout(FIND, Self::address_of(self, node)).await {
                Ok(Ok(address)) => address,
                Ok(Err(error)) => {
                    warn_bounded!("cannot look up the node of a session: {error}");
                    None
                }
                Err(_) => None,
            }
        })
    }
}

/// Relays requests. One per worker.
pub(super) struct Relay {
    peers: Arc<dyn Peers>,
    clients: NodeClients,
    drain: Drain,
    /// The longest time a request may wait there for its answer.
    patience: Duration,
}

impl Relay {
    pub fn new(peers: Arc<dyn Peers>, drain: Drain, patience: Duration) -> Self {
        Self { peers, clients: NodeClients::default(), drain, patience }
    }

    /// Whether another node relayed the request to this one.
    fn is_relayed(request: &HttpRequest) -> bool {
        request.headers().contains_key(RELAYED)
    }

    async fn ask(&self, node: &str, request: &HttpRequest, body: Bytes) -> Option<Response> {
        if Self::is_relayed(request) {
            return None;
        }
        let address = self.peers.address_of(node).await?;
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let verb = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).ok()?;
        let client = self.clients.client_for(&address);
        let (client, host) =
            client.inspect_err(|error| warn_bounded!("cannot relay requests to {address}: {error}")).ok()?;
        let mut asked = client.request(verb, format!("http://{host}{target}")).header(RELAYED, "1").body(body);
        for name in PASSED_ON {
            for value in request.headers().get_all(name) {
                asked = asked.header(name, value.as_bytes());
            }
        }
        match timeout(self.patience, asked.send()).await {
            Ok(Ok(response)) => Some(response),
            Ok(Err(error)) => {
                warn_bounded!("node {node} at {address} is not reachable: {error}");
                None
            }
            Err(_) => None,
        }
    }

    /// Relays a polling request.
    pub async fn poll(&self, node: &str, request: &HttpRequest, body: Bytes) -> Option<HttpResponse> {
        let answer = self.ask(node, request, body).await?;
        Some(passed_back(answer).await)
    }

    /// Relays a WebSocket: the answer and, if it is accepted, the task that carries its bytes to the other node and
    /// back.
    pub async fn upgrade(
        &self,
        node: &str,
        request: &HttpRequest,
    ) -> Option<(HttpResponse, Option<impl AsyncFnOnce(TcpStream, BytesMut) + 'static>)> {
        let answer = self.ask(node, request, Bytes::new()).await?;
        if answer.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
            return Some((passed_back(answer).await, None));
        }
        let mut response = HttpResponse::SwitchingProtocols();
        response.upgrade("websocket");
        copy_headers(&answer, &mut response);
        let there = timeout(self.patience, answer.upgrade()).await.ok()?.ok()?;
        let drain = self.drain.clone();
        let splice = async move |here: TcpStream, early: BytesMut| {
            tunnel((here, early.freeze()), (there, Bytes::new()), drain).await;
        };
        Some((response.finish(), Some(splice)))
    }
}

async fn passed_back(answer: Response) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    copy_headers(&answer, &mut response);
    match answer.bytes().await {
        Ok(body) => response.body(body),
        Err(_) => HttpResponse::BadGateway().finish(),
    }
}

fn copy_headers(answer: &Response, response: &mut actix_web::HttpResponseBuilder) {
    for name in PASSED_BACK {
        if let Some(value) = answer.headers().get(name)
            && let Ok(value) = header::HeaderValue::from_bytes(value.as_bytes())
        {
            response.insert_header((name, value));
        }
    }
}
