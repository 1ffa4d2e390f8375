//! Handshakes of plain WebSocket. The 101 is sent only after every group is joined: until then nothing of the
//! connection is visible to the client, and a failure leaves nothing behind.

use std::{rc::Rc, sync::Arc};

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

use super::{
    head,
    precheck::{Precheck, pending},
    refusal,
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
        plain::{self, Requested},
        refusal::{Foreign, Refusal},
    },
    socket::{Connection, Connections, takeover::AcceptedSlot},
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
        let slot = request.extensions().get::<AcceptedSlot>().cloned().ok_or(Refusal::NotAnUpgrade)?;
        let agreed = upgrade::agree(request, serving.compression).map_err(Refusal::Handshake)?;
        let permit = self.precheck.permit(request)?;
        let head = head::of(request);
        let foreign = |_| Refusal::Origin(Foreign::new(head.origin, head.host, serving.origins));
        self.admission.services.authenticator.check_origin(&head).map_err(foreign)?;
        let connection =
            Connection::pending(Rc::clone(&self.connections), Arc::clone(endpoint.limits()), agreed.deflate);
        let accepted = pending(&connection, permit);
        let subprotocol = match plain::admit(&self.admission, endpoint, &head, route, &connection).await {
            Ok(subprotocol) => subprotocol,
            Err(refusal) => {
                let (consumer, requested) =
                    (endpoint.consumer(), Requested { path: request.path(), query: head.query });
                let turned_away = plain::turn_away(&refusal, consumer, &connection, requested);
                let Some(outcome) = turned_away else { return Err(refusal) };
                refusal.log(consumer.name());
                self.admission.services.metrics.handshake(outcome);
                // A browser that offered subprotocols and gets none back would report an error, not the close code.
                let mut offered = head.subprotocols.split(',').map(str::trim);
                offered.find(|name| !name.is_empty() && !looks_like_jwt(name)).map(str::to_owned)
            }
        };
        slot.accept(accepted);
        Ok(upgrade::switch(agreed, subprotocol))
    }
}
