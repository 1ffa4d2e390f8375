//! What this node answers when somebody asks the cluster.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::{
    cluster::{Answer, NodeStats, Order, Query, Responder, SocketRooms},
    consumer::{Consumer, ConsumerId, Consumers},
    event::GroupName,
    hub::{Dispatcher, Registry},
    layer::Signal,
    telemetry::Metrics,
};

/// How long the worker threads have; a question of the cluster waits longer.
const PATIENCE: Duration = Duration::from_millis(800);

/// Prefix of the groups that every namespace has; they are no rooms.
const NAMESPACE: &str = "namespace.";

/// Answers for this node.
pub struct Answers {
    dispatcher: Arc<Dispatcher>,
    registry: Arc<Registry>,
    consumers: Consumers,
    metrics: Metrics,
}

impl Answers {
    /// Of these parts of the node.
    pub const fn new(
        dispatcher: Arc<Dispatcher>,
        registry: Arc<Registry>,
        consumers: Consumers,
        metrics: Metrics,
    ) -> Self {
        Self { dispatcher, registry, consumers, metrics }
    }

    fn stats(&self) -> NodeStats {
        let known = self.consumers.now();
        let has_rooms = |id| known.get(id).is_some_and(|consumer| consumer.namespace().is_some());
        let names = self.registry.names(has_rooms);
        let rooms: Vec<Arc<str>> =
            names.iter().map(GroupName::as_str).filter(|name| !name.starts_with(NAMESPACE)).map(Arc::from).collect();
        NodeStats {
            connections: u64::try_from(self.metrics.connections.get()).unwrap_or(0),
            users: rooms.iter().filter(|room| room.starts_with("user_")).count() as u64,
            rooms,
            events: self.metrics.all_events.get(),
        }
    }

    async fn rooms_of(&self, user: &str) -> Answer {
        let Ok(group) = GroupName::from_room(&format!("user_{user}")) else { return Answer::Rooms(Vec::new()) };
        let known = self.consumers.now();
        let asked: Vec<ConsumerId> =
            known.iter().filter(|consumer| consumer.namespace().is_some()).map(|one| one.id()).collect();
        let question = move |shard: &crate::hub::Shard| {
            asked.iter().flat_map(|consumer| shard.whereabouts(&group, *consumer)).collect::<Vec<_>>()
        };
        let found = self.dispatcher.ask_workers(question, PATIENCE).await;
        if found.silent > 0 {
            return Answer::Failed("a worker thread did not answer in time".to_owned());
        }
        let mut sockets: Vec<SocketRooms> = Vec::new();
        for member in found.answers.into_iter().flatten() {
            let namespace = member.groups.iter().find_map(|(_, consumer)| known.get(*consumer)?.namespace());
            let names = member.groups.iter().map(|(group, _)| group.as_str());
            let mut rooms: Vec<Arc<str>> = names.filter(|name| !name.starts_with(NAMESPACE)).map(Arc::from).collect();
            rooms.sort();
            rooms.dedup();
            // Several consumers of one namespace see the same socket.
            if !sockets.iter().any(|known| known.socket == member.id) {
                sockets.push(SocketRooms { socket: member.id, namespace: namespace.unwrap_or("/").into(), rooms });
            }
        }
        Answer::Rooms(sockets)
    }

    async fn emit(&self, order: Order) -> Answer {
        let serving: Vec<ConsumerId> = {
            let of = |consumer: &&Arc<Consumer>| consumer.namespace() == Some(&order.namespace);
            self.consumers.now().iter().filter(of).map(|consumer| consumer.id()).collect()
        };
        let groups: Vec<GroupName> = order.rooms.iter().filter_map(|room| GroupName::from_room(room).ok()).collect();
        let named: Vec<(GroupName, ConsumerId)> =
            groups.iter().flat_map(|group| serving.iter().map(move |id| (group.clone(), *id))).collect();
        let ids = order.rooms.clone();
        let reached = self.dispatcher.ask_workers(move |shard| shard.reach(&named, &ids) as u64, PATIENCE).await;
        self.dispatcher.take(Signal::Emission(order.emission()));
        Answer::Reached(reached.answers.into_iter().sum())
    }
}

impl Responder for Answers {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            match query {
                Query::Stats => Answer::Stats(self.stats()),
                Query::UserRooms(user) => self.rooms_of(&user).await,
                Query::Emit(order) => self.emit(order).await,
            }
        })
    }
}
