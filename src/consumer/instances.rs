//! The namespaces that have clients, of consumers whose namespace has parameters.
//!
//! Each of them has an audience id of its own, so that a room of one namespace never reaches another. In: the name that a
//! client connects to. Out: its id. A namespace is forgotten some time after its last client has gone, so the table never
//! holds much more than what is connected.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, Weak},
};

use super::ConsumerId;

/// Ids from here on belong to namespaces with parameters.
const FIRST: u32 = 1 << 31;

/// The table is first cleaned at this size.
const SMALL: usize = 64;

impl ConsumerId {
    /// Whether it belongs to one namespace of a consumer, and not to the consumer as a whole.
    pub const fn is_of_namespace(self) -> bool {
        self.0 >= FIRST
    }
}

/// The namespaces that have clients.
#[derive(Debug, Default)]
pub(super) struct Instances(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<(ConsumerId, Box<str>), ConsumerId>,
    by_id: HashMap<ConsumerId, (ConsumerId, Weak<str>)>,
    /// Namespaces so far.
    made: u32,
    /// The size at which it is cleaned.
    limit: usize,
}

impl Instances {
    /// A client connects to a namespace of these consumers. They know it for as long as somebody holds the name.
    pub fn enter(&self, consumers: impl Iterator<Item = ConsumerId>, name: &str) -> Arc<str> {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let consumers: Vec<ConsumerId> = consumers.collect();
        let known = consumers.iter().find_map(|consumer| table.find(*consumer, name)?.1);
        let name = known.unwrap_or_else(|| name.into());
        for consumer in consumers {
            table.add(consumer, &name);
        }
        name
    }

    /// The id of a consumer's namespace.
    pub fn find(&self, consumer: ConsumerId, name: &str) -> Option<ConsumerId> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.find(consumer, name).map(|(id, _)| id)
    }

    /// The consumer and the namespace with this id.
    pub fn get(&self, id: ConsumerId) -> Option<(ConsumerId, Arc<str>)> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (consumer, name) = table.by_id.get(&id)?;
        Some((*consumer, name.upgrade()?))
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_id.len()
    }
}

impl Table {
    fn find(&self, consumer: ConsumerId, name: &str) -> Option<(ConsumerId, Option<Arc<str>>)> {
        let id = *self.by_name.get(&(consumer, name.into()))?;
        Some((id, self.by_id.get(&id)?.1.upgrade()))
    }

    fn add(&mut self, consumer: ConsumerId, name: &Arc<str>) {
        let id = match self.by_name.get(&(consumer, (**name).into())) {
            Some(id) => *id,
            None => {
                self.clean();
                let id = self.unused();
                self.by_name.insert((consumer, (**name).into()), id);
                id
            }
        };
        self.by_id.insert(id, (consumer, Arc::downgrade(name)));
    }

    fn unused(&mut self) -> ConsumerId {
        loop {
            // The last number is no id.
            let id = ConsumerId(FIRST + self.made % (u32::MAX - FIRST));
            self.made = self.made.wrapping_add(1);
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    fn clean(&mut self) {
        if self.by_id.len() < self.limit.max(SMALL) {
            return;
        }
        self.by_id.retain(|_, (_, name)| name.strong_count() > 0);
        let by_id = &self.by_id;
        self.by_name.retain(|_, id| by_id.contains_key(id));
        self.limit = 2 * self.by_id.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSUMERS: [ConsumerId; 2] = [ConsumerId(3), ConsumerId(4)];

    #[test]
    fn a_namespace_has_one_id_for_each_of_its_consumers_while_it_has_clients() {
        let instances = Instances::default();
        let one = instances.enter(CONSUMERS.into_iter(), "/workspace-7");
        let again = instances.enter(CONSUMERS.into_iter(), "/workspace-7");
        assert!(Arc::ptr_eq(&one, &again));
        let ids = CONSUMERS.map(|consumer| instances.find(consumer, "/workspace-7").unwrap());
        assert!(ids[0] != ids[1] && ids.iter().all(|id| id.is_of_namespace()));
        for (id, consumer) in ids.into_iter().zip(CONSUMERS) {
            assert_eq!(instances.get(id), Some((consumer, Arc::clone(&one))));
        }
        assert_eq!(instances.find(CONSUMERS[0], "/workspace-8"), None);
        drop((one, again));
        assert_eq!(instances.get(ids[0]), None);
        assert!(CONSUMERS.iter().all(|consumer| !consumer.is_of_namespace()));
    }

    #[test]
    fn namespaces_without_clients_are_forgotten() {
        let instances = Instances::default();
        let kept = instances.enter(CONSUMERS.into_iter(), "/kept");
        for number in 0..10_000 {
            instances.enter(CONSUMERS.into_iter(), &format!("/workspace-{number}"));
        }
        assert!(instances.len() <= 2 * SMALL, "{}", instances.len());
        assert!(instances.find(CONSUMERS[1], &kept).is_some());
    }
}
