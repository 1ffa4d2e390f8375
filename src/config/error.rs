//! Errors of a configuration: where and why. Every error is reported, not only the first.

use std::{fmt, path::PathBuf, sync::Arc};

/// The path to a key: `consumer[1].on_event."*".send`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyPath(pub(super) Vec<Key>);

/// One step of a [`KeyPath`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A key of a table.
    Name(String),
    /// An index in a list, from 0.
    Index(usize),
}

impl From<&str> for Key {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<usize> for Key {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl KeyPath {
    /// The root of the file.
    pub const ROOT: Self = Self(Vec::new());

    /// This path plus one step.
    #[must_use]
    pub fn then(&self, key: impl Into<Key>) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.into());
        Self(keys)
    }

    /// Whether this path leads to a part of the value at `other`.
    pub(super) fn is_inside(&self, other: &Self) -> bool {
        self.0.len() > other.0.len() && self.0.starts_with(&other.0)
    }

    /// Parses `"server.listen"` or `"auth.jwt.sources[1]"`; without quoting.
    pub fn dotted(text: &str) -> Self {
        let mut keys = Vec::new();
        for part in text.split('.') {
            let (name, indices) = part.split_once('[').unwrap_or((part, ""));
            keys.push(Key::from(name));
            keys.extend(indices.split(['[', ']']).filter_map(|index| index.parse().ok()).map(Key::Index));
        }
        Self(keys)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            match key {
                Key::Index(index) => write!(f, "[{index}]")?,
                Key::Name(name) => {
                    if index > 0 {
                        f.write_str(".")?;
                    }
                    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
                    if bare { f.write_str(name)? } else { write!(f, "{name:?}")? }
                }
            }
        }
        Ok(())
    }
}

/// The source of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigSource {
    /// A file.
    File(PathBuf),
    /// A preset that is part of the program.
    Preset(&'static str),
    /// A variable of the environment.
    Variable(String),
}

/// The position of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLocation {
    /// The source.
    pub source: Arc<ConfigSource>,
    /// The line, from 1; 0 if the source has no lines.
    pub line: usize,
}

impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.source, self.line) {
            (ConfigSource::File(path), 0) => write!(f, "{}", path.display()),
            (ConfigSource::File(path), line) => write!(f, "{}:{line}", path.display()),
            (ConfigSource::Preset(name), line) => write!(f, "presets/{name}.toml:{line}"),
            (ConfigSource::Variable(name), _) => write!(f, "environment variable {name}"),
        }
    }
}

/// One error: `channelgate.toml:7: server.listn: unknown key; did you mean "listen"?`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where; `None` for a default or a configuration built by hand.
    pub location: Option<KeyLocation>,
    /// The key; the root for an error of the whole file.
    pub key: KeyPath,
    /// Why. Never a secret's value.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        if self.key != KeyPath::ROOT {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}

/// All errors of a configuration; never empty. Prints one error per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// `; did you mean "listen"?` if a known name is close to the written one, ignoring case; else empty.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known
        .into_iter()
        .map(|name| (strsim::levenshtein(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(written.len()) / 4)
        .min();
    near.map_or_else(String::new, |(_, name)| format!("; did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_it_is_written() {
        let path = KeyPath::ROOT.then("consumer").then(1).then("on_event").then("*").then("send");
        assert_eq!(path.to_string(), "consumer[1].on_event.\"*\".send");
        let path = KeyPath::ROOT.then("auth").then("jwt").then("sources").then(1);
        assert_eq!(
            (KeyPath::dotted("auth.jwt.sources[1]"), path.to_string()),
            (path, "auth.jwt.sources[1]".to_owned())
        );
    }

    #[test]
    fn only_near_names_are_suggested() {
        assert_eq!(did_you_mean("listn", ["workers", "listen"]), "; did you mean \"listen\"?");
        assert_eq!(did_you_mean("colour", ["workers", "listen"]), "");
    }
}
