//! Delivers events on this node: which groups the node has, which workers have members of them, and on each worker the
//! members themselves.
//!
//! In: signals of the layer, joins and leaves of connections. Out: encoded frames for each member's socket. It knows no
//! protocol. A worker's part has no locks; between threads there is one map and one channel per worker.
//!
//! - `dispatch`, `workers`: from the layer's thread to the workers
//! - [`registry`]: which groups the node has, on which workers
//! - `principals`: the users of a worker's connections
//! - [`shard`]: one worker's part, made of `member`, `group`, `job` and `crossing`; `questions`: queries about its
//!   members
//! - `delivery`: one message, from `dispatch` to the members
//! - `missed`, `notice`: gap notices; `story`: the trace for watchers

mod crossing;
mod delivery;
mod dispatch;
mod group;
mod job;
mod member;
mod missed;
mod notice;
mod principals;
mod questions;
pub mod registry;
pub mod shard;
mod story;
#[cfg(test)]
mod tests;
pub mod topics;
mod workers;

pub use dispatch::Dispatcher;
pub use member::Member;
pub use principals::{Kick, Principal, PrincipalIndex, Watched, Whom};
pub use questions::Whereabouts;
pub use registry::Registry;
pub use shard::{Inbox, Shard};
pub use workers::Answers;
