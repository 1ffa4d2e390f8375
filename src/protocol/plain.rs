//! Plain WebSocket: JSON or raw messages, answered by the consumer's handlers.

use std::{rc::Rc, sync::Arc};

use futures_util::future::LocalBoxFuture;

use super::{
    admission::{Admission, Client},
    endpoint::Endpoint,
    query, query_weight,
    refusal::Refusal,
    session::{self, Outlet, Session},
};
use crate::{
    auth::RequestHead,
    consumer::{Consumer, Context, decode_path},
    event::{ConnectionId, Event, GapReason, GroupOrderResult, Incoming, Payload, ReceivedOrder, Value},
    socket::{About, Connection, ConnectionHandler, close::CloseCode},
};

/// How a client is accepted.
#[derive(Clone, Debug, Default)]
pub struct Accepted {
    /// The subprotocol to echo.
    pub subprotocol: Option<String>,
    /// Further headers of the answer.
    pub headers: Vec<(String, String)>,
}

/// Admits a client and opens its session. Django gets `scope` if it runs the consumer's `connect()`.
pub async fn admit(
    admission: &Admission,
    endpoint: &Endpoint,
    head: &RequestHead<'_>,
    route: Value,
    connection: &Rc<Connection>,
    scope: impl FnOnce() -> Value,
) -> Result<Accepted, Refusal> {
    let namespace = endpoint.namespace("/").ok_or(Refusal::Namespace)?;
    if !endpoint.consumer().may_keep(query_weight(head.query)) {
        return Err(Refusal::State);
    }
    // Has a public id only if something can name it.
    let needs_id = endpoint.consumer().needs_id();
    let id = (needs_id || endpoint.consumer().hello_names()).then(ConnectionId::random);
    let host = endpoint.host(head);
    let context = Context { route, query: query(head.query), id, host, ..Context::default() };
    let client = Client { head, connection, context };
    let work = async {
        let mut admitted = admission.admit(namespace, client).await?;
        let (bindings, of_token) = (admitted.take_parts(), admitted.subprotocol.take());
        let (hello, id) = (admitted.hello.take(), id.filter(|_| needs_id || admitted.is_named()));
        let member = admission.member(&mut admitted, connection, id);
        let outlet = Rc::clone(connection) as Rc<dyn Outlet>;
        let session = Session::new(Rc::clone(&admission.services), outlet, Rc::clone(&member), bindings, 0);
        connection.handled_by(Rc::clone(&session) as Rc<dyn ConnectionHandler>);
        session.serve_calls(&member);
        // Before a handler can change the user.
        admitted.keep_permits(connection, 0);
        if admitted.groups.is_empty() {
            // A member without groups is not registered otherwise.
            admission.services.shard.announce(&member);
        }
        admission.join(admitted, &member, connection, 0).await?;
        session.settle();
        let accepted = session.connect(scope).await?;
        session.joined();
        let (accepted, call) = match accepted {
            Some(session::Accepted { subprotocol, headers, call }) => (Accepted { subprotocol, headers }, Some(call)),
            None => {
                let own = endpoint.consumer().subprotocol(&head.subprotocols).map(str::to_owned);
                // The application's own goes before the one that carried the token.
                (Accepted { subprotocol: own.or(of_token), headers: Vec::new() }, None)
            }
        };
        session.opened(hello.as_ref(), call);
        Ok(accepted)
    };
    admission.in_time(work).await
}

/// Closes a connection that is accepted only for this, because a browser cannot read another answer; returns the
/// counted outcome. `None`, without doing anything, if the client gets the HTTP answer.
pub fn turn_away(
    refusal: &Refusal,
    consumer: &Consumer,
    connection: &Connection,
    request: Requested<'_>,
) -> Option<&'static str> {
    let closing = refusal.closing(consumer.reject())?;
    let route = consumer.matches(&decode_path(request.path)).unwrap_or_default();
    let context = Context { route, query: query(request.query), ..Context::default() };
    if !consumer.closes_refused(&context) {
        return None;
    }
    if let Some(frame) = consumer.refusal_frame(&context).filter(|_| closing.frame) {
        connection.send(&frame);
    }
    connection.close(closing.code, closing.reason);
    Some(refusal.row().label)
}

/// What a request says by itself.
#[derive(Clone, Copy)]
pub struct Requested<'a> {
    /// Its raw path.
    pub path: &'a str,
    /// Its raw query, without `?`.
    pub query: &'a str,
}

impl Outlet for Connection {
    fn send(&self, payload: &Payload) {
        Self::send(self, payload);
    }

    fn close(&self, code: CloseCode, reason: &str) {
        Self::close(self, code, reason);
    }

    fn hold(&self, hold: bool) {
        Self::hold(self, hold);
    }
}

impl ConnectionHandler for Session {
    fn received(self: Rc<Self>, connection: &Rc<Connection>, message: Incoming<'_>) {
        if connection.answers_heartbeat(message) {
            return;
        }
        Self::received(&self, message, None);
    }

    fn lost(self: Rc<Self>, _messages: u64) {
        self.missed(GapReason::SlowClient);
    }

    fn regroup(self: Rc<Self>, order: Arc<ReceivedOrder>) -> LocalBoxFuture<'static, GroupOrderResult> {
        Self::regroup(self, order)
    }

    fn gone(self: Rc<Self>) {
        Self::gone(&self);
    }

    fn work_waits(self: Rc<Self>, _id: Option<ConnectionId>) {
        Self::work_waits(&self);
    }

    fn about(&self) -> About {
        Self::about(self)
    }

    fn takes_messages(&self) -> bool {
        self.is_bridged()
    }

    fn direct(self: Rc<Self>, event: Arc<Event>) {
        Self::direct(&self, &event);
    }
}
