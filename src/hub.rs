//! Who gets an event, on this node: the groups of the node and which worker has members of them, and on each worker the
//! members themselves.
//!
//! In: signals of the layer, joins and leaves of connections. Out: encoded frames for each member's socket.
//! It knows no protocol. A worker's part has no locks; between threads there is one map and one channel per worker.
//!
//! - `dispatch`, `workers`: from the layer's thread to the workers
//! - [`registry`]: which groups the node has, on which workers
//! - `bearers`: who is behind the connections of a worker
//! - [`shard`]: one worker's part, made of `member`, `group`, `job` and `crossing`; `questions`: what it can say of them
//! - `missed`: what is told of gaps; `story`: what is told to whoever watches

mod bearers;
mod crossing;
mod dispatch;
mod group;
mod job;
mod member;
mod missed;
mod questions;
pub mod registry;
pub mod shard;
mod story;
#[cfg(test)]
mod tests;
pub mod topics;
mod workers;

pub use bearers::{Bearer, Bearers, Kick, Watched, Whom};
pub use dispatch::Dispatcher;
pub use member::Member;
pub use questions::Whereabouts;
pub use registry::Registry;
pub use shard::Shard;
pub use workers::{Answers, Inbox};

use std::{sync::Arc, time::Instant};

use crate::{consumer::ConsumerId, socket::frame::Frame};

/// One consumer's members of one group, on all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AudienceId(pub(crate) u64);

/// What keeps a delivery from some of its members.
#[derive(Debug, Default)]
struct Rules {
    /// Only members subscribed to one of these names.
    names: Option<Arc<[Arc<str>]>>,
    /// Not the members with these ids.
    except_ids: Vec<Arc<str>>,
    /// Not the members of these audiences.
    except_audiences: Vec<AudienceId>,
    /// Not the members whose client is behind with reading.
    volatile: bool,
}

impl Rules {
    /// `None` where nothing is kept from anybody, which is the usual and the fast case.
    fn shared(self) -> Option<Arc<Self>> {
        let all =
            self.names.is_none() && self.except_ids.is_empty() && self.except_audiences.is_empty() && !self.volatile;
        (!all).then(|| Arc::new(self))
    }
}

/// One message on its way to the members of an audience.
#[derive(Clone)]
struct Delivery {
    audience: AudienceId,
    frame: Arc<Frame>,
    rules: Option<Arc<Rules>>,
    /// When the node had what it is made of.
    received: Instant,
}

/// One message on its way to the union of several audiences and of single members: each gets it once.
struct Union {
    audiences: Vec<AudienceId>,
    /// Members by their ids.
    ids: Vec<Arc<str>>,
    /// A member named by its id must be one of these consumers'.
    consumers: Arc<[ConsumerId]>,
    frame: Arc<Frame>,
    rules: Option<Arc<Rules>>,
    received: Instant,
}

/// What a worker is given.
enum Work {
    Delivery(Delivery),
    Union(Arc<Union>),
    Gap(Arc<missed::Missed>),
    Question(Box<dyn FnOnce(&Shard) + Send>),
}

/// Bytes of a message, for the bound on what may wait.
fn size(frame: &Frame) -> usize {
    frame.size()
}
