//! Lets all connections of a user join or leave a group, on every node: `{"group": "board.7", "consumer": "board"}`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{Admin, access::Problem, disconnect, order, plural};
use crate::{
    cluster::{Answer, NodeId, OrderError},
    event::{GroupOrderResult, Value},
    http::publish::PublishGate,
};

/// `POST user/{id}/join`
pub(super) async fn join(
    request: HttpRequest,
    admin: web::Data<Admin>,
    publish: web::Data<PublishGate>,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    regroup(&request, &admin, &publish, ("join", "joined", id.into_inner()), payload).await
}

/// `POST user/{id}/leave`
pub(super) async fn leave(
    request: HttpRequest,
    admin: web::Data<Admin>,
    publish: web::Data<PublishGate>,
    id: web::Path<String>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    regroup(&request, &admin, &publish, ("leave", "left", id.into_inner()), payload).await
}

async fn regroup(
    request: &HttpRequest,
    admin: &Admin,
    publish: &PublishGate,
    (change, changed, user): (&'static str, &'static str, String),
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    disconnect::admit(request, admin, publish).await?;
    let body = order::json(request, payload, admin.0.body).await?;
    let order = order_of(&body, change, &user)?;
    let answers = admin.0.cluster.regroup(&order, super::PATIENCE).await;
    let asked = Admin::asked(answers.map_err(|error| match error {
        OrderError::Invalid(invalid) if invalid.field == change => Problem::Invalid {
            field: "group".to_owned(),
            // "join must be text"; a name in the reason is left as it is.
            reason: match invalid.reason.strip_prefix(change).filter(|rest| rest.starts_with(' ')) {
                Some(rest) => format!("group{rest}"),
                None => invalid.reason,
            },
        },
        error => error.into(),
    })?);
    let results = asked.answers.iter().map(|(_, answer)| match answer {
        Answer::Regrouped(result) => *result,
        _ => GroupOrderResult::default(),
    });
    let GroupOrderResult { connections, changed: count, failed } = results.sum();
    let message = format!("{} {changed} the group", plural(count, "connection"));
    let mut data = json!({ "userId": user, "group": body.get("group"), "connections": connections, changed: count });
    if change == "join" {
        data["refused"] = failed.into();
    }
    Ok(asked.respond(&message, &data))
}

/// The order as it is sent through Redis.
fn order_of(body: &Value, change: &'static str, user: &str) -> Result<Value, Problem> {
    let invalid = |field: &str, reason: String| Err(Problem::Invalid { field: field.to_owned(), reason });
    let Some(fields) = body.as_map() else {
        return invalid("body", format!("The body must be a JSON object, not {}", body.kind()));
    };
    if let Some(unknown) = fields.keys().find(|name| !matches!(&***name, "group" | "consumer")) {
        let name: String = unknown.chars().take(64).collect();
        return invalid(&name, format!("{name:?} is not a known field"));
    }
    let Some(group) = fields.get("group").filter(|group| **group != Value::Null) else {
        return invalid("group", "group is missing".to_owned());
    };
    let consumer = fields.get("consumer").cloned().unwrap_or_default();
    let named = [("user", user.into()), (change, group.clone()), ("consumer", consumer), ("id", order_id())];
    Ok(named.into_iter().collect())
}

/// An id of its own, so that each node carries the order out once.
fn order_id() -> Value {
    NodeId::random().as_str().into()
}
