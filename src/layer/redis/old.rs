//! channels_redis 2 in the same Redis: its queues are lists where those of version 3 and later are sorted sets, and by
//! default its keys have one colon more.
//!
//! In: the node's queues and groups. Out: the messages of such lists, and a warning that says what to change. A list
//! would otherwise stop the pop of every other queue (`WRONGTYPE`).

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use redis::{RedisError, RedisResult, aio::MultiplexedConnection};

use super::naming::Registration;
use crate::{
    redis::{exchange, query},
    telemetry::Throttle,
};

/// How often each warning is repeated.
const REPEAT: Duration = Duration::from_secs(600);

/// How often groups are looked at.
const PAUSE: Duration = Duration::from_secs(10);

/// Groups per look.
const GROUPS: usize = 100;

/// Whether a command failed because a key is of another type.
pub(super) fn is_wrong_type(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

/// Removes the queues that are lists, and returns their messages, the oldest first.
pub(super) async fn take_lists(connection: &mut MultiplexedConnection, queues: &[String]) -> RedisResult<Vec<Vec<u8>>> {
    static SAID: Throttle = Throttle::new(REPEAT);
    let mut messages = Vec::new();
    for queue in queues {
        match query::<usize>(connection, redis::cmd("ZCARD").arg(queue)).await {
            Err(error) if is_wrong_type(&error) => {}
            other => {
                other?;
                continue;
            }
        }
        let mut commands = redis::pipe();
        commands.atomic().cmd("LRANGE").arg(queue).arg(0).arg(-1).cmd("DEL").arg(queue).ignore();
        let (mut found,): (Vec<Vec<u8>>,) = exchange(connection, &commands).await?;
        // Each message was written in front of the earlier ones.
        found.reverse();
        messages.append(&mut found);
    }
    if SAID.pass().is_some() {
        log::warn!(
            "a Django process with channels_redis 2 writes to this channel layer: its messages are heard, but up to 5 \
             seconds late, and processes with channels_redis 3 or later cannot send to the same channel meanwhile \
             (WRONGTYPE); install channels_redis 3 or later there"
        );
    }
    Ok(messages)
}

/// Looks for members of a group under the default prefix of channels_redis 2.
pub(super) struct Look {
    prefix: String,
    last: Option<Instant>,
}

impl Look {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), last: None }
    }

    /// Looks at groups with sets on `host`. A failure is left to the commands that matter.
    pub async fn look(&mut self, connection: &mut MultiplexedConnection, host: usize, groups: &[Rc<Registration>]) {
        static SAID: Throttle = Throttle::new(REPEAT);
        let has_colon = self.prefix.ends_with(':');
        if has_colon || self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        let here = groups.iter().filter(|group| group.core_on(host).is_some()).take(GROUPS);
        let keys: Vec<String> = here.map(|group| format!("{}::group:{}", self.prefix, group.group)).collect();
        if keys.is_empty() {
            return;
        }
        self.last = Some(Instant::now());
        let mut commands = redis::pipe();
        for key in &keys {
            commands.cmd("ZCARD").arg(key);
        }
        let Ok(members) = exchange::<Vec<usize>>(connection, &commands).await else { return };
        let Some((key, _)) = keys.iter().zip(members).find(|(_, members)| *members > 0) else { return };
        if SAID.pass().is_some() {
            log::warn!(
                "{key} has members of channels_redis 2, whose default prefix is \"{0}:\": what such a Django process \
                 sends does not reach this node; install channels_redis 3 or later there, or give it the prefix \
                 \"{0}\"",
                self.prefix
            );
        }
    }
}
