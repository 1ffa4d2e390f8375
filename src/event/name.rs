//! Group names: Channels' own rule, and how text and values are written as a name.
//!
//! docs/GROUPS.md explains it; Django writes the same in one line.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

/// Values are not written further than this: the name is far too long already.
const ENOUGH: usize = 1024;

/// The name of a channel-layer group: 1 to 99 ASCII letters, digits, `-`, `_` or `.`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupName(Arc<str>);

/// Why a text is not a group name.
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
    /// Most characters of a name.
    pub const MAX_LENGTH: usize = 99;

    /// Checks `text` against Channels' rule (`channels.layers.BaseChannelLayer.valid_group_name`, ASCII only).
    pub fn new(text: &str) -> Result<Self, GroupNameError> {
        if text.is_empty() {
            return Err(GroupNameError::Empty);
        }
        let length = text.chars().count();
        if length > Self::MAX_LENGTH {
            return Err(GroupNameError::TooLong(length));
        }
        match text.chars().find(|c| !is_allowed(*c)) {
            Some(character) => Err(GroupNameError::Character(character)),
            None => Ok(Self(text.into())),
        }
    }

    /// The group named by these parts.
    pub fn of<'a>(parts: impl IntoIterator<Item = NamePart<'a>>) -> Result<Self, GroupNameError> {
        Self::new(&written(parts))
    }

    /// The group of a stand-alone room: its text is written like a value, but `:` as `.`: `session:7` is `session.7`.
    pub fn of_room(room: &str) -> Result<Self, GroupNameError> {
        let parts = room.split(':').enumerate();
        Self::of(
            parts.flat_map(|(index, part)| [NamePart::Text(if index == 0 { "" } else { ":" }), NamePart::Value(part)]),
        )
    }

    /// The group of a room, if its characters are written the same as text and as values.
    pub fn of_plain_room(room: &str) -> Option<Self> {
        let encoded = room.match_indices('-').any(|(index, _)| is_code(&room[index + 1..]));
        if encoded { None } else { Self::new(room).ok() }
    }

    /// The group of all connections in a Socket.IO namespace: `namespace.main` of `/`, `namespace.admin` of `/admin`.
    pub fn of_namespace(namespace: &str) -> Result<Self, GroupNameError> {
        let name = namespace.strip_prefix('/').unwrap_or(namespace);
        Self::of([NamePart::Text("namespace."), NamePart::Text(if name.is_empty() { "main" } else { name })])
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A part of a group's name, before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamePart<'a> {
    /// Text of the configuration: each character outside the rule becomes `.`, like the colon of `session:7`.
    Text(&'a str),
    /// A value chosen by an identity or a client: each byte outside the rule becomes `-xHH`, and so does each `-` that
    /// looks like the start of such a code. Two different values are never written alike.
    Value(&'a str),
}

/// The parts as written in a name; the result may be longer than a name can be.
pub fn written<'a>(parts: impl IntoIterator<Item = NamePart<'a>>) -> String {
    let mut name = String::new();
    for part in parts {
        if name.len() > ENOUGH {
            break;
        }
        match part {
            NamePart::Text(text) => name.extend(text.chars().map(|c| if is_allowed(c) { c } else { '.' })),
            NamePart::Value(value) => {
                for (index, character) in value.char_indices() {
                    let rest = &value[index + character.len_utf8()..];
                    if is_allowed(character) && !(character == '-' && is_code(rest)) {
                        name.push(character);
                    } else {
                        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                            // Writing to text never fails.
                            let _ = write!(name, "-x{byte:02x}");
                        }
                    }
                    if name.len() > ENOUGH {
                        break;
                    }
                }
            }
        }
    }
    name
}

/// Whether the text after a `-` makes it a code: `x` and two hexadecimal digits.
fn is_code(rest: &str) -> bool {
    matches!(rest.as_bytes(), [b'x', b'0'..=b'9' | b'a'..=b'f', b'0'..=b'9' | b'a'..=b'f', ..])
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
    use proptest::prelude::*;

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

    fn value(value: &str) -> String {
        written([NamePart::Value(value)])
    }

    #[test]
    fn a_valid_value_is_written_unchanged() {
        for clean in
            ["7", "a_b-c.d", "01234567-89ab-cdef-0123-456789abcdef", "my-slug", "-", "-x", "-x2", "-x2g", "-X2b"]
        {
            assert_eq!(value(clean), clean);
        }
        assert_eq!(GroupName::of([NamePart::Text("session:"), NamePart::Value("7")]).unwrap().as_str(), "session.7");
    }

    #[test]
    fn values_are_written_as_django_writes_them() {
        // The results of the line of Python in docs/GROUPS.md.
        for (given, expected) in [
            ("bob+smith@x", "bob-x2bsmith-x40x"),
            ("auth0|1", "auth0-x7c1"),
            ("tenant:1", "tenant-x3a1"),
            ("a b", "a-x20b"),
            ("\u{e9}", "-xc3-xa9"),
            ("😀", "-xf0-x9f-x98-x80"),
            ("-x2e", "-x2dx2e"),
            ("--x2e", "--x2dx2e"),
            ("a\n", "a-x0a"),
            ("", ""),
        ] {
            assert_eq!(value(given), expected);
        }
    }

    #[test]
    fn a_stand_alone_room_is_a_value_with_dots_for_colons() {
        for (room, group) in [("session:7", "session.7"), ("a:b c", "a.b-x20c"), (":", "."), ("a-x2b", "a-x2dx2b")] {
            assert_eq!(GroupName::of_room(room).unwrap().as_str(), group);
        }
        assert_eq!(GroupName::of_plain_room("user_7-x").unwrap().as_str(), "user_7-x");
        for room in ["a:b", "a-x2b", "é", ""] {
            assert_eq!(GroupName::of_plain_room(room), None, "{room}");
        }
    }

    #[test]
    fn a_name_that_escaping_makes_too_long_is_refused() {
        assert_eq!(GroupName::of([NamePart::Value(&"я".repeat(20))]), Err(GroupNameError::TooLong(160)));
        assert!(matches!(GroupName::of([NamePart::Value(&"я".repeat(100_000))]), Err(GroupNameError::TooLong(_))));
    }

    fn tricky() -> impl Strategy<Value = String> {
        let piece =
            prop_oneof![Just("-"), Just("x"), Just("2b"), Just("+"), Just("2"), Just("."), Just("é"), Just(":")];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn two_values_are_never_written_alike(one in tricky(), other in tricky()) {
            prop_assert_eq!(value(&one) == value(&other), one == other);
        }

        #[test]
        fn a_value_is_written_so_that_it_can_be_read_again(text in any::<String>()) {
            let name = value(&text);
            prop_assume!(name.len() <= ENOUGH);
            prop_assert!(name.chars().all(is_allowed));
            let (mut bytes, mut rest) = (Vec::new(), name.as_str());
            while let Some(character) = rest.chars().next() {
                match rest.strip_prefix('-').filter(|after| is_code(after)) {
                    Some(code) => {
                        bytes.push(u8::from_str_radix(&code[1..3], 16).unwrap());
                        rest = &code[3..];
                    }
                    None => {
                        bytes.push(u8::try_from(character).unwrap());
                        rest = &rest[1..];
                    }
                }
            }
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }
    }

    #[test]
    fn a_namespace_has_a_group_of_all_connections() {
        for (namespace, group) in [("/", "namespace.main"), ("/admin", "namespace.admin"), ("/a/b", "namespace.a.b")] {
            assert_eq!(GroupName::of_namespace(namespace).unwrap().as_str(), group);
        }
    }
}
