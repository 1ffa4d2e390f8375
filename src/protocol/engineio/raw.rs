//! Engine.IO without a protocol above it: raw messages, for a consumer's `on_raw` and `on_message`.

use std::{
    cell::OnceCell,
    rc::{Rc, Weak},
    sync::Arc,
};

use futures_util::future::LocalBoxFuture;

use super::session::{EngineSession, MessageHandler};
use crate::{
    auth::RequestHead,
    consumer::Context,
    event::{ConnectionId, GapReason, GroupOrderResult, Incoming, Payload, ReceivedOrder, Value},
    packet::Text,
    protocol::{
        admission::{Admission, Client, LetIn},
        endpoint::Endpoint,
        query, query_weight,
        refusal::Refusal,
        session::{Outlet, Session},
    },
    socket::{About, Connection, close::CloseCode},
};

/// Sends a consumer's messages; their payloads are Engine.IO packets already.
struct RawOutlet {
    connection: Rc<Connection>,
    carrier: OnceCell<Weak<EngineSession>>,
}

impl Outlet for RawOutlet {
    fn send(&self, payload: &Payload) {
        self.connection.send(payload);
    }

    fn close(&self, code: CloseCode, reason: &str) {
        self.connection.close(code, reason);
    }

    fn hold(&self, hold: bool) {
        if let Some(carrier) = self.carrier.get().and_then(Weak::upgrade) {
            carrier.hold(hold);
        }
    }
}

/// Passes the messages of a session to its consumer.
pub struct RawSession {
    session: Rc<Session>,
    outlet: Rc<RawOutlet>,
}

impl RawSession {
    /// Admits a client at once: without Socket.IO it does not connect to a namespace later. Its first message comes with
    /// the session, which does not keep it.
    pub async fn admit(
        admission: &Admission,
        endpoint: &Endpoint,
        head: &RequestHead<'_>,
        route: Value,
        connection: &Rc<Connection>,
    ) -> Result<(Self, Option<Payload>), Refusal> {
        let namespace = endpoint.namespace("/").ok_or(Refusal::Namespace)?;
        if !endpoint.consumer().may_keep(query_weight(head.query)) {
            return Err(Refusal::State);
        }
        let (id, host) = (Some(ConnectionId::random()), endpoint.host(head));
        let context = Context { route, query: query(head.query), id, host, ..Context::default() };
        let admitted = admission.let_in(namespace, Client { head, connection, context }, 0).await?;
        let LetIn { member, bindings, hello } = admitted;
        let outlet = Rc::new(RawOutlet { connection: Rc::clone(connection), carrier: OnceCell::new() });
        let (services, out) = (Rc::clone(&admission.services), Rc::clone(&outlet) as Rc<dyn Outlet>);
        let session = Session::new(services, out, Rc::clone(&member), bindings, 0);
        session.serve_calls(&member);
        Ok((Self { session, outlet }, hello))
    }

    /// The session is open, on this Engine.IO session.
    pub fn opened(&self, carrier: &Rc<EngineSession>, hello: Option<&Payload>) {
        if self.outlet.carrier.set(Rc::downgrade(carrier)).is_ok() {
            self.session.settle();
            self.session.opened(hello, None);
        }
    }
}

impl MessageHandler for RawSession {
    fn text(self: Rc<Self>, _session: &Rc<EngineSession>, text: Text) {
        self.session.received(Incoming::Text(&text), None);
    }

    fn binary(self: Rc<Self>, _session: &Rc<EngineSession>, bytes: &[u8]) {
        self.session.received(Incoming::Binary(bytes), None);
    }

    fn is_settled(&self) -> bool {
        true
    }

    fn about(&self) -> About {
        self.session.about()
    }

    fn lost(&self) {
        self.session.missed(GapReason::SlowClient);
    }

    fn regroup(&self, order: Arc<ReceivedOrder>) -> LocalBoxFuture<'static, GroupOrderResult> {
        Rc::clone(&self.session).regroup(order)
    }

    fn work_waits(&self, _id: Option<ConnectionId>) {
        self.session.work_waits();
    }

    fn gone(&self) {
        self.session.gone();
    }
}
