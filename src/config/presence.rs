//! Presence: connections counted per member.

use serde::{Deserialize, Serialize};

use super::Span;

/// Connections counted per member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// Expression: the member's id, text or an integer; null is not counted.
    pub member: String,
    /// Template: the room in which the member is counted; unset: the whole consumer.
    #[serde(default)]
    pub room: Option<String>,
    /// How many members `present()` lists at most.
    #[serde(default = "thousand")]
    pub max_listed: usize,
    /// How long a member may be without a connection before it is gone.
    #[serde(default = "two_seconds")]
    pub grace: Span,
}

fn two_seconds() -> Span {
    Span::seconds(2)
}

fn thousand() -> usize {
    1000
}
