//! Plain WebSocket: JSON or raw messages, answered by the consumer's handlers.

use std::{rc::Rc, sync::Arc};

use super::{
    admission::{Admission, Client},
    endpoint::Endpoint,
    new_id, query, query_weight,
    refusal::Refusal,
    session::{Outlet, Session},
};
use crate::{
    auth::RequestHead,
    consumer::{Consumer, Context, decode_path},
    event::{GapReason, Incoming, Payload, Value},
    socket::{Connection, ConnectionHandler, close::CloseCode},
};

/// Admits a client and opens its session; returns the subprotocol to echo, if any.
pub async fn admit(
    admission: &Admission,
    endpoint: &Endpoint,
    head: &RequestHead<'_>,
    route: Value,
    connection: &Rc<Connection>,
) -> Result<Option<String>, Refusal> {
    let namespace = endpoint.namespace("/").ok_or(Refusal::Namespace)?;
    if !endpoint.consumer().may_keep(query_weight(head.query)) {
        return Err(Refusal::State);
    }
    // Has a public id only if a handler can name it.
    let id = if endpoint.consumer().needs_context() { new_id() } else { Arc::default() };
    let context = Context { route, query: query(head.query), id: Arc::clone(&id), ..Context::default() };
    let client = Client { head, connection, context };
    let work = async {
        let mut admitted = admission.admit(namespace, client).await?;
        let (bindings, subprotocol) = (admitted.take_parts(), admitted.subprotocol.take());
        let member = admission.member(&admitted, connection, Some(id).filter(|id| !id.is_empty()));
        let outlet = Rc::clone(connection) as Rc<dyn Outlet>;
        let session = Session::new(Rc::clone(&admission.services), outlet, Rc::clone(&member), bindings, 0);
        connection.handled_by(Rc::clone(&session) as Rc<dyn ConnectionHandler>);
        // Before a handler can change the user.
        admitted.keep_permits(connection, 0);
        if admitted.groups.is_empty() {
            // A member without groups is not registered otherwise.
            admission.services.shard.announce(&member);
        }
        admission.join(admitted, &member, connection, 0).await?;
        session.joined();
        session.opened();
        Ok(subprotocol)
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
    fn received(self: Rc<Self>, _connection: &Rc<Connection>, message: Incoming<'_>) {
        Self::received(&self, message, None);
    }

    fn lost(self: Rc<Self>, _messages: u64) {
        self.missed(GapReason::SlowClient);
    }

    fn gone(self: Rc<Self>) {
        Self::gone(&self);
    }
}
