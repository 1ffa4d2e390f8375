//! What a node says about itself: its figures, and for the operators' page more of them.
//!
//! Every field of an overview may be missing: a node of another release knows fewer of them, or more.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::telemetry::history::Sample;

/// One node in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStats {
    /// Open connections.
    pub connections: u64,
    /// Users with at least one connection here.
    pub users: u64,
    /// The rooms that have a member here, by name.
    pub rooms: Vec<Arc<str>>,
    /// Events received since the node started.
    pub events: u64,
}

/// One node, with its last samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeOverview {
    /// Its figures.
    pub stats: NodeStats,
    /// Its name: `cluster.name`, else its id.
    pub name: Arc<str>,
    /// Its release.
    pub version: Arc<str>,
    /// Whether it accepts connections and receives events.
    pub ready: bool,
    /// Why not, or what else is wrong.
    pub reason: Option<Arc<str>>,
    /// Open connections by consumer and protocol.
    pub consumers: Vec<ConsumerConnections>,
    /// Its largest rooms.
    pub rooms: Vec<RoomMembers>,
    /// The connections with the fullest outboxes.
    pub slow: Vec<SlowClient>,
    /// Its last samples, oldest first.
    pub samples: Vec<Sample>,
}

/// The open connections of a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerConnections {
    /// The consumer.
    pub consumer: Arc<str>,
    /// The protocol of its clients.
    pub protocol: Arc<str>,
    /// The number.
    pub connections: u64,
}

/// The members of a room on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomMembers {
    /// The room, or the group of a plain consumer.
    pub room: Arc<str>,
    /// The number of members.
    pub members: u64,
}

/// A client that has not read what was sent to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SlowClient {
    /// Its consumer.
    pub consumer: Arc<str>,
    /// Its user's id.
    pub user: Option<Arc<str>>,
    /// Its public id, by which it can be disconnected.
    pub socket: Option<Arc<str>>,
    /// The bytes that wait for it.
    pub waiting: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_field_may_be_missing() {
        let text = r#"{"stats":{"events":7},"samples":[{"at":5}],"rooms":[{}],"slow":[{}],"consumers":[{}],"more":1}"#;
        let overview: NodeOverview = serde_json::from_str(text).unwrap();
        assert_eq!((overview.stats.events, overview.stats.connections), (7, 0));
        assert_eq!(overview.samples, [Sample { at: 5, ..Sample::default() }]);
        assert_eq!(serde_json::from_str::<NodeStats>("{}").unwrap(), NodeStats::default());
    }
}
