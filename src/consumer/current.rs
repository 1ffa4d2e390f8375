//! The consumers in effect, which a reload replaces while others read them.
//!
//! A connection keeps the consumer that it started with, so a lookup by id or name must also find former consumers
//! while they have connections.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;

use super::{Consumer, ConsumerId, ConsumerSet, instances::Instances};
use crate::event::{EmissionTarget, GroupName, GroupNameError};

/// The consumers of a node; a handle.
#[derive(Clone, Debug)]
pub struct Consumers(Arc<ArcSwap<Snapshot>>);

/// The consumers at one moment.
#[derive(Debug)]
pub struct Snapshot {
    set: ConsumerSet,
    /// Consumers of earlier configurations, the latest first.
    former: Vec<Arc<Consumer>>,
    by_id: HashMap<ConsumerId, Arc<Consumer>>,
    /// The same for all moments.
    instances: Arc<Instances>,
}

impl Snapshot {
    fn new(set: ConsumerSet, former: Vec<Arc<Consumer>>, instances: Arc<Instances>) -> Self {
        let by_id = set.iter().chain(&former).map(|consumer| (consumer.id(), Arc::clone(consumer))).collect();
        Self { set, former, by_id, instances }
    }

    /// The consumers for new connections.
    pub const fn set(&self) -> &ConsumerSet {
        &self.set
    }

    /// The consumer with this id, in effect or former; also by the id of one of its namespaces.
    pub fn get(&self, id: ConsumerId) -> Option<&Arc<Consumer>> {
        if id.is_of_namespace() {
            return self.by_id.get(&self.instances.get(id)?.0);
        }
        self.by_id.get(&id)
    }

    /// The id of the consumer itself.
    pub fn base(&self, id: ConsumerId) -> ConsumerId {
        match id.is_of_namespace() {
            true => self.instances.get(id).map_or(id, |(consumer, _)| consumer),
            false => id,
        }
    }

    /// The namespace with this id, if it is one of a form.
    pub fn namespace(&self, id: ConsumerId) -> Option<Arc<str>> {
        // The ordinary case takes no lock.
        if !id.is_of_namespace() {
            return None;
        }
        self.instances.get(id).map(|(_, name)| name)
    }

    /// The id under which a consumer has its members of one namespace; `None` if there are no members.
    pub fn audience(&self, consumer: &Consumer, namespace: &str) -> Option<ConsumerId> {
        match consumer.has_namespaces() {
            true => self.instances.find(consumer.id(), namespace),
            false => Some(consumer.id()),
        }
    }

    /// A client connects to a namespace of these consumers; the name that it must hold meanwhile.
    pub fn enter<'a>(&self, consumers: impl Iterator<Item = &'a Arc<Consumer>>, namespace: &str) -> Arc<str> {
        self.instances.enter(consumers.map(|consumer| consumer.id()), namespace)
    }

    /// The group of a room as an emission names it. Rooms of a namespace are matched by its templates and patterns,
    /// which tell text from values; rooms of a consumer are groups already.
    pub fn group(&self, target: &EmissionTarget, room: &str) -> Result<GroupName, GroupNameError> {
        if let Some(group) = GroupName::of_plain_room(room) {
            return Ok(group);
        }
        let EmissionTarget::Namespace(namespace) = target else {
            return GroupName::new(room).or_else(|_| GroupName::of_room(room));
        };
        // Of several forms that the name has, the one that serves it has its members.
        let serves =
            |consumer: &&Arc<Consumer>| consumer.serves(namespace) && self.audience(consumer, namespace).is_some();
        let serving = self.iter().filter(serves);
        let recognised = serving.filter_map(|consumer| consumer.recognise(room)).max_by_key(|(text, _)| *text);
        recognised.map_or_else(|| GroupName::of_room(room), |(_, group)| group)
    }

    /// The consumers in effect, then those that only older connections have.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Consumer>> {
        self.set.iter().chain(&self.former)
    }
}

impl Consumers {
    /// The consumers of the configuration at the start.
    pub fn new(set: ConsumerSet) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Snapshot::new(set, Vec::new(), Arc::default()))))
    }

    /// The current consumers.
    pub fn now(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Replaces them by those of a new configuration. Former ones without connections are forgotten.
    pub fn exchange(&self, set: ConsumerSet) {
        let before = self.0.load_full();
        // `before` itself holds two references; any further one is a use.
        let in_use = |consumer: &&Arc<Consumer>| Arc::strong_count(consumer) > 2;
        let gone = |consumer: &&Arc<Consumer>| set.get(consumer.id()).is_none();
        let former = before.set.iter().chain(before.former.iter().filter(in_use)).filter(gone).cloned().collect();
        self.0.store(Arc::new(Snapshot::new(set, former, Arc::clone(&before.instances))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load_text};

    fn followed(set: &ConsumerSet, text: &str) -> ConsumerSet {
        let (config, errors) = load_text(Some((std::path::Path::new("test.toml"), text)), &Environment::default());
        assert_eq!(errors, []);
        set.followed_by(&config).unwrap_or_else(|errors| panic!("{errors}"))
    }

    const A: &str = "[[consumer]]\npath = \"/a/\"\ngroups = [\"a\"]\n";
    const B: &str = "[[consumer]]\npath = \"/b/\"\ngroups = [\"b\"]\n";

    #[test]
    fn an_unchanged_consumer_is_kept_and_a_changed_one_gets_a_new_id() {
        let first = followed(&ConsumerSet::default(), &format!("{A}{B}"));
        let second = followed(&first, &format!("{}{A}", B.replace("\"b\"", "\"c\"")));
        let of = |set: &ConsumerSet, path| set.route(path).unwrap().0.clone();
        assert!(Arc::ptr_eq(&of(&first, "/a/"), &of(&second, "/a/")));
        assert_ne!(of(&first, "/b/").id(), of(&second, "/b/").id());
        let third = followed(&second, &format!("{A}{B}"));
        let ids = [&first, &second, &third].map(|set| of(set, "/b/").id());
        assert!(ids[0] < ids[1] && ids[1] < ids[2], "{ids:?}");
    }

    #[test]
    fn a_former_consumer_is_known_while_a_connection_has_it() {
        let first = followed(&ConsumerSet::default(), &format!("{A}{B}"));
        let consumers = Consumers::new(first.clone());
        let held = first.route("/b/").unwrap().0.clone();
        drop(first);
        for round in 0..3 {
            let now = consumers.now();
            consumers.exchange(followed(now.set(), &format!("{A}{}", B.replace("\"b\"", &format!("\"b{round}\"")))));
        }
        let known = consumers.now();
        assert!(known.get(held.id()).is_some_and(|known| Arc::ptr_eq(known, &held)));
        // The one in effect, the previous one, which a worker may still be about to use, and the one in use.
        assert_eq!(known.iter().filter(|consumer| consumer.name() == "/b/").count(), 3);
        drop((held, known));
        consumers.exchange(consumers.now().set().clone());
        consumers.exchange(consumers.now().set().clone());
        assert_eq!(consumers.now().iter().count(), 2);
    }
}
