//! How this node answers questions of the cluster.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::BoxFuture;

use super::overview::{NAMESPACE, Overviews, PATIENCE};
use crate::{
    auth::Authenticator,
    cluster::{
        Answer, Disconnect, EmitOrder, InvalidOrder, NodeStats, Query, Recorded, Responder, SocketRooms, Target,
        read_group_order,
    },
    config,
    consumer::{Consumer, ConsumerId, Consumers},
    event::{EmissionTarget, Fingerprint, GroupName, GroupOrder, NamePart, ReceivedOrder, Value},
    hub::{DisconnectTarget, Disconnection, Dispatcher, Registry},
    layer::{Signal, codec::json},
    telemetry::Metrics,
    warn_bounded,
};

/// The same for orders, which wait for Redis.
const ORDER_PATIENCE: Duration = Duration::from_millis(1600);

/// Answers questions for this node.
pub struct NodeResponder {
    dispatcher: Arc<Dispatcher>,
    registry: Arc<Registry>,
    consumers: Consumers,
    authenticator: Arc<Authenticator>,
    metrics: Metrics,
    overviews: Overviews,
}

impl NodeResponder {
    /// Answers from these parts of the node.
    pub const fn new(
        dispatcher: Arc<Dispatcher>,
        registry: Arc<Registry>,
        consumers: Consumers,
        authenticator: Arc<Authenticator>,
        metrics: Metrics,
        overviews: Overviews,
    ) -> Self {
        Self { dispatcher, registry, consumers, authenticator, metrics, overviews }
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
        let parts = [NamePart::Text("user_"), NamePart::Value(user)];
        let Ok(group) = GroupName::of(parts) else { return Answer::Rooms(Vec::new()) };
        let known = self.consumers.now();
        let mut asked: Vec<ConsumerId> = Vec::new();
        self.registry.audiences(&group, |audience| asked.push(audience.consumer));
        asked.retain(|id| known.get(*id).is_some_and(|consumer| consumer.namespace().is_some()));
        let question = move |shard: &crate::hub::Shard| {
            asked.iter().flat_map(|consumer| shard.locations(&group, *consumer)).collect::<Vec<_>>()
        };
        let found = self.dispatcher.ask_workers(question, PATIENCE).await;
        if found.silent > 0 {
            return Answer::Failed("a worker thread did not answer in time".to_owned());
        }
        let mut sockets: Vec<SocketRooms> = Vec::new();
        for member in found.answers.into_iter().flatten() {
            let name = |id| known.namespace(id).or_else(|| Some(known.get(id)?.namespace()?.into()));
            let namespace = member.groups.iter().find_map(|(_, consumer)| name(*consumer));
            let names = member.groups.iter().map(|(group, _)| group.as_str());
            let mut rooms: Vec<Arc<str>> = names.filter(|name| !name.starts_with(NAMESPACE)).map(Arc::from).collect();
            rooms.sort();
            rooms.dedup();
            // Several consumers of one namespace see the same socket.
            if !sockets.iter().any(|known| known.socket == member.id) {
                sockets.push(SocketRooms {
                    socket: member.id,
                    namespace: namespace.unwrap_or_else(|| "/".into()),
                    rooms,
                });
            }
        }
        Answer::Rooms(sockets)
    }

    async fn emit(&self, order: EmitOrder) -> Answer {
        let known = self.consumers.now();
        let serving = known.iter().filter(|consumer| consumer.serves(&order.namespace));
        let serving: Vec<ConsumerId> =
            serving.filter_map(|consumer| known.audience(consumer, &order.namespace)).collect();
        let target = EmissionTarget::Namespace(Arc::clone(&order.namespace));
        let groups = order.rooms.iter().filter_map(|room| known.group(&target, room).ok());
        let groups: Vec<GroupName> = groups.collect();
        drop(known);
        let named: Vec<(GroupName, ConsumerId)> =
            groups.iter().flat_map(|group| serving.iter().map(move |id| (group.clone(), *id))).collect();
        let ids = order.rooms.clone();
        let reached = self.dispatcher.ask_workers(move |shard| shard.reach(&named, &ids) as u64, PATIENCE).await;
        self.dispatcher.take(Signal::Emission(order.emission()));
        Answer::Reached(reached.answers.into_iter().sum())
    }

    async fn disconnect(&self, orders: Vec<(Disconnect, Instant)>) -> Answer {
        let mut disconnections = Vec::with_capacity(orders.len());
        let mut principals = HashMap::new();
        for (order, mut until) in orders {
            let mut is_new = true;
            let ending = order.ending();
            let target = match &order.target {
                Target::User(id) => DisconnectTarget::Principal(Fingerprint::of_user(id)),
                Target::Socket(id) => DisconnectTarget::Socket(Arc::clone(id)),
                Target::Fingerprint(token) => {
                    // Refuse them from now on, then end the open ones: none can connect in between.
                    let end = order.refused_until().unwrap_or_else(SystemTime::now);
                    // One that is revoked already, as the record says again at each look, is asked about by nobody.
                    is_new = self.authenticator.revocations().add(*token, end);
                    // A handshake that began a moment ago may have been checked just before.
                    until = Instant::now();
                    DisconnectTarget::Principal(*token)
                }
            };
            if let (DisconnectTarget::Principal(principal), true) = (&target, is_new) {
                let last = principals.entry(*principal).or_insert(until);
                *last = until.max(*last);
            }
            disconnections.push(Disconnection { target, until, ending });
        }
        // Before the workers: a handshake that has an answer of before is in their index, or is refused.
        self.authenticator.forget(&principals);
        let ended = self.dispatcher.ask_workers(move |shard| shard.disconnect(&disconnections) as u64, PATIENCE).await;
        if ended.silent > 0 {
            return Answer::Failed("a worker thread did not answer in time".to_owned());
        }
        Answer::Reached(ended.answers.into_iter().sum())
    }

    async fn catch_up(&self, recorded: Vec<Recorded>) {
        let orders = recorded.into_iter().map(|recorded| (recorded.order, recorded.at)).collect();
        match self.disconnect(orders).await {
            Answer::Reached(late) => self.metrics.revocation("late", late),
            _ => warn_bounded!("not every worker carried out the missed orders to disconnect in time"),
        }
        self.authenticator.revocations().read();
    }

    /// Carries out an order to join or leave a group on every worker.
    async fn regroup(&self, order: GroupOrder) -> Answer {
        let order = Arc::new(ReceivedOrder::now(order));
        let done = self.dispatcher.ask_workers_later(move |shard| shard.regroup(&order), ORDER_PATIENCE).await;
        if done.silent > 0 {
            return Answer::Failed("a worker thread did not answer in time".to_owned());
        }
        Answer::Regrouped(done.answers.into_iter().sum())
    }

    async fn catch_up_with_groups(&self, recorded: Vec<ReceivedOrder>) {
        let orders: Vec<Arc<ReceivedOrder>> = recorded.into_iter().map(Arc::new).collect();
        let done = self.dispatcher.ask_workers_later(move |shard| shard.regroup_late(&orders), ORDER_PATIENCE).await;
        if done.silent > 0 {
            warn_bounded!("not every worker carried out the missed orders to leave groups in time");
        }
    }
}

impl Responder for NodeResponder {
    fn answer(&self, query: Query) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            match query {
                Query::Stats => Answer::Stats(self.stats()),
                Query::Overview(samples) => self.overviews.overview(self.stats(), samples).await,
                Query::UserRooms(user) => self.rooms_of(&user).await,
                Query::Emit(order) => self.emit(order).await,
                Query::Regroup(order) => self.regroup(order).await,
                Query::Disconnect(order) => self.disconnect(vec![(order, Instant::now())]).await,
            }
        })
    }

    fn order(&self, payload: &[u8]) -> Option<Disconnect> {
        let order = json::decode(payload).ok()?;
        Disconnect::read(&order, |token| self.authenticator.recognise(token), SystemTime::now()).ok()
    }

    fn group_order(&self, order: &Value) -> Result<GroupOrder, InvalidOrder> {
        let order = read_group_order(order)?;
        let known = self.consumers.now();
        let wrong = |field: &str, reason: String| Err(InvalidOrder { field: field.to_owned(), reason });
        let named = |one: &&Arc<Consumer>| order.consumer.as_deref().is_none_or(|name| name == one.name());
        let meant: Vec<&Arc<Consumer>> = known.iter().filter(named).collect();
        if let (Some(name), true) = (order.consumer.as_deref(), meant.is_empty()) {
            let near = config::did_you_mean(name, known.set().iter().map(|consumer| consumer.name()));
            return wrong("consumer", format!("No consumer is named {name:?}{near}"));
        }
        if meant.iter().all(|consumer| consumer.group_named(order.room()).is_none())
            && let Err(reason) = GroupName::new(order.room())
        {
            return wrong(if order.joins() { "join" } else { "leave" }, reason.to_string());
        }
        Ok(order)
    }

    fn learn_group_orders(&self, recorded: Vec<ReceivedOrder>) -> BoxFuture<'_, ()> {
        Box::pin(self.catch_up_with_groups(recorded))
    }

    fn learn(&self, recorded: Vec<Recorded>) -> BoxFuture<'_, ()> {
        Box::pin(self.catch_up(recorded))
    }
}
