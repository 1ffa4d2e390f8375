//! Who gets an event, on this node: the groups of the node and which worker has members of them, and on each worker the
//! members themselves.
//!
//! In: signals of the layer, joins and leaves of connections. Out: encoded frames for each member's socket.
//! It knows no protocol. A worker's part has no locks; between threads there is one map and one channel per worker.

mod dispatch;
pub mod registry;
pub mod shard;
pub mod topics;

pub use dispatch::Dispatcher;
pub use registry::Registry;
pub use shard::{Member, Shard};

use std::sync::Arc;

use crate::socket::frame::Frame;

/// One consumer's members of one group, on all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AudienceId(pub(crate) u64);

/// One message on its way to the members of an audience.
#[derive(Clone)]
pub struct Delivery {
    audience: AudienceId,
    frame: Arc<Frame>,
    /// Only members subscribed to one of these names.
    names: Option<Arc<[Arc<str>]>>,
}

impl Delivery {
    /// Bytes of its message, for the bound on what may wait.
    fn size(&self) -> usize {
        self.frame.payload().len()
    }
}
