//! The work for a worker, and its end of the link.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize},
};

use tokio::sync::mpsc::UnboundedReceiver;

use super::Shard;
use crate::{
    consumer::Consumers,
    hub::{
        delivery::{Delivery, Union},
        missed::Missed,
    },
};

/// Bytes of frames that may wait for one worker before events are dropped and counted as a gap.
pub const MAX_BACKLOG: usize = 64 << 20;

/// Work for a worker.
pub enum ShardMessage {
    Delivery(Delivery),
    Union(Arc<Union>),
    Gap(Arc<Missed>),
    Question(Box<dyn FnOnce(&Shard) + Send>),
}

/// A worker's end of its link.
pub struct Receiver {
    /// The worker's number, from 0.
    pub worker: usize,
    pub(in crate::hub) work: UnboundedReceiver<ShardMessage>,
    pub(in crate::hub) backlog: Arc<AtomicUsize>,
    /// The backlog was full, and no gap notice has been sent yet.
    pub(in crate::hub) overrun: Arc<AtomicBool>,
    pub(in crate::hub) consumers: Consumers,
}
