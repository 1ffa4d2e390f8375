//! Calls over HTTP: `POST <url>/<action>` with a JSON body; see docs/BACKEND.md for the contract.
//!
//! In: a [`CallRequest`]. Out: the status and the body, or the reason of the failure. Unless a request certainly never
//! left the node, Django may have executed it, so only an idempotent call is then retried. It follows no redirect, uses
//! no proxy and never logs a request's content.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use reqwest::{Client, Response, header, redirect::Policy};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout_at},
};
use url::Url;

use super::{Answer, Backend, CallResult, Unanswered, signature::signature, turns::Turns};
use crate::{
    config::{self, Secret},
    consumer::{CallRequest, Outcome},
    event::Value,
    layer::codec::json,
    limited::{self, WriteError},
    telemetry::Metrics,
};

/// Maximum size of an answer's body, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Deadline for connecting; a backend in the same network needs a thousandth of that.
const CONNECT: Duration = Duration::from_secs(2);

/// Django's servers close idle connections after a few seconds (gunicorn: 2 s), and a connection closed during a write
/// fails.
const KEEP_IDLE: Duration = Duration::from_millis(1500);

/// The pause before the second try.
const PAUSE: Duration = Duration::from_millis(50);

/// Why creating the backend failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpBackendError {
    /// The URL is not usable.
    #[error("backend.url: {0}")]
    Url(String),
    /// The HTTP client.
    #[error("the HTTP client cannot be created: {0}")]
    Client(#[from] reqwest::Error),
}

/// The backend behind a URL.
#[derive(Clone)]
pub struct HttpBackend(Arc<Shared>);

struct Shared {
    client: Client,
    url: Url,
    secret: Option<Secret>,
    timeout: Duration,
    turns: Turns,
    max_request: usize,
    metrics: Metrics,
    /// The runtime of the connections, which outlive the worker that opened them.
    runtime: Handle,
}

/// The body of a request.
#[derive(Serialize)]
struct Body<'a> {
    action: &'a str,
    data: &'a Value,
    user: &'a Value,
    connection: &'a str,
    consumer: &'a str,
}

/// One try.
struct Question<'a> {
    url: &'a Url,
    body: &'a bytes::Bytes,
    key: &'a str,
}

/// Why a try failed.
struct Failure {
    ending: CallResult,
    reason: String,
    /// The backend certainly did not receive the request.
    unsent: bool,
}

/// A client for HTTP and for HTTPS, with the root certificates of browsers.
///
/// # Errors
/// The TLS library cannot be set up.
pub fn http_client() -> reqwest::Result<Client> {
    // If the program has chosen a provider already, that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("channelgate/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(KEEP_IDLE)
        .tcp_nodelay(true)
        .build()
}

impl HttpBackend {
    /// The backend at `url`. Connections run on the caller's runtime.
    ///
    /// # Errors
    /// The URL is invalid.
    pub fn new(config: &config::Backend, url: &str, metrics: Metrics) -> Result<Self, HttpBackendError> {
        let url = Url::parse(url).map_err(|error| HttpBackendError::Url(error.to_string()))?;
        if url.cannot_be_a_base() {
            return Err(HttpBackendError::Url("the URL cannot have a path".to_owned()));
        }
        Ok(Self(Arc::new(Shared {
            client: http_client()?,
            url,
            secret: config.secret.clone(),
            timeout: config.timeout.0,
            turns: Turns::new(config.concurrency),
            max_request: config.max_request,
            metrics,
            runtime: Handle::current(),
        })))
    }
}

impl Backend for HttpBackend {
    fn call(&self, request: CallRequest) -> BoxFuture<'_, Outcome> {
        let shared = Arc::clone(&self.0);
        let asking = self.0.runtime.spawn(async move { shared.call(request).await });
        Box::pin(async { asking.await.unwrap_or_else(|_| Outcome::Failed("the node is stopping".to_owned())) })
    }
}

impl Shared {
    async fn call(&self, request: CallRequest) -> Outcome {
        let action = Arc::clone(&request.action);
        let time = request.timeout.unwrap_or(self.timeout);
        let began = Instant::now();
        let deadline = began + time;
        let late = || Failure {
            ending: CallResult::Timeout,
            reason: format!("no answer in {} ms", time.as_millis()),
            unsent: false,
        };
        let ended = timeout_at(deadline, self.asked(request, deadline)).await.unwrap_or_else(|_| Err(late()));
        let ended = ended.map_err(|Failure { ending, reason, .. }| Unanswered { ending, reason });
        let (ending, outcome) = super::ended(&action, "backend", ended);
        self.metrics.backend_call(&action, ending.label(), began.elapsed());
        outcome
    }

    async fn asked(&self, request: CallRequest, deadline: Instant) -> Result<Answer, Failure> {
        // Encoded before waiting: the bytes take less memory than the values.
        let body = self.body(&request)?;
        let (action, idempotent) = (Arc::clone(&request.action), request.idempotent);
        drop(request);
        let _turn = self.turns.take().await.map_err(|_| Failure {
            ending: CallResult::Overload,
            reason: "too many calls wait for the backend".to_owned(),
            unsent: true,
        })?;
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&action);
        }
        let key = uuid::Uuid::new_v4().to_string();
        let question = Question { url: &url, body: &body, key: &key };
        let first = self.once(&question).await;
        let again = match &first {
            Ok(Answer { status: 502..=504, .. }) => idempotent,
            Ok(_) => false,
            Err(failure) => failure.unsent || (idempotent && failure.ending == CallResult::Broken),
        };
        // Without time for a second try, the first error is more useful than a timeout.
        if !again || Instant::now() + PAUSE >= deadline {
            return first;
        }
        sleep(PAUSE).await;
        timeout_at(deadline, self.once(&question)).await.unwrap_or(first)
    }

    fn body(&self, request: &CallRequest) -> Result<bytes::Bytes, Failure> {
        let body = Body {
            action: &request.action,
            data: &request.data,
            user: &request.user,
            connection: &request.connection,
            consumer: &request.consumer,
        };
        match limited::json(&body, self.max_request) {
            Ok(body) => Ok(body.into()),
            Err(WriteError::TooLarge(limit)) => Err(Failure {
                ending: CallResult::RequestTooLarge,
                reason: format!("the request is larger than {limit} bytes (backend.max_request)"),
                unsent: true,
            }),
            Err(WriteError::Invalid(reason)) => Err(broken(reason)),
        }
    }

    async fn once(&self, question: &Question<'_>) -> Result<Answer, Failure> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()).to_string();
        let mut post = self
            .client
            .post(question.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", question.key)
            .header("X-Channelgate-Timestamp", &timestamp);
        if let Some(secret) = &self.secret {
            post = post.header("X-Channelgate-Signature", signature(secret, &timestamp, question.body));
        }
        let response = post.body(question.body.clone()).send().await.map_err(|error| failure(&error))?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
        Ok(Answer { status, body: body_of(response).await?, retry_after })
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default()),
    }
}

/// The decoded body; null if it is not valid JSON.
async fn body_of(mut response: Response) -> Result<Value, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            let reason = format!("the answer is larger than {MAX_ANSWER} bytes");
            return Err(Failure { ending: CallResult::TooLarge, reason, unsent: false });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(json::decode(&body).unwrap_or_default())
}

fn broken(reason: String) -> Failure {
    Failure { ending: CallResult::Broken, reason, unsent: false }
}

/// The innermost reason is the most precise; none contains the URL.
fn failure(error: &reqwest::Error) -> Failure {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let reason = innermost.to_string();
    match error.is_connect() {
        true => Failure {
            ending: CallResult::Unreachable,
            reason: format!("the backend is not reachable: {reason}"),
            unsent: true,
        },
        false => broken(format!("the backend's answer broke off: {reason}")),
    }
}
