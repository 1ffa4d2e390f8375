//! The control channel of the nodes: questions go to each live node, answers return to the node that asked.
//!
//! In: messages on `channelgate:control:<this node>`, over a dedicated connection. Out: answers, and with every
//! heartbeat a probe to itself, which proves that the subscription works. A few missing probes end the connection:
//! unlike the layer's connection, it holds nothing worth waiting for, because a new one reads the record.

mod orders;

use std::{
    collections::{BTreeSet, HashMap},
    future::pending,
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    Answer, Answers, ClusterError, NodeId, Query, Responder,
    membership::{Joined, Membership},
    record::Record,
};
use crate::{
    redis::{CONNECT, Probe, Published, RedisPool, Subscription, beats, millis, one_line, reconnect},
    telemetry::Metrics,
    warn_bounded,
};

/// Prefix of a node's channel, before its id. The second colon separates it from the channel of any group.
const CONTROL: &str = "channelgate:control:";

/// The channel on which any program with access to Redis can order a disconnect on all nodes.
const DISCONNECT: &str = "channelgate:control:disconnect";

/// The channel on which any program with access to Redis can order that a user's connections join or leave a group.
const GROUP_ORDERS: &str = "channelgate:control:group";

/// Why a connection is given up.
const LATE: &str = "no answer in time";

/// A new channel looks into the record once more after this time: a node that heard an order just before the channel was
/// there writes it a moment later.
const AGAIN: Duration = Duration::from_secs(5);

/// Probes that may be missing before the subscription counts as dead.
const MISSED_PROBES: u64 = 3;

/// A node answers a question within this time, whatever the asking node would wait.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ControlMessage {
    Ask {
        id: u64,
        from: NodeId,
        wait_ms: u64,
        /// Parsed only when it is answered: a node of another version may ask an unknown question.
        query: serde_json::Value,
    },
    Reply {
        id: u64,
        from: NodeId,
        answer: Answer,
    },
    Probe(u64),
}

pub(super) struct Control {
    id: NodeId,
    pool: Arc<RedisPool>,
    record: Arc<Record>,
    responder: OnceLock<Arc<dyn Responder>>,
    caught_up: AtomicBool,
    asked: AtomicU64,
    waiting: Mutex<HashMap<u64, mpsc::UnboundedSender<(NodeId, Answer)>>>,
    metrics: Metrics,
}

impl Control {
    pub fn new(id: NodeId, pool: Arc<RedisPool>, record: Arc<Record>, metrics: Metrics) -> Self {
        let (responder, caught_up) = (OnceLock::new(), AtomicBool::new(false));
        let (asked, waiting) = (AtomicU64::new(0), Mutex::default());
        Self { id, pool, record, responder, caught_up, asked, waiting, metrics }
    }

    /// What answers for this node; `None` while it starts.
    pub fn responder(&self) -> Option<&Arc<dyn Responder>> {
        self.responder.get()
    }

    /// Whether it has heard of the orders that were given before this node started.
    pub fn has_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// Asks every node of `live`, this one included.
    pub async fn ask(&self, live: BTreeSet<NodeId>, query: &Query, wait: Duration) -> Result<Answers, ClusterError> {
        let deadline = Instant::now() + wait;
        let id = self.asked.fetch_add(1, Ordering::Relaxed);
        let (sender, mut replies) = mpsc::unbounded_channel();
        let _waiting = PendingQuery::new(self, id, sender);
        let mut open = live;
        let here = open.remove(&self.id);
        let mut answers = Answers::default();

        let message = ControlMessage::Ask {
            id,
            from: self.id.clone(),
            wait_ms: millis(wait),
            query: serde_json::to_value(query).map_err(|error| ClusterError(error.to_string()))?,
        };
        // A node without a subscription receives nothing, so its answer is not awaited.
        for (node, heard) in open.iter().cloned().collect::<Vec<_>>().into_iter().zip(self.send(&open, &message).await?)
        {
            if heard == 0 {
                open.remove(&node);
                answers.silent.push(node);
            }
        }
        let own = async {
            match here {
                true => Some(timeout_at(deadline, self.answer(query.clone())).await),
                false => None,
            }
        };
        let others = async {
            let mut come = Vec::new();
            while !open.is_empty() {
                let Ok(Some((node, answer))) = timeout_at(deadline, replies.recv()).await else { break };
                if open.remove(&node) {
                    come.push((node, answer));
                }
            }
            come
        };
        let (own, others) = tokio::join!(own, others);
        answers.by_node.extend(others);
        match own {
            Some(Ok(answer)) => drop(answers.by_node.insert(self.id.clone(), answer)),
            Some(Err(_)) => answers.silent.push(self.id.clone()),
            None => {}
        }
        answers.silent.extend(open);
        answers.silent.sort();
        Ok(answers)
    }

    async fn answer(&self, query: Query) -> Answer {
        match self.responder.get() {
            Some(responder) => responder.answer(query).await,
            None => Answer::Failed("the node is starting".to_owned()),
        }
    }

    /// Publishes to the channels of these nodes; returns the number of receivers per node.
    async fn send(&self, nodes: &BTreeSet<NodeId>, message: &ControlMessage) -> Result<Vec<u64>, ClusterError> {
        if nodes.is_empty() {
            return Ok(Vec::new());
        }
        let text = serde_json::to_vec(message).map_err(|error| ClusterError(error.to_string()))?;
        let mut commands = redis::pipe();
        for node in nodes {
            commands.publish(format!("{CONTROL}{node}"), &text[..]);
        }
        Ok(self.pool.exchange(&commands).await?)
    }

    /// Listens forever, one connection after another.
    pub async fn listen(
        self: Arc<Self>,
        heartbeat: Duration,
        responder: Arc<dyn Responder>,
        membership: Arc<Membership>,
    ) {
        let _ = self.responder.set(responder);
        let (control, membership) = (&self, &*membership);
        let establish = || control.begin(membership);
        let serve = |channel, again| async move {
            if again {
                control.metrics.reconnected();
            }
            Some(control.serve(channel, heartbeat).await)
        };
        let down = |reason: &str, _| {
            warn_bounded!("the control channel at {} failed: {reason}; reconnecting", self.pool.label());
        };
        reconnect(pending(), establish, serve, down).await;
    }

    /// Subscribes, and then catches up with missed orders.
    async fn begin(self: &Arc<Self>, membership: &Membership) -> Result<Channel, String> {
        let subscribed = timeout(CONNECT, self.subscribe(membership.joined())).await.map_err(|_| LATE.to_owned())?;
        let mut channel = subscribed.map_err(|error| one_line(&error))?;
        // The others ask a node that they know; so the record is read again if it becomes known later.
        let _ = channel.joined.wait_for(|joined| joined.tried).await;
        match self.catch_up().await {
            Ok(()) => Ok(channel),
            Err(reason) => {
                self.hear_out(&mut channel);
                Err(reason)
            }
        }
    }

    /// Carries out the recorded orders.
    async fn catch_up(&self) -> Result<(), String> {
        let caught_up = timeout(CONNECT, self.learn()).await.map_err(|_| LATE.to_owned())?;
        caught_up.map_err(|error| error.to_string())?;
        self.caught_up.store(true, Ordering::Release);
        Ok(())
    }

    async fn learn(&self) -> Result<(), ClusterError> {
        let recorded = self.record.read().await?;
        let group_orders = self.record.read_group_orders().await?;
        if let Some(responder) = self.responder.get() {
            responder.learn(recorded).await;
            responder.learn_group_orders(group_orders).await;
        }
        Ok(())
    }

    async fn subscribe(&self, joined: watch::Receiver<Joined>) -> redis::RedisResult<Channel> {
        let (sender, messages) = mpsc::unbounded_channel();
        // Messages that arrive before this node has caught up are queued.
        let hear = move |message: Published<'_>| {
            let _ = sender.send((HeardOn::of(message.channel), message.payload.into()));
        };
        let mut subscription = Subscription::open(self.pool.host(), hear).await?;
        subscription
            .subscribe(&[format!("{CONTROL}{}", self.id), DISCONNECT.to_owned(), GROUP_ORDERS.to_owned()])
            .await?;
        Ok(Channel { subscription, messages, joined })
    }

    /// Serves the channel; returns why it ended.
    async fn serve(self: &Arc<Self>, mut channel: Channel, heartbeat: Duration) -> String {
        let reason = self.serve_until_lost(&mut channel, heartbeat).await;
        self.hear_out(&mut channel);
        reason
    }

    /// An order that was heard is nowhere else: not even in the record, which a node writes when it carries one out.
    fn hear_out(self: &Arc<Self>, channel: &mut Channel) {
        while let Ok((heard_on, payload)) = channel.messages.try_recv() {
            self.hear(&heard_on, &payload);
        }
    }

    /// Handles what was heard; returns the number if it is a probe.
    fn hear(self: &Arc<Self>, heard_on: &HeardOn, payload: &[u8]) -> Option<u64> {
        match heard_on {
            HeardOn::Disconnect => self.ordered(payload),
            HeardOn::GroupOrders => self.group_ordered(payload),
            HeardOn::Control => return self.take(payload),
        }
        None
    }

    async fn serve_until_lost(self: &Arc<Self>, channel: &mut Channel, heartbeat: Duration) -> String {
        let (lost, probe, mut beat) = (channel.subscription.lost(), Probe::default(), beats(heartbeat));
        let (mut again, mut is_due) = (pin!(sleep(AGAIN)), true);
        loop {
            tokio::select! {
                Some((heard_on, payload)) = channel.messages.recv() => {
                    if let Some(number) = self.hear(&heard_on, &payload) {
                        probe.arrived(number);
                    }
                }
                Ok(()) = channel.joined.changed() => {
                    // The others did not ask this node until now.
                    if let Err(reason) = self.catch_up().await {
                        return reason;
                    }
                }
                () = &mut again, if is_due => {
                    is_due = false;
                    if let Err(reason) = self.catch_up().await {
                        return reason;
                    }
                }
                () = lost.notified() => return "the connection was closed".to_owned(),
                _ = beat.tick() => {
                    let missed = probe.missed();
                    if missed >= MISSED_PROBES {
                        return format!("{missed} probes did not come back");
                    }
                    let (control, message) = (Arc::clone(self), ControlMessage::Probe(probe.next()));
                    // A failed probe does not come back either, but the error says why.
                    tokio::spawn(async move {
                        if let Err(error) = control.send(&BTreeSet::from([control.id.clone()]), &message).await {
                            warn_bounded!("cannot send a probe on the control channel: {error}");
                        }
                    });
                }
            }
        }
    }

    /// Handles one message; returns the number if it is a probe.
    fn take(self: &Arc<Self>, payload: &[u8]) -> Option<u64> {
        match serde_json::from_slice(payload) {
            Ok(ControlMessage::Probe(number)) => return Some(number),
            Ok(ControlMessage::Reply { id, from, answer }) => {
                let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(sender) = waiting.get(&id) {
                    // The asking task may be gone.
                    let _ = sender.send((from, answer));
                }
            }
            Ok(ControlMessage::Ask { id, from, wait_ms, query }) => {
                let control = Arc::clone(self);
                tokio::spawn(async move {
                    let wait = Duration::from_millis(wait_ms).min(LONGEST_ANSWER);
                    let answer = match serde_json::from_value(query) {
                        Ok(query) => timeout(wait, control.answer(query)).await,
                        Err(error) => Ok(Answer::Failed(format!("invalid question: {error}"))),
                    };
                    // A late answer is dropped.
                    let Ok(answer) = answer else { return };
                    let reply = ControlMessage::Reply { id, from: control.id.clone(), answer };
                    if let Err(error) = control.send(&BTreeSet::from([from]), &reply).await {
                        warn_bounded!("cannot send an answer to another node: {error}");
                    }
                });
            }
            Err(error) => warn_bounded!("invalid message of another node: {error}"),
        }
        None
    }
}

/// The queue of received messages: the channel of each, and its payload.
struct Channel {
    subscription: Subscription,
    messages: mpsc::UnboundedReceiver<(HeardOn, Box<[u8]>)>,
    /// Whether the others know this node.
    joined: watch::Receiver<Joined>,
}

/// A channel that the node listens to.
enum HeardOn {
    Control,
    Disconnect,
    GroupOrders,
}

impl HeardOn {
    fn of(channel: &[u8]) -> Self {
        match channel {
            channel if channel == DISCONNECT.as_bytes() => Self::Disconnect,
            channel if channel == GROUP_ORDERS.as_bytes() => Self::GroupOrders,
            _ => Self::Control,
        }
    }
}

/// Removes the question when its caller stops waiting.
struct PendingQuery<'a> {
    control: &'a Control,
    id: u64,
}

impl<'a> PendingQuery<'a> {
    fn new(control: &'a Control, id: u64, sender: mpsc::UnboundedSender<(NodeId, Answer)>) -> Self {
        control.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        Self { control, id }
    }
}

impl Drop for PendingQuery<'_> {
    fn drop(&mut self) {
        self.control.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
