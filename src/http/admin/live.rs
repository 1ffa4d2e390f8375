//! `GET live`: a WebSocket with the figures of the cluster every five seconds, and the tail of all nodes on request.
//!
//! In: a first message with the same credential as the admin API, then filters of the tail. Out: JSON, one object per
//! message. It ends with 4401 when the credential is not valid or is not any more, with 1012 when the node drains, and when the
//! page does not read. docs/ADMIN.md is the contract; docs/decisions/0046 says why it runs over actix-ws.

mod feed;
mod message;
mod sent;
mod wire;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Closed, Session};
use serde_json::{Value as Json, json};
use tokio::time::{sleep, timeout};

use self::{feed::Feed, sent::Sent, wire::Opened};
use super::{Admin, access::Problem, stats::FEW};
use crate::{
    http::{
        health::Draining,
        publish::PublishGate,
        tunnel::{Drain, drained},
    },
    socket::takeover::{Accepted, AcceptedSlot},
    telemetry::{
        Metrics,
        history::{self, STEPS},
    },
};

/// The largest message of a page, in bytes: a token is the longest.
const MAX_MESSAGE: usize = 16 << 10;

/// How long the first message may take.
const FIRST: Duration = Duration::from_secs(5);

/// Streams that have not shown a credential yet.
const MAX_OPENING: usize = 64;

/// Streams of operators on this node.
const MAX_STREAMS: usize = 16;

/// The nodes have this long after the end of a step to take their sample.
const SAMPLED: Duration = Duration::from_secs(1);

/// The longest reason that fits into a Close, in bytes.
const MAX_REASON: usize = 123;

/// How long the page has to answer a Close.
const FAREWELL: Duration = Duration::from_secs(2);

/// The open streams of this node.
#[derive(Default)]
pub(super) struct Streams {
    opening: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

/// One of a limited number; given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(of: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = Self(Arc::clone(of));
        // One too many is given back at once.
        (place.0.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why the node ends a stream.
struct Ending {
    code: u16,
    reason: String,
}

impl Ending {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason: String = reason.into();
        // A browser does not read a Close that is longer, and would see neither code nor reason.
        let end = (0..=MAX_REASON.min(reason.len())).rfind(|end| reason.is_char_boundary(*end));
        reason.truncate(end.unwrap_or(0));
        Self { code, reason }
    }

    /// The credential does not give access.
    fn refused(problem: &Problem) -> Self {
        let code = match problem {
            Problem::Forbidden => 4403,
            Problem::Unavailable(..) => 1013,
            _ => 4401,
        };
        Self::new(code, problem.to_string())
    }
}

/// How a stream ends: by the node, or because the page has gone.
type End = Option<Ending>;

impl From<Closed> for Gone {
    fn from(_: Closed) -> Self {
        Self(None)
    }
}

/// Ends a stream from anywhere in its work.
struct Gone(End);

/// Answers a handshake.
pub(super) async fn open(
    request: HttpRequest,
    admin: web::Data<Admin>,
    publish: web::Data<PublishGate>,
    metrics: web::Data<Metrics>,
    draining: web::Data<Draining>,
    drain: web::Data<Drain>,
) -> Result<HttpResponse, Problem> {
    let slot = request.extensions().get::<AcceptedSlot>().cloned().ok_or(Problem::NoUpgrade)?;
    if draining.is_draining() {
        return Err(Problem::Unavailable("the node is draining".to_owned(), super::RETRY_AFTER));
    }
    admin.0.access.check_origin(&request)?;
    let place = Place::take(&admin.0.streams.opening, MAX_OPENING).ok_or(Problem::TooMany)?;
    let invalid = |error: actix_web::Error| Problem::Invalid { field: "upgrade".to_owned(), reason: error.to_string() };
    let Opened { response, session, messages, carrier } = wire::open(&request).await.map_err(invalid)?;
    let drain = drain.get_ref().clone();
    let stream = Stream {
        admin: admin.get_ref().clone(),
        publish: publish.into_inner(),
        metrics: metrics.get_ref().clone(),
        session,
        sent: Sent::default(),
        feed: None,
    };
    actix_rt::spawn(stream.run(messages, place, drain.clone()));
    slot.accept(Accepted::by(async move |socket, early| carrier.carry(socket, early, drain).await));
    Ok(response)
}

/// One operator who looks on.
struct Stream {
    admin: Admin,
    publish: Arc<PublishGate>,
    metrics: Metrics,
    session: Session,
    sent: Sent,
    feed: Option<Feed>,
}

impl Stream {
    async fn run(mut self, mut messages: AggregatedMessageStream, opening: Place, drain: Drain) {
        let ended = tokio::select! {
            ended = self.serve(&mut messages, opening) => ended,
            () = drained(drain, rand::random()) => Gone(Some(Ending::new(1012, "the node is restarting"))),
        };
        let Self { session, feed, .. } = self;
        drop(feed);
        let Gone(Some(Ending { code, reason })) = ended else { return };
        let close = CloseReason { code: CloseCode::from(code), description: Some(reason) };
        let farewell = async {
            // A socket that is closed with unread bytes is reset, and the page would not see the code.
            if session.close(Some(close)).await.is_ok() {
                while let Some(Ok(_)) = messages.recv().await {}
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
    }

    async fn serve(&mut self, messages: &mut AggregatedMessageStream, opening: Place) -> Gone {
        let first = timeout(FIRST, self.message(messages)).await;
        let shown = match first {
            Ok(Ok(text)) => message::authorization(&text),
            Ok(Err(gone)) => return gone,
            Err(_) => None,
        };
        let Some(shown) = shown else {
            return Gone(Some(Ending::new(4401, "send {\"authorization\": \"<token or key>\"} first")));
        };
        let expires = match self.admin.0.access.check_shown(&shown, &self.publish).await {
            Ok(expires) => expires,
            Err(problem) => return Gone(Some(Ending::refused(&problem))),
        };
        let Some(_place) = Place::take(&self.admin.0.streams.open, MAX_STREAMS) else {
            return Gone(Some(Ending::new(1013, Problem::TooMany.to_string())));
        };
        drop(opening);
        tokio::select! {
            ended = self.report(messages, &shown) => match ended {
                Ok(never) => match never {},
                Err(gone) => gone,
            },
            () = until(expires) => Gone(Some(Ending::new(4401, "the token has expired"))),
        }
    }

    /// Reports until the stream ends.
    async fn report(&mut self, messages: &mut AggregatedMessageStream, shown: &str) -> Result<Never, Gone> {
        self.figures().await?;
        let mut next = Box::pin(next_step());
        loop {
            tokio::select! {
                text = receive(&mut self.session, messages) => self.wanted(&text?).await?,
                texts = records(&mut self.feed) => {
                    for text in texts {
                        self.session.text(text).await?;
                    }
                }
                () = &mut next => {
                    next.set(next_step());
                    match self.admin.0.access.check_shown(shown, &self.publish).await {
                        // It was valid a moment ago, and whether it is still cannot be asked now.
                        Ok(_) | Err(Problem::Unavailable(..)) => {}
                        Err(problem) => return Err(Gone(Some(Ending::refused(&problem)))),
                    }
                    self.figures().await?;
                    self.follow().await;
                }
            }
        }
    }

    /// Sends the figures: all of them at first, then what the page does not have.
    async fn figures(&mut self) -> Result<(), Gone> {
        let message = match self.asked().await {
            Ok(message) => message,
            Err(problem) => json!({ "type": "unavailable", "message": problem.to_string() }),
        };
        self.say(&message).await
    }

    async fn asked(&mut self) -> Result<Json, Problem> {
        if self.sent.goes_on(history::step_of(SystemTime::now())) {
            let overview = self.admin.recent_overview(FEW).await?;
            if let Some(data) = self.sent.news(&overview) {
                return Ok(json!({ "type": "sample", "data": data, "silent": overview.silent }));
            }
        }
        let overview = self.admin.recent_overview(STEPS).await?;
        Ok(json!({ "type": "stats", "data": self.sent.all(&overview), "silent": overview.silent }))
    }

    /// The page wants other records of the tail, or none.
    async fn wanted(&mut self, text: &str) -> Result<(), Gone> {
        match message::tail(text) {
            Ok(Some(filter)) => {
                let authenticator = Arc::clone(self.admin.0.access.authenticator());
                let here = self.admin.0.cluster.id().clone();
                // The one before ends first: there is a limit of watchers.
                self.feed = None;
                self.feed = Some(Feed::new(filter, authenticator, here, &self.metrics.tail));
                self.follow().await;
                Ok(())
            }
            Ok(None) => {
                self.feed = None;
                Ok(())
            }
            Err(reason) => self.say(&json!({ "type": "invalid", "message": reason })).await,
        }
    }

    /// Follows the nodes that are alive now.
    async fn follow(&mut self) {
        if let Some(feed) = &mut self.feed
            // While Redis is away, those that are followed still are.
            && let Ok(nodes) = self.admin.0.cluster.nodes().await
        {
            feed.follow(&nodes);
        }
    }

    async fn say(&mut self, message: &Json) -> Result<(), Gone> {
        Ok(self.session.text(message.to_string()).await?)
    }

    async fn message(&mut self, messages: &mut AggregatedMessageStream) -> Result<String, Gone> {
        receive(&mut self.session, messages).await
    }
}

enum Never {}

/// The next text of the page.
async fn receive(session: &mut Session, messages: &mut AggregatedMessageStream) -> Result<String, Gone> {
    loop {
        match messages.recv().await {
            Some(Ok(AggregatedMessage::Text(text))) => return Ok(text.to_string()),
            Some(Ok(AggregatedMessage::Ping(bytes))) => session.pong(&bytes).await?,
            Some(Ok(AggregatedMessage::Pong(_))) => {}
            Some(Ok(AggregatedMessage::Binary(_))) => return Err(Gone(Some(Ending::new(1003, "send text")))),
            Some(Ok(AggregatedMessage::Close(_))) => return Err(Gone(Some(Ending::new(1000, "")))),
            Some(Err(error)) => return Err(Gone(Some(Ending::new(1002, error.to_string())))),
            None => return Err(Gone(None)),
        }
    }
}

/// The next records of the tail, if one is wanted.
async fn records(feed: &mut Option<Feed>) -> Vec<String> {
    match feed {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}

/// Resolves when the nodes have taken their samples of the current step.
async fn next_step() {
    sleep(history::until_next(SystemTime::now()) + SAMPLED).await;
}

/// Resolves when this time has come. A timer does not follow a wall clock that is set, so a look at it is due at each step.
async fn until(end: Option<SystemTime>) {
    match end {
        Some(end) => sleep(end.duration_since(SystemTime::now()).unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_a_close() {
        assert_eq!(Ending::new(4401, "expired").reason, "expired");
        assert_eq!(Ending::new(4401, "é".repeat(100)).reason, "é".repeat(61));
    }
}
