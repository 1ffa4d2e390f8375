//! How many connections a user has: in this process, or over all nodes on one Redis.
//!
//! - `actor`: the one task of a node that talks to Redis; `store` and `take.lua`: the exchange with Redis

mod actor;
mod store;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use self::{
    actor::{UserLimitActor, UserLimitCommand},
    store::UserLimitStore,
};
use super::{Limit, OverLimit};
use crate::redis::{Host, HostError, Lease, ask};

/// How long the actor may take, including an exchange in progress.
const ANSWER: Duration = Duration::from_secs(5);

/// Deadline of a clean stop.
const STOP: Duration = Duration::from_secs(3);

/// The users of a node.
pub struct Users {
    most: u32,
    count: Count,
}

#[derive(Clone)]
enum Count {
    Local(Arc<Mutex<HashMap<Arc<str>, u32>>>),
    Shared(mpsc::UnboundedSender<UserLimitCommand>),
}

impl Users {
    /// Counts in this process.
    pub fn local(most: u32) -> Self {
        Self { most, count: Count::Local(Arc::default()) }
    }

    /// Counts over all nodes on one Redis, on the runtime of the caller. `node` is the id of this start of this node. A
    /// node that sends nothing for three heartbeats no longer counts.
    ///
    /// # Errors
    /// The URL is not valid. Redis need not be reachable.
    pub fn shared(most: u32, url: &str, node: &str, heartbeat: Duration) -> Result<Self, HostError> {
        let store = UserLimitStore::new(Host::parse(url)?, Lease { node: node.to_owned(), heartbeat }, most);
        let (sender, commands) = mpsc::unbounded_channel();
        tokio::spawn(UserLimitActor::new(store, sender.downgrade(), most).run(commands));
        Ok(Self { most, count: Count::Shared(sender) })
    }

    /// Takes a permit for one more connection.
    ///
    /// # Errors
    /// The user's limit is reached, or Redis is unreachable.
    pub async fn take(&self, user: &Arc<str>) -> Result<UserCountPermit, OverLimit> {
        let full = || OverLimit::by(Limit::User, Duration::ZERO);
        match &self.count {
            Count::Local(open) => {
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                let open = open.entry(Arc::clone(user)).or_default();
                if *open >= self.most {
                    return Err(full());
                }
                *open += 1;
            }
            Count::Shared(actor) => {
                let user = Arc::clone(user);
                return match ask(actor, |waiter| UserLimitCommand::Take(user, waiter), ANSWER).await {
                    Some(permit) => permit.ok_or_else(full),
                    None => Err(OverLimit::by(Limit::UserUnknown, Duration::ZERO)),
                };
            }
        }
        Ok(UserCountPermit { user: Arc::clone(user), count: self.count.clone() })
    }

    /// Gives this node's permits back; bounded in time.
    pub async fn stop(&self) {
        if let Count::Shared(actor) = &self.count {
            ask(actor, UserLimitCommand::Stop, STOP).await;
        }
    }

    /// The number of users with a permit, for tests.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        match &self.count {
            Count::Local(open) => open.lock().unwrap_or_else(PoisonError::into_inner).len(),
            Count::Shared(_) => 0,
        }
    }
}

/// One of the connections of a user; given back when dropped.
pub struct UserCountPermit {
    user: Arc<str>,
    count: Count,
}

impl Drop for UserCountPermit {
    fn drop(&mut self) {
        match &self.count {
            Count::Local(open) => {
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(count) = open.get_mut(&self.user) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        open.remove(&self.user);
                    }
                }
            }
            // After the stop the actor is gone and nothing is counted.
            Count::Shared(actor) => drop(actor.send(UserLimitCommand::GiveBack(Arc::clone(&self.user)))),
        }
    }
}
