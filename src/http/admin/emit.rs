//! Events of an admin to users, roles and rooms: every node delivers to its own sockets and returns their number.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{Admin, access::Problem, order, plural, unknown};
use crate::{
    cluster::{Answer, EmitOrder, Query},
    event::{GroupName, Value, surrogate},
};

/// `POST emit/{userId}`
pub(super) async fn to_user(
    request: HttpRequest,
    admin: web::Data<Admin>,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    // An empty last path segment is not a user id.
    if matches!(id.as_str(), "room" | "role") {
        return Ok(unknown(request).await);
    }
    emit(&request, &admin, ("userId", "user_", &id), payload).await
}

/// `POST emit/role/{role}`
pub(super) async fn to_role(
    request: HttpRequest,
    admin: web::Data<Admin>,
    role: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    emit(&request, &admin, ("role", "role_", &role), payload).await
}

/// `POST emit/room/{room}`
pub(super) async fn to_room(
    request: HttpRequest,
    admin: web::Data<Admin>,
    room: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    emit(&request, &admin, ("room", "", &room), payload).await
}

async fn emit(
    request: &HttpRequest,
    admin: &Admin,
    (field, prefix, name): (&'static str, &str, &str),
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    admin.0.access.check(request).await?;
    let (namespace, args) = order::read(request, payload, admin.0.body).await?;
    let room = format!("{prefix}{name}");
    if let Err(reason) = GroupName::of_room(&room) {
        let reason = reason.to_string().replace("group name", "name of a room");
        return Err(Problem::Invalid { field: field.into(), reason });
    }
    let event = args.first().and_then(Value::as_str).map(|name| surrogate::lossy(name).into_owned());
    let asked = admin.ask(Query::Emit(EmitOrder { namespace, rooms: vec![room.into()], args })).await?;
    let sockets = asked.answers.iter().map(|(_, answer)| match answer {
        Answer::Reached(sockets) => *sockets,
        _ => 0,
    });
    let sockets: u64 = sockets.sum();
    let message = format!("Event sent to {}", plural(sockets, "connection"));
    Ok(asked.respond(&message, &json!({ "event": event, field: name, "sockets": sockets })))
}
