//! The work for a worker, and its end of the link.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::{
    mpsc::{UnboundedReceiver, WeakUnboundedSender},
    oneshot,
};

use super::Shard;
use crate::{
    consumer::Consumers,
    event::{ConnectionId, Event, GroupName},
    hub::{
        delivery::{Delivery, Union},
        missed::Missed,
    },
    layer::LayerError,
};

/// Bytes of frames that may wait for one worker before events are dropped and counted as a gap.
pub const MAX_BACKLOG: usize = 64 << 20;

/// Work for a worker.
pub enum ShardMessage {
    Delivery(Delivery),
    Union(Arc<Union>),
    Gap(Arc<Missed>),
    /// For the member with this id alone.
    Direct(ConnectionId, Arc<Event>),
    Question(Box<dyn FnOnce(&Shard) + Send>),
}

/// A worker's end of its link.
pub struct Receiver {
    /// The worker's number, from 0.
    pub worker: usize,
    pub(in crate::hub) work: UnboundedReceiver<ShardMessage>,
    /// The other end of `work`.
    pub(in crate::hub) sender: WeakUnboundedSender<ShardMessage>,
    pub(in crate::hub) backlog: Arc<AtomicUsize>,
    /// The backlog was full, and no gap notice has been sent yet.
    pub(in crate::hub) overrun: Arc<AtomicBool>,
    pub(in crate::hub) consumers: Consumers,
}

impl Shard {
    /// Resolves once this node receives every event published to `group` from then on, and this worker has accepted
    /// every earlier one.
    pub(super) async fn joined(&self, group: &GroupName) -> Result<(), LayerError> {
        self.registry.joined(group).await?;
        // Without a backlog nothing is on its way to this worker.
        if self.backlog.load(Ordering::Relaxed) > 0
            && let Some(sender) = self.sender.get().and_then(WeakUnboundedSender::upgrade)
        {
            let (accepted, earlier) = oneshot::channel();
            let question = Box::new(move |_: &Self| {
                // The member may be gone.
                let _ = accepted.send(());
            });
            if sender.send(ShardMessage::Question(question)).is_ok() {
                // It is lost only with the worker.
                let _ = earlier.await;
            }
        }
        Ok(())
    }
}
