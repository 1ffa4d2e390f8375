//! Delivers events on this node: which groups the node has, which workers have members of them, and on each worker the
//! members themselves.
//!
//! In: signals of the layer, joins and leaves of connections. Out: encoded frames for each member's socket. It knows no
//! protocol. A worker's part has no locks; between threads there is one map and one channel per worker.
//!
//! - `dispatch`, `workers`: from the layer's thread to the workers
//! - [`registry`]: which groups the node has, on which workers
//! - `principals`: the users of a worker's connections
//! - [`hold`]: the only way in which a member waits; read it first
//! - [`shard`]: one worker's part, made of `member`, `group` and `job`; `questions`: queries about its members
//! - `delivery`: one message, from `dispatch` to the members; `order`: the order in which a member gets its messages
//! - `missed`, `notice`: gap notices; `trace`: the trace for watchers

mod delivery;
mod dispatch;
mod group;
pub mod hold;
mod job;
mod member;
mod missed;
mod notice;
mod order;
mod principals;
mod questions;
pub mod registry;
pub mod shard;
#[cfg(test)]
mod tests;
pub mod topics;
mod trace;
mod workers;

pub use dispatch::Dispatcher;
pub use hold::Released;
pub use member::Member;
pub use principals::{DisconnectTarget, Disconnection, Principal, PrincipalIndex, Watched};
pub use questions::Location;
pub use registry::Registry;
pub use shard::{Receiver, Shard};
pub use workers::WorkerAnswers;
