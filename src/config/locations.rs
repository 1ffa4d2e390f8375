//! Where each key of a configuration was read, so that an error found later still names its line.

use std::{fmt, sync::Arc};

use super::{
    Config,
    error::{ConfigError, ConfigSource, KeyLocation, KeyPath},
    tree::TreeNode,
};

/// Where each key was read; empty for a configuration built by hand.
#[derive(Clone, Default)]
pub struct KeyLocations(Option<Arc<TreeNode>>);

impl fmt::Debug for KeyLocations {
    // Without the content, which includes secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origins")
    }
}

impl KeyLocations {
    pub(super) fn of(root: TreeNode) -> Self {
        Self(Some(Arc::new(root)))
    }

    /// The position of `key`, or of the nearest table around it, and the key as written.
    pub fn of_key(&self, key: &KeyPath) -> Option<(KeyLocation, KeyPath)> {
        let root = self.0.as_ref()?;
        let written = root.as_written(key);
        let location = root.location_of(&written).clone();
        // A default has no position.
        Some((location, written))
            .filter(|(location, _)| location.line > 0 || matches!(*location.source, ConfigSource::Variable(_)))
    }
}

impl Config {
    /// An error at `key`, with its position in the source.
    pub fn error(&self, key: &KeyPath, reason: impl Into<String>) -> ConfigError {
        let (location, key) = match self.locations.of_key(key) {
            Some((location, written)) => (Some(location), written),
            None => (None, key.clone()),
        };
        ConfigError { location, key, reason: reason.into() }
    }

    /// Whether a preset brings this key.
    pub fn is_of_preset(&self, key: &KeyPath) -> bool {
        let source = self.locations.of_key(key).map(|(location, _)| location.source);
        source.is_some_and(|source| matches!(*source, ConfigSource::Preset(_)))
    }
}
