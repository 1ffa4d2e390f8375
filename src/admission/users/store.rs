//! Users' permits in Redis: one script, so that counting and granting are one step for all nodes.
//!
//! | key | what it holds |
//! | --- | --- |
//! | `channelgate:limit:user:<id>` | for each node, how many connections of the user it has |
//! | `channelgate:limit:node:<id>` | the number of a node's last exchange, during its lease; without it, the node has
//! no permits |

use std::sync::Arc;

use redis::Script;

use crate::redis::{Host, KEEP, Lease, PoolError, RedisPool, millis};

const USER: &str = "channelgate:limit:user:";
const NODE: &str = "channelgate:limit:node:";

/// The permits that a node has for a user, and how many more it wants.
pub(super) struct UserRequest {
    pub user: Arc<str>,
    pub open: u32,
    pub want: u32,
}

/// The outcome of an exchange.
pub(super) struct UserGrants {
    /// The lease had ended: the node's permits may be forgotten.
    pub lapsed: bool,
    /// For each step, the number of new permits.
    pub granted: Vec<u32>,
}

pub(super) struct UserLimitStore {
    pool: RedisPool,
    pub lease: Lease,
    node_key: String,
    most: u32,
    /// Exchanges are numbered, so that one that Redis reads late does not count as the latest.
    number: u64,
    take: Script,
}

impl UserLimitStore {
    pub fn new(host: Host, lease: Lease, most: u32) -> Self {
        Self {
            pool: lease.pool(host, 1),
            node_key: format!("{NODE}{}", lease.node),
            lease,
            most,
            number: 0,
            take: Script::new(include_str!("take.lua")),
        }
    }

    /// Sends this node's permits, requests more, and renews its lease.
    pub async fn exchange(&mut self, steps: &[UserRequest]) -> Result<UserGrants, PoolError> {
        self.number += 1;
        let mut call = self.take.prepare_invoke();
        call.key(&self.node_key).arg(self.number).arg(millis(self.lease.length())).arg(millis(KEEP)).arg(self.most);
        call.arg(USER).arg(NODE).arg(&self.lease.node);
        for UserRequest { user, open, want } in steps {
            call.arg(&**user).arg(open).arg(want);
        }
        let mut granted: Vec<u32> = self.pool.invoke(&call).await?;
        if granted.len() != steps.len() + 1 {
            let reason = "a later exchange overtook this one".to_owned();
            return Err(PoolError { label: self.pool.label().to_owned(), reason });
        }
        let lapsed = granted.remove(0) == 0;
        Ok(UserGrants { lapsed, granted })
    }

    /// Ends the lease: other nodes stop counting this node's permits.
    pub async fn goodbye(&self) -> Result<(), PoolError> {
        self.pool.query(redis::cmd("DEL").arg(&self.node_key)).await
    }
}
