//! The core layer's part of a session: memberships in the groups' sets, and the receive queues.
//!
//! In: registrations of one host. Out: ZADD, EXPIRE and ZREM on its command connection, and popped members for the
//! [`SignalDecoder`](super::decoder::SignalDecoder) from a connection of its own. Every key written has a TTL.

use std::{
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use redis::{RedisError, RedisResult, Value, aio::MultiplexedConnection};

use super::{
    LayerContext,
    naming::{GroupNaming, Registration},
    old,
};
use crate::{
    event::{GapReason, GroupName},
    redis::{exchange, one_line, query},
    warn_bounded,
};

/// Registrations per pipeline.
const CHUNK: usize = 500;

/// The longest wait of a pop in Redis; shortly after it, its connection counts as dead.
const POP_WAIT: Duration = Duration::from_secs(5);

/// Members per pop: bounds the memory of one answer.
const POP_COUNT: std::ops::RangeInclusive<usize> = 100..=1000;

/// How long a pop waits, and for how long after the last message of channels_redis 2.
const OLD_WAIT: Duration = Duration::from_millis(100);
const OLD_KEPT: Duration = Duration::from_secs(600);

/// At most one gap per queue in this time: a full queue stays full for many pops.
const GAP_PAUSE: Duration = Duration::from_secs(1);

/// Adds this node to the groups with sets on `host`, and gives each set its TTL.
///
/// Returns the positions of those that Redis did not have before.
pub(super) async fn add(
    connection: &mut MultiplexedConnection,
    host: usize,
    registrations: &[Rc<Registration>],
    group_expiry: Duration,
) -> RedisResult<Vec<usize>> {
    let here: Vec<_> = registrations
        .iter()
        .enumerate()
        .filter_map(|(at, registration)| Some((at, registration.core_on(host)?)))
        .collect();
    let ttl = group_expiry.as_secs_f64().ceil().max(1.0) as u64;
    let mut fresh = Vec::new();
    for chunk in here.chunks(CHUNK) {
        let now = now();
        let mut pipeline = redis::pipe();
        for (_, core) in chunk {
            pipeline.cmd("ZADD").arg(&core.key).arg(now).arg(&core.member);
            pipeline.cmd("EXPIRE").arg(&core.key).arg(ttl).ignore();
        }
        let added: Vec<i64> = exchange(connection, &pipeline).await?;
        fresh.extend(chunk.iter().zip(added).filter(|(_, added)| *added > 0).map(|((at, _), _)| *at));
    }
    Ok(fresh)
}

/// Removes this node from the groups with sets on `host`.
pub(super) async fn remove(
    connection: &mut MultiplexedConnection,
    host: usize,
    registrations: &[Rc<Registration>],
) -> RedisResult<()> {
    let here: Vec<_> = registrations.iter().filter_map(|registration| registration.core_on(host)).collect();
    for chunk in here.chunks(CHUNK) {
        let mut pipeline = redis::pipe();
        for core in chunk {
            pipeline.cmd("ZREM").arg(&core.key).arg(&core.member).ignore();
        }
        let () = exchange(connection, &pipeline).await?;
    }
    Ok(())
}

/// Removes this node's receive queues.
pub(super) async fn delete_queues(connection: &mut MultiplexedConnection, queues: &[String]) -> RedisResult<()> {
    if queues.is_empty() {
        return Ok(());
    }
    query(connection, redis::cmd("DEL").arg(queues)).await
}

/// Names the popping connection in Redis, and kills an earlier one of this node that Redis may still consider open:
/// blocked there, it would receive the next messages, which would be lost.
///
/// Best effort: an ACL may forbid it; then Redis ends it after the pop's own timeout.
pub(super) async fn replace_popper(context: &LayerContext, host: usize, connection: &mut MultiplexedConnection) {
    let name = format!("channelgate-{}-{host}", context.node);
    let earlier = context.poppers.borrow()[host];
    if let Some(earlier) = earlier {
        // After a restart of Redis the id may belong to another client.
        let ended = async {
            let listed: String = query(connection, redis::cmd("CLIENT").arg("LIST").arg("ID").arg(earlier)).await?;
            match listed.contains(&format!("name={name} ")) {
                true => query::<i64>(connection, redis::cmd("CLIENT").arg("KILL").arg("ID").arg(earlier)).await,
                false => Ok(0),
            }
        };
        match ended.await {
            Ok(number) => log::debug!("killed {number} earlier connections of this node"),
            Err(error) => log::info!(
                "cannot kill an earlier connection of this node, which ends by its timeout: {}",
                one_line(&error)
            ),
        }
    }
    let named: RedisResult<(String, i64)> =
        exchange(connection, redis::pipe().cmd("CLIENT").arg("SETNAME").arg(&name).cmd("CLIENT").arg("ID")).await;
    if let Err(error) = &named {
        log::info!("cannot name this connection, so if it breaks, Redis ends it by its timeout: {}", one_line(error));
    }
    context.poppers.borrow_mut()[host] = named.ok().map(|(_, id)| id);
}

/// Pops every receive queue of one host until the connection fails.
pub(super) async fn pop_forever(
    context: Rc<LayerContext>,
    host: usize,
    mut connection: MultiplexedConnection,
) -> RedisError {
    let mut popper = Popper::new(&context, host);
    loop {
        if let Err(error) = popper.pop(&mut connection).await {
            return error;
        }
    }
}

/// How long a pop waits: well within the time for which publishers keep a message.
pub(super) fn pop_wait(expiry: Duration) -> Duration {
    Duration::from_secs((expiry.as_secs() / 2).clamp(1, POP_WAIT.as_secs()))
}

struct Popper<'a> {
    context: &'a LayerContext,
    host: usize,
    keys: &'a [String],
    /// The queue that is asked first; it rotates, so that none starves.
    first: usize,
    /// `BZMPOP` (Redis ≥ 7), else `BZPOPMIN` and `ZPOPMIN`.
    bulk: bool,
    wait: Duration,
    count: usize,
    last_read: Instant,
    last_gap: Vec<Option<Instant>>,
    /// When a queue was a list, as channels_redis 2 writes it. A list does not wake a pop.
    old: Option<Instant>,
}

impl<'a> Popper<'a> {
    fn new(context: &'a LayerContext, host: usize) -> Self {
        Self {
            context,
            host,
            keys: &context.queues,
            first: 0,
            bulk: true,
            wait: pop_wait(context.options.expiry.0),
            count: context.options.capacity.clamp(*POP_COUNT.start(), *POP_COUNT.end()),
            last_read: Instant::now(),
            last_gap: vec![None; context.queues.len()],
            old: None,
        }
    }

    async fn pop(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        self.first = (self.first + 1) % self.keys.len();
        let (before, after) = self.keys.split_at(self.first);
        let hears_old = self.old.is_some_and(|last| last.elapsed() < OLD_KEPT);
        let wait = if hears_old { OLD_WAIT } else { self.wait }.as_secs_f64();
        let answer = if self.bulk {
            let mut command = redis::cmd("BZMPOP");
            command.arg(wait).arg(self.keys.len()).arg(after).arg(before);
            match query(connection, command.arg("MIN").arg("COUNT").arg(self.count)).await {
                Err(error) if unknown_command(&error) => {
                    self.bulk = false;
                    return Ok(());
                }
                answer => answer,
            }
        } else {
            let mut command = redis::cmd("BZPOPMIN");
            query(connection, command.arg(after).arg(before).arg(wait)).await
        };
        let answer = match answer {
            Err(error) if old::is_wrong_type(&error) => return self.take_lists(connection).await,
            answer => answer?,
        };
        self.note_pause();
        let Some((key, members)) = popped(answer) else { return Ok(()) };
        // It is removed from Redis already, so nothing that can fail comes before its delivery.
        let mut found = self.deliver(members);
        if !self.bulk {
            let rest: Vec<(Vec<u8>, f64)> =
                query(connection, redis::cmd("ZPOPMIN").arg(&key).arg(self.count - 1)).await?;
            found += self.deliver(rest.into_iter().map(|(member, _)| member).collect());
        }
        let Some(queue) = self.keys.iter().position(|own| own.as_bytes() == key) else { return Ok(()) };
        if found == self.count && found < self.context.options.capacity {
            let left: usize = query(connection, redis::cmd("ZCARD").arg(&key)).await?;
            found += left;
        }
        if found >= self.context.options.capacity {
            self.full(queue);
        }
        Ok(())
    }

    fn deliver(&self, members: Vec<Vec<u8>>) -> usize {
        let (found, now) = (members.len(), SystemTime::now());
        for member in members {
            self.context.decoder.member(&member, now, |name| self.group_of(name));
        }
        found
    }

    /// The messages of channels_redis 2.
    async fn take_lists(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let (messages, now) = (old::take_lists(connection, self.keys).await?, SystemTime::now());
        self.old = Some(Instant::now());
        for message in messages {
            self.context.decoder.old_message(&message, now, |name| self.group_of(name));
        }
        Ok(())
    }

    /// The group of a member name; `Err(())` if this node never used the name.
    fn group_of(&self, name: &str) -> Result<Option<GroupName>, ()> {
        let token = GroupNaming::token(name).ok_or(())?;
        let registry = self.context.groups.borrow();
        match registry.group(token) {
            Some(group) => Ok(Some(group.clone())),
            None if registry.knows(token) => Ok(None),
            None => Err(()),
        }
    }

    /// Publishers drop messages that stay in a queue longer than the layer's expiry.
    fn note_pause(&mut self) {
        let pause = self.last_read.elapsed();
        self.last_read = Instant::now();
        if pause > self.context.options.expiry.0.max(self.wait + Duration::from_secs(1)) {
            let registry = self.context.groups.borrow();
            let naming = registry.naming();
            let queues = (0..naming.group_queues()).filter(|queue| naming.queue_host(*queue) == self.host);
            let groups: Vec<_> = queues.flat_map(|queue| registry.groups_of_queue(queue)).collect();
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
            self.context.options.capacity
        );
        let groups = self.context.groups.borrow().groups_of_queue(queue);
        if groups.is_empty() {
            // The queue for messages to the node itself: their senders report the loss.
            return;
        }
        self.context.decoder.gap(Some(groups), GapReason::Capacity);
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn unknown_command(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.to_ascii_lowercase().contains("unknown command"))
}

/// Key and members of an answer: `[key, [[member, score], …]]` of BZMPOP or `[key, member, score]` of BZPOPMIN.
fn popped(answer: Value) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let Value::Array(parts) = answer else { return None };
    let mut parts = parts.into_iter();
    match (parts.next()?, parts.next()?) {
        (Value::BulkString(key), Value::BulkString(member)) => Some((key, vec![member])),
        (Value::BulkString(key), Value::Array(pairs)) => {
            let members = pairs.into_iter().filter_map(|pair| match pair {
                Value::Array(pair) => match pair.into_iter().next() {
                    Some(Value::BulkString(member)) => Some(member),
                    _ => None,
                },
                _ => None,
            });
            Some((key, members.collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn both_pops_are_read() {
        let batch = Value::Array(vec![
            bulk("q"),
            Value::Array(vec![Value::Array(vec![bulk("a"), bulk("1")]), Value::Array(vec![bulk("b"), bulk("2")])]),
        ]);
        assert_eq!(popped(batch), Some((b"q".to_vec(), vec![b"a".to_vec(), b"b".to_vec()])));
        let single = Value::Array(vec![bulk("q"), bulk("a"), bulk("1")]);
        assert_eq!(popped(single), Some((b"q".to_vec(), vec![b"a".to_vec()])));
        assert_eq!(popped(Value::Nil), None);
    }
}
