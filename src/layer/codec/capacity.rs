//! How many messages a channel of the core layer may hold, by its name.
//!
//! In: `capacity` and the patterns of `channel_capacity`, as in Django's settings: a glob, or between slashes what is a
//! compiled regular expression there. Out: the capacity of a channel, as `BaseChannelLayer.get_capacity` finds it.

use regex::bytes::{Regex, RegexBuilder};

use crate::config::Layer;

/// The capacities of channels.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// The first that matches counts.
    by_pattern: Vec<(Pattern, usize)>,
    default: usize,
}

/// A pattern of `channel_capacity` that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    /// The pattern, as written.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Clone, Debug)]
enum Pattern {
    Glob(Box<[Token]>),
    /// Must match from the beginning of a name, like `match` of Python's `re`.
    Regex(Regex),
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
    ///
    /// # Errors
    /// A regular expression is wrong, or a glob can match no name.
    pub fn new(layer: &Layer) -> Result<Self, PatternError> {
        let read = |(text, capacity): (&String, &usize)| {
            let pattern = Pattern::read(text).map_err(|reason| PatternError { pattern: text.clone(), reason })?;
            Ok((pattern, *capacity))
        };
        let by_pattern = layer.channel_capacity.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { by_pattern, default: layer.capacity })
    }

    /// The capacity of a channel.
    pub fn of(&self, channel: &str) -> usize {
        let first = self.by_pattern.iter().find(|(pattern, _)| pattern.matches(channel));
        first.map_or(self.default, |(_, capacity)| *capacity)
    }
}

impl Pattern {
    fn read(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return match text.contains('/') {
                false => Ok(Self::Glob(tokens(text))),
                true => Err("no channel has a \"/\" in its name; a regular expression is written /…/".to_owned()),
            };
        };
        let (expression, flags) =
            rest.rsplit_once('/').ok_or("a regular expression ends with a \"/\", as it begins")?;
        let mut builder = RegexBuilder::new(&in_rust(expression));
        // The names of channels are ASCII.
        builder.unicode(false);
        for flag in flags.chars() {
            match flag {
                'i' => builder.case_insensitive(true),
                'm' => builder.multi_line(true),
                's' => builder.dot_matches_new_line(true),
                'x' => builder.ignore_whitespace(true),
                _ => return Err(format!("{flag:?} is unknown after the last \"/\"; known: i, m, s, x")),
            };
        }
        let compiled = builder.build().map_err(|error| {
            let last = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
            format!("the regular expression is not valid: {last}; look-around and back-references are not supported")
        });
        compiled.map(Self::Regex)
    }

    fn matches(&self, channel: &str) -> bool {
        match self {
            Self::Glob(glob) => matches(glob, channel),
            // The leftmost match begins at the beginning if any does.
            Self::Regex(regex) => regex.find(channel.as_bytes()).is_some_and(|found| found.start() == 0),
        }
    }
}

/// Python's regular expression in the syntax of this program's library: `\Z` is the end.
fn in_rust(expression: &str) -> String {
    let mut written = String::with_capacity(expression.len());
    let mut rest = expression.chars();
    while let Some(next) = rest.next() {
        written.push(next);
        if next == '\\'
            && let Some(escaped) = rest.next()
        {
            written.push(if escaped == 'Z' { 'z' } else { escaped });
        }
    }
    written
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
        let capacity = Capacity::new(&Layer { channel_capacity, capacity: 9, ..Layer::default() }).unwrap();
        assert_eq!(["ab", "b"].map(|channel| capacity.of(channel)), [1, 9]);
    }

    #[test]
    fn regular_expressions_match_like_a_compiled_pattern_of_python() {
        // Each line is checked with re.compile(…).match.
        for (pattern, yes, no) in [
            (r"/^http\.request$/", "http.request", "http.requests"),
            (r"/http\./", "http.request", "my.http.request"),
            (r"/specific\.\w+!/", "specific.ab!x", "specific.!x"),
            (r"/a|ab$/", "abc", "b"),
            (r"/HTTP/i", "http.request", "ttp"),
            (r"/(?i)HTTP/", "http.request", "ttp"),
            (r"/a\Z/", "a", "ab"),
            (r"/(?P<kind>a|b)-\d{2}/", "b-12", "b-1"),
            (r"/.*-x/", "a-x", "a-y"),
            ("/a b # letters/x", "ab", "a b"),
        ] {
            let pattern = Pattern::read(pattern).unwrap();
            assert!(pattern.matches(yes) && !pattern.matches(no), "{pattern:?}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_meant_is_an_error() {
        for (pattern, said) in [
            ("/http", "ends with"),
            ("http/*", "no channel has"),
            ("/(/", "not valid"),
            ("/a(?=b)/", "look-around"),
            (r"/(a)\1/", "back-references"),
            ("/a/u", "known: i, m, s, x"),
        ] {
            let channel_capacity = [(pattern.to_owned(), 1)].into_iter().collect();
            let error = Capacity::new(&Layer { channel_capacity, ..Layer::default() }).err().unwrap();
            assert!(error.pattern == pattern && error.reason.contains(said), "{error:?}");
        }
    }
}
