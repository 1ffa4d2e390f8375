//! `GET /api/user/ws-token/`: a short-lived token for WebSockets in exchange for an access token.
//!
//! In: `Authorization: Bearer <access>`. Out: `{"ws_token": "…", "expires_in": 1800}`, or the refusals of Django REST
//! framework with simplejwt word for word, so that clients need no change. No answer may be cached.

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

/// The route's path, with the trailing slash of Django's router.
pub const PATH: &str = "/api/user/ws-token/";

/// The handler. [`Metrics`], if the application has them, count the outcome.
pub async fn get(
    request: HttpRequest,
    authenticator: web::Data<Authenticator>,
    metrics: Option<web::Data<Metrics>>,
) -> impl Responder {
    // A header that is not text counts as missing: no scheme can be read from it.
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

/// The answer of Django REST framework.
fn refusal(error: &AuthError) -> HttpResponse {
    let mut answer = HttpResponse::build(match error {
        AuthError::Missing | AuthError::Invalid(_) | AuthError::Revoked => StatusCode::UNAUTHORIZED,
        _ => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
    });
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    if let AuthError::Missing | AuthError::Invalid(_) | AuthError::Revoked = error {
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
        AuthError::Invalid(reason) => not_valid(reason),
        // As simplejwt's blacklist.
        AuthError::Revoked => not_valid("Token is blacklisted"),
        _ => json!({ "detail": error.to_string() }),
    })
}

fn not_valid(reason: &str) -> serde_json::Value {
    json!({
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [{ "token_class": "AccessToken", "token_type": "access", "message": reason }],
    })
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use actix_web::{App, http::header::HeaderMap, test};
    use indexmap::IndexMap;
    use serde_json::Value;

    use super::*;
    use crate::{
        auth::MemoryCache,
        config::{Auth, Config, Secret},
    };

    fn config() -> Config {
        Config { auth: Auth { secret_key: Some(Secret::new("a-secret")), ..Auth::default() }, ..Config::default() }
    }

    fn access(lifetime: u64, extra: &[(&str, Option<&str>)]) -> String {
        let extra = extra
            .iter()
            .map(|(name, value)| ((*name).into(), value.map_or(crate::event::Value::Null, crate::event::Value::from)));
        let extra: IndexMap<_, _> = extra.collect();
        let made = SystemTime::now() - Duration::from_secs(10);
        format!("Bearer {}", jwt::mint(&config().auth, "7", Duration::from_secs(lifetime), extra, made).unwrap())
    }

    async fn ask(config: &Config, authorization: Option<&str>) -> (u16, HeaderMap, Value) {
        let node = web::Data::new(Authenticator::new(config, Arc::new(MemoryCache::new())).unwrap());
        let metrics = web::Data::new(Metrics::new());
        let app = App::new().app_data(node).app_data(metrics).route(PATH, web::get().to(get));
        let app = test::init_service(app).await;
        let mut request = test::TestRequest::get().uri(PATH);
        if let Some(authorization) = authorization {
            request = request.insert_header((header::AUTHORIZATION, authorization));
        }
        let answer = test::call_service(&app, request.to_request()).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, test::read_body_json(answer).await)
    }

    #[actix_web::test]
    async fn an_access_token_is_exchanged_for_a_ws_token() {
        let (status, headers, body) = ask(&config(), Some(&access(60, &[]))).await;
        assert_eq!((status, &body["expires_in"]), (200, &json!(1800)));
        assert_eq!(body["ws_token"].as_str().unwrap().split('.').count(), 3);
        assert_eq!(headers.get("cache-control").unwrap(), "no-store");
    }

    // Recorded from Django REST framework 3.18.3 with simplejwt 5.5.1: a view with IsAuthenticated and JWTAuthentication.
    #[actix_web::test]
    async fn a_refusal_equals_that_of_django_rest_framework() {
        let not_valid = |message: &str| {
            json!({
                "detail": "Given token not valid for any token type",
                "code": "token_not_valid",
                "messages": [{ "token_class": "AccessToken", "token_type": "access", "message": message }],
            })
        };
        let missing = json!({ "detail": "Authentication credentials were not provided." });
        let malformed = json!({
            "detail": "Authorization header must contain two space-delimited values",
            "code": "bad_authorization_header",
        });
        let nobody =
            json!({ "detail": "Token contained no recognizable user identification", "code": "token_not_valid" });
        for (authorization, expected) in [
            (None, &missing),
            (Some("Basic x"), &missing),
            (Some("Bearer"), &malformed),
            (Some("Bearer a b"), &malformed),
            (Some("Bearer abc"), &not_valid("Token is invalid")),
            (Some(&access(5, &[])), &not_valid("Token is expired")),
            (Some(&access(60, &[("token_type", Some("refresh"))])), &not_valid("Token has wrong type")),
            (Some(&access(60, &[("user_id", None)])), &nobody),
        ] {
            let (status, headers, body) = ask(&config(), authorization).await;
            assert_eq!((status, &body), (401, expected));
            assert_eq!(body.to_string(), expected.to_string(), "the order of keys");
            assert_eq!(headers.get("www-authenticate").unwrap(), r#"Bearer realm="api""#);
        }
    }

    #[actix_web::test]
    async fn a_node_without_a_key_answers_503_with_the_reason() {
        for authorization in [None, Some("Bearer abc")] {
            let (status, headers, body) = ask(&Config::default(), authorization).await;
            assert_eq!(status, 503);
            assert!(body["detail"].as_str().unwrap().starts_with("DJANGO_SECRET_KEY is not set"), "{body}");
            assert!(headers.contains_key("retry-after"));
        }
    }
}
