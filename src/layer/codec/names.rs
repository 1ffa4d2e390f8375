//! The Redis keys and channels of channels_redis for a `prefix`.

use crate::event::Value;

/// Names for one `prefix` of `CHANNEL_LAYERS` (Django's default is `asgi`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerNames {
    prefix: Box<str>,
    pubsub_groups: Box<str>,
}

impl LayerNames {
    /// Names with `prefix`, exactly as configured in Django: a trailing colon is kept.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into(), pubsub_groups: format!("{prefix}__group__").into() }
    }

    /// The prefix itself.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Core layer: the sorted set of a group's channel names, `asgi:group:<group>`. Its host is that of the group's
    /// name.
    pub fn core_group_key(&self, group: &str) -> String {
        format!("{}:group:{group}", self.prefix)
    }

    /// Core layer: the sorted set from which messages for `channel` are popped, `asgispecific.<client>!`, or
    /// `asgi<channel>` for a plain channel. A group's copy goes to the host of [`non_local_name`]; a direct `send` of
    /// channels_redis to that of the full name, although a process reads only the former.
    pub fn core_queue_key(&self, channel: &str) -> String {
        format!("{}{}", self.prefix, non_local_name(channel))
    }

    /// Pub/sub layer: the Redis channel of a group, `asgi__group__<group>`. Its host is that of this whole name.
    pub fn pubsub_group_channel(&self, group: &str) -> String {
        format!("{}{group}", self.pubsub_groups)
    }

    /// Pub/sub layer: the group of a Redis channel, `None` if it is not a group's channel. The text is not validated.
    pub fn group_of_pubsub_channel<'a>(&self, channel: &'a str) -> Option<&'a str> {
        channel.strip_prefix(&*self.pubsub_groups)
    }
}

/// The part of a channel name up to and including the first `!`; all of it without a `!`.
pub fn non_local_name(channel: &str) -> &str {
    match channel.find('!') {
        Some(at) => &channel[..=at],
        None => channel,
    }
}

/// The part of a channel name after the first `!`, meaningful only to the process that owns the queue.
pub fn local_name(channel: &str) -> Option<&str> {
    channel.split_once('!').map(|(_, local)| local)
}

/// The full channel name of something local to `client`: `specific.<client>!<local>`.
pub fn specific_channel(client: &str, local: &str) -> String {
    ["specific.", client, "!", local].concat()
}

/// Whether Channels accepts this as a channel name: at most 99 ASCII letters, digits, `-`, `_`, `.`, then optionally
/// `!` and more of those (`channels.layers.BaseChannelLayer.valid_channel_name`, ASCII only).
pub fn is_channel_name(name: &str) -> bool {
    let (non_local, local) = name.split_once('!').unwrap_or((name, ""));
    let allowed = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    name.len() < 100 && !non_local.is_empty() && allowed(non_local) && allowed(local)
}

/// Whether a consumer of Channels can have a method for this event (`channels.consumer.get_handler_name`): its `type` is
/// text, and with `_` for `.` the name of a method that does not begin with `_`. Any other event ends the consumer.
pub fn has_handler_name(event: &Value) -> bool {
    let Some(kind) = event.get("type").and_then(Value::as_str) else { return false };
    kind.starts_with(char::is_alphabetic) && kind.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}

/// The key of a Django cache entry: the cache's `KEY_PREFIX:VERSION:` and the key, unescaped (`:1:ws_token_7`).
pub fn cache_key(prefix: &str, key: &str) -> String {
    format!("{prefix}{key}")
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;

    #[test]
    fn keys_are_those_of_channels_redis() {
        let names = LayerNames::new("asgi");
        assert_eq!(names.core_group_key("room_1"), "asgi:group:room_1");
        assert_eq!(names.core_queue_key("specific.gw1!g.room_1"), "asgispecific.gw1!");
        assert_eq!(names.core_queue_key("thumbnails"), "asgithumbnails");
        let name = specific_channel("gw1", "1f");
        assert_eq!(name, "specific.gw1!1f");
        assert_eq!(name.capacity(), name.len(), "each group has one");
        assert_eq!(names.pubsub_group_channel("room_1"), "asgi__group__room_1");
        assert_eq!(names.group_of_pubsub_channel("asgi__group__room:1 é"), Some("room:1 é"));
        assert_eq!(names.group_of_pubsub_channel("asgispecific.1"), None);
        // The prefix of channels_redis 2, which projects still configure.
        assert_eq!(LayerNames::new("asgi:").core_group_key("g"), "asgi::group:g");
        assert_eq!(cache_key(":1:", "ws_token é:1"), ":1:ws_token é:1");
    }

    #[test]
    fn an_event_needs_the_name_of_a_method() {
        let event = |kind: Value| [("type", kind)].into_iter().collect::<Value>();
        for good in ["send_event", "chat.message", "a", "zähler.1", "a..b"] {
            assert!(has_handler_name(&event(good.into())), "{good}");
        }
        for bad in ["", "_private", ".hidden", "7up", "session-stats-update", "a b", "a/b"] {
            assert!(!has_handler_name(&event(bad.into())), "{bad}");
        }
        assert!(!has_handler_name(&event(Value::Int(1))) && !has_handler_name(&Value::Map(IndexMap::default())));
    }

    #[test]
    fn channel_names_follow_the_rule_of_channels() {
        for good in ["thumbnails", "specific.gw1!", "specific.gw1!g.room_1", &"x".repeat(99)] {
            assert!(is_channel_name(good), "{good}");
        }
        for bad in ["", "!x", "a!b!c", "a b", "a:b", "é", &"x".repeat(100)] {
            assert!(!is_channel_name(bad), "{bad}");
        }
    }
}
