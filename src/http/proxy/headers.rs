//! The heads of what is passed on: a request to the other server, and its answer to the client.
//!
//! Headers about one link stay on it (RFC 9110, section 7.6.1), and both framings are made anew, so that a body can
//! end nowhere but where the node has seen its end.

use std::borrow::Cow;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode, Version,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use hyper::{
    Method, Request,
    header::{HeaderName as UpstreamName, HeaderValue as UpstreamValue},
    http::{request, response},
};

use super::Trouble;
use crate::{
    config::Upstream,
    http::{client::TrustedHops, scope},
};

/// A request with it was passed on by a node already.
pub(super) const PASSED_ON: &str = "x-channelgate-proxied";

/// Headers about one link, in both directions.
const OF_THE_LINK: [&str; 11] = [
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of a request that the node answers or writes itself.
const OF_THE_NODE: [&str; 5] = ["expect", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", PASSED_ON];

/// What a client may claim about itself only through a trusted proxy.
fn is_claim(name: &str) -> bool {
    name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "x-real-ip")
}

/// The names that a message's `Connection` has.
fn listed(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::CONNECTION).map(|line| String::from_utf8_lossy(line.as_bytes()));
    names(lines)
}

fn names<'a>(lines: impl Iterator<Item = Cow<'a, str>>) -> Vec<String> {
    lines.flat_map(|line| line.split(',').map(|name| name.trim().to_ascii_lowercase()).collect::<Vec<_>>()).collect()
}

/// The head of a request for the other server; its body's headers are still missing.
pub(super) fn to_upstream(
    request: &HttpRequest,
    upstream: &Upstream,
    hops: &TrustedHops,
    is_upgrade: bool,
) -> Result<request::Builder, Trouble> {
    let host = request.headers().get(header::HOST);
    // A client that asks a proxy names the host twice; the two are the same, or one of them deceives.
    if let Some(authority) = request.uri().authority()
        && host.is_none_or(|host| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()))
    {
        return Err(Trouble::Target);
    }
    let method = Method::from_bytes(request.method().as_str().as_bytes()).map_err(|_| Trouble::Target)?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut head = Request::builder().method(method).uri(target);
    let peer = request.peer_addr().map(|peer| peer.ip());
    let (listed, is_trusted) = (listed(request.headers()), hops.trusts_peer(peer));
    for (name, value) in request.headers() {
        let text = name.as_str();
        let is_listed = || text != "host" && listed.iter().any(|listed| listed == text);
        // Django and WSGI take an underscore for a hyphen: such a name would stand for another header.
        let stays = OF_THE_LINK.contains(&text)
            || OF_THE_NODE.contains(&text)
            || (is_claim(text) && !is_trusted)
            || text.contains('_')
            || is_listed();
        if !stays {
            head = head.header(text, value.as_bytes());
        }
    }
    if host.is_none() {
        head = head.header("host", upstream.authority());
    }
    if let Some(client) = hops.client(request).or(peer) {
        head = head.header("x-forwarded-for", client.to_string());
    }
    let named = request.headers().get("x-forwarded-host").filter(|_| is_trusted).or(host);
    if let Some(named) = named {
        head = head.header("x-forwarded-host", named.as_bytes());
    }
    head = head.header("x-forwarded-proto", if scope::is_secure(request, hops) { "https" } else { "http" });
    head = head.header(PASSED_ON, "1");
    Ok(match is_upgrade {
        true => head.header("connection", "Upgrade").header("upgrade", "websocket"),
        // A connection serves one request: none is written into a connection that is closing.
        false => head.header("connection", "close"),
    })
}

/// The head of an answer for the client. `is_head`: of a HEAD, whose answer has a length and no body.
pub(super) fn to_client(answer: &response::Parts, request: &HttpRequest) -> Result<HttpResponseBuilder, Trouble> {
    let wrong = |_| Trouble::Broken(format!("its status is {}", answer.status));
    let mut response = HttpResponse::build(StatusCode::from_u16(answer.status.as_u16()).map_err(wrong)?);
    let lines = answer.headers.get_all("connection").iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let listed = names(lines);
    for (name, value) in &answer.headers {
        let of_the_link = OF_THE_LINK.contains(&name.as_str()) || listed.iter().any(|listed| name == listed.as_str());
        // An unchanged file has no body, but may say how long it is.
        let says_length = name == "content-length" && answer.status == hyper::StatusCode::NOT_MODIFIED;
        if (!of_the_link || says_length)
            && let Some(header) = header_for_client(name, value)
        {
            response.append_header(header);
        }
    }
    if request.version() < Version::HTTP_11 {
        response.force_close();
    }
    Ok(response)
}

fn header_for_client(name: &UpstreamName, value: &UpstreamValue) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
}

#[cfg(test)]
mod tests;
