//! Pops the receive queues of one host, and passes their messages on in the order in which they were published.
//!
//! In: the queues of all groups of the host, popped at once. Out: messages for the
//! [`SignalDecoder`](super::decoder::SignalDecoder), by the time of their publisher: a publisher's messages stay in
//! order, whichever of the node's groups they are for.

use std::{
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

use redis::{Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection};
use tokio::time::sleep;

use super::{
    LayerContext, channels_redis_2,
    markers::Markers,
    naming::GroupNaming,
    outages::{Outages, Part},
};
use crate::{
    event::{GapReason, GroupName},
    redis::{Connection, exchange, of_command, query},
    warn_bounded,
};

/// The longest wait of a pop in Redis; shortly after it, its connection counts as dead.
const POP_WAIT: Duration = Duration::from_secs(5);

/// Members per pop of a queue: bounds the memory of one answer. A pop should empty a full queue, and show it.
const POP_COUNT: std::ops::RangeInclusive<usize> = 101..=1001;

/// Messages that may wait for earlier ones of a queue that was not emptied; beyond that their order is given up.
const MAX_WAITING: usize = 10_000;

/// How long a pop waits, and for how long after the last message of channels_redis 2.
const VERSION_2_WAIT: Duration = Duration::from_millis(100);
const VERSION_2_KEPT: Duration = Duration::from_secs(600);

/// At most one gap per queue in this time: a full queue stays full for many pops.
const GAP_PAUSE: Duration = Duration::from_secs(1);

/// How long a pop waits: well within the time for which publishers keep a message.
pub(super) fn pop_wait(expiry: Duration) -> Duration {
    Duration::from_secs((expiry.as_secs() / 2).clamp(1, POP_WAIT.as_secs()))
}

/// Pops until the connection fails.
pub(super) async fn pop_forever(
    (context, host): (Rc<LayerContext>, usize),
    markers: &Markers,
    outages: &Outages,
    mut connection: Connection,
) -> RedisError {
    let mut popper = Popper::new(&context, host, markers);
    loop {
        match popper.pop(&mut connection).await {
            Ok(()) => outages.end(Part::Pops),
            Err(error) => match outages.refused(Part::Pops, error) {
                Ok(()) => sleep(context.options.probe_interval.0).await,
                Err(error) => return error,
            },
        }
    }
}

/// A message that was popped.
struct Message {
    /// When it was published.
    score: f64,
    member: Vec<u8>,
}

/// Waits for a message in any queue, then takes all there are in `queues`, in one step.
fn round(keys: &[String], queues: &[usize], wait: Duration, count: usize) -> Pipeline {
    let mut round = redis::pipe();
    // The queue of markers comes first, then the one of replies: so many events never delay them.
    round.ignore_errors().cmd("BZPOPMIN").arg(keys.iter().rev().collect::<Vec<_>>()).arg(wait.as_secs_f64());
    let together = queues.len() > 1;
    if together {
        round.cmd("MULTI");
    }
    for queue in queues {
        round.cmd("ZPOPMIN").arg(&keys[*queue]).arg(count);
    }
    if together {
        round.cmd("EXEC");
    }
    round
}

/// The group of a member name; `Err(())` if this node never used the name.
fn group_of(context: &LayerContext, name: &str) -> Result<Option<GroupName>, ()> {
    let token = GroupNaming::token(name).ok_or(())?;
    let registry = context.groups.borrow();
    match registry.group(token) {
        Some(group) => Ok(Some(group.clone())),
        None if registry.knows(token) => Ok(None),
        None => Err(()),
    }
}

struct Popper<'a> {
    context: &'a LayerContext,
    host: usize,
    keys: &'a [String],
    /// The queues of the groups that are on this host, and the one for messages to the node itself and to its connections.
    queues: Vec<usize>,
    /// The commands of one pop.
    round: Pipeline,
    wait: Duration,
    count: usize,
    /// Popped, and not passed on yet.
    waiting: Vec<Message>,
    markers: &'a Markers,
    /// Fences that came before everything that was published before them.
    early: Vec<Vec<u8>>,
    last_read: Instant,
    last_gap: Vec<Option<Instant>>,
    /// When a queue was a list, as channels_redis 2 writes it. A list does not wake a pop.
    version_2: Option<Instant>,
}

impl<'a> Popper<'a> {
    fn new(context: &'a LayerContext, host: usize, markers: &'a Markers) -> Self {
        let keys = &context.queues;
        let registry = context.groups.borrow();
        let naming = registry.naming();
        // A message to one channel may be on any host.
        let of_replies = keys.len().checked_sub(2);
        let of_groups = (0..naming.group_queues()).filter(|queue| naming.queue_host(*queue) == host);
        let queues: Vec<_> = of_groups.chain(of_replies).collect();
        let wait = pop_wait(context.options.expiry.0);
        let most = queues.iter().filter_map(|queue| context.capacities.get(*queue)).max().copied().unwrap_or_default();
        let count = most.saturating_add(1).clamp(*POP_COUNT.start(), *POP_COUNT.end());
        let round = round(keys, &queues, wait, count);
        Self {
            context,
            host,
            keys,
            queues,
            round,
            wait,
            count,
            waiting: Vec::new(),
            markers,
            early: Vec::new(),
            last_read: Instant::now(),
            last_gap: vec![None; keys.len()],
            version_2: None,
        }
    }

    async fn pop(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let answers: Vec<RedisResult<Value>> = exchange(connection, &self.round).await?;
        // Everything is removed from Redis already, so nothing that can fail comes before its delivery.
        let mut found = vec![0; self.keys.len()];
        let (mut woken, mut refused) = (None, None);
        let mut swept = Vec::with_capacity(self.queues.len());
        for (at, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(Value::Array(parts)) if at == 0 => woken = self.woken(parts),
                Ok(Value::Array(lists)) if matches!(lists.first(), Some(Value::Array(_))) => swept = lists,
                // Outside of a transaction there is one list per queue.
                Ok(Value::Array(list)) => swept.push(Value::Array(list)),
                Ok(_) => {}
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if refused.is_none() {
            self.note_pause();
        }
        if let Some(queue) = woken {
            found[queue] += 1;
        }
        let mut until = f64::INFINITY;
        for (at, list) in swept.into_iter().enumerate() {
            let Some(&queue) = self.queues.get(at) else { break };
            let before = self.waiting.len();
            self.waiting.extend(messages(list));
            let taken = self.waiting.len() - before;
            found[queue] += taken;
            if taken > 0
                && let Some(last) = self.waiting.last()
            {
                self.note_popped(queue, last.score);
                if taken == self.count {
                    until = until.min(last.score);
                }
            }
        }
        self.deliver(until);
        match refused {
            Some(error) if channels_redis_2::is_wrong_type(&error) => return self.take_lists(connection).await,
            _ if self.version_2.is_some_and(|last| last.elapsed() > VERSION_2_KEPT) => self.hear_version_2(None),
            _ => {}
        }
        if let Some(error) = refused {
            return Err(of_command("a pop of the receive queues", error));
        }
        if until == f64::INFINITY {
            self.early.drain(..).for_each(|fence| self.markers.popped(&fence));
        }
        self.judge(found, connection).await
    }

    /// Keeps the message that ended the wait; returns its queue.
    fn woken(&mut self, parts: Vec<Value>) -> Option<usize> {
        let mut parts = parts.into_iter();
        let (Some(Value::BulkString(key)), Some(Value::BulkString(member)), Some(score)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let queue = self.keys.iter().position(|own| own.as_bytes() == key)?;
        if queue == self.keys.len() - 1 {
            // A probe proves that the queues are read, also while they are never empty.
            if Markers::is_fence(&member) {
                self.early.push(member);
            } else {
                self.markers.popped(&member);
            }
            return None;
        }
        let score = number(&score);
        self.note_popped(queue, score);
        self.waiting.push(Message { score, member });
        Some(queue)
    }

    /// Reports the queues that were full.
    async fn judge(&mut self, found: Vec<usize>, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        for (queue, mut found) in found.into_iter().enumerate() {
            let capacity = self.context.capacities.get(queue).copied().unwrap_or(usize::MAX);
            if found >= self.count && found < capacity {
                let left: usize = query(connection, redis::cmd("ZCARD").arg(&self.keys[queue])).await?;
                found += left;
            }
            if found >= capacity {
                self.full(queue);
            }
        }
        Ok(())
    }

    /// Passes on what was published until then, in order. Later messages wait: a queue that was not emptied may have
    /// earlier ones.
    fn deliver(&mut self, until: f64) {
        self.waiting.sort_by(|one, other| one.score.total_cmp(&other.score));
        let ready = match self.waiting.len() > MAX_WAITING {
            true => self.waiting.len(),
            false => self.waiting.partition_point(|message| message.score <= until),
        };
        let now = SystemTime::now();
        for message in self.waiting.drain(..ready) {
            self.context.decoder.member(&message.member, now, |name| group_of(self.context, name));
        }
    }

    /// The messages of channels_redis 2.
    async fn take_lists(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let (messages, now) = (channels_redis_2::take_lists(connection, self.keys).await?, SystemTime::now());
        for message in messages {
            self.context.decoder.version_2_message(&message, now, |name| group_of(self.context, name));
        }
        self.hear_version_2(Some(Instant::now()));
        Ok(())
    }

    /// Pops more often while there are such messages.
    fn hear_version_2(&mut self, last: Option<Instant>) {
        self.version_2 = last;
        let wait = if last.is_some() { VERSION_2_WAIT } else { self.wait };
        self.round = round(self.keys, &self.queues, wait, self.count);
    }

    fn note_popped(&self, queue: usize, score: f64) {
        let popped = &mut self.context.popped.borrow_mut()[self.host][queue];
        *popped = popped.max(score);
    }

    /// Publishers drop messages that stay in a queue longer than the layer's expiry.
    fn note_pause(&mut self) {
        let pause = self.last_read.elapsed();
        self.last_read = Instant::now();
        if pause > self.context.options.expiry.0.max(self.wait + Duration::from_secs(1)) {
            let registry = self.context.groups.borrow();
            let groups: Vec<_> = self.queues.iter().flat_map(|queue| registry.groups_of_queue(*queue)).collect();
            drop(registry);
            log::warn!(
                "nothing was read for {} s: events of {} groups may have expired",
                pause.as_secs(),
                groups.len()
            );
            self.context.decoder.gap(Some(groups), GapReason::Expired);
        }
    }

    fn full(&mut self, queue: usize) {
        if self.last_gap[queue].is_some_and(|last| last.elapsed() < GAP_PAUSE) {
            return;
        }
        self.last_gap[queue] = Some(Instant::now());
        warn_bounded!(
            "a receive queue held {} or more messages: publishers drop beyond the layer's capacity",
            self.context.capacities.get(queue).copied().unwrap_or_default()
        );
        let groups = self.context.groups.borrow().groups_of_queue(queue);
        if groups.is_empty() {
            // The queue for messages to the node itself: their senders report the loss.
            return;
        }
        self.context.decoder.gap(Some(groups), GapReason::Capacity);
    }
}

impl Drop for Popper<'_> {
    /// What was popped is passed on even if the session ends.
    fn drop(&mut self) {
        self.deliver(f64::INFINITY);
    }
}

/// The messages of an answer of `ZPOPMIN`: members and scores in turn.
fn messages(list: Value) -> impl Iterator<Item = Message> {
    let mut parts = match list {
        Value::Array(parts) => parts.into_iter(),
        _ => Vec::new().into_iter(),
    };
    std::iter::from_fn(move || match (parts.next()?, parts.next()?) {
        (Value::BulkString(member), score) => Some(Message { score: number(&score), member }),
        _ => None,
    })
}

fn number(score: &Value) -> f64 {
    match score {
        Value::BulkString(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0),
        Value::Double(number) => *number,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_scores_are_read() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let list = Value::Array(vec![bulk("a"), bulk("1.5"), bulk("b"), bulk("1764187432.1234567")]);
        let read: Vec<_> = messages(list).map(|message| (message.member, message.score)).collect();
        assert_eq!(read, [(b"a".to_vec(), 1.5), (b"b".to_vec(), 1_764_187_432.123_456_7)]);
        assert_eq!(messages(Value::Nil).count(), 0);
    }
}
