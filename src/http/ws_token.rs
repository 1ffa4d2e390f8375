//! `GET /api/user/ws-token/`: a short-lived token for WebSockets in exchange for an access token.
//!
//! In: `Authorization: Bearer <access>`. Out: `{"ws_token": "…", "expires_in": 1800}`, or the refusals of Django REST
//! framework with simplejwt word for word, so that a client's handling of them keeps working. No answer may be cached.

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    http::{StatusCode, header},
    web,
};
use serde_json::json;

use crate::{
    auth::{AuthError, Authenticator, authenticator, jwt},
    telemetry::Metrics,
};

/// The route's path, with the slash that Django's router puts there.
pub const PATH: &str = "/api/user/ws-token/";

/// The handler. [`Metrics`], where the application has them, count how it ended.
pub async fn get(
    request: HttpRequest,
    authenticator: web::Data<Authenticator>,
    metrics: Option<web::Data<Metrics>>,
) -> impl Responder {
    // A header that is no text is as good as none: no scheme can be read from it.
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let issued = authenticator.issue_ws_token(authorization).await;
    if let Some(metrics) = metrics {
        metrics.token(issued.as_ref().map_or_else(AuthError::label, |_| "issued"));
    }
    match issued {
        Ok(issued) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(json!({ "ws_token": issued.token, "expires_in": issued.expires_in.as_secs() })),
        Err(error) => refusal(&error),
    }
}

/// What Django REST framework answers.
fn refusal(error: &AuthError) -> HttpResponse {
    let mut answer = HttpResponse::build(match error {
        AuthError::Missing | AuthError::Invalid(_) => StatusCode::UNAUTHORIZED,
        _ => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
    });
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    if let AuthError::Missing | AuthError::Invalid(_) = error {
        answer.insert_header((header::WWW_AUTHENTICATE, r#"Bearer realm="api""#));
    }
    if let Some(after) = error.retry_after() {
        answer.insert_header((header::RETRY_AFTER, after.as_secs().max(1)));
    }
    answer.json(match error {
        AuthError::Missing => json!({ "detail": "Authentication credentials were not provided." }),
        AuthError::Invalid(reason) if *error == authenticator::MALFORMED_HEADER => {
            json!({ "detail": reason, "code": "bad_authorization_header" })
        }
        AuthError::Invalid(reason) if *error == jwt::NO_USER => json!({ "detail": reason, "code": "token_not_valid" }),
        AuthError::Invalid(reason) => json!({
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{ "token_class": "AccessToken", "token_type": "access", "message": reason }],
        }),
        _ => json!({ "detail": error.to_string() }),
    })
}
