//! From the layer's thread to the workers: each event is mapped once per consumer, its frames are encoded once, and one
//! job goes to each worker that has members.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    Delivery, Registry,
    registry::{Audience, MAX_WORKERS},
    topics::matching_names,
};
use crate::{
    config::TopicMatching,
    consumer::{ConsumerSet, MapError, Outgoing},
    event::{Event, Gap, GapReason},
    layer::Signal,
    socket::frame::Frame,
    telemetry::{DropReason, Metrics},
    warn_bounded,
};

/// Bytes of frames that may wait for one worker before events are dropped, counted and called a gap.
const MAX_BACKLOG: usize = 64 << 20;

/// How the layer's thread reaches one worker.
#[derive(Clone)]
struct Link {
    deliveries: UnboundedSender<Delivery>,
    backlog: Arc<AtomicUsize>,
}

/// A worker's end of its link.
pub struct Inbox {
    /// Which worker, from 0.
    pub worker: usize,
    pub(super) deliveries: UnboundedReceiver<Delivery>,
    pub(super) backlog: Arc<AtomicUsize>,
}

/// Hands what comes out of a layer to the workers.
pub struct Dispatcher {
    registry: Arc<Registry>,
    consumers: Arc<ConsumerSet>,
    links: RwLock<Vec<Link>>,
    metrics: Metrics,
}

impl Dispatcher {
    /// A dispatcher without workers yet.
    pub fn new(registry: Arc<Registry>, consumers: Arc<ConsumerSet>, metrics: Metrics) -> Self {
        Self { registry, consumers, links: RwLock::default(), metrics }
    }

    /// A worker starts: its end of a new link, or `None` if there are too many.
    pub fn connect(&self) -> Option<Inbox> {
        let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
        let worker = links.len();
        if worker >= MAX_WORKERS {
            return None;
        }
        let (sender, deliveries) = unbounded_channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        links.push(Link { deliveries: sender, backlog: Arc::clone(&backlog) });
        Some(Inbox { worker, deliveries, backlog })
    }

    /// Takes one signal of the layer; called on the layer's thread.
    pub fn take(&self, signal: Signal) {
        match signal {
            Signal::Event(event) => self.event(&Arc::new(event)),
            Signal::Emission(_) => {}
            Signal::Gap(gap) => self.gap(&gap),
        }
    }

    fn event(&self, event: &Arc<Event>) {
        let mut audiences: Vec<Audience> = Vec::new();
        self.registry.audiences(&event.group, |audience| audiences.push(audience));
        for audience in audiences {
            let Some(consumer) = self.consumers.get(audience.consumer) else { continue };
            match consumer.on_event(event) {
                Ok(messages) => {
                    for message in messages {
                        self.send(audience, &message, consumer.topics().matching);
                    }
                }
                Err(MapError::NoHandler) => {
                    self.metrics.dropped(DropReason::NoHandler, 1);
                    warn_bounded!(
                        "{}: no handler for events of type {:?} in group {}; dropped",
                        consumer.name(),
                        event.kind().unwrap_or_default(),
                        event.group
                    );
                }
                Err(MapError::Mapping(reason)) => {
                    self.metrics.dropped(DropReason::Mapping, 1);
                    warn_bounded!(
                        "{}: an event of type {:?} in group {} could not be mapped and is dropped: {reason}",
                        consumer.name(),
                        event.kind().unwrap_or_default(),
                        event.group
                    );
                }
            }
        }
    }

    fn send(&self, audience: Audience, message: &Outgoing, matching: TopicMatching) {
        let delivery = Delivery {
            audience: audience.id,
            frame: Arc::new(Frame::new(&message.payload)),
            names: message.topic.as_ref().map(|topic| matching_names(topic, matching)),
        };
        let size = delivery.size();
        let links = self.links.read().unwrap_or_else(PoisonError::into_inner);
        for (worker, link) in links.iter().enumerate() {
            if audience.workers & (1 << worker) == 0 {
                continue;
            }
            if link.backlog.fetch_add(size, Ordering::Relaxed) > MAX_BACKLOG {
                link.backlog.fetch_sub(size, Ordering::Relaxed);
                self.metrics.dropped(DropReason::Backlog, 1);
                self.gap(&Gap { groups: None, reason: GapReason::Backlog });
                continue;
            }
            // A worker that is gone has no members any more.
            let _ = link.deliveries.send(delivery.clone());
        }
    }

    fn gap(&self, gap: &Gap) {
        self.metrics.gap(gap.reason.label());
        let groups =
            gap.groups.as_ref().map_or_else(|| "all groups".to_owned(), |groups| format!("{} groups", groups.len()));
        warn_bounded!("events may have been missed in {groups}: {}", gap.reason.label());
    }
}
