//! `GET live`: a WebSocket with the figures of the cluster every five seconds, and the tail of all nodes on request.
//!
//! In: a first message with the same credential as the admin API, then filters of the tail. Out: JSON, one object per
//! message. It ends when the credential is not valid, or is not any more, when the node drains, and when the page does
//! not read. docs/ADMIN.md is the contract; docs/decisions/0046 says why it runs over actix-ws.

mod feed;
mod message;
mod sent;
mod wire;

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::pin,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Closed, Session};
use futures_util::future::{Fuse, FutureExt as _};
use serde_json::{Value as Json, json};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};

use self::{feed::Feed, sent::Sent, wire::Opened};
use super::{Admin, access::Problem, overview::Overview, stats::FEW};
use crate::{
    backend::NodeClients,
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

/// Streams without a valid credential yet.
const MAX_OPENING: usize = 64;

/// Streams of operators on this node.
const MAX_STREAMS: usize = 16;

/// The nodes have this long after the end of a step to take their sample.
const SAMPLED: Duration = Duration::from_secs(1);

/// How long a Close may wait for a page that does not read.
const CLOSING: Duration = Duration::from_secs(2);

/// The open streams of this node.
pub(super) struct Streams {
    /// Those without a valid credential yet, oldest first: one whose sender is dropped ends.
    opening: Mutex<VecDeque<oneshot::Sender<Infallible>>>,
    open: Semaphore,
}

impl Default for Streams {
    fn default() -> Self {
        Self { opening: Mutex::default(), open: Semaphore::new(MAX_STREAMS) }
    }
}

impl Streams {
    /// Adds a stream without a credential. At the limit the oldest one ends, so that such streams keep no operator out.
    fn begin(&self) -> oneshot::Receiver<Infallible> {
        let (sender, replaced) = oneshot::channel();
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        opening.retain(|stream| !stream.is_closed());
        if opening.len() >= MAX_OPENING {
            opening.pop_front();
        }
        opening.push_back(sender);
        replaced
    }
}

/// Why the node ends a stream. actix-ws cuts a reason that does not fit into a Close.
struct Ending {
    code: u16,
    reason: String,
}

impl Ending {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
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
struct StreamEnd(Option<Ending>);

impl From<Ending> for StreamEnd {
    fn from(ending: Ending) -> Self {
        Self(Some(ending))
    }
}

impl From<Closed> for StreamEnd {
    fn from(_: Closed) -> Self {
        Self(None)
    }
}

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
    let invalid = |error: actix_web::Error| Problem::Invalid { field: "upgrade".to_owned(), reason: error.to_string() };
    let Opened { response, session, messages, carrier } = wire::open(&request).await.map_err(invalid)?;
    let drain = drain.get_ref().clone();
    let stream = OperatorStream::new(admin.get_ref().clone(), publish.into_inner(), metrics.get_ref().clone(), session);
    actix_rt::spawn(stream.run(messages, drain.clone()));
    slot.accept(Accepted::by(async move |socket, early| carrier.carry(socket, early, drain).await));
    Ok(response)
}

/// One operator who looks on.
struct OperatorStream {
    admin: Admin,
    publish: Arc<PublishGate>,
    metrics: Metrics,
    session: Session,
    sent: Sent,
    feed: Option<Feed>,
    clients: Rc<NodeClients>,
}

/// What a stream asks the nodes for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The last samples, as all streams of the node do.
    Recent,
    All,
}

impl OperatorStream {
    fn new(admin: Admin, publish: Arc<PublishGate>, metrics: Metrics, session: Session) -> Self {
        Self { admin, publish, metrics, session, sent: Sent::default(), feed: None, clients: Rc::default() }
    }

    async fn run(mut self, mut messages: AggregatedMessageStream, drain: Drain) {
        let StreamEnd(ending) = tokio::select! {
            Err(end) = self.serve(&mut messages) => end,
            () = drained(drain, rand::random()) => Ending::new(1012, "the node is restarting").into(),
        };
        if let Some(Ending { code, reason }) = ending {
            let close = CloseReason { code: CloseCode::from(code), description: Some(reason) };
            let _ = timeout(CLOSING, self.session.close(Some(close))).await;
        }
    }

    async fn serve(&mut self, messages: &mut AggregatedMessageStream) -> Result<Infallible, StreamEnd> {
        let admin = self.admin.clone();
        let streams = &admin.0.streams;
        let mut replaced = streams.begin();
        let too_many = || Err(Ending::new(1013, "Too many live streams are open on this node").into());
        let (credential, expires) = tokio::select! {
            identified = self.identify(messages) => identified?,
            _ = &mut replaced => return too_many(),
        };
        let Ok(_permit) = streams.open.try_acquire() else { return too_many() };
        drop(replaced);
        tokio::select! {
            ended = self.report(messages, &credential) => ended,
            () = until(expires) => Err(Ending::new(4401, "the token has expired").into()),
        }
    }

    /// Waits for a valid credential; returns it, and when it ends.
    async fn identify(
        &mut self,
        messages: &mut AggregatedMessageStream,
    ) -> Result<(String, Option<SystemTime>), StreamEnd> {
        // Not 4401: a page that was late has no wrong credential, and tries again.
        let late = |_| Ending::new(1013, "no credential came within 5 seconds");
        let first = timeout(FIRST, receive(&mut self.session, messages)).await.map_err(late)??;
        let expected = || Ending::new(4401, "send {\"authorization\": \"<token or key>\"} first");
        let credential = message::authorization(&first).ok_or_else(expected)?;
        match self.admin.0.access.check_credential(&credential, &self.publish).await {
            Ok(expires) => Ok((credential, expires)),
            Err(problem) => Err(Ending::refused(&problem).into()),
        }
    }

    /// Reports until the stream ends. What it asks the nodes runs beside the rest: while they do not answer, or Redis
    /// is away, records go on.
    async fn report(
        &mut self,
        messages: &mut AggregatedMessageStream,
        credential: &str,
    ) -> Result<Infallible, StreamEnd> {
        let mut next = pin!(Fuse::terminated());
        let mut question = pin!(self.question(credential, Wanted::All).fuse());
        loop {
            tokio::select! {
                text = receive(&mut self.session, messages) => self.watch(&text?).await?,
                texts = records(&mut self.feed) => {
                    for text in texts {
                        self.session.text(text).await?;
                    }
                }
                () = &mut next => {
                    let goes_on = self.sent.goes_on(history::step_of(SystemTime::now()));
                    let wanted = if goes_on { Wanted::Recent } else { Wanted::All };
                    question.set(self.question(credential, wanted).fuse());
                }
                answer = &mut question => {
                    if self.figures(answer?).await? {
                        next.set(next_step().fuse());
                    } else {
                        question.set(self.question(credential, Wanted::All).fuse());
                    }
                    self.follow();
                }
            }
        }
    }

    /// Checks the credential again, and asks the nodes.
    fn question(
        &self,
        credential: &str,
        wanted: Wanted,
    ) -> impl Future<Output = Result<(Wanted, Result<Arc<Overview>, Problem>), StreamEnd>> + use<> {
        let (admin, publish, credential) = (self.admin.clone(), Arc::clone(&self.publish), credential.to_owned());
        async move {
            match admin.0.access.check_credential(&credential, &publish).await {
                // It was valid a moment ago, and whether it is still cannot be asked now.
                Ok(_) | Err(Problem::Unavailable(..)) => {}
                Err(problem) => return Err(Ending::refused(&problem).into()),
            }
            let samples = match wanted {
                Wanted::Recent => FEW,
                Wanted::All => STEPS,
            };
            Ok((wanted, admin.recent_overview(samples).await))
        }
    }

    /// Sends what the page does not have; `false` if that is not in the answer.
    async fn figures(&mut self, answer: (Wanted, Result<Arc<Overview>, Problem>)) -> Result<bool, StreamEnd> {
        let message = match answer {
            (Wanted::All, Ok(overview)) => {
                json!({ "type": "stats", "data": self.sent.all(&overview), "silent": overview.silent })
            }
            (Wanted::Recent, Ok(overview)) => match self.sent.news(&overview) {
                Some(data) => json!({ "type": "sample", "data": data, "silent": overview.silent }),
                None => return Ok(false),
            },
            (_, Err(problem)) => json!({ "type": "unavailable", "message": problem.to_string() }),
        };
        self.say(&message).await?;
        Ok(true)
    }

    /// The page wants other records of the tail, or no more.
    async fn watch(&mut self, text: &str) -> Result<(), StreamEnd> {
        match message::tail(text) {
            Ok(filter) => {
                let authenticator = self.admin.0.access.authenticator();
                let here = self.admin.0.cluster.id();
                self.feed = filter.map(|filter| {
                    let (authenticator, clients) = (Arc::clone(authenticator), Rc::clone(&self.clients));
                    Feed::new(filter, authenticator, clients, here.clone(), &self.metrics)
                });
                self.follow();
                Ok(())
            }
            Err(reason) => self.say(&json!({ "type": "invalid", "message": reason })).await,
        }
    }

    /// Follows the nodes that are alive. While Redis is away, those that were known still are.
    fn follow(&mut self) {
        if let Some(feed) = &mut self.feed {
            feed.follow(&self.admin.0.cluster.known_nodes());
        }
    }

    async fn say(&mut self, message: &Json) -> Result<(), StreamEnd> {
        Ok(self.session.text(message.to_string()).await?)
    }
}

/// The next text of the page.
async fn receive(session: &mut Session, messages: &mut AggregatedMessageStream) -> Result<String, StreamEnd> {
    loop {
        match messages.recv().await {
            Some(Ok(AggregatedMessage::Text(text))) => return Ok(text.to_string()),
            Some(Ok(AggregatedMessage::Ping(bytes))) => session.pong(&bytes).await?,
            Some(Ok(AggregatedMessage::Pong(_))) => {}
            Some(Ok(AggregatedMessage::Binary(_))) => return Err(Ending::new(1003, "send text").into()),
            Some(Ok(AggregatedMessage::Close(_))) => return Err(Ending::new(1000, "").into()),
            Some(Err(error)) => return Err(Ending::new(1002, error.to_string()).into()),
            None => return Err(StreamEnd(None)),
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

/// Resolves when this time has come. A timer does not follow a wall clock that is set: each step checks the
/// credential again.
async fn until(end: Option<SystemTime>) {
    match end {
        Some(end) => sleep(end.duration_since(SystemTime::now()).unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
