//! Handshakes of plain WebSocket. The 101 is sent only after every group is joined: until then nothing of the
//! connection is visible to the client, and a failure leaves nothing behind.

use std::{rc::Rc, sync::Arc};

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

use super::{
    head,
    precheck::{Precheck, pending},
    refusal, scope,
    serving::ServingConfig,
    upgrade,
};
use crate::{
    auth::credential::looks_like_jwt,
    config::Protocol,
    event::Value,
    protocol::{
        admission::Admission,
        endpoint::Endpoint,
        plain::{self, Accepted, Requested},
        refusal::{Foreign, Refusal},
    },
    socket::{Connection, Connections, negotiate::HandshakeError, takeover::AcceptedSlot},
};

/// The state with which a worker accepts WebSockets.
pub(super) struct WebSocketHandler {
    pub admission: Rc<Admission>,
    pub precheck: Rc<Precheck>,
    pub connections: Rc<Connections>,
}

impl WebSocketHandler {
    /// Answers a request at the path of an endpoint.
    pub async fn serve(
        &self,
        serving: &ServingConfig,
        request: &HttpRequest,
        endpoint: &Endpoint,
        route: Value,
    ) -> HttpResponse {
        let (response, outcome) = match self.accept(serving, request, endpoint, route).await {
            Ok(response) => (response, "accepted"),
            Err(refusal) => {
                refusal.log(endpoint.consumer().name());
                (refusal::answer(&refusal, Protocol::WebSocket), refusal.row().label)
            }
        };
        self.admission.services.metrics.handshake(outcome);
        response
    }

    async fn accept(
        &self,
        serving: &ServingConfig,
        request: &HttpRequest,
        endpoint: &Endpoint,
        route: Value,
    ) -> Result<HttpResponse, Refusal> {
        let slot = request.extensions().get::<AcceptedSlot>().cloned();
        let agreed = upgrade::agree(request, serving.compression);
        let (slot, agreed) = match (slot, agreed) {
            (Some(slot), agreed) => (slot, agreed.map_err(Refusal::Handshake)?),
            // actix-http takes a request with a chunked body for an ordinary one.
            (None, Err(body @ HandshakeError::Body)) => return Err(Refusal::Handshake(body)),
            (None, _) => return Err(Refusal::NotAnUpgrade),
        };
        let permit = self.precheck.permit(request)?;
        let head = head::of(request);
        let foreign = |_| Refusal::Origin(Foreign::new(head.origin, head.host, serving.origins));
        self.admission.services.authenticator.check_origin(&head).map_err(foreign)?;
        let connection =
            Connection::pending(Rc::clone(&self.connections), Arc::clone(endpoint.limits()), agreed.deflate);
        let pending = pending(&connection, permit);
        let scope = || scope::of(request, &self.precheck.hops);
        let accepted = match plain::admit(&self.admission, endpoint, &head, route, &connection, scope).await {
            Ok(accepted) => accepted,
            Err(refusal) => {
                let (consumer, requested) =
                    (endpoint.consumer(), Requested { path: request.path(), query: head.query });
                let turned_away = plain::turn_away(&refusal, consumer, &connection, requested);
                let Some(outcome) = turned_away else { return Err(refusal) };
                refusal.log(consumer.name());
                self.admission.services.metrics.handshake(outcome);
                // A browser that offered subprotocols and gets none back would report an error, not the close code.
                let mut offered = head.subprotocols.split(',').map(str::trim);
                let own = consumer.subprotocol(&head.subprotocols);
                let first = || offered.find(|name| !name.is_empty() && !looks_like_jwt(name));
                Accepted { subprotocol: own.or_else(first).map(str::to_owned), headers: Vec::new() }
            }
        };
        slot.accept(pending);
        Ok(upgrade::switch(agreed, accepted))
    }
}
