//! Delivers events on this node: which groups the node has, which workers have members of them, and on each worker the
//! members themselves.
//!
//! In: signals of the layer, joins and leaves of connections. Out: encoded frames for each member's socket. It knows no
//! protocol. A worker's part has no locks; between threads there is one map and one channel per worker.
//!
//! - `dispatch`, `workers`: from the layer's thread to the workers
//! - [`registry`]: which groups the node has, on which workers
//! - `principals`: the users of a worker's connections; `group_orders`: what other programs ordered for them
//! - [`hold`]: the only way in which a member waits; read it first
//! - [`shard`]: one worker's part, made of `member`, `group` and `job`; `directory`: its members by id; `questions`:
//!   queries about its members
//! - `delivery`: one message, from `dispatch` to the members; `order`: the order in which a member gets its messages
//!   often a member gets a handler's events
//!   shares one; [`shared`]: a call that several members share
//! - `snapshots`: what connections know of presence, so that they are not told of it again
//! - `variants`: the forms of a message that contains values of the connection
//! - `work`: what an event asks of members besides frames: calls of Django, closes
//! - `work`: what an event asks of members besides frames: calls of Django, closes, and its `outcome`; `throttle`: how
//! - `work`: what an event asks of members besides frames: calls of Django, closes; `calls`: how many calls, and who
//! - `missed`, `notice`: gap notices; `trace`: the trace for watchers

mod calls;
mod deferred;
mod delivery;
mod directory;
mod dispatch;
mod group;
mod group_orders;
pub mod hold;
mod job;
mod member;
mod missed;
mod notice;
mod order;
mod outcome;
mod principals;
mod questions;
pub mod registry;
pub mod shard;
pub mod shared;
mod snapshots;
mod tally;
#[cfg(test)]
mod tests;
mod throttle;
pub mod topics;
mod trace;
mod variants;
mod work;
mod workers;

pub use calls::EventCalls;
pub use dispatch::Dispatcher;
pub use group_orders::GroupOrders;
pub use hold::{EventCall, Released};
pub use member::Member;
pub use outcome::MemberOutcome;
pub use principals::{DisconnectTarget, Disconnection, Principal, PrincipalIndex, Watched};
pub use questions::Location;
pub use registry::Registry;
pub use shard::{ForMember, Receiver, Shard};
pub use snapshots::{PresenceMoment, Snapshots};
pub use workers::{LaterAnswer, WorkerAnswers};
