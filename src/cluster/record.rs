//! The orders to disconnect that stand in Redis, for nodes that start, or could not hear for a while.
//!
//! In: each order that a node hears. Out: all that are still wanted, with their times. Two sorted sets, both bounded and with
//! an end: users and sockets by the time of the order, tokens by the time at which they end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::Script;

use super::{ClusterError, Disconnect, Target};
use crate::{
    redis::{RedisPool, millis},
    telemetry::Metrics,
    warn_bounded,
};

/// Users and sockets, by when they were to be disconnected.
const DISCONNECTED: &str = "channelgate:disconnected";

/// Tokens, by when they end.
const REVOKED: &str = "channelgate:revoked";

/// How long it is known who was disconnected: a node that was away for longer does not learn of it.
const KEPT: Duration = Duration::from_secs(3600);

/// Orders that one set holds; beyond, those go that end or were given first.
const MOST: usize = 20_000;

/// An order and when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The order.
    pub order: Disconnect,
    /// When; now, where that need not be known.
    pub at: Instant,
}

pub(super) struct Record {
    pool: Arc<RedisPool>,
    write: Script,
    metrics: Metrics,
}

impl Record {
    pub fn new(pool: Arc<RedisPool>, metrics: Metrics) -> Self {
        Self { pool, write: Script::new(include_str!("record.lua")), metrics }
    }

    /// Writes an order down. Again is no other order.
    pub async fn write(&self, order: &Disconnect) -> Result<(), ClusterError> {
        let text = serde_json::to_string(order).map_err(|error| ClusterError(error.to_string()))?;
        let mut call = self.write.prepare_invoke();
        match (&order.target, order.until) {
            (Target::Fingerprint(_), Some(until)) => {
                call.key(REVOKED).arg(text).arg("").arg(until.saturating_mul(1000));
            }
            _ => {
                call.key(DISCONNECTED).arg(text).arg(millis(KEPT)).arg("");
            }
        }
        call.arg(MOST);
        let over: u64 = self.pool.invoke(&call).await?;
        if over > 0 {
            self.metrics.revocation("dropped", over);
            warn_bounded!("more than {MOST} orders to disconnect stand in Redis; {over} had to go");
        }
        Ok(())
    }

    /// All orders that are still wanted.
    pub async fn read(&self) -> Result<Vec<Recorded>, ClusterError> {
        let mut commands = redis::pipe();
        commands.cmd("TIME").cmd("ZRANGE").arg(DISCONNECTED).arg(0).arg(-1).arg("WITHSCORES");
        commands.cmd("ZRANGE").arg(REVOKED).arg(0).arg(-1);
        let asked = Instant::now();
        type Answer = ((u64, u64), Vec<(String, f64)>, Vec<String>);
        let ((seconds, micros), kicks, tokens): Answer = self.pool.exchange(&commands).await?;
        let now = seconds * 1000 + micros / 1000;
        let kicks = kicks.into_iter().map(|(text, score)| {
            // Scores are whole milliseconds.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let ago = Duration::from_millis(now.saturating_sub(score.max(0.0) as u64));
            (text, asked.checked_sub(ago))
        });
        let tokens = tokens.into_iter().map(|text| (text, Some(asked)));
        let mut recorded = Vec::new();
        for (text, at) in kicks.chain(tokens) {
            match (serde_json::from_str(&text), at) {
                (Ok(order), Some(at)) => recorded.push(Recorded { order, at }),
                // Before this machine had started.
                (Ok(_), None) => {}
                (Err(error), _) => {
                    self.metrics.revocation("malformed", 1);
                    warn_bounded!("an order to disconnect in Redis is not understood: {error}");
                }
            }
        }
        Ok(recorded)
    }
}
