//! The environment as plain data, so that no test touches the process's own, and the key of each variable.

use std::{borrow::Cow, collections::BTreeMap, ffi::OsString, path::PathBuf};

use super::{
    error::{ConfigError, ConfigSource, KeyLocation, KeyPath, did_you_mean},
    tree::{NodeValue, TreeNode, parse_variable},
};

/// Variables of the environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    /// Variables of this program with values that are not UTF-8.
    unreadable: Vec<String>,
}

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `CHANNELGATE_CONFIG`.
    pub fn config_path(&self) -> Option<PathBuf> {
        self.get(CONFIG_VARIABLE).map(PathBuf::from)
    }

    /// Keys and values from the environment; later ones win.
    pub(super) fn overrides(&self) -> Vec<(Vec<String>, TreeNode)> {
        let named = NAMED.iter().filter_map(|(name, key)| {
            // An empty variable counts as unset: compose files pass on `${REDIS_URL:-}`.
            let value = self.get(name)?;
            let node = match is_of_words(key) {
                true => verbatim(name, &with_commas(value)),
                false => verbatim(name, value),
            };
            Some((key.split('.').map(str::to_owned).collect(), node))
        });
        let generic = self.values.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(GENERIC_PREFIX)?;
            let path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
            let node = match is_of_words(&path.join(".")) {
                true => parse_variable(name, &with_commas(value)),
                false => parse_variable(name, value),
            };
            Some((path, node))
        });
        named.chain(generic).collect()
    }

    /// Variables that are meant for this program and cannot be read or are misspelled.
    ///
    /// Other names with its prefix are ignored: orchestrators make variables from a service's name.
    pub(super) fn mistakes(&self) -> impl Iterator<Item = ConfigError> {
        let unreadable = self.unreadable.iter().map(|name| mistake(name, "is not UTF-8 text".to_owned()));
        unreadable.chain(self.values.keys().filter_map(|name| {
            let written = name.strip_prefix(PREFIX).filter(|_| !name.starts_with(GENERIC_PREFIX))?;
            let is_of_a_service = written.split('_').any(|part| part == "PORT" || part == "SERVICE");
            if is_of_a_service || is_ours(name) {
                return None;
            }
            let known = NAMED.iter().map(|(name, _)| *name).chain([CONFIG_VARIABLE]);
            let near = did_you_mean(written, known.filter_map(|name| name.strip_prefix(PREFIX)));
            let near = near.replace('"', "").replace("you mean ", &format!("you mean {PREFIX}"));
            (!near.is_empty()).then(|| mistake(name, format!("is not a variable of this program{near}")))
        }))
    }
}

/// Whether this key is a list of which no item can contain a space.
fn is_of_words(key: &str) -> bool {
    // A kind of JWT has the keys of `auth.jwt`.
    let of_kind = key.strip_prefix("auth.jwt.kinds.").and_then(|rest| rest.split_once('.'));
    let common = of_kind.map(|(_, key)| format!("auth.jwt.{key}"));
    WORDS.contains(&common.as_deref().unwrap_or(key))
}

/// A list with spaces or line breaks between its items as one with commas; a TOML list is not changed.
fn with_commas(value: &str) -> Cow<'_, str> {
    let value = value.trim();
    // Files for containers keep quotation marks around the whole.
    let quoted = |mark: char| value.strip_prefix(mark)?.strip_suffix(mark).filter(|inner| !inner.contains(mark));
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    if value.starts_with('[') || !value.contains(char::is_whitespace) {
        return value.into();
    }
    let items = value.split(',').map(|item| item.split_whitespace().collect::<Vec<_>>().join(","));
    // A comma at the end of a line, or before it, is one separator.
    items.collect::<Vec<_>>().join(",").into()
}

fn mistake(variable: &str, reason: String) -> ConfigError {
    let location = KeyLocation { source: ConfigSource::Variable(variable.to_owned()).into(), line: 0 };
    ConfigError { location: Some(location), key: KeyPath::ROOT, reason }
}

/// Whether this program reads the variable.
fn is_ours(name: &str) -> bool {
    name == CONFIG_VARIABLE || name.starts_with(GENERIC_PREFIX) || NAMED.iter().any(|(known, _)| *known == name)
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let mut read = Self::default();
        for (name, value) in variables {
            let Ok(name) = name.into().into_string() else { continue };
            match value.into().into_string() {
                Ok(value) => drop(read.values.insert(name, value)),
                Err(_) if is_ours(&name) => read.unreadable.push(name),
                Err(_) => {}
            }
        }
        read
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        variables.into_iter().collect()
    }
}

/// A named variable is taken as text: a secret key may look like a number or a quoted text.
fn verbatim(name: &str, text: &str) -> TreeNode {
    let mut node = parse_variable(name, text);
    if let NodeValue::Raw { parsed, .. } = &mut node.value
        && !parsed.as_ref().is_some_and(|value| matches!(value.value, NodeValue::Array(_) | NodeValue::Table(_)))
    {
        *parsed = None;
    }
    debug_assert!(matches!(&*node.location.source, ConfigSource::Variable(_)));
    node
}

/// The variable with the configuration file's path.
pub const CONFIG_VARIABLE: &str = "CHANNELGATE_CONFIG";

/// The prefix of its own variables, except some.
const PREFIX: &str = "CHANNELGATE_";

/// `CHANNELGATE__SECTION__KEY` is `section.key`.
pub const GENERIC_PREFIX: &str = "CHANNELGATE__";

/// Lists of which no item can contain a space, so that spaces separate, too: `DJANGO_ALLOWED_HOSTS` is often written so.
const WORDS: [&str; 9] = [
    "server.allowed_origins",
    "server.trusted_proxies",
    "socketio.cors",
    "socketio.transports",
    "auth.jwt.sources",
    "auth.jwt.token_type",
    "auth.jwt.user_id_claims",
    "auth.ws_token.sources",
    "auth.ws_token.user_id_keys",
];

/// The variables with names of their own, and their keys.
pub const NAMED: &[(&str, &str)] = &[
    ("CHANNELGATE_LISTEN", "server.listen"),
    ("CHANNELGATE_ALLOWED_ORIGINS", "server.allowed_origins"),
    ("REDIS_URL", "layer.url"),
    ("CHANNELGATE_LAYER", "layer.kind"),
    ("CHANNELGATE_LAYER_PREFIX", "layer.prefix"),
    ("CHANNELGATE_LAYER_KEYS", "layer.keys"),
    ("CHANNELGATE_CACHE_URL", "cache.url"),
    ("CHANNELGATE_CACHE_PREFIX", "cache.prefix"),
    ("DJANGO_SECRET_KEY", "auth.secret_key"),
    ("CHANNELGATE_BACKEND_URL", "backend.url"),
    ("CHANNELGATE_BACKEND_SECRET", "backend.secret"),
    ("CHANNELGATE_API_KEY", "api.key"),
];

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn mistakes(environment: &Environment) -> Vec<String> {
        environment.mistakes().map(|error| error.to_string()).collect()
    }

    #[test]
    fn a_misspelled_variable_is_reported() {
        let wrong = Environment::from([("CHANNELGATE_API_KEI", "k"), ("CHANNELGATE_ALOWED_ORIGINS", "a")]);
        assert_eq!(
            mistakes(&wrong),
            [
                "environment variable CHANNELGATE_ALOWED_ORIGINS: is not a variable of this program; did you mean \
                 CHANNELGATE_ALLOWED_ORIGINS?",
                "environment variable CHANNELGATE_API_KEI: is not a variable of this program; did you mean \
                 CHANNELGATE_API_KEY?",
            ]
        );
        for name in ["CHANNELGATE_PORT", "CHANNELGATE_CACHE_PORT", "CHANNELGATE_SERVICE_HOST", "CHANNELGATE_VERSION"] {
            assert_eq!(mistakes(&Environment::from([(name, "1")])), [""; 0], "{name}");
        }
    }

    #[test]
    fn a_value_that_is_not_text_is_reported() {
        let bytes = || OsString::from_vec(vec![b'k', 0xff]);
        let environment: Environment = ["CHANNELGATE_API_KEY", "CHANNELGATE__LAYER__KEYS", "PATH"]
            .map(|name| (name, bytes()))
            .into_iter()
            .collect();
        let found = mistakes(&environment);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], "environment variable CHANNELGATE_API_KEY: is not UTF-8 text");
    }
}
