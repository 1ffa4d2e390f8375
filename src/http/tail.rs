//! `GET /api/tail`: what happens to events, live, as JSON lines while the client reads. It needs the publish key, or
//! comes from another node, which does not see the content of events.
//!
//! `?group=` and `?consumer=` name a group or a consumer, once or several times; `?drops=1` shows only what was lost;
//! `?connection=` shows only the calls of a connection; `?payload=1` includes the content of events. The stream ends when
//! the node drains.

use std::{convert::Infallible, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::{self, Bytes},
};
use futures_util::stream;

use super::{
    admin::Admin,
    publish::{self, PublishGate},
    refusal::error,
    tunnel::Drain,
};
use crate::telemetry::{
    Metrics,
    tail::{MAX_WATCHERS, TailFilter, TailWatcher},
};

/// Maximum number of lines per write.
const BATCH: usize = 256;

/// The pause between two writes, so that a flood costs the worker little; lines beyond that are reported as missed.
const PAUSE: Duration = Duration::from_millis(20);

/// An empty line is sent after this time without another: until a write fails, a client that is gone counts.
const IDLE: Duration = Duration::from_secs(2);

/// Handles the request.
pub(super) async fn tail(
    request: HttpRequest,
    access: web::Data<PublishGate>,
    admin: web::Data<Admin>,
    metrics: web::Data<Metrics>,
    drain: web::Data<Drain>,
) -> HttpResponse {
    let refusal = publish::refusal(&request, &access.load());
    let has_key = refusal.is_none();
    if let Some(refusal) = refusal
        && !admin.is_asked_by_a_node(&request)
    {
        return refusal;
    }
    let mut filter = TailFilter::default();
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        match &*name {
            "group" => drop(filter.groups.insert(value.into_owned())),
            "consumer" => drop(filter.consumers.insert(value.into_owned())),
            "drops" => filter.losses = is_on(&value),
            "connection" => drop(filter.connections.insert(value.into_owned())),
            "payload" => filter.payloads = is_on(&value),
            _ => {
                let known = "known parameters are group, consumer, drops, connection and payload";
                return error(StatusCode::BAD_REQUEST, known, Some(&name));
            }
        }
    }
    if filter.payloads && !has_key {
        let detail = "the content of events needs CHANNELGATE_API_KEY";
        return error(StatusCode::FORBIDDEN, detail, Some("payload"));
    }
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, "application/x-ndjson"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // nginx would buffer lines otherwise.
        .insert_header(("X-Accel-Buffering", "no"));
    if request.method() == Method::HEAD {
        // A stream without content would never end.
        return response.finish();
    }
    let Some(watch) = metrics.tail.watch(filter) else {
        let detail = format!("the maximum of {MAX_WATCHERS} watchers is reached");
        return error(StatusCode::TOO_MANY_REQUESTS, &detail, None);
    };
    let drain = drain.get_ref().clone();
    response.streaming(stream::unfold(Some((watch, drain, true)), |state| async {
        let (watch, drain, is_first) = state?;
        if is_first {
            // The first byte confirms the start before anything happens.
            return Some((Ok::<_, Infallible>(Bytes::from_static(b"\n")), Some((watch, drain, false))));
        }
        lines(watch, drain).await.map(|(text, state)| (Ok(text), state.map(|(watch, drain)| (watch, drain, false))))
    }))
}

fn is_on(value: &str) -> bool {
    value == "1" || value == "true"
}

/// The next lines, and the state to continue with.
async fn lines(mut watch: TailWatcher, mut drain: Drain) -> Option<(Bytes, Option<(TailWatcher, Drain)>)> {
    let next = tokio::select! {
        next = watch.next_within(IDLE) => next,
        _ = drain.wait_for(Option::is_some) => return None,
    };
    let mut text = match next {
        Ok(line) => line?,
        Err(_) => return Some((Bytes::from_static(b"\n"), Some((watch, drain)))),
    };
    tokio::time::sleep(PAUSE).await;
    watch.rest(BATCH, &mut text);
    Some((text.into(), Some((watch, drain))))
}
