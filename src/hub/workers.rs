//! The channels to the workers, from the layer's thread and from other callers.
//!
//! Engine.IO has its own channels between workers (`protocol/engineio/workers.rs`): those carry messages for one
//! session of one worker and are bounded by the open requests; these carry messages for all members and are bounded in
//! bytes.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::spawn_local,
    time::{Instant, timeout_at},
};

use super::{
    registry::MAX_WORKERS,
    shard::{MAX_BACKLOG, Receiver, Shard, ShardMessage},
};
use crate::consumer::Consumers;

/// The channel to one worker.
struct WorkerSender {
    work: UnboundedSender<ShardMessage>,
    backlog: Arc<AtomicUsize>,
    overrun: Arc<AtomicBool>,
}

/// How many workers refused something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Overflow {
    pub workers: u64,
    /// Those of them that had accepted everything until then.
    pub newly: u64,
}

/// The answers of the workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerAnswers<T> {
    /// One answer per worker that answered.
    pub answers: Vec<T>,
    /// Workers that did not answer in time.
    pub silent: usize,
}

/// What a worker does for a question before it answers.
pub type LaterAnswer<T> = LocalBoxFuture<'static, T>;

/// All workers of the node.
#[derive(Default)]
pub(super) struct Workers(RwLock<Vec<WorkerSender>>);

impl Workers {
    /// Connects a new worker: its end of a new link, or `None` if there are too many workers.
    pub fn connect(&self, consumers: &Consumers) -> Option<Receiver> {
        let mut links = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let worker = links.len();
        if worker >= MAX_WORKERS {
            return None;
        }
        let (sender, work) = unbounded_channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let overrun = Arc::new(AtomicBool::new(false));
        let own = sender.downgrade();
        links.push(WorkerSender { work: sender, backlog: Arc::clone(&backlog), overrun: Arc::clone(&overrun) });
        Some(Receiver { worker, work, sender: own, backlog, overrun, consumers: consumers.clone() })
    }

    /// Sends work of `size` bytes to the workers of `mask`; returns how many refused it because their backlog is full.
    pub fn send(&self, mask: u64, size: usize, work: impl Fn() -> ShardMessage) -> Overflow {
        let mut refused = Overflow::default();
        let links = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (worker, link) in links.iter().enumerate() {
            if mask & (1 << worker) == 0 {
                continue;
            }
            if link.backlog.fetch_add(size, Ordering::Relaxed) > MAX_BACKLOG {
                link.backlog.fetch_sub(size, Ordering::Relaxed);
                refused.workers += 1;
                refused.newly += u64::from(!link.overrun.swap(true, Ordering::Relaxed));
                continue;
            }
            // A worker that is gone has no members any more.
            let _ = link.work.send(work());
        }
        refused
    }

    /// Sends every worker a message that takes no room and must not be refused.
    pub fn tell(&self, work: impl Fn() -> ShardMessage) {
        for link in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = link.work.send(work());
        }
    }

    /// Asks every worker, on its own thread.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl Fn(&Shard) -> T + Send + Sync + 'static,
        deadline: Duration,
    ) -> WorkerAnswers<T> {
        // The caller may have stopped waiting.
        self.ask_with(move |shard, sender| drop(sender.send(question(shard))), deadline).await
    }

    /// The same for questions that take a worker some time, in which it does other work.
    pub async fn ask_later<T: Send + 'static>(
        &self,
        question: impl Fn(&Shard) -> LaterAnswer<T> + Send + Sync + 'static,
        deadline: Duration,
    ) -> WorkerAnswers<T> {
        let begin = move |shard: &Shard, sender: UnboundedSender<T>| {
            let answer = question(shard);
            drop(spawn_local(async move { drop(sender.send(answer.await)) }));
        };
        self.ask_with(begin, deadline).await
    }

    async fn ask_with<T: Send + 'static>(
        &self,
        question: impl Fn(&Shard, UnboundedSender<T>) + Send + Sync + 'static,
        deadline: Duration,
    ) -> WorkerAnswers<T> {
        let until = Instant::now() + deadline;
        let question = Arc::new(question);
        let (sender, mut receiver) = unbounded_channel();
        let mut asked = 0;
        for link in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let (question, sender) = (Arc::clone(&question), sender.clone());
            let question = Box::new(move |shard: &Shard| question(shard, sender));
            asked += usize::from(link.work.send(ShardMessage::Question(question)).is_ok());
        }
        drop(sender);
        let mut answers = Vec::with_capacity(asked);
        while let Ok(Some(answer)) = timeout_at(until, receiver.recv()).await {
            answers.push(answer);
        }
        let silent = asked - answers.len();
        WorkerAnswers { answers, silent }
    }
}
