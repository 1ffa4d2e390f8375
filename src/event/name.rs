//! Group names, by Channels' own rule.

use std::{fmt, sync::Arc};

/// The name of a channel-layer group: 1 to 99 ASCII letters, digits, `-`, `_` or `.`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupName(Arc<str>);

/// Why a text is no group name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupNameError {
    /// The empty text.
    #[error("a group name must not be empty")]
    Empty,
    /// 100 characters or more.
    #[error("a group name must be shorter than 100 characters, this one has {0}")]
    TooLong(usize),
    /// A character outside the rule.
    #[error("a group name holds only ASCII letters, digits, '-', '_' and '.', not {0:?}")]
    Character(char),
}

impl GroupName {
    /// Checks `text` against Channels' rule (`channels.layers.BaseChannelLayer.valid_group_name`, ASCII only).
    pub fn new(text: &str) -> Result<Self, GroupNameError> {
        if text.is_empty() {
            return Err(GroupNameError::Empty);
        }
        let length = text.chars().count();
        if length >= 100 {
            return Err(GroupNameError::TooLong(length));
        }
        match text.chars().find(|c| !is_allowed(*c)) {
            Some(character) => Err(GroupNameError::Character(character)),
            None => Ok(Self(text.into())),
        }
    }

    /// The group of a Socket.IO room: each character outside the rule becomes `.` (`session:7` is `session.7`).
    pub fn from_room(room: &str) -> Result<Self, GroupNameError> {
        let name: String = room.chars().map(|c| if is_allowed(c) { c } else { '.' }).collect();
        Self::new(&name)
    }

    /// The group of everybody in a Socket.IO namespace: `namespace.main` of `/`, `namespace.admin` of `/admin`.
    pub fn of_namespace(namespace: &str) -> Result<Self, GroupNameError> {
        let name = namespace.strip_prefix('/').unwrap_or(namespace);
        Self::from_room(&format!("namespace.{}", if name.is_empty() { "main" } else { name }))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

impl std::borrow::Borrow<str> for GroupName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_channels() {
        for good in ["a", "user_7", "order-1.2", &"x".repeat(99)] {
            assert!(GroupName::new(good).is_ok(), "{good}");
        }
        assert_eq!(GroupName::new(""), Err(GroupNameError::Empty));
        assert_eq!(GroupName::new(&"x".repeat(100)), Err(GroupNameError::TooLong(100)));
        for (bad, character) in [("a b", ' '), ("room:1", ':'), ("é", 'é'), ("room\n", '\n'), ("x@y", '@')] {
            assert_eq!(GroupName::new(bad), Err(GroupNameError::Character(character)));
        }
    }

    #[test]
    fn a_room_becomes_a_group() {
        assert_eq!(GroupName::from_room("session:7").unwrap().as_str(), "session.7");
    }

    #[test]
    fn a_namespace_has_a_group_of_everybody() {
        for (namespace, group) in [("/", "namespace.main"), ("/admin", "namespace.admin"), ("/a/b", "namespace.a.b")] {
            assert_eq!(GroupName::of_namespace(namespace).unwrap().as_str(), group);
        }
    }
}
