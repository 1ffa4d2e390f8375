//! How long a member may be away.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;

/// How long a member of a scope may be away before it counts as gone; a handle.
#[derive(Clone, Debug)]
pub struct GracePeriods {
    by_scope: Arc<ArcSwap<HashMap<Arc<str>, Duration>>>,
    default: Duration,
}

impl GracePeriods {
    /// One grace for each given scope, and one for all others.
    pub fn new(by_scope: impl IntoIterator<Item = (Arc<str>, Duration)>, default: Duration) -> Self {
        Self { by_scope: Arc::new(ArcSwap::from_pointee(by_scope.into_iter().collect())), default }
    }

    /// Replaces the graces for absences that begin from now on.
    pub fn exchange(&self, by_scope: impl IntoIterator<Item = (Arc<str>, Duration)>) {
        self.by_scope.store(Arc::new(by_scope.into_iter().collect()));
    }

    pub(super) fn of(&self, scope: &str) -> Duration {
        self.by_scope.load().get(scope).copied().unwrap_or(self.default)
    }
}
