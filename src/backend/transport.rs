//! Requests to Django: one HTTP client, one URL and one signature for actions and for the bridge.
//!
//! In: the last part of the path, and a body. Out: the answer's head, or whether the backend may have received the
//! request. It follows no redirect, uses no proxy, repeats nothing that was sent and never logs a request's content.

use std::{
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use reqwest::{Client, Response, header};
use tokio::task::yield_now;
use url::Url;

use super::signature::signature;
use crate::{
    config::{self, Secret},
    http_client::http_client,
};

/// How long a client may be told to wait, at most, whatever the backend says.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

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

/// The way to a backend.
pub(super) struct Transport {
    client: Client,
    url: Url,
    secret: Option<Secret>,
}

/// A request without an answer.
#[derive(Debug)]
pub(super) struct Trouble {
    pub reason: String,
    /// The backend certainly did not receive the request.
    pub unsent: bool,
}

impl Transport {
    /// The way to the backend at `url`.
    pub fn new(config: &config::Backend, url: &str) -> Result<Self, HttpBackendError> {
        let url = Url::parse(url).map_err(|error| HttpBackendError::Url(error.to_string()))?;
        if url.cannot_be_a_base() {
            return Err(HttpBackendError::Url("the URL cannot have a path".to_owned()));
        }
        Ok(Self { client: http_client()?, url, secret: config.secret.clone() })
    }

    /// The URL with this as the last part of its path.
    pub fn to(&self, last: &str) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(last);
        }
        url
    }

    /// Whether requests are signed.
    pub const fn signs(&self) -> bool {
        self.secret.is_some()
    }

    /// Sends a signed body; returns when the head of the answer is there.
    pub async fn post(&self, url: &Url, body: &Bytes, more: (&str, &str)) -> Result<Response, Trouble> {
        // Lets the runtime see which idle connections the backend has closed meanwhile, so that none of them is used: a
        // request that is written into one fails, and nobody knows whether it was received. The first turn reads the
        // events, the second lets their tasks run that another worker thread has taken.
        yield_now().await;
        yield_now().await;
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()).to_string();
        let mut post = self
            .client
            .post(url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(more.0, more.1)
            .header("X-Channelgate-Timestamp", &timestamp);
        if let Some(secret) = &self.secret {
            post = post.header("X-Channelgate-Signature", signature(secret, &timestamp, body));
        }
        post.body(body.clone()).send().await.map_err(|error| Trouble::of(&error))
    }
}

impl Trouble {
    /// The innermost reason is the most precise; none contains the URL.
    pub fn of(error: &reqwest::Error) -> Self {
        let mut innermost: &dyn Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let unsent = error.is_connect();
        let what = if unsent { "the backend is not reachable" } else { "the backend's answer broke off" };
        Self { reason: format!("{what}: {innermost}"), unsent }
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default()),
    }
}
