//! Proves that the node's memberships are in Redis, a part of them with each probe: a Redis may be flushed, evict single
//! sets, or be filled from an old copy, and keep the connection.
//!
//! In: the node's groups. Out: the memberships to look for now. Pure.

use std::rc::Rc;

use super::{joined::JoinedGroups, naming::Registration};

/// At least this many memberships are looked for with one probe.
const PART: usize = 1000;

/// All are looked for within this many probes.
const PROBES: usize = 10;

/// The memberships that are still to be looked for.
#[derive(Default)]
pub(super) struct Census {
    left: Vec<Rc<Registration>>,
    part: usize,
}

impl Census {
    /// The memberships on `host` to look for now.
    pub fn next(&mut self, groups: &JoinedGroups, host: usize) -> Vec<Rc<Registration>> {
        if self.left.is_empty() {
            self.left = groups.registrations();
            self.left.retain(|one| one.core_on(host).is_some());
            self.part = PART.max(self.left.len().div_ceil(PROBES));
        }
        let mut part = self.left.split_off(self.left.len().saturating_sub(self.part));
        if self.left.is_empty() {
            self.left = Vec::new();
        }
        // Those left meanwhile must not come back.
        part.retain(|one| groups.is_confirmed(host, one));
        part
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::{config, event::GroupName, layer::redis::naming::GroupNaming};

    #[test]
    fn all_memberships_are_looked_for_within_ten_probes() {
        for number in [0, 1, 999, 1001, 25_000] {
            let naming = GroupNaming::new(&config::Layer::default(), 1, "0123456789abcdef0123456789abcdef");
            let mut groups = JoinedGroups::new(naming, Duration::ZERO);
            let _ops = groups.begin(0);
            groups.up(0, &[]);
            for n in 0..number {
                groups.join(&GroupName::new(&format!("room_{n}")).unwrap(), oneshot::channel().0);
            }
            let registrations = groups.registrations();
            groups.up(0, &registrations);
            let mut census = Census::default();
            for _ in 0..2 {
                let mut seen: Vec<u64> = Vec::new();
                for probe in 0..PROBES {
                    seen.extend(census.next(&groups, 0).iter().map(|one| one.token));
                    if seen.len() == number {
                        break;
                    }
                    assert!(probe < PROBES - 1);
                }
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen.len(), number);
            }
        }
    }
}
