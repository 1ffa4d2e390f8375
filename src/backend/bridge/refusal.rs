//! Answers that are not lines: what each status means, and what an operator has to change.

use std::time::Duration;

use reqwest::{
    Response,
    header::{self, HeaderMap},
};

use super::line::Failure;
use crate::backend::transport::{MAX_RETRY_AFTER, retry_after};

/// The media type of an answer.
const NDJSON: &str = "application/x-ndjson";

/// What an answer's head says.
pub(super) enum Head {
    /// Lines follow.
    Lines(Response),
    /// Django, or what is before it, cannot answer now; or it has broken down on the way.
    Unavailable { reason: String, retry_after: Option<Duration> },
    /// Every call will fail like this one.
    Wrong(Failure),
}

/// Reads the head of an answer to a request of this size.
pub(super) fn head(response: Response, size: usize, signs: bool) -> Head {
    let status = response.status();
    let kind = media_type(response.headers());
    let wrong = |what: String| Head::Wrong(Failure::Misconfigured(format!("Django answered {status} {what}")));
    match status.as_u16() {
        200 => match encoding(response.headers()) {
            Some(encoding) => wrong(format!(
                "with the encoding {encoding:?}: a middleware or a proxy compresses it; the path of the bridge must not be compressed"
            )),
            None if kind == NDJSON => Head::Lines(response),
            None => wrong(format!(
                "with {kind:?} instead of {NDJSON}: backend.url is not where channelgate.urls is mounted, or a proxy answers"
            )),
        },
        413 => Head::Wrong(Failure::TooLarge(size)),
        408 | 425 | 429 | 500..=599 => Head::Unavailable {
            reason: format!("Django answered {status}"),
            retry_after: retry_after(&response).map(|time| time.min(MAX_RETRY_AFTER)),
        },
        300..=399 => wrong(format!(
            "to another address ({}): no redirect is followed; set backend.url to where channelgate.urls is mounted, and exempt it \
             from SECURE_SSL_REDIRECT",
            target(response.headers())
        )),
        code => wrong(advice(code, signs)),
    }
}

/// What to change.
fn advice(status: u16, signs: bool) -> String {
    match status {
        400 => {
            "to a call: ALLOWED_HOSTS does not have the host of backend.url, or the package channelgate is of another \
                release"
                .to_owned()
        }
        401 | 403 if !signs => {
            "to a call without a signature: set backend.secret to the SECRET in the setting CHANNELGATE".to_owned()
        }
        401 | 403 => {
            "to a signed call: backend.secret is not the SECRET in the setting CHANNELGATE, or a clock is wrong by \
                      minutes"
                .to_owned()
        }
        404 => "to a call: nothing is mounted at backend.url + /channels, or the setting CHANNELGATE has no SECRET"
            .to_owned(),
        405 => "to a POST: backend.url is not where channelgate.urls is mounted".to_owned(),
        _ => "to a call: check backend.url, and what is between the node and Django".to_owned(),
    }
}

/// The media type, without parameters.
fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.chars().take(80).collect()
}

/// The encoding of the body, if it has one.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_ENCODING)?.to_str().unwrap_or("?").trim().to_ascii_lowercase();
    (!text.is_empty() && text != "identity").then(|| text.chars().take(40).collect())
}

/// Where a redirect leads, without its query.
fn target(headers: &HeaderMap) -> String {
    let text = headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("without Location");
    text.split(['?', '#']).next().unwrap_or_default().chars().take(200).collect()
}
