//! The groups of the node, on all workers: the consumers with members, and their workers.
//!
//! The map is written on the first join and the last leave of a worker and read once per event. The registry joins and
//! leaves groups in the layer under the same lock, so that a concurrent leave and join cannot leave a member without
//! events.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::{
    consumer::ConsumerId,
    event::{ConnectionId, GroupName},
    layer::{Layer, LayerError},
    sparse::give_back,
};

/// Maximum number of workers: one bit each.
pub const MAX_WORKERS: usize = 64;

/// A worker's number in the map of ids, which has an entry per connection.
type WorkerIndex = u8;

const _: () = assert!(MAX_WORKERS <= WorkerIndex::MAX as usize);

/// One consumer's members of one group, on all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AudienceId(pub(crate) u64);

/// One consumer's part of a group.
#[derive(Clone, Copy, Debug)]
pub struct GroupAudience {
    /// Its number.
    pub id: AudienceId,
    /// The consumer of the members.
    pub consumer: ConsumerId,
    /// The workers with members, one bit each.
    pub workers: u64,
}

struct RegisteredGroup {
    audiences: Vec<GroupAudience>,
}

#[derive(Default)]
struct RegisteredGroups {
    by_name: HashMap<GroupName, RegisteredGroup>,
    /// The next number of an audience.
    next: u64,
}

impl RegisteredGroups {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// The groups of the node.
pub struct Registry {
    groups: RwLock<RegisteredGroups>,
    /// The worker of each member with an id.
    ids: RwLock<HashMap<ConnectionId, WorkerIndex>>,
    layer: Arc<dyn Layer>,
}

impl Registry {
    /// An empty registry; it calls `layer` at a group's first join and last leave.
    pub fn new(layer: Arc<dyn Layer>) -> Self {
        Self { groups: RwLock::default(), ids: RwLock::default(), layer }
    }

    /// Registers that `worker` now has a member of this consumer and group.
    pub(super) fn interest(&self, group: &GroupName, consumer: ConsumerId, worker: usize) -> AudienceId {
        let mut groups = self.write();
        let number = groups.number();
        let entry = groups.by_name.entry(group.clone()).or_insert_with(|| RegisteredGroup {
            // Nearly all groups have one audience.
            audiences: Vec::with_capacity(1),
        });
        let bit = 1 << worker;
        if let Some(audience) = entry.audiences.iter_mut().find(|audience| audience.consumer == consumer) {
            audience.workers |= bit;
            return audience.id;
        }
        let id = AudienceId(number);
        entry.audiences.push(GroupAudience { id, consumer, workers: bit });
        id
    }

    /// Registers that `worker` has lost its last member of this consumer and group.
    pub(super) fn no_interest(&self, group: &GroupName, consumer: ConsumerId, worker: usize) {
        let mut groups = self.write();
        let Some(entry) = groups.by_name.get_mut(group) else { return };
        if let Some(index) = entry.audiences.iter().position(|audience| audience.consumer == consumer) {
            entry.audiences[index].workers &= !(1 << worker);
            if entry.audiences[index].workers == 0 {
                entry.audiences.swap_remove(index);
            }
        }
        if entry.audiences.is_empty() {
            groups.by_name.remove(group);
            give_back(&mut groups.by_name);
            // Under the lock: the next join must reach the layer after this leave.
            self.layer.leave(group);
        }
    }

    /// Resolves once this node receives every event published to `group` from then on, and every earlier one has reached
    /// the workers. Call `interest` first.
    ///
    /// The layer is asked for each member, also of a group that has others: their events may be under way.
    pub(super) async fn joined(&self, group: &GroupName) -> Result<(), LayerError> {
        // The caller may have left it already.
        if self.has(group) { self.layer.join(group).await } else { Ok(()) }
    }

    /// Calls `each` with the audiences of a group.
    pub fn audiences(&self, group: &GroupName, mut each: impl FnMut(GroupAudience)) {
        if let Some(entry) = self.read().by_name.get(group) {
            entry.audiences.iter().copied().for_each(&mut each);
        }
    }

    /// Whether a group has members on this node.
    pub fn has(&self, group: &GroupName) -> bool {
        self.read().by_name.contains_key(group)
    }

    /// Number of groups with members on this node.
    pub fn groups(&self) -> usize {
        self.read().by_name.len()
    }

    /// The names of groups with members on this node, of consumers that `which` accepts.
    pub fn names(&self, which: impl Fn(ConsumerId) -> bool) -> Vec<GroupName> {
        let groups = self.read();
        let has = |group: &RegisteredGroup| group.audiences.iter().any(|audience| which(audience.consumer));
        groups.by_name.iter().filter(|(_, group)| has(group)).map(|(name, _)| name.clone()).collect()
    }

    /// Registers that the member with this id is on this worker.
    pub(super) fn name(&self, id: ConnectionId, worker: usize) {
        self.ids.write().unwrap_or_else(PoisonError::into_inner).insert(id, index(worker));
    }

    /// Removes the id of a member that has left this worker.
    pub(super) fn unname(&self, id: ConnectionId, worker: usize) {
        let mut ids = self.ids.write().unwrap_or_else(PoisonError::into_inner);
        if ids.get(&id) == Some(&index(worker)) {
            ids.remove(&id);
            give_back(&mut ids);
        }
    }

    /// The worker of the member with this id.
    pub(super) fn worker_of(&self, id: ConnectionId) -> Option<usize> {
        self.ids.read().unwrap_or_else(PoisonError::into_inner).get(&id).copied().map(usize::from)
    }

    /// The id of this text and the worker of its member.
    pub(super) fn find(&self, id: &str) -> Option<(ConnectionId, usize)> {
        let id = ConnectionId::parse(id)?;
        Some((id, self.worker_of(id)?))
    }

    /// The layer behind the groups.
    pub fn layer(&self) -> &Arc<dyn Layer> {
        &self.layer
    }

    fn read(&self) -> RwLockReadGuard<'_, RegisteredGroups> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, RegisteredGroups> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(worker: usize) -> WorkerIndex {
    WorkerIndex::try_from(worker).unwrap_or(WorkerIndex::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_takes_17_bytes_with_its_worker_and_its_mark_in_the_map() {
        assert_eq!(size_of::<(ConnectionId, WorkerIndex)>(), 16);
    }
}
