//! How many connections a user has: in this process, or over all nodes on one Redis.
//!
//! - `keeper`: the one task of a node that talks to Redis; `store` and `take.lua`: what it says

mod keeper;
mod store;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::{
    keeper::{Keeper, Order},
    store::Store,
};
use super::{Limit, Refused};
use crate::redis::{Host, HostError};

/// How long the keeper may take, an exchange that is under way included.
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
    Shared(mpsc::UnboundedSender<Order>),
}

impl Users {
    /// Counts in this process.
    pub fn local(most: u32) -> Self {
        Self { most, count: Count::Local(Arc::default()) }
    }

    /// Counts over all nodes on one Redis, on the runtime of the caller. `node` is the id of this start of this node. A node
    /// that says nothing for three heartbeats counts no more.
    ///
    /// # Errors
    /// A URL that is none. Redis need not be there.
    pub fn shared(most: u32, url: &str, node: &str, heartbeat: Duration) -> Result<Self, HostError> {
        let store = Store::new(Host::parse(url)?, node, heartbeat, most);
        let (sender, orders) = mpsc::unbounded_channel();
        let keeper = Keeper::new(store, sender.downgrade(), heartbeat, most);
        tokio::spawn(keeper.run(orders));
        Ok(Self { most, count: Count::Shared(sender) })
    }

    /// A place for one more connection.
    ///
    /// # Errors
    /// The user has as many as is allowed, or Redis is away.
    pub async fn take(&self, user: &Arc<str>) -> Result<UserPlace, Refused> {
        let full = || Refused::by(Limit::User, Duration::ZERO);
        match &self.count {
            Count::Local(open) => {
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                let open = open.entry(Arc::clone(user)).or_default();
                if *open >= self.most {
                    return Err(full());
                }
                *open += 1;
            }
            Count::Shared(orders) => {
                let (waiter, answer) = oneshot::channel();
                let unknown = || Refused::by(Limit::UserUnknown, Duration::ZERO);
                orders.send(Order::Take(Arc::clone(user), waiter)).map_err(|_| unknown())?;
                return match timeout(ANSWER, answer).await {
                    Ok(Ok(place)) => place.ok_or_else(full),
                    _ => Err(unknown()),
                };
            }
        }
        Ok(UserPlace { user: Arc::clone(user), count: self.count.clone() })
    }

    /// Gives this node's places back; bounded in time.
    pub async fn stop(&self) {
        if let Count::Shared(orders) = &self.count {
            let (done, stopped) = oneshot::channel();
            if orders.send(Order::Stop(done)).is_ok() {
                let _ = timeout(STOP, stopped).await;
            }
        }
    }

    /// Users with a place, for tests.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        match &self.count {
            Count::Local(open) => open.lock().unwrap_or_else(PoisonError::into_inner).len(),
            Count::Shared(_) => 0,
        }
    }
}

/// One connection among those of its user; given back when it is dropped.
pub struct UserPlace {
    user: Arc<str>,
    count: Count,
}

impl Drop for UserPlace {
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
            // After the stop nobody counts.
            Count::Shared(orders) => drop(orders.send(Order::GiveBack(Arc::clone(&self.user)))),
        }
    }
}
