//! Where each key of a configuration was read, so that an error found later still names its line.

use std::{fmt, sync::Arc};

use super::{
    Config,
    error::{ConfigError, KeyPath, Origin, Source},
    tree::Node,
};

/// Where each key was read; empty for a configuration built by hand.
#[derive(Clone, Default)]
pub struct Origins(Option<Arc<Node>>);

impl fmt::Debug for Origins {
    // Without the content, which includes secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origins")
    }
}

impl Origins {
    pub(super) fn of(root: Node) -> Self {
        Self(Some(Arc::new(root)))
    }

    /// The position of `key`, or of the nearest table around it, and the key as written.
    pub fn of_key(&self, key: &KeyPath) -> Option<(Origin, KeyPath)> {
        let root = self.0.as_ref()?;
        let written = root.as_written(key);
        let origin = root.origin_of(&written).clone();
        // A default has no position.
        Some((origin, written)).filter(|(origin, _)| origin.line > 0 || matches!(*origin.source, Source::Variable(_)))
    }
}

impl Config {
    /// An error at `key`, with its position in the source.
    pub fn error(&self, key: &KeyPath, reason: impl Into<String>) -> ConfigError {
        let (origin, key) = match self.origins.of_key(key) {
            Some((origin, written)) => (Some(origin), written),
            None => (None, key.clone()),
        };
        ConfigError { origin, key, reason: reason.into() }
    }
}
