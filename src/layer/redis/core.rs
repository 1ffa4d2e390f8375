//! The core layer's part of a session: memberships in the groups' sets, and the keys of the receive queues.
//!
//! In: registrations of one host. Out: commands on its command connection. Every key written has a TTL.

use std::{
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::{Pipeline, RedisResult, aio::MultiplexedConnection};

use super::{
    LayerContext,
    naming::{CoreNames, Registration},
};
use crate::redis::{exchange, of_command, one_line, query};

/// Registrations per pipeline.
const CHUNK: usize = 500;

/// Adds this node to the groups with sets on `host`, and gives each set its TTL.
///
/// Appends the positions of those that Redis did not have before to `fresh`, also on an error.
pub(super) async fn add(
    connection: &mut MultiplexedConnection,
    host: usize,
    registrations: &[Rc<Registration>],
    group_expiry: Duration,
    fresh: &mut Vec<usize>,
) -> RedisResult<()> {
    let here = with_sets(registrations, host);
    let ttl = group_expiry.as_secs_f64().ceil().max(1.0) as u64;
    for chunk in here.chunks(CHUNK) {
        let now = now();
        let mut pipeline = redis::pipe();
        for (_, core) in chunk {
            pipeline.cmd("ZADD").arg(&core.key).arg(now).arg(&core.member);
            pipeline.cmd("EXPIRE").arg(&core.key).arg(ttl).ignore();
        }
        // One that is refused does not hide what was missing before it.
        let added: Vec<RedisResult<i64>> = exchange(connection, pipeline.ignore_errors()).await?;
        let mut refused = Ok(());
        for ((at, _), added) in chunk.iter().zip(added) {
            match added {
                Ok(0) => {}
                Ok(_) => fresh.push(*at),
                Err(error) => refused = refused.and(Err(of_command("ZADD", error))),
            }
        }
        refused?;
    }
    Ok(())
}

/// The positions of the registrations with sets on `host` that Redis does not have.
pub(super) async fn missing(
    connection: &mut MultiplexedConnection,
    host: usize,
    registrations: &[Rc<Registration>],
) -> RedisResult<Vec<usize>> {
    let here = with_sets(registrations, host);
    let mut missing = Vec::new();
    for chunk in here.chunks(CHUNK) {
        let mut pipeline = redis::pipe();
        for (_, core) in chunk {
            pipeline.cmd("ZSCORE").arg(&core.key).arg(&core.member);
        }
        let scores: Vec<Option<f64>> = exchange(connection, &pipeline).await?;
        missing.extend(chunk.iter().zip(scores).filter(|(_, score)| score.is_none()).map(|((at, _), _)| *at));
    }
    Ok(missing)
}

/// The registrations with sets on `host`, with their positions.
fn with_sets(registrations: &[Rc<Registration>], host: usize) -> Vec<(usize, &CoreNames)> {
    registrations.iter().enumerate().filter_map(|(at, registration)| Some((at, registration.core_on(host)?))).collect()
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

/// Removes channels from sets, each a key and a channel.
pub(super) async fn discard(connection: &mut MultiplexedConnection, names: &[Rc<(String, String)>]) -> RedisResult<()> {
    for chunk in names.chunks(CHUNK) {
        let mut pipeline = redis::pipe();
        for name in chunk {
            let (key, channel) = &**name;
            pipeline.cmd("ZREM").arg(key).arg(channel).ignore();
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

/// Removes what was delivered before from the receive queues: after a restart a Redis may have it again.
pub(super) async fn forget_delivered(
    connection: &mut MultiplexedConnection,
    queues: &[String],
    popped: &[f64],
) -> RedisResult<()> {
    let mut pipeline = redis::pipe();
    for (queue, score) in queues.iter().zip(popped).filter(|(_, score)| score.is_finite()) {
        pipeline.cmd("ZREMRANGEBYSCORE").arg(queue).arg("-inf").arg(*score).ignore();
    }
    if pipeline.is_empty() { Ok(()) } else { exchange(connection, &pipeline).await }
}

/// Adds the commands that put a marker into the queue for markers.
pub(super) fn mark<'a>(pipeline: &'a mut Pipeline, queue: &str, marker: &str, expiry: Duration) -> &'a mut Pipeline {
    pipeline.cmd("ZADD").arg(queue).arg(now()).arg(marker).ignore();
    pipeline.cmd("EXPIRE").arg(queue).arg(expiry.as_secs().max(1)).ignore()
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

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
