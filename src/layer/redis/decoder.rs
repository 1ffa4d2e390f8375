//! Handles messages from Redis: recognises them by channel, decodes, counts and passes them to the sink.
//!
//! In: payloads of subscriptions and members of receive queues. Out: [`Signal`]s. Bytes that cannot be decoded are
//! counted with a reason and logged at a bounded rate; the next message is not affected.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::{direct, markers::Markers, naming::rooms_channel};
use crate::{
    config,
    event::{Emission, Event, Gap, GapReason, GroupName, Source, Value},
    layer::{
        ChannelMapping, MappedFrom, Signal, Sink, ToGroup,
        codec::{
            envelope::{Envelope, EnvelopeError, LayerCodec},
            json, msgpack,
            names::LayerNames,
        },
        emitter::{self, EmitterError},
    },
    redis::Published,
    telemetry::{DropReason, Metrics},
    warn_bounded,
};

/// The channels of one node.
pub(super) struct OwnChannels {
    pub probe: String,
    /// For messages to the node itself; the pub/sub layer publishes to it if it is in use.
    pub reply: String,
    /// For other nodes' messages to connections of this one.
    pub direct: String,
    /// What the channels of its connections begin with.
    pub connections: String,
}

/// Converts bytes to signals.
pub(super) struct SignalDecoder {
    sink: Sink,
    metrics: Metrics,
    codec: LayerCodec,
    names: LayerNames,
    publish_prefix: String,
    max_message: usize,
    /// The node's own channels.
    own: OwnChannels,
    /// Emissions of nodes to several rooms.
    rooms_channel: String,
    /// Whether the pub/sub layer, which publishes to the node's own channels, is in use.
    has_pubsub: bool,
    channels: HashMap<String, Vec<ToGroup>>,
    patterns: HashMap<String, Vec<ToGroup>>,
    emitters: config::Emitters,
    /// The pattern of the Node emitters' channels; `None` if they are not subscribed to.
    node_pattern: Option<String>,
}

impl SignalDecoder {
    pub fn new(
        layer: &config::Layer,
        own: OwnChannels,
        mappings: Vec<ChannelMapping>,
        sink: Sink,
        metrics: Metrics,
    ) -> Self {
        let mut channels: HashMap<String, Vec<ToGroup>> = HashMap::new();
        let mut patterns: HashMap<String, Vec<ToGroup>> = HashMap::new();
        for ChannelMapping { from, group } in mappings {
            match from {
                MappedFrom::Channel(channel) => channels.entry(channel).or_default().push(group),
                MappedFrom::Pattern(pattern) => patterns.entry(pattern).or_default().push(group),
            }
        }
        Self {
            sink,
            metrics,
            codec: LayerCodec::new(layer),
            names: LayerNames::new(&layer.prefix),
            publish_prefix: layer.publish_prefix.clone(),
            max_message: layer.max_message,
            own,
            rooms_channel: rooms_channel(layer),
            has_pubsub: layer.kind != config::LayerKind::Core,
            channels,
            patterns,
            node_pattern: (!layer.emitters.node.is_empty()).then(|| format!("{}#*", literal(&layer.emitters.node))),
            emitters: layer.emitters.clone(),
        }
    }

    /// The channels that every session subscribes to, with or without groups.
    pub fn fixed_channels(&self) -> Vec<String> {
        let emitter = (!self.emitters.python.is_empty()).then_some(&self.emitters.python);
        let reply = self.has_pubsub.then_some(&self.own.reply);
        let own = [&self.own.probe, &self.rooms_channel, &self.own.direct].into_iter().chain(reply);
        own.chain(self.channels.keys()).chain(emitter).cloned().collect()
    }

    pub fn fixed_patterns(&self) -> Vec<String> {
        self.patterns.keys().chain(&self.node_pattern).cloned().collect()
    }

    /// The pattern of the channels of this node's connections, and a wider one for a user who may subscribe to no other:
    /// an ACL permits patterns literally, and a node's names are not known before it starts. `None` if nobody publishes
    /// to them.
    pub fn connection_patterns(&self) -> Option<[String; 2]> {
        self.has_pubsub.then(|| [format!("{}*", self.own.connections), ALL_SPECIFIC.to_owned()])
    }

    pub fn probe_channel(&self) -> &str {
        &self.own.probe
    }

    pub fn is_fixed(&self, channel: &str) -> bool {
        self.channels.contains_key(channel) || (!channel.is_empty() && channel == self.emitters.python)
    }

    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub fn gap(&self, groups: Option<Vec<GroupName>>, reason: GapReason) {
        // Counted by the receiver, together with the gaps that the node finds itself.
        (self.sink)(Signal::Gap(Gap { groups, reason }));
    }

    /// A message of a subscribed channel or pattern.
    pub fn hear(&self, Published { pattern, channel, payload }: Published<'_>, markers: &Markers) {
        if channel != self.own.probe.as_bytes() {
            markers.message();
        }
        match pattern {
            Some(pattern) => self.pattern_message(pattern, channel, payload),
            None => self.message(channel, payload, markers),
        }
    }

    fn message(&self, channel: &[u8], payload: &[u8], markers: &Markers) {
        let Ok(channel) = std::str::from_utf8(channel) else {
            return self.drop(DropReason::UnknownChannel, "?", &"not UTF-8");
        };
        if let Some(group) = self.names.group_of_pubsub_channel(channel) {
            if let Ok(group) = GroupName::new(group) {
                match self.codec.decode_pubsub(payload) {
                    Ok(Some(body)) => self.event(group, body, Source::Pubsub),
                    // It came as a plain publish, too.
                    Ok(None) => {}
                    Err(error) => self.drop(error.drop_reason(), channel, &error),
                }
            }
        } else if channel == self.own.probe {
            if let Some(took) = markers.heard(payload) {
                self.metrics.durations.redis_round_trip.observe(took.as_secs_f64());
            }
        } else if channel == self.rooms_channel {
            self.emission(channel, payload);
        } else if channel == self.own.direct {
            self.direct_from_node(channel, payload);
        } else if let Some(group) = channel.strip_prefix(&self.publish_prefix)
            && let Ok(group) = GroupName::new(group)
        {
            if let Some(body) = self.plain(channel, payload) {
                self.event(group, body, Source::Publish);
            }
        } else if channel == self.own.reply {
            match self.codec.decode_pubsub(payload) {
                Ok(Some(body)) => self.reply(body, Source::Pubsub),
                Ok(None) => {}
                Err(error) => self.drop(error.drop_reason(), channel, &error),
            }
        } else if channel == self.emitters.python {
            self.emitted(channel, payload, |payload| emitter::decode_python(payload, self.emitters.python_list));
        }
        if !self.channels.is_empty()
            && let Some(mappings) = self.channels.get(channel)
        {
            self.mapped(mappings, channel, payload);
        }
    }

    fn pattern_message(&self, pattern: &[u8], channel: &[u8], payload: &[u8]) {
        let (Ok(pattern), Ok(channel)) = (std::str::from_utf8(pattern), std::str::from_utf8(channel)) else {
            return self.drop(DropReason::UnknownChannel, "?", &"not UTF-8");
        };
        // A pattern may be wide enough to match the probes; those are not events.
        if let Some(mappings) = self.patterns.get(pattern)
            && channel != self.own.probe
        {
            self.mapped(mappings, channel, payload);
        }
        if self.is_of_connections(pattern)
            && let Some(id) = channel.strip_prefix(&self.own.connections)
        {
            match self.codec.decode_pubsub(payload) {
                Ok(Some(body)) => self.direct(id, body, Source::Pubsub),
                Ok(None) => {}
                Err(error) => self.drop(error.drop_reason(), channel, &error),
            }
        }
        if self.node_pattern.as_deref() == Some(pattern) {
            self.emitted(channel, payload, |payload| emitter::decode_node(payload).map(Signal::Emission).map(Some));
        }
    }

    fn is_of_connections(&self, pattern: &str) -> bool {
        let narrow = || pattern.strip_suffix('*').is_some_and(|rest| rest == self.own.connections);
        self.has_pubsub && (pattern == ALL_SPECIFIC || narrow())
    }

    /// A node's message to a connection of this one.
    fn direct_from_node(&self, channel: &str, payload: &[u8]) {
        let Some(message) = self.plain(channel, payload) else { return };
        if let Some((name, body)) = direct::read(message)
            && let Some(id) = name.strip_prefix(&self.own.connections)
        {
            return self.direct(id, body, Source::Publish);
        }
        self.drop(DropReason::Decode, channel, &"it names no connection of this node, or has no message");
    }

    /// An emission of a node to several rooms.
    fn emission(&self, channel: &str, payload: &[u8]) {
        let Some(body) = self.plain(channel, payload) else { return };
        match Emission::from_rooms(&body, Source::Publish, Instant::now()) {
            Ok(emission) => {
                self.metrics.event(Source::Publish.label());
                (self.sink)(Signal::Emission(emission));
            }
            Err(reason) => self.drop(DropReason::Decode, channel, &reason),
        }
    }

    fn emitted(
        &self,
        channel: &str,
        payload: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<Option<Signal>, EmitterError>,
    ) {
        if payload.len() > self.max_message {
            return self.drop(DropReason::TooLarge, channel, &format_args!("{} bytes", payload.len()));
        }
        match decode(payload) {
            Ok(Some(signal)) => {
                self.metrics.event(Source::Emitter.label());
                (self.sink)(signal);
            }
            Ok(None) => {}
            Err(error) => self.drop(error.drop_reason(), channel, &error),
        }
    }

    /// A member popped from a receive queue; `group_of` finds the group of a member name of this node, or `Err(())` if
    /// the node never used that name.
    pub fn member(&self, member: &[u8], now: SystemTime, group_of: impl Fn(&str) -> Result<Option<GroupName>, ()>) {
        self.envelope(self.codec.decode_core(member, now), group_of);
    }

    /// The same for a message of channels_redis 2.
    pub fn version_2_message(
        &self,
        message: &[u8],
        now: SystemTime,
        group_of: impl Fn(&str) -> Result<Option<GroupName>, ()>,
    ) {
        self.envelope(self.codec.decode_version_2(message, now), group_of);
    }

    fn envelope(
        &self,
        envelope: Result<Envelope, EnvelopeError>,
        group_of: impl Fn(&str) -> Result<Option<GroupName>, ()>,
    ) {
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(error) => return self.drop(error.drop_reason(), "a receive queue", &error),
        };
        let mut body = Some(envelope.body);
        let mut names = envelope.channels.iter().peekable();
        if names.peek().is_none() {
            self.drop(DropReason::UnknownChannel, "a receive queue", &"the message names no channel");
        }
        while let Some(name) = names.next() {
            if *name == self.own.reply {
                self.reply(body.clone().unwrap_or_default(), Source::Core);
                continue;
            }
            if let Some(id) = name.strip_prefix(&self.own.connections) {
                let body = if names.peek().is_none() { body.take() } else { body.clone() };
                self.direct(id, body.unwrap_or_default(), Source::Core);
                continue;
            }
            match group_of(name) {
                Ok(Some(group)) => {
                    // The usual message has one name; its body is then moved without a copy.
                    let body = if names.peek().is_none() { body.take() } else { body.clone() };
                    self.event(group, body.unwrap_or_default(), Source::Core);
                }
                // The group was left a moment ago.
                Ok(None) => {}
                Err(()) => self.drop(DropReason::UnknownChannel, name, &"no group of this node has this name"),
            }
        }
    }

    fn mapped(&self, mappings: &[ToGroup], channel: &str, payload: &[u8]) {
        let Some(mut body) = self.json(channel, payload) else { return };
        let last = mappings.len().saturating_sub(1);
        for (index, mapping) in mappings.iter().enumerate() {
            match mapping(channel, &body) {
                // The usual channel has one mapping; the body is then moved without a copy.
                Some(group) if index == last => self.event(group, std::mem::take(&mut body), Source::Mapped),
                Some(group) => self.event(group, body.clone(), Source::Mapped),
                None => self.drop(DropReason::Unmapped, channel, &"the mapping gives no valid group"),
            }
        }
    }

    /// A plain publish: a JSON object, or the msgpack map that a node writes if the event contains bytes.
    fn plain(&self, channel: &str, payload: &[u8]) -> Option<Value> {
        if !msgpack::begins_map(payload) {
            return self.json(channel, payload);
        }
        self.object(channel, payload, |payload| msgpack::decode(payload).map_err(|error| error.to_string()))
    }

    /// A JSON object.
    fn json(&self, channel: &str, payload: &[u8]) -> Option<Value> {
        self.object(channel, payload, |payload| json::decode(payload).map_err(|error| error.to_string()))
    }

    fn object(
        &self,
        channel: &str,
        payload: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<Value, String>,
    ) -> Option<Value> {
        if payload.len() > self.max_message {
            self.drop(DropReason::TooLarge, channel, &format_args!("{} bytes", payload.len()));
            return None;
        }
        let why = match decode(payload) {
            Ok(body @ Value::Map(_)) => return Some(body),
            Ok(other) => format!("an event must be an object, not {}", other.kind()),
            Err(error) => error,
        };
        self.drop(DropReason::Decode, channel, &why);
        None
    }

    fn reply(&self, body: Value, source: Source) {
        self.metrics.event(source.label());
        (self.sink)(Signal::Message(body));
    }

    fn direct(&self, id: &str, body: Value, source: Source) {
        self.metrics.event(source.label());
        (self.sink)(Signal::Direct { id: id.into(), body, source });
    }

    fn event(&self, group: GroupName, body: Value, source: Source) {
        self.metrics.event(source.label());
        (self.sink)(Signal::Event(Event { group, body, source, received: Instant::now() }));
    }

    /// The group in a channel's name, if it has one.
    fn group_of<'a>(&self, channel: &'a str) -> Option<&'a str> {
        self.names.group_of_pubsub_channel(channel).or_else(|| channel.strip_prefix(&self.publish_prefix))
    }

    fn drop(&self, reason: DropReason, from: &str, why: &dyn std::fmt::Display) {
        let detail = format_args!("a message from {from}: {why}");
        self.metrics.lost(reason, 1, self.group_of(from), None, &detail);
        warn_bounded!("dropped a message from {from} ({}): {why}", reason.label());
    }
}

/// The pattern of everything that is sent to one process.
const ALL_SPECIFIC: &str = "specific.*";

/// Text as a PSUBSCRIBE pattern that matches only itself.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// A decoder that every session shares; its sink is called where the bytes are read, on the layer's thread.
pub(super) type SharedDecoder = Arc<SignalDecoder>;
