//! Paths as Django writes them: `/ws/orders/<int:id>/`, with Django's converters and matching rules; and patterns of
//! rooms that clients may name, in the same form: `work_order_<int>`.
//!
//! In: the raw path of a request. Out: the typed parameters. The trailing slash is optional in both.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::{
    config::did_you_mean,
    event::{NamePart, Value},
};

/// Longer paths match nothing, which bounds the work for a hostile path.
const MAX_PATH: usize = 2048;

/// A compiled path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Literal text.
    Text(Box<str>),
    /// A parameter, by its name.
    Parameter(Box<str>, Converter),
}

/// Django's path converters (`django/urls/converters.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Converter {
    Str,
    Int,
    Slug,
    Uuid,
    /// Any text at all.
    Path,
    /// The result of a hash: so many hexadecimal digits. It has no name in patterns.
    Digest(u8),
}

const CONVERTERS: [(&str, Converter); 5] = [
    ("str", Converter::Str),
    ("int", Converter::Int),
    ("slug", Converter::Slug),
    ("uuid", Converter::Uuid),
    ("path", Converter::Path),
];

impl Pattern {
    pub fn compile(source: &str) -> Result<Self, String> {
        if source.contains("(?P<") || source.contains('$') || source.starts_with('^') {
            return Err("regular expressions are not supported; write <str:name>, <int:name> or <path:name>".to_owned());
        }
        if !source.starts_with('/') {
            return Err("must begin with \"/\"".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, after)) = rest.split_once('<') {
            let (inside, after) = after.split_once('>').ok_or("\"<\" without \">\"")?;
            push_text(&mut parts, text)?;
            parts.push(parameter(inside)?);
            rest = after;
        }
        push_text(&mut parts, rest)?;
        let pattern = Self(parts);
        let mut names = pattern.parameters();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("the parameter {:?} appears twice", pair[0])),
            None => Ok(pattern),
        }
    }

    /// The pattern of rooms that clients may name: `work_order_<int>`. Parameters need no names.
    pub fn room(source: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, after)) = rest.split_once('<') {
            let (inside, after) = after.split_once('>').ok_or("\"<\" without \">\"")?;
            parts.push(Part::Text(text.into()));
            let (word, name) = inside.split_once(':').unwrap_or((inside, inside));
            parts.push(Part::Parameter(name.into(), converter(word)?));
            rest = after;
        }
        parts.push(Part::Text(rest.into()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        let text_has = |part: &Part, bad: &[char]| matches!(part, Part::Text(text) if text.contains(bad));
        if parts.iter().any(|part| text_has(part, &['{', '}', '>', '*'])) {
            return Err("write a variable part as <int>, <str>, <slug> or <uuid>".to_owned());
        }
        match parts.first() {
            Some(Part::Text(_)) => Ok(Self(parts)),
            Some(Part::Parameter(..)) => Err("would let clients name every room; begin it with text".to_owned()),
            None => Err("is empty".to_owned()),
        }
    }

    /// The pattern made of these parts.
    pub const fn of(parts: Vec<Part>) -> Self {
        Self(parts)
    }

    /// Its parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Splits a room of this pattern into text and the values of parameters.
    pub fn parse<'a>(&'a self, room: &'a str) -> Option<Vec<NamePart<'a>>> {
        let mut taken = self.exactly(room)?.into_iter().rev();
        let of = |part: &'a Part| match part {
            Part::Text(text) => Some(NamePart::Text(text)),
            Part::Parameter(..) => taken.next().map(NamePart::Value),
        };
        self.0.iter().map(of).collect()
    }

    /// Names of its parameters.
    pub fn parameters(&self) -> Vec<&str> {
        self.typed().map(|(name, _)| name).collect()
    }

    /// Its parameters, each with its converter.
    pub fn typed(&self) -> impl Iterator<Item = (&str, Converter)> {
        self.0.iter().filter_map(|part| match part {
            Part::Parameter(name, converter) => Some((&**name, *converter)),
            Part::Text(_) => None,
        })
    }

    /// Whether both match the same paths, as far as can be determined.
    pub fn is_same(&self, other: &Self) -> bool {
        self.without_slash() == other.without_slash()
    }

    /// Whether the text of both is the same, ignoring the parameters.
    pub fn has_same_text(&self, other: &Self) -> bool {
        let text = |pattern: &Self| -> Vec<Option<Box<str>>> {
            let parts =
                pattern.0.iter().map(|part| if let Part::Text(text) = part { Some(text.clone()) } else { None });
            parts.collect()
        };
        text(self) == text(other)
    }

    /// Its parts without the trailing slash, which is optional.
    fn without_slash(&self) -> Vec<Part> {
        let mut parts = self.0.clone();
        if let Some(Part::Text(text)) = parts.last_mut() {
            *text = text.strip_suffix('/').unwrap_or(text).into();
        }
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        parts
    }

    /// The parameters of `path`, which is decoded already; `None` if it does not match.
    pub fn matches(&self, path: &str) -> Option<Value> {
        // First as written, so that `<path:rest>` keeps a trailing slash; then with the slash added or removed.
        self.values(path).or_else(|| match path.strip_suffix('/') {
            Some(shorter) if shorter.ends_with('/') => None,
            Some(shorter) => self.values(shorter),
            None => self.values(&format!("{path}/")),
        })
    }

    /// The parameters of exactly this text.
    pub fn values(&self, path: &str) -> Option<Value> {
        let taken = self.exactly(path)?.into_iter().rev();
        Some(self.typed().zip(taken).map(|((name, converter), text)| (name, converter.value(text))).collect())
    }

    /// The values of its parameters for exactly this text, from the last to the first.
    fn exactly<'a>(&self, text: &'a str) -> Option<Vec<&'a str>> {
        if text.len() > MAX_PATH {
            return None;
        }
        let mut found = Vec::new();
        let mut dead = vec![false; (self.0.len() + 1) * (text.len() + 1)];
        search(&self.0, text, 0, &mut dead, &mut found).then_some(found)
    }
}

/// Matches like Django's regular expression: each parameter as long as possible, shorter if the rest needs it. `dead`
/// remembers failed attempts, so the work is at most parts × length².
fn search<'a>(parts: &[Part], path: &'a str, at: usize, dead: &mut [bool], found: &mut Vec<&'a str>) -> bool {
    let index = parts.len() * (path.len() + 1) + at;
    if dead[index] {
        return false;
    }
    let rest = &path[at..];
    let matched = match parts.split_first() {
        None => rest.is_empty(),
        Some((Part::Text(text), more)) => rest.starts_with(&**text) && search(more, path, at + text.len(), dead, found),
        Some((Part::Parameter(_, converter), more)) => {
            let longest = converter.longest(rest);
            let ends = rest[..longest].char_indices().map(|(start, c)| start + c.len_utf8()).rev();
            ends.into_iter().any(|end| {
                if !converter.accepts(&rest[..end]) || !search(more, path, at + end, dead, found) {
                    return false;
                }
                found.push(&rest[..end]);
                true
            })
        }
    };
    dead[index] = !matched;
    matched
}

impl Converter {
    /// Whether it can match this character.
    pub const fn fits(self, c: char) -> bool {
        match self {
            Self::Str => c != '/',
            Self::Int => c.is_ascii_digit(),
            Self::Slug => c.is_ascii_alphanumeric() || matches!(c, '-' | '_'),
            Self::Uuid => is_digit(c) || c == '-',
            Self::Path => true,
            Self::Digest(_) => is_digit(c),
        }
    }

    /// How many bytes at the start of `text` it could match.
    fn longest(self, text: &str) -> usize {
        text.find(|c| !self.fits(c)).unwrap_or(text.len())
    }

    /// Whether text with permitted characters is valid as a whole.
    fn accepts(self, text: &str) -> bool {
        match self {
            Self::Int => text.parse::<u64>().is_ok(),
            Self::Uuid => text.split('-').map(str::len).eq([8, 4, 4, 4, 12]),
            Self::Digest(length) => text.len() == usize::from(length),
            Self::Str | Self::Slug | Self::Path => true,
        }
    }

    fn value(self, text: &str) -> Value {
        match (self, text.parse::<u64>()) {
            (Self::Int, Ok(number)) => number.into(),
            _ => text.into(),
        }
    }
}

/// Whether it is a hexadecimal digit in lower case.
const fn is_digit(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f')
}

fn push_text(parts: &mut Vec<Part>, text: &str) -> Result<(), String> {
    if let Some(bad) = text.chars().find(|c| matches!(c, '>' | '{' | '}' | '?' | '#' | '*') || c.is_whitespace()) {
        return Err(format!("{bad:?} cannot be in a path; write a parameter as <int:id>"));
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
    Ok(())
}

fn parameter(inside: &str) -> Result<Part, String> {
    let (word, name) = inside.split_once(':').unwrap_or(("str", inside));
    let converter = converter(word).map_err(|reason| match reason.contains('?') {
        true => reason,
        false => {
            format!("{reason}; for one of your own (register_converter) write str, and test its value in on_admit")
        }
    })?;
    let first = name.chars().next();
    if !first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return Err(format!("{name:?} is not a valid name for a parameter"));
    }
    Ok(Part::Parameter(name.into(), converter))
}

fn converter(word: &str) -> Result<Converter, String> {
    let found = CONVERTERS.iter().find(|(known, _)| *known == word);
    found.map(|(_, converter)| *converter).ok_or_else(|| {
        let near = did_you_mean(word, CONVERTERS.iter().map(|(known, _)| *known));
        format!("unknown converter {word:?}; known: str, int, slug, uuid, path{near}")
    })
}

/// A path as an ASGI server passes it to Django: percent-decoded, invalid UTF-8 replaced.
pub fn decode(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::tests::cpu_time;

    fn matches(pattern: &str, path: &str) -> Option<String> {
        let found = Pattern::compile(pattern).unwrap().matches(&decode(path))?;
        Some(serde_json::to_string(&found).unwrap())
    }

    #[test]
    fn parameters_are_those_of_django() {
        assert_eq!(matches("/ws/", "/ws/").as_deref(), Some("{}"));
        assert_eq!(matches("/ws/orders/<int:id>/", "/ws/orders/007/").as_deref(), Some(r#"{"id":7}"#));
        assert_eq!(matches("/ws/orders/<int:id>/", "/ws/orders/x/"), None);
        assert_eq!(matches("/ws/orders/<int:id>/", "/ws/orders//"), None);
        assert_eq!(matches("/c/<room>/", "/c/caf%C3%A9%20bar/").as_deref(), Some(r#"{"room":"café bar"}"#));
        // The server decodes before it routes, so an encoded slash is a slash.
        assert_eq!(matches("/c/<room>/", "/c/a%2Fb/"), None);
        assert_eq!(matches("/c/<slug:s>/", "/c/a.b/"), None);
        assert_eq!(matches("/f/<path:rest>", "/f/a/b/").as_deref(), Some(r#"{"rest":"a/b/"}"#));
        let id = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(matches("/u/<uuid:id>/", &format!("/u/{id}/")), Some(format!(r#"{{"id":"{id}"}}"#)));
        assert_eq!(matches("/u/<uuid:id>/", &format!("/u/{}/", id.to_uppercase())), None);
        assert_eq!(matches("/<str:a>-<int:b>/x", "/p-q-12/x").as_deref(), Some(r#"{"a":"p-q","b":12}"#));
    }

    #[test]
    fn the_trailing_slash_is_optional_in_both() {
        for pattern in ["/ws/a/", "/ws/a"] {
            for path in ["/ws/a/", "/ws/a"] {
                assert!(matches(pattern, path).is_some(), "{pattern} {path}");
            }
            assert!(matches(pattern, "/ws/a//").is_none(), "{pattern}");
            assert!(matches(pattern, "/ws/ab").is_none(), "{pattern}");
            let other = |source: &str| Pattern::compile(source).unwrap().is_same(&Pattern::compile(pattern).unwrap());
            assert!(other("/ws/a") && other("/ws/a/") && !other("/ws/") && !other("/ws/a/<x>"));
        }
        assert!(matches("/", "/").is_some());
    }

    #[test]
    fn a_hostile_path_costs_little() {
        let pattern = Pattern::compile("/<path:a>/x/<path:b>/x/<path:c>/y").unwrap();
        let started = cpu_time();
        assert_eq!(pattern.matches(&"/x".repeat(1000)), None);
        assert_eq!(pattern.matches(&"/x".repeat(10_000)), None);
        assert!((cpu_time() - started).as_secs() < 5);
    }

    #[test]
    fn a_room_matches_its_pattern_as_a_whole() {
        let pattern = Pattern::room("work_order_<int>").unwrap();
        let is_of = |pattern: &Pattern, room: &str| pattern.parse(room).is_some();
        for (good, number) in [("work_order_1", "1"), ("work_order_007", "007")] {
            assert_eq!(pattern.parse(good).unwrap(), [NamePart::Text("work_order_"), NamePart::Value(number)]);
        }
        for bad in
            ["work_order_", "work_order_x", "work_order_1x", "work_order_-1", "xwork_order_1", "work_order_1\n", ""]
        {
            assert!(!is_of(&pattern, bad), "{bad:?}");
        }
        assert!(is_of(&Pattern::room("chat:<slug:room>/<int>").unwrap(), "chat:a-b/7"));
        assert!(is_of(&Pattern::room("lobby").unwrap(), "lobby"));
        assert!(!is_of(&Pattern::room("lobby").unwrap(), "lobby/"));
        for (bad, reason) in [
            ("<str>", "every room"),
            ("", "empty"),
            ("a_<number>", "unknown converter"),
            ("a_<int", "without"),
            ("a_{{ x }}", "write a variable"),
        ] {
            let error = Pattern::room(bad).unwrap_err();
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }

    #[test]
    fn mistakes_in_patterns_are_reported() {
        for (pattern, reason) in [
            ("ws/", "must begin"),
            ("^ws/(?P<room>\\w+)/$", "regular expressions"),
            ("/ws/<int:id/", "without"),
            ("/ws/<number:id>/", "unknown converter"),
            ("/ws/<int:1d>/", "not a valid name"),
            ("/ws/<int:a>/<str:a>/", "twice"),
            ("/ws/{id}/", "cannot be in"),
        ] {
            let error = Pattern::compile(pattern).unwrap_err();
            assert!(error.contains(reason), "{pattern}: {error}");
        }
    }
}
