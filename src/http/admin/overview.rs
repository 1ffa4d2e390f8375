//! The figures of the cluster in detail: what the nodes said, put together.
//!
//! In: the answers of the nodes. Out: `data` of `stats?minutes=`, and of the live stream. It asks nobody.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Value as Json, json};

use crate::{
    cluster::{NodeFacts, NodeId, NodeOverview, NodeStats},
    telemetry::history::{STEP, STEPS, Sample, Series},
};

/// How many rooms, and how many slow clients, are shown.
const SHOWN: usize = 20;

/// A node without the newest sample delays the others by this many seconds at most: its clock goes wrong, or it stands
/// still.
const PATIENCE: u64 = 2 * STEP;

/// One value per step; `None` where no node has a sample.
type Values = Vec<Option<u64>>;

/// A node, and what it said.
pub(in crate::http) struct NodeSaid {
    pub id: NodeId,
    /// `None` if it has gone meanwhile.
    pub facts: Option<NodeFacts>,
    pub said: Said,
}

/// What a node said.
pub(in crate::http) enum Said {
    /// Everything.
    All(Box<NodeOverview>),
    /// Its figures only: it runs another release.
    Figures(NodeStats),
}

impl NodeSaid {
    fn stats(&self) -> &NodeStats {
        match &self.said {
            Said::All(overview) => &overview.stats,
            Said::Figures(stats) => stats,
        }
    }

    fn overview(&self) -> Option<&NodeOverview> {
        match &self.said {
            Said::All(overview) => Some(overview),
            Said::Figures(_) => None,
        }
    }

    fn json(&self) -> Json {
        let (stats, overview, facts) = (self.stats(), self.overview(), self.facts.as_ref());
        json!({
            "node": self.id,
            "address": facts.map(|facts| &facts.address),
            "started": facts.map(|facts| facts.started),
            "connections": stats.connections,
            "users": stats.users,
            "rooms": stats.rooms.len(),
            "events": stats.events,
            "name": overview.map(|said| &said.name),
            "version": overview.map(|said| &said.version),
            "ready": overview.map(|said| said.ready),
            "reason": overview.and_then(|said| said.reason.as_ref()),
        })
    }
}

/// What all nodes said.
pub(in crate::http) struct Overview {
    pub nodes: Vec<NodeSaid>,
    /// The nodes that did not answer, or not everything.
    pub silent: Vec<NodeId>,
    /// The number of users in the cluster.
    pub users: usize,
    /// The end of the last step, in seconds of Unix time.
    pub now: u64,
}

impl Overview {
    /// The end of the newest step that every node has a sample of, in seconds of Unix time.
    pub fn end(&self) -> u64 {
        let last = || self.said().filter_map(|said| said.samples.last()).map(|sample| sample.at);
        let (Some(oldest), Some(newest)) = (last().min(), last().max()) else {
            // The nodes have just started: the first sample is that of a later step.
            return self.now.saturating_sub(STEP);
        };
        oldest.max(newest.saturating_sub(PATIENCE))
    }

    /// `data`, with the history of the last `steps` steps.
    pub fn of_last(&self, steps: usize) -> Json {
        let end = self.end();
        self.data(end.saturating_sub(steps as u64 * STEP), end)
    }

    /// `data`, with the history after this moment.
    pub fn since(&self, last: u64) -> Json {
        let end = self.end();
        self.data(last.clamp(end.saturating_sub(STEPS as u64 * STEP), end), end)
    }

    fn said(&self) -> impl Iterator<Item = &NodeOverview> {
        self.nodes.iter().filter_map(NodeSaid::overview)
    }

    fn data(&self, after: u64, end: u64) -> Json {
        let stats = || self.nodes.iter().map(NodeSaid::stats);
        let rooms: BTreeSet<&Arc<str>> = stats().flat_map(|stats| &stats.rooms).collect();
        let only_silent = self.silent.iter().filter(|id| self.nodes.iter().all(|node| node.id != **id)).count();
        json!({
            "nodes": self.nodes.len() + only_silent,
            "connections": stats().map(|stats| stats.connections).sum::<u64>(),
            "users": self.users,
            "rooms": rooms.len(),
            "events": stats().map(|stats| stats.events).sum::<u64>(),
            "perNode": self.nodes.iter().map(NodeSaid::json).collect::<Vec<_>>(),
            "consumers": self.consumers(),
            "largestRooms": self.largest_rooms(),
            "slow": self.slow(),
            "history": self.history(after, end),
        })
    }

    fn consumers(&self) -> Vec<Json> {
        let mut sums: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for open in self.said().flat_map(|said| &said.consumers) {
            *sums.entry((&open.consumer, &open.protocol)).or_default() += open.connections;
        }
        let json = |((consumer, protocol), connections)| json!({ "consumer": consumer, "protocol": protocol, "connections": connections });
        sums.into_iter().map(json).collect()
    }

    fn largest_rooms(&self) -> Vec<Json> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for room in self.said().flat_map(|said| &said.rooms) {
            *sums.entry(&room.room).or_default() += room.members;
        }
        let mut rooms: Vec<(&str, u64)> = sums.into_iter().collect();
        // Stable: rooms of the same size stay in the order of their names.
        rooms.sort_by_key(|(_, members)| Reverse(*members));
        rooms.into_iter().take(SHOWN).map(|(room, members)| json!({ "room": room, "members": members })).collect()
    }

    fn slow(&self) -> Vec<Json> {
        let of_node = |node: &'_ NodeSaid| node.overview().map(|said| (node.id.clone(), said.slow.clone()));
        let of_nodes = self.nodes.iter().filter_map(of_node);
        let mut slow: Vec<_> =
            of_nodes.flat_map(|(id, slow)| slow.into_iter().map(move |one| (id.clone(), one))).collect();
        slow.sort_by_key(|(_, one)| Reverse(one.waiting));
        let json = |(node, one): (NodeId, crate::cluster::SlowClient)| {
            json!({
                "node": node, "consumer": one.consumer, "user": one.user, "socket": one.socket, "waiting": one.waiting,
            })
        };
        slow.into_iter().take(SHOWN).map(json).collect()
    }

    /// The samples of the steps that end after `after` and until `end`.
    fn history(&self, after: u64, end: u64) -> Json {
        let steps: Vec<u64> = (after / STEP + 1..=end / STEP).map(|step| step * STEP).collect();
        let nodes: Vec<NodeHistory<'_>> = self.nodes.iter().filter_map(|node| NodeHistory::of(node, &steps)).collect();
        let sum = |of: fn(&Sample) -> u64| -> Values {
            let at = |step| nodes.iter().filter_map(|node| node.samples[step]).map(of).reduce(|one, other| one + other);
            (0..steps.len()).map(at).collect()
        };
        let labelled = labelled(&nodes, steps.len());
        let by_label = |series| {
            let of = labelled.iter().filter(|((of, _), _)| *of == series);
            of.map(|((_, label), values)| ((*label).to_owned(), json!(values))).collect::<serde_json::Map<_, _>>()
        };
        json!({
            "step": STEP,
            "end": end,
            "events": sum(|sample| sample.events),
            "deliveries": sum(|sample| sample.deliveries),
            "connections": sum(|sample| sample.connections),
            "drops": by_label(Series::Drops),
            "gaps": by_label(Series::Gaps),
            "bridge": by_label(Series::Bridge),
            "backend": by_label(Series::Backend),
            "perNode": nodes.iter().map(NodeHistory::json).collect::<Vec<_>>(),
        })
    }
}

/// The samples of one node, one place per step.
struct NodeHistory<'a> {
    node: &'a NodeId,
    name: &'a str,
    samples: Vec<Option<&'a Sample>>,
}

impl<'a> NodeHistory<'a> {
    fn of(node: &'a NodeSaid, steps: &[u64]) -> Option<Self> {
        let said = node.overview()?;
        let known: HashMap<u64, &Sample> = said.samples.iter().map(|sample| (sample.at, sample)).collect();
        let samples = steps.iter().map(|step| known.get(step).copied()).collect();
        Some(Self { node: &node.id, name: &said.name, samples })
    }

    fn json(&self) -> Json {
        let values = |of: fn(&Sample) -> u64| -> Values { self.samples.iter().map(|sample| sample.map(of)).collect() };
        json!({
            "node": self.node,
            "name": self.name,
            "events": values(|sample| sample.events),
            "connections": values(|sample| sample.connections),
        })
    }
}

/// The sums of each counter with a label that has gained anything.
fn labelled<'a>(nodes: &[NodeHistory<'a>], steps: usize) -> BTreeMap<(Series, &'a str), Values> {
    let has_sample = |step: usize| nodes.iter().any(|node| node.samples[step].is_some()).then_some(0);
    let zeros: Values = (0..steps).map(has_sample).collect();
    let mut sums: BTreeMap<(Series, &str), Values> = BTreeMap::new();
    for (step, sample) in nodes.iter().flat_map(|node| node.samples.iter().enumerate()) {
        for (series, label, gained) in sample.iter().flat_map(|sample| &sample.labelled) {
            let values = sums.entry((*series, label)).or_insert_with(|| zeros.clone());
            *values[step].get_or_insert(0) += gained;
        }
    }
    sums
}

#[cfg(test)]
mod tests;
