//! Who may use the admin API: a client with the project's access token and the right role, or one of Django's flags.

use std::{fmt, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header},
};

use super::problem;
use crate::http::head;
use crate::{
    auth::{AuthError, Authenticator, Fault, Reason},
    event::Value,
};

/// Claims that give access if they are true.
const FLAGS: [&str; 2] = ["is_staff", "is_superuser"];

/// Why a request is not carried out.
#[derive(Debug)]
pub(super) enum Problem {
    /// No token, or none that is valid.
    Unauthorized(String),
    /// A valid token without access.
    Forbidden,
    /// The publish key, sent by a page of another site.
    Foreign,
    /// A field is missing or wrong.
    Invalid { field: String, reason: String },
    /// The body is larger than `api.max_body`.
    TooLarge,
    /// The body did not arrive within `server.body_timeout`.
    Late,
    /// The node is unavailable, for this reason.
    Unavailable(String, Duration),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized(reason) | Self::Invalid { reason, .. } | Self::Unavailable(reason, _) => {
                f.write_str(reason)
            }
            Self::Forbidden => f.write_str("Admin access required"),
            Self::Foreign => f.write_str("Pages of another site may not use this API"),
            Self::TooLarge => f.write_str("The body is larger than api.max_body"),
            Self::Late => f.write_str("The body did not come within server.body_timeout"),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::Foreign => StatusCode::FORBIDDEN,
            Self::Invalid { .. } => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable(..) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let field = match self {
            Self::Invalid { field, .. } => Some(field.as_str()),
            _ => None,
        };
        let mut response = problem(self.status_code(), &self.to_string(), field);
        match self {
            Self::Unauthorized(_) => {
                let scheme = header::HeaderValue::from_static(r#"Bearer realm="api""#);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            Self::Unavailable(_, after) => {
                response.headers_mut().insert(header::RETRY_AFTER, after.as_secs().max(1).into());
            }
            _ => {}
        }
        response
    }
}

pub(super) struct Access {
    authenticator: Arc<Authenticator>,
    roles: Vec<String>,
}

impl Access {
    pub const fn new(authenticator: Arc<Authenticator>, roles: Vec<String>) -> Self {
        Self { authenticator, roles }
    }

    /// Checks tokens.
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Checks that this request has access.
    pub async fn check(&self, request: &HttpRequest) -> Result<(), Problem> {
        // The query is not read: URLs end up in logs.
        let identity = self.authenticator.identify_request(&head::of(request)).await;
        let identity = identity.map_err(|error| match error.retry_after() {
            Some(after) => Problem::Unavailable(error.to_string(), after),
            None if matches!(
                error,
                AuthError::Missing | AuthError::Invalid(Fault { reason: Reason::BadHeader, .. })
            ) =>
            {
                Problem::Unauthorized("Authentication token required".to_owned())
            }
            None => Problem::Unauthorized(error.to_string()),
        })?;
        if self.is_admin(&identity.claims) { Ok(()) } else { Err(Problem::Forbidden) }
    }

    fn is_admin(&self, claims: &Value) -> bool {
        let role = claims.get("role").and_then(Value::as_str);
        role.is_some_and(|role| self.roles.iter().any(|known| known == role))
            || FLAGS.iter().any(|flag| claims.get(flag) == Some(&Value::Bool(true)))
    }
}
