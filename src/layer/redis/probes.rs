//! Probes: a message through Redis back to the node itself proves that events arrive.
//!
//! In: messages of the subscription. Out: the state of the host. Missed probes make the host *suspected*: nothing new
//! is guaranteed, but the connection stays, because a Redis that only paused has lost nothing, while a new connection
//! would lose the messages waiting in the old one. The connection is closed only after probes have been missed for
//! long.

use std::{rc::Rc, sync::Arc, time::Duration};

use redis::{RedisError, aio::MultiplexedConnection};
use tokio::time::timeout;

use super::LayerContext;
use crate::redis::{Probe, RESPONSE, every, exchange, one_line};

/// With one in this many probes Sentinel is asked for the master: after a failover the old master may keep running, and
/// until it learns of that it serves its clients while others publish elsewhere. For a suspected host Sentinel is asked
/// with each probe.
const SENTINEL: u64 = 3;

/// Sends the probes of one session.
pub(super) struct Prober {
    context: Rc<LayerContext>,
    host: usize,
    commands: MultiplexedConnection,
    /// The address of the connection.
    address: String,
    probe: Arc<Probe>,
}

impl Prober {
    pub fn new(
        context: &Rc<LayerContext>,
        host: usize,
        (commands, address): (MultiplexedConnection, String),
        probe: Arc<Probe>,
    ) -> Self {
        Self { context: Rc::clone(context), host, commands, address, probe }
    }

    /// Resolves when the first probe has returned.
    pub async fn first(mut self) -> Result<(), String> {
        let number = self.probe.next();
        self.send(number).await.map_err(|error| one_line(&error))?;
        let late = |_| "the first probe did not come back".to_owned();
        timeout(RESPONSE, self.probe.until(number)).await.map_err(late)
    }

    /// Probes until the connection must be closed; returns the reason.
    pub async fn run(mut self) -> String {
        let interval = self.context.options.probe_interval.0;
        let failures = u64::from(self.context.options.probe_failures);
        let patience = self.context.options.probe_timeout.0.as_millis().div_ceil(interval.as_millis().max(1));
        let patience = u64::try_from(patience).unwrap_or(u64::MAX).max(failures);
        let (mut ticks, mut suspected, mut last) = (every(interval), false, self.probe.seen());
        loop {
            ticks.tick().await;
            let seen = self.probe.seen();
            let missed = self.probe.missed();
            if missed >= patience {
                return format!("{missed} probes did not come back");
            }
            if missed >= failures {
                let reason = format!("{missed} probes did not come back");
                self.context.states.out(self.host, &reason);
                if !std::mem::replace(&mut suspected, true) {
                    log::warn!("{}: {reason}; new joins and publishes are refused", self.label());
                    self.context.groups.borrow_mut().suspend(self.host, &reason);
                }
            } else if seen > last {
                if std::mem::take(&mut suspected) {
                    log::warn!("{}: answers again; nothing was lost", self.label());
                    self.context.groups.borrow_mut().resume(self.host);
                }
                self.context.states.good(self.host);
            }
            last = seen;
            let (context, number) = (Rc::clone(&self.context), self.probe.next());
            let elsewhere = master(&context, self.host, suspected || number % SENTINEL == 1);
            let (sent, master) = tokio::join!(self.send(number), elsewhere);
            match (sent, master) {
                (Err(error), _) => return one_line(&error),
                (Ok(()), Some(master)) if master != self.address => {
                    return format!("Sentinel names {master} as the master");
                }
                (Ok(()), _) => {}
            }
        }
    }

    fn label(&self) -> &str {
        self.context.hosts[self.host].label()
    }

    /// Publishes a probe. A timeout counts as a missed probe, not as a failure.
    async fn send(&mut self, number: u64) -> Result<(), RedisError> {
        let mut commands = redis::pipe();
        commands.cmd("PUBLISH").arg(self.context.decoder.probe_channel()).arg(number).ignore();
        let moves = self.context.hosts[self.host].moves();
        if moves {
            commands.cmd("ROLE");
        }
        let deadline = deadline(&self.context);
        let answer = match timeout(deadline, exchange::<Vec<redis::Value>>(&mut self.commands, &commands)).await {
            Ok(Err(error)) if !error.is_timeout() => return Err(error),
            Ok(Ok(answer)) => answer,
            _ => return Ok(()),
        };
        // After a failover the old master may answer for long, as a replica that does not forward our publishes.
        match answer.first() {
            Some(redis::Value::Array(role))
                if moves && role.first() != Some(&redis::Value::BulkString(b"master".into())) =>
            {
                Err((redis::ErrorKind::Client, "this Redis is no longer the master").into())
            }
            _ => Ok(()),
        }
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
