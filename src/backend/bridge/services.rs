//! What all calls of a node use: the way to Django, the turns, the times.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use reqwest::Url;
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc},
    time::Instant,
};

use super::{
    call::BridgeCall,
    item::Item,
    line::{End, Failure, Line},
    reach::Reach,
    report::{CallLog, Kind, Report},
    request::{Encoded, FRAME},
};
use crate::{
    backend::{
        transport::{HttpBackendError, Transport},
        turns::Turns,
    },
    config,
    limited::WriteError,
    telemetry::Metrics,
};

/// The last part of the path of every call.
const PATH: &str = "channels";

/// One in so many turns is for connects, so that a storm of reconnects leaves the others to messages.
const CONNECTS: usize = 4;

/// Most calls of one request.
pub(super) const BATCH: usize = 64;

/// A time that never ends: what waits for ever is dropped by those who wait.
const EVER: Duration = Duration::from_secs(365 * 86_400);

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the answer to a client that connects.
    pub connect: Duration,
    /// For the next line.
    pub line: Duration,
    /// Until a message is sent to Django.
    pub wait: Duration,
}

/// What all calls use.
pub(super) struct CallServices {
    pub transport: Transport,
    pub url: Url,
    pub patience: Patience,
    pub max_request: usize,
    pub reach: Reach,
    pub log: Arc<CallLog>,
    connects: Turns,
    others: Turns,
    streams: Semaphore,
}

/// A call that has left its turn.
pub(super) struct Stream<'a> {
    _room: SemaphorePermit<'a>,
    _counted: Counted<'a>,
}

type Level = Gauge<i64, std::sync::atomic::AtomicI64>;

/// Counts in a gauge while it exists.
pub(super) struct Counted<'a>(&'a Level, i64);

impl<'a> Counted<'a> {
    fn new(gauge: &'a Level, count: usize) -> Self {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        gauge.inc_by(count);
        Self(gauge, count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec_by(self.1);
    }
}

impl CallServices {
    pub fn new(
        backend: &config::Backend,
        bridge: &config::Bridge,
        url: &str,
        connect: Duration,
        metrics: Metrics,
    ) -> Result<Self, HttpBackendError> {
        let transport = Transport::new(backend, url)?;
        let connects = (backend.concurrency / CONNECTS).max(1);
        let others = backend.concurrency.saturating_sub(connects).max(1);
        let url = transport.to(PATH);
        Ok(Self {
            reach: Reach::new(&url, metrics.clone()),
            url,
            transport,
            patience: Patience { connect, line: bridge.timeout.0, wait: bridge.wait.0 },
            max_request: backend.max_request,
            log: Arc::new(CallLog::new(metrics)),
            connects: Turns::part(connects, backend.concurrency),
            others: Turns::part(others, backend.concurrency),
            streams: Semaphore::new(bridge.streams.min(Semaphore::MAX_PERMITS)),
        })
    }

    /// The call as it is sent; one that cannot be sent has failed already.
    pub fn item(&self, call: &BridgeCall, sender: mpsc::Sender<Line>) -> Option<Item> {
        let mut report = Report::new(call, &self.log);
        let failure = match Encoded::new(call, self.max_request) {
            Ok(encoded) => return Some(Item::new(encoded, sender, report)),
            Err(WriteError::TooLarge(limit)) => Failure::TooLarge(limit),
            Err(WriteError::Invalid(reason)) => Failure::Broken(reason),
        };
        let end = Line::End(End::Failed(failure));
        report.line(&end);
        // The channel has room for one.
        let _ = sender.try_send(end);
        None
    }

    /// The calls in as few requests as their size allows, in their order.
    pub fn requests<'a>(&self, items: &'a mut [Item]) -> Vec<&'a mut [Item]> {
        let (mut requests, mut rest) = (Vec::new(), items);
        while !rest.is_empty() {
            let mut size = FRAME;
            let fits = |item: &&Item| {
                size += item.encoded.size();
                size <= self.max_request
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (some, others) = rest.split_at_mut(count);
            requests.push(some);
            rest = others;
        }
        requests
    }

    /// The turns for calls of this kind.
    pub const fn turns_of(&self, kind: Kind) -> &Turns {
        match kind {
            Kind::Connect => &self.connects,
            _ => &self.others,
        }
    }

    /// Until when a call of this kind, made at `began`, waits to be sent.
    pub fn wait_until(&self, kind: Kind, began: Instant) -> Instant {
        began
            + match kind {
                Kind::Connect => self.patience.connect,
                Kind::Message | Kind::Event => self.patience.wait,
                Kind::Disconnect => EVER,
            }
    }

    /// Calls that wait, until it is dropped.
    pub fn waiting(&self, calls: usize) -> Counted<'_> {
        Counted::new(&self.log.metrics.bridge.waiting, calls)
    }

    /// Room to go on without a turn.
    pub fn stream(&self) -> Option<Stream<'_>> {
        let room = self.streams.try_acquire().ok()?;
        Some(Stream { _room: room, _counted: Counted::new(&self.log.metrics.bridge.streams, 1) })
    }

    /// Django has said nothing for as long as it may.
    pub fn silence(&self, is_accepted: bool) -> String {
        let time = if is_accepted { self.patience.line } else { self.patience.connect };
        format!("no answer in {} ms", time.as_millis())
    }

    /// Why a call could not be sent in its time.
    pub fn not_now(&self) -> Failure {
        match self.reach.away() {
            Some(reason) => Failure::Away { reason: reason.to_string(), retry_after: None },
            None => Failure::Overloaded,
        }
    }
}
