//! The names of a group in Redis, and the hosts they are on.
//!
//! In: the layer's options, a group. Out: a [`Registration`] with every name that the group needs. Pure.

use crate::{
    config,
    event::GroupName,
    layer::codec::{
        names::{LayerNames, specific_channel},
        ring,
    },
};

/// The length of a node's id, a UUID without hyphens.
const NODE_ID: usize = 32;

/// The local part of a connection's channel begins with it; that of a group's member name is a number.
const CONNECTION: &str = "c.";

/// The channel of emissions to several rooms, to which every node subscribes on every host. A group's name has no colon,
/// so no group's channel equals this one.
pub(super) fn rooms_channel(layer: &config::Layer) -> String {
    format!("{}rooms:", layer.publish_prefix)
}

/// The names of one group of this node, computed once when it is joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registration {
    pub group: GroupName,
    /// The suffix of the node's member name; never used twice.
    pub token: u64,
    /// The receive queue of the group's messages; a single one, so that their order is kept.
    pub queue: usize,
    /// Core layer: the group's set, our member name in it, and its host.
    pub core: Option<CoreNames>,
    /// Pub/sub layer: the group's channel and its host.
    pub pubsub: Option<(String, usize)>,
    /// Plain publishes: the group's channel, on every host.
    pub plain: String,
    /// The hosts that the group's events require, a bit each.
    pub needs: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CoreNames {
    pub key: String,
    pub member: String,
    pub host: usize,
}

impl Registration {
    /// The channels to subscribe to on `host`.
    pub fn channels(&self, host: usize) -> impl Iterator<Item = &str> {
        let pubsub = self.pubsub.as_ref().filter(|(_, at)| *at == host).map(|(channel, _)| channel.as_str());
        std::iter::once(self.plain.as_str()).chain(pubsub)
    }

    /// The set to join on `host`.
    pub fn core_on(&self, host: usize) -> Option<&CoreNames> {
        self.core.as_ref().filter(|core| core.host == host)
    }
}

/// Creates the names of one node.
#[derive(Debug, Clone)]
pub(super) struct GroupNaming {
    names: LayerNames,
    kind: config::LayerKind,
    publish_prefix: String,
    hosts: usize,
    /// One client id per receive queue: the node's id and the number of the queue.
    clients: Vec<String>,
    /// The client id of the queue for messages to the node itself, separate so that events cannot fill it, nor it
    /// theirs.
    reply_client: String,
    /// The client id of the queue for markers, which prove that the queues are read.
    marker_client: String,
}

impl GroupNaming {
    pub fn new(layer: &config::Layer, hosts: usize, node: &str) -> Self {
        Self {
            names: LayerNames::new(&layer.prefix),
            kind: layer.kind,
            publish_prefix: layer.publish_prefix.clone(),
            hosts,
            clients: clients(node, layer.queues.max(1), hosts),
            reply_client: format!("{node}r"),
            marker_client: format!("{node}m"),
        }
    }

    pub const fn hosts(&self) -> usize {
        self.hosts
    }

    pub fn registration(&self, group: &GroupName, token: u64) -> Registration {
        let name = group.as_str();
        let queue = self.queue_of(name);
        let core = matches!(self.kind, config::LayerKind::Core | config::LayerKind::Both).then(|| CoreNames {
            key: self.names.core_group_key(name),
            member: specific_channel(&self.clients[queue], &format!("{token:x}")),
            host: ring::index(name, self.hosts),
        });
        let pubsub = matches!(self.kind, config::LayerKind::Pubsub | config::LayerKind::Both).then(|| {
            let channel = self.names.pubsub_group_channel(name);
            let host = ring::index(&channel, self.hosts);
            (channel, host)
        });
        Registration {
            group: group.clone(),
            token,
            queue,
            core,
            pubsub,
            plain: format!("{}{name}", self.publish_prefix),
            needs: self.needs(group),
        }
    }

    /// The hosts that a group's events require, a bit each.
    pub fn needs(&self, group: &GroupName) -> u64 {
        if self.hosts == 1 {
            return 1;
        }
        let name = group.as_str();
        let mut needs = 0;
        if self.kind != config::LayerKind::Pubsub {
            needs |= 1 << ring::index(name, self.hosts) | 1 << self.queue_host(self.queue_of(name));
        }
        if self.kind != config::LayerKind::Core {
            needs |= 1 << ring::index(&self.names.pubsub_group_channel(name), self.hosts);
        }
        needs
    }

    /// The receive queue of a group: one on the host of its set, if there is any, so that it needs no other host.
    fn queue_of(&self, name: &str) -> usize {
        let hash = crc32fast::hash(name.as_bytes()) as usize;
        let home = ring::index(name, self.hosts);
        let at_home = || (0..self.clients.len()).filter(|queue| self.queue_host(*queue) == home);
        match if self.hosts == 1 { 0 } else { at_home().count() } {
            0 => hash % self.clients.len(),
            some => at_home().nth(hash % some).unwrap_or_default(),
        }
    }

    /// The receive queues of this node, in order, then the one for messages to the node itself, and last the one for
    /// markers; empty if the core layer is not in use.
    pub fn queues(&self) -> Vec<String> {
        self.receivers().map(|client| self.names.core_queue_key(&specific_channel(client, ""))).collect()
    }

    /// A channel of each receive queue, as publishers name it.
    pub fn members(&self) -> Vec<String> {
        self.receivers().map(|client| specific_channel(client, "0")).collect()
    }

    fn receivers(&self) -> impl Iterator<Item = &String> {
        let all = self.clients.iter().chain([&self.reply_client, &self.marker_client]);
        all.take(if self.kind == config::LayerKind::Pubsub { 0 } else { usize::MAX })
    }

    /// The number of receive queues for groups.
    pub const fn group_queues(&self) -> usize {
        self.clients.len()
    }

    /// The node's own channel. It is a name of the core layer; the pub/sub layer publishes to it unchanged.
    pub fn reply_channel(&self) -> String {
        specific_channel(&self.reply_client, "reply")
    }

    /// The channel of a connection of this node.
    pub fn connection_channel(&self, id: &str) -> String {
        specific_channel(&self.reply_client, &format!("{CONNECTION}{id}"))
    }

    /// What the channels of this node's connections begin with.
    pub fn connections(&self) -> String {
        self.connection_channel("")
    }

    /// The node and the id in the channel of a connection of any node.
    pub fn connection_of(channel: &str) -> Option<(&str, &str)> {
        let (client, local) = channel.strip_prefix("specific.")?.split_once('!')?;
        let node = client.strip_suffix('r').filter(|node| node.len() == NODE_ID && is_hex(node))?;
        Some((node, local.strip_prefix(CONNECTION)?))
    }

    /// Whether groups are sets in Redis, as in the core layer.
    pub fn has_sets(&self) -> bool {
        self.kind != config::LayerKind::Pubsub
    }

    /// The set of a group, and its host.
    pub fn set_of(&self, group: &GroupName) -> (String, usize) {
        (self.names.core_group_key(group.as_str()), ring::index(group.as_str(), self.hosts))
    }

    /// The host that `group_send` writes this queue's messages to.
    pub fn queue_host(&self, queue: usize) -> usize {
        client_host(&self.clients[queue], self.hosts)
    }

    /// Whether a member of a group is a node's: the client id of a node is longer than the UUID of channels_redis.
    pub fn is_of_a_node(member: &str) -> bool {
        let Some((client, token)) = member.strip_prefix("specific.").and_then(|rest| rest.split_once('!')) else {
            return false;
        };
        let Some((node, queue)) = client.split_at_checked(NODE_ID) else { return false };
        is_hex(node)
            && !queue.is_empty()
            && queue.bytes().all(|byte| byte.is_ascii_digit())
            && !token.is_empty()
            && is_hex(token)
    }

    /// The token in a member name of this node.
    pub fn token(channel: &str) -> Option<u64> {
        u64::from_str_radix(crate::layer::codec::names::local_name(channel)?, 16).ok()
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn client_host(client: &str, hosts: usize) -> usize {
    ring::index(&format!("specific.{client}!"), hosts)
}

/// The client ids of the receive queues: the node's id and a number each, chosen so that every host has some of them.
///
/// channels_redis picks the host of a queue by the CRC of the name up to the `!`, so the only way to put a queue on a
/// given host is to try names until one matches: with 64 tries per queue and at most 64 hosts nearly every queue finds
/// one.
fn clients(node: &str, queues: usize, hosts: usize) -> Vec<String> {
    let mut clients: Vec<String> = Vec::with_capacity(queues);
    for queue in 0..queues {
        let candidates = (0..64 * queues).map(|number| format!("{node}{number}"));
        let mut unused = candidates.filter(|client| !clients.contains(client));
        let first = unused.next();
        let fits = |client: &String| client_host(client, hosts) == queue % hosts;
        let fitting = first.clone().into_iter().chain(unused).find(fits);
        clients.extend(fitting.or(first));
    }
    clients
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::codec::names::is_channel_name;

    const NODE: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn members_of_nodes_are_distinguished_from_those_of_channels() {
        for hosts in [1, 3, 64] {
            for number in 0..50 {
                let group = GroupName::new(&format!("g{number}")).unwrap();
                let core = naming(hosts).registration(&group, number).core.unwrap();
                assert!(GroupNaming::is_of_a_node(&core.member), "{}", core.member);
            }
        }
        for channels in [
            // channels_redis 3 and 4: a UUID of the process, another one of the consumer.
            format!("specific.{NODE}!{NODE}"),
            format!("specific..{NODE}!{NODE}"),
            format!("other.{NODE}7!{NODE}"),
            // channels_redis 2: letters.
            "specific.AbCdEfGh!IjKlMnOpQrSt".to_owned(),
            "thumbnails".to_owned(),
            format!("specific.{NODE}7"),
            format!("specific.{NODE}7!"),
            format!("specific.{NODE}r!reply"),
        ] {
            assert!(!GroupNaming::is_of_a_node(&channels), "{channels}");
        }
    }

    fn naming(hosts: usize) -> GroupNaming {
        GroupNaming::new(&config::Layer::default(), hosts, NODE)
    }

    #[test]
    fn a_member_name_is_valid_for_channels_and_leads_back_to_its_token() {
        let registration = naming(1).registration(&GroupName::new(&"g".repeat(99)).unwrap(), u64::MAX);
        let member = registration.core.unwrap().member;
        assert!(member.len() < 100 && is_channel_name(&member), "{member}");
        assert_eq!(GroupNaming::token(&member), Some(u64::MAX));
        assert!(member.starts_with(&format!("specific.{NODE}{}!", registration.queue)));
    }

    #[test]
    fn a_connections_channel_is_valid_for_channels_and_leads_back_to_its_node_and_id() {
        let id = "k2Jx-_k2Jx-_k2Jx-_k2";
        let channel = naming(1).connection_channel(id);
        assert!(channel.len() < 100 && is_channel_name(&channel), "{channel}");
        assert_eq!(GroupNaming::connection_of(&channel), Some((NODE, id)));
        assert_eq!(channel.strip_prefix(&naming(3).connections()), Some(id));
        // Not one of the node's members of groups, whose events the node gets otherwise.
        assert!(!GroupNaming::is_of_a_node(&channel) && GroupNaming::token(&channel).is_none());
        assert_eq!(LayerNames::new("asgi").core_queue_key(&channel), naming(1).queues()[4]);
        for other in [
            naming(1).reply_channel(),
            format!("specific.{NODE}7!1f"),
            format!("specific.{NODE}!c.{id}"),
            format!("specific.{NODE}r!c{id}"),
            format!("specific.{}r!c.{id}", &NODE[1..]),
            "thumbnails".to_owned(),
        ] {
            assert_eq!(GroupNaming::connection_of(&other), None, "{other}");
        }
    }

    #[test]
    fn queues_are_the_keys_that_group_send_writes_to() {
        let queues = naming(1).queues();
        assert_eq!(queues.len(), 6);
        assert_eq!(queues[2], format!("asgispecific.{NODE}2!"));
        let reply = naming(1).reply_channel();
        assert!(is_channel_name(&reply) && GroupNaming::token(&reply).is_none(), "{reply}");
        assert_eq!(LayerNames::new("asgi").core_queue_key(&reply), queues[4]);
    }

    #[test]
    fn every_host_has_a_queue_so_that_a_group_of_the_core_layer_needs_one_host_only() {
        let layer = config::Layer { kind: config::LayerKind::Core, ..Default::default() };
        for hosts in 1..=4 {
            let naming = GroupNaming::new(&layer, hosts, NODE);
            let queues = naming.queues();
            assert!(
                queues.iter().all(|queue| queues.iter().filter(|other| *other == queue).count() == 1),
                "{queues:?}"
            );
            for n in 0..100 {
                let registration = naming.registration(&GroupName::new(&format!("room_{n}")).unwrap(), 0);
                assert_eq!(registration.needs, 1 << registration.core.unwrap().host);
                assert_eq!(naming.queue_host(registration.queue), registration.needs.trailing_zeros() as usize);
            }
        }
    }

    #[test]
    fn the_two_layers_place_a_group_by_different_names() {
        let naming = naming(3);
        let apart = (0..100).any(|n| {
            let registration = naming.registration(&GroupName::new(&format!("room_{n}")).unwrap(), 0);
            registration.core.unwrap().host != registration.pubsub.unwrap().1
        });
        assert!(apart);
    }

    #[test]
    fn a_kind_has_only_its_own_names() {
        let group = GroupName::new("g").unwrap();
        for (kind, core, pubsub) in [
            (config::LayerKind::Core, true, false),
            (config::LayerKind::Pubsub, false, true),
            (config::LayerKind::Both, true, true),
        ] {
            let naming = GroupNaming::new(&config::Layer { kind, ..Default::default() }, 1, NODE);
            let registration = naming.registration(&group, 0);
            assert_eq!((registration.core.is_some(), registration.pubsub.is_some()), (core, pubsub));
            assert_eq!(naming.queues().is_empty(), !core);
            assert_eq!(registration.plain, "channelgate:g");
        }
    }
}
