//! The figures of the cluster: the answers of the nodes, put together.
//!
//! In: the answers of the nodes. Out: `data` of `stats`, and of the live stream. It asks nobody.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    mem,
};

use serde_json::{Value as Json, json};

use crate::{
    cluster::{NodeFacts, NodeId, NodeOverview, NodeStats, SlowClient},
    telemetry::history::{STEP, STEPS, Sample, Series},
};

/// How many rooms, and how many slow clients, are shown.
const SHOWN: usize = 20;

/// A node without the newest sample delays the others by this many seconds at most: its clock goes wrong, or it stands
/// still.
const PATIENCE: u64 = 2 * STEP;

/// The labels of a node's counters that are shown: more than any release has. A false node could name any number, and
/// each costs a value per step.
const LABELS: usize = 256;

/// One value per step; `None` where no node has a sample.
type Values = Vec<Option<u64>>;

/// The answer of a node.
pub(in crate::http) enum Reply {
    /// Everything.
    All(Box<NodeOverview>),
    /// Its figures only: no more was asked for, or it runs another release.
    Figures(NodeStats),
}

impl Reply {
    fn overview(&self) -> Option<&NodeOverview> {
        match self {
            Self::All(overview) => Some(overview),
            Self::Figures(_) => None,
        }
    }

    const fn stats(&self) -> &NodeStats {
        match self {
            Self::All(overview) => &overview.stats,
            Self::Figures(stats) => stats,
        }
    }

    const fn stats_mut(&mut self) -> &mut NodeStats {
        match self {
            Self::All(overview) => &mut overview.stats,
            Self::Figures(stats) => stats,
        }
    }
}

/// A node, and its answer without the names of its rooms.
struct Node {
    id: NodeId,
    /// `None` if it has gone meanwhile.
    facts: Option<NodeFacts>,
    rooms: usize,
    reply: Reply,
}

impl Node {
    fn figures(&self) -> Json {
        let (stats, facts) = (self.reply.stats(), self.facts.as_ref());
        json!({
            "node": self.id,
            "address": facts.map(|facts| &facts.address),
            "started": facts.map(|facts| facts.started),
            "connections": stats.connections,
            "users": stats.users,
            "rooms": self.rooms,
            "events": stats.events,
        })
    }

    fn json(&self) -> Json {
        let (mut json, overview) = (self.figures(), self.reply.overview());
        json["name"] = json!(overview.map(|reply| &reply.name));
        json["version"] = json!(overview.map(|reply| &reply.version));
        json["ready"] = json!(overview.map(|reply| reply.ready));
        json["reason"] = json!(overview.and_then(|reply| reply.reason.as_ref()));
        json
    }
}

/// The answers of all nodes.
pub(in crate::http) struct Overview {
    nodes: Vec<Node>,
    /// The nodes that did not answer, or not everything.
    pub silent: Vec<NodeId>,
    /// The number of users in the cluster.
    users: usize,
    /// The number of rooms in the cluster.
    rooms: usize,
    /// The end of the last step, in seconds of Unix time.
    now: u64,
}

impl Overview {
    /// Puts the answers together. `users` is the number of users in the cluster, `now` the end of the last step.
    pub fn new(
        replies: Vec<(NodeId, Reply)>,
        mut silent: Vec<NodeId>,
        known: &BTreeMap<NodeId, NodeFacts>,
        users: usize,
        now: u64,
    ) -> Self {
        // There may be very many rooms, and this is kept for a while: of their names only the number.
        let mut rooms = HashSet::new();
        let node = |(id, mut reply): (NodeId, Reply)| {
            let names = mem::take(&mut reply.stats_mut().rooms);
            let node = Node { facts: known.get(&id).cloned(), id, rooms: names.len(), reply };
            rooms.extend(names);
            node
        };
        let mut nodes: Vec<Node> = replies.into_iter().map(node).collect();
        nodes.sort_by(|one, other| one.id.cmp(&other.id));
        silent.sort();
        Self { nodes, silent, users, rooms: rooms.len(), now }
    }

    /// `data` of `stats` without `minutes`.
    pub fn figures(&self) -> Json {
        self.summed(Node::figures)
    }

    /// The end of the newest step that every node has a sample of, in seconds of Unix time.
    pub fn end(&self) -> u64 {
        self.end_after(|_| None)
    }

    /// The same for a reader who has samples of nodes that are silent now: `last_of` names the last. They are waited
    /// for as well.
    pub fn end_after(&self, last_of: impl Fn(&NodeId) -> Option<u64>) -> u64 {
        // What comes later is of a clock that goes wrong; all others would have to wait for that time.
        let is_past = |at: &u64| *at <= self.now + STEP;
        let newest_of = |node: &NodeOverview| node.samples.iter().map(|sample| sample.at).filter(is_past).max();
        let last = || self.overviews().filter_map(newest_of);
        let (Some(oldest), Some(newest)) = (last().min(), last().max()) else {
            // The nodes have just started: the first sample is that of a later step.
            return self.now.saturating_sub(STEP);
        };
        let silent = self.silent.iter().filter_map(last_of).min();
        silent.map_or(oldest, |silent| silent.min(oldest)).max(newest.saturating_sub(PATIENCE))
    }

    /// `data`, with the history of the last `steps` steps.
    pub fn of_last(&self, steps: usize) -> Json {
        let end = self.end();
        self.data(end.saturating_sub(steps as u64 * STEP), end)
    }

    /// `data`, with the history after this moment and until `end`.
    pub fn since(&self, last: u64, end: u64) -> Json {
        self.data(last.clamp(end.saturating_sub(STEPS as u64 * STEP), end), end)
    }

    /// Whether this node answered.
    pub fn has_answer_of(&self, id: &NodeId) -> bool {
        self.nodes.iter().any(|node| node.id == *id)
    }

    /// The ends of all steps of which there are samples, of each node in their order.
    pub fn samples(&self) -> impl Iterator<Item = (&NodeId, u64)> {
        let of_nodes = self.nodes.iter().filter_map(|node| Some((&node.id, &node.reply.overview()?.samples)));
        of_nodes.flat_map(|(id, samples)| samples.iter().map(move |sample| (id, sample.at)))
    }

    fn overviews(&self) -> impl Iterator<Item = &NodeOverview> {
        self.nodes.iter().filter_map(|node| node.reply.overview())
    }

    fn summed(&self, per_node: fn(&Node) -> Json) -> Json {
        let stats = || self.nodes.iter().map(|node| node.reply.stats());
        let only_silent = self.silent.iter().filter(|id| self.nodes.iter().all(|node| node.id != **id)).count();
        json!({
            "nodes": self.nodes.len() + only_silent,
            "connections": stats().map(|stats| stats.connections).fold(0, u64::saturating_add),
            "users": self.users,
            "rooms": self.rooms,
            "events": stats().map(|stats| stats.events).fold(0, u64::saturating_add),
            "perNode": self.nodes.iter().map(per_node).collect::<Vec<_>>(),
        })
    }

    fn data(&self, after: u64, end: u64) -> Json {
        let mut data = self.summed(Node::json);
        data["consumers"] = json!(self.consumers());
        data["largestRooms"] = json!(self.largest_rooms());
        data["slow"] = json!(self.slow());
        data["history"] = self.history(after, end);
        data
    }

    fn consumers(&self) -> Vec<Json> {
        let mut sums: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for open in self.overviews().flat_map(|node| &node.consumers) {
            add(sums.entry((&open.consumer, &open.protocol)).or_default(), open.connections);
        }
        let json = |((consumer, protocol), connections)| json!({ "consumer": consumer, "protocol": protocol, "connections": connections });
        sums.into_iter().map(json).collect()
    }

    fn largest_rooms(&self) -> Vec<Json> {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for room in self.overviews().flat_map(|node| &node.rooms) {
            add(sums.entry(&room.room).or_default(), room.members);
        }
        let mut rooms: Vec<(&str, u64)> = sums.into_iter().collect();
        // Stable: rooms of the same size stay in the order of their names.
        rooms.sort_by_key(|(_, members)| Reverse(*members));
        rooms.into_iter().take(SHOWN).map(|(room, members)| json!({ "room": room, "members": members })).collect()
    }

    fn slow(&self) -> Vec<Json> {
        let of_nodes = self.nodes.iter().filter_map(|node| Some((&node.id, &node.reply.overview()?.slow)));
        let mut slow: Vec<_> = of_nodes.flat_map(|(id, slow)| slow.iter().map(move |one| (id, one))).collect();
        slow.sort_by_key(|(_, one)| Reverse(one.waiting));
        let json = |(node, one): (&NodeId, &SlowClient)| {
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
            let at = |step| nodes.iter().filter_map(|node| node.samples[step]).map(of).reduce(u64::saturating_add);
            (0..steps.len()).map(at).collect()
        };
        let connections = |step| nodes.iter().filter_map(|node| node.connections[step]).reduce(u64::saturating_add);
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
            "connections": (0..steps.len()).map(connections).collect::<Values>(),
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
    /// Also between two samples: a node that stands still keeps its connections.
    connections: Values,
}

impl<'a> NodeHistory<'a> {
    fn of(node: &'a Node, steps: &[u64]) -> Option<Self> {
        let overview = node.reply.overview()?;
        let known: BTreeMap<u64, &Sample> = overview.samples.iter().map(|sample| (sample.at, sample)).collect();
        let samples = steps.iter().map(|step| known.get(step).copied()).collect();
        let end = known.last_key_value().map_or(0, |(at, _)| *at);
        let last = |step: &u64| known.range(..=step).next_back().filter(|_| *step <= end);
        let connections = steps.iter().map(|step| last(step).map(|(_, sample)| sample.connections)).collect();
        Some(Self { node: &node.id, name: &overview.name, samples, connections })
    }

    fn json(&self) -> Json {
        let events = self.samples.iter().map(|sample| sample.map(|sample| sample.events));
        json!({
            "node": self.node,
            "name": self.name,
            "events": events.collect::<Values>(),
            "connections": self.connections,
        })
    }
}

/// Adds a number that another process has sent: any.
const fn add(sum: &mut u64, number: u64) {
    *sum = sum.saturating_add(number);
}

/// The sums of each counter with a label that has gained anything.
fn labelled<'a>(nodes: &[NodeHistory<'a>], steps: usize) -> BTreeMap<(Series, &'a str), Values> {
    let has_sample = |step: usize| nodes.iter().any(|node| node.samples[step].is_some()).then_some(0);
    let zeros: Values = (0..steps).map(has_sample).collect();
    let mut sums: BTreeMap<(Series, &str), Values> = BTreeMap::new();
    for node in nodes {
        let mut shown: HashSet<(Series, &str)> = HashSet::new();
        for (step, sample) in node.samples.iter().enumerate() {
            for (series, label, gained) in sample.iter().flat_map(|sample| &sample.labelled) {
                let key: (Series, &str) = (*series, label);
                if shown.len() < LABELS {
                    shown.insert(key);
                }
                if shown.contains(&key) {
                    let values = sums.entry(key).or_insert_with(|| zeros.clone());
                    add(values[step].get_or_insert(0), *gained);
                }
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests;
