//! Passes requests and sockets to a session of another worker of this node.
//!
//! Separate from the channels of the hub (`hub/workers.rs`): those carry events, know no protocol, and drop when full.

use std::{
    rc::Rc,
    sync::{PoisonError, RwLock},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    net::TcpStream,
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
};

use super::{polling::Polled, sessions::Sessions, sid::Sid};
use crate::socket::negotiate::Deflate;

/// The transport of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Polling: it may be upgraded.
    Polling,
    /// A WebSocket, or one is taking over.
    Websocket,
}

/// Work for another worker. Each belongs to an open request or socket of the worker that it came from, so there are
/// never more of them than connections.
pub(super) enum Handover {
    Fetch { sid: Sid, answer: oneshot::Sender<Polled> },
    Bring { sid: Sid, body: Bytes, answer: oneshot::Sender<Polled> },
    Look { sid: Sid, found: oneshot::Sender<Option<Carrier>> },
    Upgrade { sid: Sid, socket: DetachedSocket, done: oneshot::Sender<()> },
}

/// A socket on its way between two threads.
pub(super) struct DetachedSocket {
    stream: std::net::TcpStream,
    early: BytesMut,
    deflate: Option<Deflate>,
}

/// The workers of the node. One per node.
#[derive(Default)]
pub struct EngineWorkers(RwLock<Vec<UnboundedSender<Handover>>>);

impl EngineWorkers {
    /// Connects a new worker: its number among the sessions, and its end of the channel.
    pub(super) fn connect(&self) -> (u8, UnboundedReceiver<Handover>) {
        let (sender, receiver) = unbounded_channel();
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.push(sender);
        // The hub allows at most 64.
        (u8::try_from(all.len() - 1).unwrap_or(u8::MAX), receiver)
    }

    /// Sends to a worker; returns whether it exists.
    fn send(&self, worker: u8, handover: Handover) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(usize::from(worker)).is_some_and(|worker| worker.send(handover).is_ok())
    }
}

impl Sessions {
    /// Waits for the messages of a session on any worker of the node. Dropping the future ends the session.
    pub async fn fetch(&self, sid: Sid) -> Polled {
        if sid.worker == self.worker() {
            return match self.find(&sid) {
                Some(session) if session.is_left() => session.fetch_last(),
                Some(session) => session.fetch().await,
                None => Polled::Unknown,
            };
        }
        self.ask(sid.worker, |answer| Handover::Fetch { sid, answer }).await.unwrap_or(Polled::Unknown)
    }

    /// Passes messages to a session.
    pub async fn bring(&self, sid: Sid, body: Bytes) -> Polled {
        if sid.worker == self.worker() {
            return match self.find(&sid) {
                Some(session) if !session.is_left() => session.bring(&body).await,
                _ => Polled::Unknown,
            };
        }
        self.ask(sid.worker, |answer| Handover::Bring { sid, body, answer }).await.unwrap_or(Polled::Unknown)
    }

    /// The transport of a session; `None` if the session is unknown.
    pub async fn look(&self, sid: Sid) -> Option<Carrier> {
        if sid.worker == self.worker() {
            return self.carrier(&sid);
        }
        self.ask(sid.worker, |found| Handover::Look { sid, found }).await.flatten()
    }

    /// Passes a WebSocket accepted here to a session; resolves when the WebSocket has ended.
    pub async fn upgrade(&self, sid: Sid, stream: TcpStream, early: BytesMut, deflate: Option<Deflate>) {
        if sid.worker == self.worker() {
            if let Some(session) = self.find(&sid).filter(|session| session.may_upgrade()) {
                session.upgrade(stream, early, deflate).await;
            }
            return;
        }
        let Ok(stream) = stream.into_std() else { return };
        let socket = DetachedSocket { stream, early, deflate };
        self.ask(sid.worker, |done| Handover::Upgrade { sid, socket, done }).await;
    }

    async fn ask<T>(&self, worker: u8, handover: impl FnOnce(oneshot::Sender<T>) -> Handover) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        if self.workers().send(worker, handover(sender)) { receiver.await.ok() } else { None }
    }

    fn carrier(&self, sid: &Sid) -> Option<Carrier> {
        let session = self.find(sid).filter(|session| !session.is_left())?;
        Some(if session.may_upgrade() { Carrier::Polling } else { Carrier::Websocket })
    }

    /// Carries out the work from other workers while the worker lives.
    pub(super) async fn serve(self: Rc<Self>, mut handovers: UnboundedReceiver<Handover>) {
        while let Some(handover) = handovers.recv().await {
            let sessions = Rc::clone(&self);
            actix_rt::spawn(async move {
                match handover {
                    Handover::Fetch { sid, answer } => reply(answer, sessions.fetch(sid)).await,
                    Handover::Bring { sid, body, answer } => reply(answer, sessions.bring(sid, body)).await,
                    Handover::Look { sid, found } => drop(found.send(sessions.carrier(&sid))),
                    Handover::Upgrade { sid, socket: DetachedSocket { stream, early, deflate }, done } => {
                        if let Ok(stream) = TcpStream::from_std(stream) {
                            sessions.upgrade(sid, stream, early, deflate).await;
                        }
                        let _ = done.send(());
                    }
                }
            });
        }
    }
}

/// Answers, unless the request is dropped meanwhile.
async fn reply(mut answer: oneshot::Sender<Polled>, work: impl Future<Output = Polled>) {
    let worked = tokio::select! {
        worked = work => worked,
        () = answer.closed() => return,
    };
    let _ = answer.send(worked);
}
