//! How many messages a channel of the core layer may hold, by its name.
//!
//! In: `capacity` and the globs of `channel_capacity`, as in Django's settings. Out: the capacity of a channel, as
//! `BaseChannelLayer.get_capacity` finds it.

use crate::config::Layer;

/// The capacities of channels.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// The first that matches counts.
    by_glob: Vec<(Box<[Token]>, usize)>,
    default: usize,
}

/// A part of a glob.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Exactly(char),
    Among { ranges: Vec<(char, char)>, negated: bool },
}

impl Capacity {
    /// The capacities of a layer.
    pub fn new(layer: &Layer) -> Self {
        let by_glob = layer.channel_capacity.iter().map(|(glob, capacity)| (tokens(glob), *capacity)).collect();
        Self { by_glob, default: layer.capacity }
    }

    /// The capacity of a channel.
    pub fn of(&self, channel: &str) -> usize {
        let first = self.by_glob.iter().find(|(glob, _)| matches(glob, channel));
        first.map_or(self.default, |(_, capacity)| *capacity)
    }
}

/// Reads a glob like Python's `fnmatch.translate`: `*`, `?`, `[a-c]` and `[!a-c]`.
fn tokens(glob: &str) -> Box<[Token]> {
    let mut tokens = Vec::new();
    let mut rest = glob.chars();
    while let Some(next) = rest.next() {
        tokens.push(match next {
            '*' => Token::Any,
            '?' => Token::One,
            '[' => match set(rest.as_str()) {
                Some((set, after)) => {
                    rest = after.chars();
                    set
                }
                None => Token::Exactly('['),
            },
            other => Token::Exactly(other),
        });
    }
    tokens.into()
}

/// A set after its `[`, and the rest; `None` if it does not end.
fn set(text: &str) -> Option<(Token, &str)> {
    let (negated, inner) = text.strip_prefix('!').map_or((false, text), |inner| (true, inner));
    // A "]" in the first place belongs to the set.
    let first = inner.chars().next()?.len_utf8();
    let end = first + inner.get(first..)?.find(']')?;
    let members: Vec<char> = inner[..end].chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(from) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some('-'), Some(to)) => {
                ranges.push((*from, *to));
                at += 3;
            }
            _ => {
                ranges.push((*from, *from));
                at += 1;
            }
        }
    }
    Some((Token::Among { ranges, negated }, &inner[end + 1..]))
}

/// Whether a glob matches a whole name. After a failure it goes back only to the last `*`, so it takes at most the
/// product of both lengths.
fn matches(glob: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < name.len() {
        match glob.get(token) {
            Some(Token::Any) => {
                back = Some((token, at));
                token += 1;
            }
            Some(one) if one.takes(name[at]) => {
                token += 1;
                at += 1;
            }
            _ => match &mut back {
                Some((any, from)) => {
                    *from += 1;
                    (token, at) = (*any + 1, *from);
                }
                None => return false,
            },
        }
    }
    glob[token..].iter().all(|rest| *rest == Token::Any)
}

impl Token {
    fn takes(&self, character: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Exactly(one) => *one == character,
            Self::Among { ranges, negated } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_like_fnmatch() {
        // Each line is checked with Python's fnmatch.fnmatchcase.
        for (glob, yes, no) in [
            ("http.request", "http.request", "http.requests"),
            ("http.*", "http.response!a", "https.response"),
            ("*!*", "specific.a!b", "plain"),
            ("specific.??!*", "specific.ab!x", "specific.abc!x"),
            ("[a-c]*", "b1", "d1"),
            ("[!a-c]*", "d1", "b1"),
            ("[]x]", "]", "["),
            ("[a-]z", "-z", "bz"),
            ("a[b", "a[b", "ab"),
            ("*a*b", "xaxbxb", "xaxbx"),
            ("", "", "a"),
        ] {
            let glob = tokens(glob);
            assert!(matches(&glob, yes), "{glob:?} {yes}");
            assert!(!matches(&glob, no), "{glob:?} {no}");
        }
    }

    #[test]
    fn the_first_glob_counts_and_then_the_default() {
        let channel_capacity = [("a*".to_owned(), 1), ("ab".to_owned(), 2)].into_iter().collect();
        let capacity = Capacity::new(&Layer { channel_capacity, capacity: 9, ..Layer::default() });
        assert_eq!(["ab", "b"].map(|channel| capacity.of(channel)), [1, 9]);
    }
}
