//! The environment as plain data, so that no test touches the process's own, and which variable is which key.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    error::Source,
    tree::{Node, NodeValue, parse_variable},
};

/// Variables of the environment.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; those that are no UTF-8 are left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `CHANNELGATE_CONFIG`.
    pub(super) fn config_path(&self) -> Option<PathBuf> {
        self.get(CONFIG_VARIABLE).map(PathBuf::from)
    }

    /// What the environment says of the configuration: key and value, the later winning.
    pub(super) fn overrides(&self) -> Vec<(Vec<String>, Node)> {
        let named = NAMED.iter().filter_map(|(name, key)| {
            // An empty variable is as good as none: compose files pass `${REDIS_URL:-}` on.
            let node = verbatim(name, self.get(name)?);
            Some((key.split('.').map(str::to_owned).collect(), node))
        });
        let generic = self.0.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(GENERIC_PREFIX)?;
            let path = key.split("__").map(str::to_ascii_lowercase).collect();
            Some((path, parse_variable(name, value)))
        });
        named.chain(generic).collect()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        variables.into_iter().collect()
    }
}

/// A named variable holds exactly its text: a secret key may look like a number or a quoted text.
fn verbatim(name: &str, text: &str) -> Node {
    let mut node = parse_variable(name, text);
    if let NodeValue::Raw { parsed, .. } = &mut node.value
        && !parsed.as_ref().is_some_and(|value| matches!(value.value, NodeValue::Array(_)))
    {
        *parsed = None;
    }
    debug_assert!(matches!(&*node.origin.source, Source::Variable(_)));
    node
}

/// Names the configuration file.
pub const CONFIG_VARIABLE: &str = "CHANNELGATE_CONFIG";

/// `CHANNELGATE__SECTION__KEY` is `section.key`.
pub const GENERIC_PREFIX: &str = "CHANNELGATE__";

/// The variables with a name of their own, and their keys.
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
    ("CHANNELGATE_API_KEY", "api.key"),
];
