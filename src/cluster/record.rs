//! The orders kept in Redis for nodes that start or were cut off: to disconnect, and to join or leave groups.
//!
//! In: each order that a node receives. Out: all orders that still apply, with their times. Three sorted sets, all
//! bounded and expiring: users and sockets by the time of the order, tokens by the time at which they expire, orders about
//! groups by their time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::Script;

use super::{ClusterError, Disconnect, Target};
use crate::{
    event::{GroupOrder, ReceivedOrder},
    redis::{RedisPool, millis},
    telemetry::Metrics,
    warn_bounded,
};

/// Users and sockets, by the time of the order.
const DISCONNECTED: &str = "channelgate:disconnected";

/// Tokens, by their expiry.
const REVOKED: &str = "channelgate:revoked";

/// Orders to join and leave groups, by their time.
const GROUP_ORDERS: &str = "channelgate:group_orders";

/// How long orders for users and sockets are kept: a node that was away for longer does not learn of them.
const KEPT: Duration = Duration::from_secs(3600);

/// Maximum number of orders per set; beyond it, those that expire or were given first are removed.
const MOST: usize = 20_000;

/// An order and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The order.
    pub order: Disconnect,
    /// Its time; the current time where it does not matter.
    pub at: Instant,
}

/// Orders with their scores.
type Scored = Vec<(String, f64)>;

/// The orders, each with its time on this machine's clock; `None` is before the machine started.
fn timed(orders: Scored, now: u64, asked: Instant) -> impl Iterator<Item = (String, Option<Instant>)> {
    orders.into_iter().map(move |(text, score)| {
        // Scores are whole milliseconds.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let ago = Duration::from_millis(now.saturating_sub(score.max(0.0) as u64));
        (text, asked.checked_sub(ago))
    })
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

    /// Records an order. Recording it again changes nothing.
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
            warn_bounded!("more than {MOST} orders to disconnect are recorded in Redis; {over} were removed");
        }
        Ok(())
    }

    /// Records an order to join or leave a group. Recording it again changes nothing but its time.
    pub async fn write_group_order(&self, order: &GroupOrder) -> Result<(), ClusterError> {
        let text = serde_json::to_string(order).map_err(|error| ClusterError(error.to_string()))?;
        let mut call = self.write.prepare_invoke();
        call.key(GROUP_ORDERS).arg(text).arg(millis(KEPT)).arg("").arg(MOST);
        let over: u64 = self.pool.invoke(&call).await?;
        if over > 0 {
            self.metrics.group_order("dropped", over);
            warn_bounded!("more than {MOST} orders to join or leave groups are recorded in Redis; {over} were removed");
        }
        Ok(())
    }

    /// All orders to join and leave groups of the last hour.
    pub async fn read_group_orders(&self) -> Result<Vec<ReceivedOrder>, ClusterError> {
        let mut commands = redis::pipe();
        commands.cmd("TIME").cmd("ZRANGE").arg(GROUP_ORDERS).arg(0).arg(-1).arg("WITHSCORES");
        let asked = Instant::now();
        let ((seconds, micros), orders): ((u64, u64), Scored) = self.pool.exchange(&commands).await?;
        let now = seconds * 1000 + micros / 1000;
        let mut recorded = Vec::new();
        for (text, at) in timed(orders, now, asked) {
            match (serde_json::from_str(&text), at) {
                (Ok(order), Some(at)) => recorded.push(ReceivedOrder::recorded(order, at)),
                // Before this machine started.
                (Ok(_), None) => {}
                (Err(error), _) => {
                    self.metrics.group_order("malformed", 1);
                    warn_bounded!("invalid order to join or leave a group in Redis: {error}");
                }
            }
        }
        Ok(recorded)
    }

    /// All orders to disconnect that still apply.
    pub async fn read(&self) -> Result<Vec<Recorded>, ClusterError> {
        let mut commands = redis::pipe();
        commands.cmd("TIME").cmd("ZRANGE").arg(DISCONNECTED).arg(0).arg(-1).arg("WITHSCORES");
        commands.cmd("ZRANGE").arg(REVOKED).arg(0).arg(-1);
        let asked = Instant::now();
        type RecordReply = ((u64, u64), Scored, Vec<String>);
        let ((seconds, micros), orders, tokens): RecordReply = self.pool.exchange(&commands).await?;
        let now = seconds * 1000 + micros / 1000;
        let orders = timed(orders, now, asked);
        let tokens = tokens.into_iter().map(|text| (text, Some(asked)));
        let mut recorded = Vec::new();
        for (text, at) in orders.chain(tokens) {
            match (serde_json::from_str(&text), at) {
                (Ok(order), Some(at)) => recorded.push(Recorded { order, at }),
                // Before this machine started.
                (Ok(_), None) => {}
                (Err(error), _) => {
                    self.metrics.revocation("malformed", 1);
                    warn_bounded!("invalid order to disconnect in Redis: {error}");
                }
            }
        }
        Ok(recorded)
    }
}
