//! Questions to all nodes, and the answers of each.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Disconnect, InvalidOrder, NodeId, NodeOverview, NodeStats, Recorded, group_order};
use crate::event::{
    Content, Emission, EmissionTarget, GroupOrder, GroupOrderResult, ReceivedOrder, Source, Value, json::as_text,
};

/// A question that every node answers for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// Its figures; answered with [`Answer::Stats`].
    Stats,
    /// Its figures in detail, with this many samples of its history; answered with [`Answer::Overview`].
    Overview(usize),
    /// The rooms that the sockets of this user are in; answered with [`Answer::Rooms`].
    UserRooms(String),
    /// Deliver to this node's own sockets; answered with [`Answer::Reached`].
    Emit(EmitOrder),
    /// Disconnect this node's own sockets; answered with [`Answer::Reached`].
    Disconnect(Disconnect),
    /// Join or leave a group with this node's own connections of a user; answered with [`Answer::Regrouped`].
    Regroup(GroupOrder),
}

/// An event that every node delivers to its own sockets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmitOrder {
    /// The Socket.IO namespace.
    pub namespace: Arc<str>,
    /// The rooms; the event goes to their union.
    pub rooms: Vec<Arc<str>>,
    /// The event's name, then its arguments.
    #[serde(with = "as_text")]
    pub args: Vec<Value>,
}

impl EmitOrder {
    /// What a node's dispatcher delivers.
    pub fn emission(self) -> Emission {
        Emission {
            presence: None,
            target: EmissionTarget::Namespace(self.namespace),
            rooms: self.rooms,
            except: Vec::new(),
            content: Content::Event(self.args),
            volatile: false,
            source: Source::Emitter,
            received: Instant::now(),
        }
    }
}

/// The answer of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Query::Stats`].
    Stats(NodeStats),
    /// To [`Query::Overview`].
    Overview(Box<NodeOverview>),
    /// To [`Query::UserRooms`].
    Rooms(Vec<SocketRooms>),
    /// To [`Query::Emit`] and [`Query::Disconnect`]: the number of sockets reached.
    Reached(u64),
    /// To [`Query::Regroup`].
    Regrouped(GroupOrderResult),
    /// The node cannot answer, for this reason.
    Failed(String),
}

/// One socket and its rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketRooms {
    /// The socket's public id.
    pub socket: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its rooms.
    pub rooms: Vec<Arc<str>>,
}

/// All answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The nodes that answered in time.
    pub by_node: BTreeMap<NodeId, Answer>,
    /// The live nodes that did not.
    pub silent: Vec<NodeId>,
}

/// Answers questions for this node.
pub trait Responder: Send + Sync + 'static {
    /// The answer; the question is not repeated, so a late answer is lost.
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer>;

    /// Parses an order to disconnect that any program may publish in Redis.
    fn order(&self, payload: &[u8]) -> Option<Disconnect> {
        let _ = payload;
        None
    }

    /// Reads an order to join or leave a group.
    ///
    /// # Errors
    /// The first field with an error.
    fn group_order(&self, order: &Value) -> Result<GroupOrder, InvalidOrder> {
        group_order::read(order)
    }

    /// The orders to join and leave groups recorded in Redis: all of them, each time the node can hear again.
    fn learn_group_orders(&self, recorded: Vec<ReceivedOrder>) -> BoxFuture<'_, ()> {
        drop(recorded);
        Box::pin(std::future::ready(()))
    }

    /// The orders to disconnect recorded in Redis: all of them, each time the node can hear again.
    fn learn(&self, recorded: Vec<Recorded>) -> BoxFuture<'_, ()> {
        drop(recorded);
        Box::pin(std::future::ready(()))
    }
}
