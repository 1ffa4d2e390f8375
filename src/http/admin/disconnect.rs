//! Disconnects a user, a token or a socket on every node.

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{Admin, access::Problem, order, plural};
use crate::{
    cluster::{Answer, Disconnect, InvalidOrder},
    http::publish::{self, Denied, PublishGate},
};

impl From<InvalidOrder> for Problem {
    fn from(InvalidOrder { field, reason }: InvalidOrder) -> Self {
        Self::Invalid { field, reason }
    }
}

/// Admins, and clients with the publish key, may give orders.
pub(super) async fn admit(request: &HttpRequest, admin: &Admin, publish: &PublishGate) -> Result<(), Problem> {
    match publish::judge(request, &publish.load()) {
        Ok(()) => Ok(()),
        Err(Denied::Foreign) => Err(Problem::Foreign),
        Err(Denied::Key | Denied::Off) => admin.0.access.check(request).await,
    }
}

/// `POST disconnect`: for admins, and for clients with the publish key.
pub(super) async fn disconnect(
    request: HttpRequest,
    admin: web::Data<Admin>,
    publish: web::Data<PublishGate>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    admit(&request, &admin, &publish).await?;
    let order = order::json(&request, payload, admin.0.body).await?;
    let recognise = |token: &str| admin.0.access.authenticator().recognise(token);
    let order = Disconnect::read(&order, recognise, SystemTime::now())?;
    let asked = Admin::asked(admin.0.cluster.disconnect(order, super::PATIENCE).await?);
    let sockets = asked.answers.iter().map(|(_, answer)| match answer {
        Answer::Reached(sockets) => *sockets,
        _ => 0,
    });
    let sockets: u64 = sockets.sum();
    let message = format!("{} disconnected", plural(sockets, "connection"));
    Ok(asked.respond(&message, &json!({ "sockets": sockets })))
}
