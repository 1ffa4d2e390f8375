//! Topics: which events of its groups a connection gets.

use serde::{Deserialize, Serialize};

/// How topics select events.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Topics {
    /// `exact`, or `words`: a subscribed name also matches topics that contain it as whole words between underscores.
    pub matching: TopicMatching,
    /// What a connection gets before its first subscription.
    pub before_subscribe: BeforeSubscribe,
    /// Maximum number of names per connection; more close it with 1008.
    pub max: usize,
}

impl Default for Topics {
    fn default() -> Self {
        Self { matching: TopicMatching::Exact, before_subscribe: BeforeSubscribe::None, max: 100 }
    }
}

/// When a subscribed name matches a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TopicMatching {
    /// When they are equal.
    #[default]
    Exact,
    /// When the topic contains the name as whole words between underscores.
    Words,
}

/// What a connection gets before its first subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BeforeSubscribe {
    /// No event that has a topic.
    #[default]
    None,
    /// Everything.
    All,
}
