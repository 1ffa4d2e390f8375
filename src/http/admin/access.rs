//! Who may use the admin API: a client with the project's access token and the right role, or one of Django's flags; and
//! one with the key that the node printed, if it serves alone.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header},
    web,
};

use super::problem;
use crate::{
    auth::{AuthError, Authenticator, Fault, Identity, Reason},
    config::AuthMethod,
    event::Value,
    http::{
        head,
        publish::{self, PublishGate},
    },
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
    /// A page of another site sent the printed key, or opened the live stream.
    Foreign,
    /// A field is missing or wrong.
    Invalid { field: String, reason: String },
    /// It is not a WebSocket, where one is needed.
    NoUpgrade,
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
            Self::NoUpgrade => f.write_str("Open a WebSocket here"),
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
            Self::NoUpgrade => StatusCode::UPGRADE_REQUIRED,
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
            Self::NoUpgrade => {
                response.headers_mut().insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
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
    pub const fn authenticator(&self) -> &Arc<Authenticator> {
        &self.authenticator
    }

    /// Checks that this request has access.
    pub async fn check(&self, request: &HttpRequest) -> Result<(), Problem> {
        let gate = request.app_data::<web::Data<PublishGate>>();
        match gate.and_then(|gate| publish::judge_printed(request, &gate.load())) {
            Some(Ok(())) => return Ok(()),
            Some(Err(_)) => return Err(Problem::Foreign),
            None => {}
        }
        // The query is not read: URLs end up in logs.
        let identity = self.authenticator.identify_request(&head::of(request)).await;
        self.admit(identity, gate.is_some_and(|gate| publish::is_printing(&gate.load()))).map(drop)
    }

    /// Checks a token, or a key, that did not come in a request's head; returns when it ends.
    pub async fn check_credential(&self, credential: &str, gate: &PublishGate) -> Result<Option<SystemTime>, Problem> {
        if publish::is_printed(credential, &gate.load()) {
            return Ok(None);
        }
        let identity = self.authenticator.identify(&AuthMethod::Jwt, credential).await;
        let has_key = publish::is_printing(&gate.load());
        match identity {
            // It was the printed key, perhaps, until a reload set another one: this does not pass by itself.
            Err(AuthError::Unconfigured(reason)) if !has_key => Err(Problem::Unauthorized(reason.to_owned())),
            identity => self.admit(identity, has_key).map(|identity| identity.expires),
        }
    }

    /// Checks that the page that opens a socket is one of the node's own, or of an allowed origin.
    pub fn check_origin(&self, request: &HttpRequest) -> Result<(), Problem> {
        self.authenticator.check_page_origin(&head::of(request)).map_err(|_| Problem::Foreign)
    }

    /// `has_key`: there is a key that would have given access.
    fn admit(&self, identity: Result<Identity, AuthError>, has_key: bool) -> Result<Identity, Problem> {
        let identity = identity.map_err(|error| match error.retry_after() {
            Some(_) if has_key && matches!(error, AuthError::Unconfigured(_)) => {
                Problem::Unauthorized("Send the key that the node printed at its start".to_owned())
            }
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
        if self.is_admin(&identity.claims) { Ok(identity) } else { Err(Problem::Forbidden) }
    }

    fn is_admin(&self, claims: &Value) -> bool {
        let role = claims.get("role").and_then(Value::as_str);
        role.is_some_and(|role| self.roles.iter().any(|known| known == role))
            || FLAGS.iter().any(|flag| claims.get(flag) == Some(&Value::Bool(true)))
    }
}
