//! Probes: a message through Redis back to the node itself proves that events arrive.
//!
//! In: markers that came back. Out: the state of the host. Missed probes make the host *suspected*: nothing new
//! is guaranteed, but the connection stays, because a Redis that only paused has lost nothing, while a new connection
//! would lose the messages waiting in the old one. The connection is closed only after probes have been missed for
//! long.

use std::{rc::Rc, sync::Arc, time::Duration};

use redis::{Pipeline, RedisError, aio::MultiplexedConnection};
use tokio::time::timeout;

use super::{
    LayerContext,
    core::mark,
    markers::Markers,
    outages::{Outages, Part},
};
use crate::redis::{Connection, RESPONSE, every, exchange, one_line};

/// With one in this many probes Sentinel is asked for the master: after a failover the old master may keep running, and
/// until it learns of that it serves its clients while others publish elsewhere. For a suspected host Sentinel is asked
/// with each probe.
const SENTINEL: u64 = 3;

/// Sends the probes of one session.
pub(super) struct Prober {
    context: Rc<LayerContext>,
    host: usize,
    commands: Connection,
    /// The address of the connection.
    address: String,
    markers: Arc<Markers>,
    outages: Rc<Outages>,
}

impl Prober {
    pub fn new(
        context: &Rc<LayerContext>,
        host: usize,
        (commands, address): (Connection, String),
        markers: Arc<Markers>,
        outages: Rc<Outages>,
    ) -> Self {
        Self { context: Rc::clone(context), host, commands, address, markers, outages }
    }

    /// Resolves when the first probe has returned.
    pub async fn first(mut self) -> Result<(), String> {
        let number = self.markers.next_probe();
        self.send(number).await.map_err(|error| one_line(&error))?;
        let late = |_| "the first probe did not come back".to_owned();
        timeout(RESPONSE, self.markers.until(number)).await.map_err(late)
    }

    /// Probes until the connection must be closed; returns the reason.
    pub async fn run(mut self) -> String {
        let interval = self.context.options.probe_interval.0;
        let failures = u64::from(self.context.options.probe_failures);
        let patience = self.context.options.probe_timeout.0.as_millis().div_ceil(interval.as_millis().max(1));
        let patience = u64::try_from(patience).unwrap_or(u64::MAX).max(failures);
        let (mut ticks, mut number, mut last) = (every(interval), 0, self.markers.seen());
        let mut before = self.markers.messages();
        loop {
            ticks.tick().await;
            if self.outages.has(Part::Pops) {
                self.markers.excuse_queues(number);
            }
            let (seen, missed) = (self.markers.seen(), self.markers.missed());
            let messages = self.markers.messages();
            let arrive = std::mem::replace(&mut before, messages) < messages;
            if self.markers.are_lost(patience, arrive) {
                return format!("{missed} probes did not come back");
            }
            if missed >= failures {
                self.outages.begin(Part::Silence, &format!("{missed} probes did not come back"));
            } else if seen > last {
                self.outages.end(Part::Silence);
                if !self.outages.any() {
                    self.context.states.good(self.host);
                }
            }
            last = seen;
            number = self.markers.next_probe();
            let ask = self.outages.has(Part::Silence) || number % SENTINEL == 1;
            let (context, host) = (Rc::clone(&self.context), self.host);
            let (sent, master) = tokio::join!(self.send(number), master(&context, host, ask));
            match (sent, master) {
                (Err(error), _) => match self.outages.refused(Part::Probes, error) {
                    Ok(()) => self.markers.excuse(number),
                    Err(error) => return one_line(&error),
                },
                (Ok(_), Some(master)) if master != self.address => {
                    return format!("Sentinel names {master} as the master");
                }
                (Ok(true), _) => self.outages.end(Part::Probes),
                (Ok(false), _) => {}
            }
        }
    }

    /// Sends a probe; returns whether Redis answered in time. If not, the probe counts as missed.
    async fn send(&mut self, number: u64) -> Result<bool, RedisError> {
        let mut commands = redis::pipe();
        add_marker(&self.context, &mut commands, &number.to_string());
        let moves = self.context.hosts[self.host].moves();
        if moves {
            commands.cmd("ROLE");
        }
        let deadline = deadline(&self.context);
        let answer = match timeout(deadline, exchange::<Vec<redis::Value>>(&mut self.commands, &commands)).await {
            Ok(Err(error)) if !error.is_timeout() => return Err(error),
            Ok(Ok(answer)) => answer,
            _ => return Ok(false),
        };
        // After a failover the old master may answer for long, as a replica that does not forward our publishes.
        match answer.first() {
            Some(redis::Value::Array(role))
                if moves && role.first() != Some(&redis::Value::BulkString(b"master".into())) =>
            {
                Err((redis::ErrorKind::Client, "this Redis is no longer the master").into())
            }
            _ => Ok(true),
        }
    }
}

/// Sends a marker through the subscription and, if there are any, the receive queues.
pub(super) async fn send_marker(
    context: &LayerContext,
    commands: &mut MultiplexedConnection,
    marker: &str,
) -> Result<(), RedisError> {
    let mut pipeline = redis::pipe();
    add_marker(context, &mut pipeline, marker);
    exchange(commands, &pipeline).await
}

fn add_marker(context: &LayerContext, commands: &mut Pipeline, marker: &str) {
    commands.cmd("PUBLISH").arg(context.decoder.probe_channel()).arg(marker).ignore();
    if let Some(queue) = context.queues.last() {
        mark(commands, queue, marker, context.options.expiry.0);
    }
}

/// The master according to Sentinel, if Sentinel is configured and answers.
async fn master(context: &LayerContext, host: usize, ask: bool) -> Option<String> {
    if !ask {
        return None;
    }
    timeout(deadline(context), context.hosts[host].master()).await.ok()?
}

fn deadline(context: &LayerContext) -> Duration {
    context.options.probe_interval.0.min(RESPONSE)
}
