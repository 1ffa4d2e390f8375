//! How long somebody may be away.

use std::{collections::HashMap, sync::Arc, time::Duration};

/// How long a member of a scope may be away before it counts as gone.
#[derive(Clone, Debug)]
pub struct Graces {
    by_scope: HashMap<Arc<str>, Duration>,
    default: Duration,
}

impl Graces {
    /// One for each scope, and one for every other.
    pub fn new(by_scope: impl IntoIterator<Item = (Arc<str>, Duration)>, default: Duration) -> Self {
        Self { by_scope: by_scope.into_iter().collect(), default }
    }

    pub(super) fn of(&self, scope: &str) -> Duration {
        self.by_scope.get(scope).copied().unwrap_or(self.default)
    }
}
