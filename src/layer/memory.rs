//! The embedded layer: one process, no Redis. An event published here reaches the groups joined here.
//!
//! In: [`Layer::publish`]. Out: [`Signal`]s to the sink, on this layer's own thread, in publish order. It never reaches
//! another node: nothing leaves the process.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::{Layer, LayerError, Readiness, Signal, Sink, started_before};
use crate::{
    event::{Emission, Event, GroupName, Source, Value},
    telemetry::Metrics,
};

/// Events that may wait for the layer's thread; beyond that, publishers wait.
const BACKLOG: usize = 4096;

/// How long a stop waits for the thread to pass on its queue.
const STOP: Duration = Duration::from_secs(2);

enum Command {
    Event(Event),
    /// Answered when all earlier events have been passed on.
    Fence(oneshot::Sender<()>),
    /// For groups; the hub finds their members.
    Emission(Emission),
    /// For one connection, by its id.
    Direct(Box<str>, Value),
    Stop(oneshot::Sender<()>),
}

/// The in-process layer, for one node.
pub struct MemoryLayer {
    groups: Arc<Mutex<HashSet<GroupName>>>,
    /// What the channels of this process' connections begin with.
    channels: String,
    jobs: mpsc::Sender<Command>,
    /// Published messages, until the layer starts.
    queue: Mutex<Option<mpsc::Receiver<Command>>>,
    metrics: Metrics,
}

impl MemoryLayer {
    /// A layer that is not started yet.
    pub fn new(metrics: Metrics) -> Self {
        let (jobs, queue) = mpsc::channel(BACKLOG);
        let channels = format!("specific.{}r!c.", uuid::Uuid::new_v4().simple());
        Self { groups: Arc::default(), channels, jobs, queue: Mutex::new(Some(queue)), metrics }
    }

    fn is_waiting(&self) -> bool {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    async fn queue(&self, command: Command) -> Result<(), LayerError> {
        self.jobs.send(command).await.map_err(|_| LayerError::Unavailable {
            reason: "the embedded layer has stopped".to_owned(),
            retry_after: Duration::from_secs(1),
        })
    }

    fn take_queue(&self) -> Option<mpsc::Receiver<Command>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn run(mut queue: mpsc::Receiver<Command>, members: &Mutex<HashSet<GroupName>>, sink: &Sink, metrics: &Metrics) {
    while let Some(job) = queue.blocking_recv() {
        match job {
            Command::Event(event) => {
                if members.lock().unwrap_or_else(PoisonError::into_inner).contains(&event.group) {
                    metrics.event(event.source.label());
                    sink(Signal::Event(event));
                }
            }
            Command::Fence(passed) => {
                // The caller may be gone.
                let _ = passed.send(());
            }
            Command::Emission(emission) => {
                metrics.event(emission.source.label());
                sink(Signal::Emission(emission));
            }
            Command::Direct(id, body) => {
                metrics.event(Source::Memory.label());
                sink(Signal::Direct { id, body, source: Source::Memory });
            }
            Command::Stop(done) => {
                // A failure means that the caller stopped waiting.
                let _ = done.send(());
                return;
            }
        }
    }
}

impl Layer for MemoryLayer {
    fn start(&self, sink: Sink) -> io::Result<()> {
        let queue = self.take_queue().ok_or_else(started_before)?;
        let (members, metrics) = (Arc::clone(&self.groups), self.metrics.clone());
        thread::Builder::new().name("layer".to_owned()).spawn(move || run(queue, &members, &sink, &metrics))?;
        Ok(())
    }

    fn join<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).insert(group.clone());
        Box::pin(async move {
            let (passed, fence) = oneshot::channel();
            // Before the start nothing is passed on.
            if !self.is_waiting() && self.jobs.send(Command::Fence(passed)).await.is_ok() {
                // A thread that has ended passes on nothing.
                let _ = fence.await;
            }
            Ok(())
        })
    }

    fn leave(&self, group: &GroupName) {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }

    fn publish<'a>(&'a self, group: &'a GroupName, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async move {
            if body.as_map().is_none() {
                return Err(LayerError::Refused(format!("an event must be an object, not {}", body.kind())));
            }
            let event =
                Event { group: group.clone(), body: body.clone(), source: Source::Memory, received: Instant::now() };
            self.queue(Command::Event(event)).await
        })
    }

    fn emit<'a>(&'a self, groups: &'a [GroupName], body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async move {
            match groups {
                [] => return Ok(()),
                [group] => return self.publish(group, body).await,
                _ => {}
            }
            let emission = Emission::from_rooms(body, Source::Memory, Instant::now());
            let emission = emission.map_err(|reason| LayerError::Refused(reason.to_owned()))?;
            self.queue(Command::Emission(emission)).await
        })
    }

    fn send<'a>(&'a self, channel: &'a str, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(async move {
            let Some(id) = channel.strip_prefix(&self.channels) else {
                let reason = "the embedded layer reaches the connections of its own process only; a worker, or another \
                              process, needs Redis";
                return Err(LayerError::Refused(reason.to_owned()));
            };
            if body.as_map().is_none() {
                return Err(LayerError::Refused(format!("a message must be an object, not {}", body.kind())));
            }
            self.queue(Command::Direct(id.into(), body.clone())).await
        })
    }

    fn reply_channel(&self) -> Option<String> {
        None
    }

    fn channel_name(&self, id: &str) -> String {
        format!("{}{id}", self.channels)
    }

    fn discard(&self, _: &GroupName, _: &str) {
        // Nobody else can add a name here.
    }

    fn readiness(&self) -> Readiness {
        if self.jobs.is_closed() {
            Readiness::NotReady("the embedded layer has stopped".to_owned())
        } else {
            Readiness::Ready
        }
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            drop(self.take_queue());
            let (done, stopped) = oneshot::channel();
            let stop = async {
                if self.jobs.send(Command::Stop(done)).await.is_ok() {
                    // An error means that the thread has ended, which is the goal.
                    let _ = stopped.await;
                }
            };
            // After the deadline the thread is abandoned; the process ends soon.
            let _ = tokio::time::timeout(STOP, stop).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as std_mpsc;

    use super::*;
    use crate::layer::codec::names::is_channel_name;

    fn group(name: &str) -> GroupName {
        GroupName::new(name).unwrap()
    }

    fn event(n: i64) -> Value {
        [("type", Value::from("tick")), ("n", Value::from(n))].into_iter().collect()
    }

    fn layer() -> (MemoryLayer, std_mpsc::Receiver<Signal>) {
        let (signals, received) = std_mpsc::channel();
        let signals = Mutex::new(signals);
        let sink: Sink = Arc::new(move |signal| signals.lock().unwrap().send(signal).unwrap());
        let layer = MemoryLayer::new(Metrics::new());
        layer.start(sink).unwrap();
        (layer, received)
    }

    fn next(received: &std_mpsc::Receiver<Signal>) -> Event {
        match received.recv_timeout(Duration::from_secs(5)).unwrap() {
            Signal::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn joined_groups_receive_in_order_and_others_do_not() {
        let (layer, received) = layer();
        let (joined, other) = (group("joined"), group("other"));
        layer.join(&joined).await.unwrap();
        layer.publish(&other, &event(-1)).await.unwrap();
        for n in 0..100 {
            layer.publish(&joined, &event(n)).await.unwrap();
        }
        for n in 0..100 {
            let event = next(&received);
            assert_eq!(event.group, joined);
            assert_eq!(event.body.get("n"), Some(&Value::Int(n)));
        }
        layer.leave(&joined);
        layer.publish(&joined, &event(100)).await.unwrap();
        layer.stop().await;
        assert!(received.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_join_is_answered_after_everything_that_was_published_before_it() {
        let (layer, received) = layer();
        for (n, room) in [(0, "new"), (1, "joined")].into_iter().cycle().take(200) {
            layer.join(&group("joined")).await.unwrap();
            layer.publish(&group(room), &event(n)).await.unwrap();
            layer.join(&group(room)).await.unwrap();
            let passed: Vec<_> = received.try_iter().collect();
            assert!(passed.len() <= 1 && (room == "new" || passed.len() == 1), "{passed:?}");
            layer.leave(&group("new"));
        }
    }

    #[tokio::test]
    async fn events_published_before_the_start_arrive_after_it() {
        let layer = MemoryLayer::new(Metrics::new());
        layer.join(&group("early")).await.unwrap();
        layer.publish(&group("early"), &event(1)).await.unwrap();
        let (signals, received) = std_mpsc::channel();
        let signals = Mutex::new(signals);
        layer.start(Arc::new(move |signal| signals.lock().unwrap().send(signal).unwrap())).unwrap();
        assert_eq!(next(&received).body.get("n"), Some(&Value::Int(1)));
        assert!(layer.start(Arc::new(drop)).is_err(), "a second sink would be one too many");
    }

    #[tokio::test]
    async fn a_layer_that_never_started_stops_at_once() {
        let layer = MemoryLayer::new(Metrics::new());
        let began = Instant::now();
        layer.stop().await;
        assert!(began.elapsed() < STOP);
        assert_ne!(layer.readiness(), Readiness::Ready);
    }

    #[tokio::test]
    async fn after_a_stop_it_is_not_ready_and_publishing_fails() {
        let (layer, _received) = layer();
        assert_eq!(layer.readiness(), Readiness::Ready);
        layer.stop().await;
        layer.stop().await;
        assert!(matches!(layer.publish(&group("g"), &event(1)).await, Err(LayerError::Unavailable { .. })));
        assert_ne!(layer.readiness(), Readiness::Ready);
    }

    #[tokio::test]
    async fn a_message_reaches_the_channel_of_a_connection_in_order_and_no_other() {
        let (layer, received) = layer();
        layer.join(&group("g")).await.unwrap();
        let channel = layer.channel_name("id");
        assert!(channel.starts_with("specific.") && is_channel_name(&channel), "{channel}");
        for n in 0..10 {
            layer.send(&channel, &event(2 * n)).await.unwrap();
            layer.publish(&group("g"), &event(2 * n + 1)).await.unwrap();
        }
        for n in 0..10 {
            match received.recv_timeout(Duration::from_secs(5)).unwrap() {
                Signal::Direct { id, body, source: Source::Memory } => {
                    assert_eq!((&*id, body.get("n")), ("id", Some(&Value::Int(2 * n))));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(next(&received).body.get("n"), Some(&Value::Int(2 * n + 1)));
        }
        assert!(matches!(layer.send(&channel, &Value::Int(7)).await, Err(LayerError::Refused(_))));
        for other in ["worker", "specific.other!c.id", &layer.channels.replace("c.", "x.")] {
            let refused = layer.send(other, &event(1)).await;
            assert!(matches!(&refused, Err(LayerError::Refused(reason)) if reason.contains("Redis")), "{refused:?}");
        }
        layer.discard(&group("g"), "id");
        layer.stop().await;
        assert!(received.try_recv().is_err());
    }

    #[tokio::test]
    async fn an_event_that_is_not_an_object_is_refused() {
        let (layer, _received) = layer();
        assert!(matches!(layer.publish(&group("g"), &Value::Int(7)).await, Err(LayerError::Refused(_))));
    }
}
