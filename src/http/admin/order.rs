//! The body of an emit: `{"event": "notice", "data": {"text": "…"}, "namespace": "/"}`.

use std::sync::Arc;

use actix_web::{HttpRequest, web};

use super::{RETRY_AFTER, access::Problem};
use crate::{
    event::Value,
    http::body::{self, BodyError, BodyLimits},
    layer::codec::json,
    packet::is_reserved_event,
};

/// A JSON body.
pub(super) async fn json(request: &HttpRequest, payload: web::Payload, limits: BodyLimits) -> Result<Value, Problem> {
    let body = body::read(request, payload, limits).await.map_err(|error| match error {
        BodyError::TooLarge => Problem::TooLarge,
        BodyError::Late => Problem::Late,
        full @ BodyError::NoRoom => Problem::Unavailable(full.to_string(), RETRY_AFTER),
        BodyError::Broken(reason) => invalid("body", format!("The body cannot be read: {reason}")),
    })?;
    json::decode(&body).map_err(|reason| invalid("body", format!("The body cannot be read: {reason}")))
}

/// The namespace, and the event's name with its argument, if any.
pub(super) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    limits: BodyLimits,
) -> Result<(Arc<str>, Vec<Value>), Problem> {
    let order = json(request, payload, limits).await?;
    if order.as_map().is_none() {
        return Err(invalid("body", format!("The body must be a JSON object, not {}", order.kind())));
    }
    let event = match order.get("event") {
        None | Some(Value::Null) => return Err(invalid("event", "Event name is required".to_owned())),
        Some(Value::Str(name)) if name.is_empty() => {
            return Err(invalid("event", "Event name must not be empty".to_owned()));
        }
        Some(Value::Str(name)) if is_reserved_event(name) => {
            return Err(invalid("event", format!("Event name {name:?} is reserved by Socket.IO")));
        }
        Some(Value::Str(name)) => Value::Str(name.clone()),
        Some(other) => return Err(invalid("event", format!("Event name must be text, not {}", other.kind()))),
    };
    let namespace = match order.get("namespace") {
        None | Some(Value::Null) => "/",
        Some(Value::Str(name)) if name.starts_with('/') => name,
        Some(_) => return Err(invalid("namespace", "Namespace must be text that begins with \"/\"".to_owned())),
    };
    let args = [Some(event), order.get("data").cloned()];
    Ok((namespace.into(), args.into_iter().flatten().collect()))
}

fn invalid(field: &str, reason: String) -> Problem {
    Problem::Invalid { field: field.to_owned(), reason }
}
