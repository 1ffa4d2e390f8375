//! Who may come in at all: connections of the node, of an address and of a user, and how fast handshakes may come.
//!
//! In: addresses and users. Out: permits, which give themselves back when they are dropped, or which limit is reached and
//! when to come again. It knows no request and no protocol, and it never keeps what nobody holds: a table is as large as
//! what is open, and what was refused within the time that a bucket takes to fill.

mod addresses;
mod bucket;
mod permits;
mod users;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use self::{
    addresses::Addresses,
    bucket::{Bucket, Rate},
};
use crate::{config::Config, redis::HostError, telemetry::Metrics};

pub use addresses::AddressPlace;
pub use permits::{ConnectionPermits, UserPermit};
pub use users::{UserPlace, Users};

/// How often the table of addresses is looked through for what nobody needs any more.
const SWEEP: Duration = Duration::from_secs(5);

/// What a client is refused by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `server.max_connections`.
    Connections,
    /// `limits.connections_per_address`.
    Address,
    /// `limits.connections_per_user`.
    User,
    /// Who has how many connections cannot be known now: Redis is away.
    UserUnknown,
    /// `limits.handshakes_per_second`.
    Rate,
    /// `limits.handshakes_per_second_per_address`.
    AddressRate,
}

impl Limit {
    /// From when on to come again, at the earliest, and within how much time then: whoever is refused together shall not come
    /// back together.
    const fn pause(self) -> (Duration, Duration) {
        match self {
            Self::Connections | Self::Rate | Self::AddressRate | Self::UserUnknown => {
                (Duration::from_secs(1), Duration::from_secs(4))
            }
            // One of theirs has to end first.
            Self::Address | Self::User => (Duration::from_secs(5), Duration::from_secs(10)),
        }
    }
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// By which limit.
    pub limit: Limit,
    /// When to come again; spread.
    pub retry_after: Duration,
}

impl Refused {
    /// By a limit; not before `wait` is over.
    fn by(limit: Limit, wait: Duration) -> Self {
        let (least, spread) = limit.pause();
        Self { limit, retry_after: wait.max(least) + spread.mul_f64(rand::random()) }
    }
}

/// A connection that is being let in, and is not counted among the open ones yet.
pub struct Admitting(Arc<AdmissionControl>);

impl Drop for Admitting {
    fn drop(&mut self) {
        self.0.admitting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a handshake gets that may go on: both are given back when they are dropped.
pub struct HandshakePermit {
    /// A place among the node's connections, until the connection is open.
    pub admitting: Admitting,
    /// A place among those of its address, for as long as it is open; none where they are not counted.
    pub address: Option<AddressPlace>,
}

/// The limits of a node. One per node, shared by its workers.
pub struct AdmissionControl {
    max_connections: AtomicUsize,
    admitting: AtomicUsize,
    addresses: Option<Arc<Addresses>>,
    rate: Option<(Rate, Mutex<Bucket>)>,
    users: Option<Users>,
    admission_timeout: Duration,
    max_groups: usize,
    metrics: Metrics,
}

impl AdmissionControl {
    /// Those of the node `node`, on whose runtime the users are counted.
    ///
    /// # Errors
    /// A Redis URL that is none.
    pub fn new(config: &Config, node: &str, metrics: Metrics) -> Result<Arc<Self>, HostError> {
        let limits = &config.limits;
        let rate = Rate::new(limits.handshakes_per_second, limits.handshake_burst);
        let of_address = Rate::new(limits.handshakes_per_second_per_address, limits.handshake_burst_per_address);
        let users = match (limits.connections_per_user, config.redis_url()) {
            (0, _) => None,
            (most, None) => Some(Users::local(most)),
            (most, Some(url)) => Some(Users::shared(most, url.expose(), node, config.cluster.heartbeat.0)?),
        };
        let counts_addresses = limits.connections_per_address > 0 || of_address.is_some();
        Ok(Arc::new(Self {
            max_connections: config.server.max_connections.into(),
            admitting: AtomicUsize::default(),
            addresses: counts_addresses.then(|| Addresses::new(limits.connections_per_address, of_address)),
            rate: rate.map(|rate| (rate, Mutex::default())),
            users,
            admission_timeout: limits.admission_timeout.0,
            max_groups: if limits.groups == 0 { usize::MAX } else { limits.groups },
            metrics,
        }))
    }

    /// From now on the node has so many connections at most; those that are open stay.
    pub fn admit_up_to(&self, max_connections: usize) {
        self.max_connections.store(max_connections, Ordering::Relaxed);
    }

    /// Whether addresses matter.
    pub const fn counts_addresses(&self) -> bool {
        self.addresses.is_some()
    }

    /// Whether users matter.
    pub const fn users(&self) -> Option<&Users> {
        self.users.as_ref()
    }

    /// While the node has so many groups, a message of a client makes no new one.
    pub const fn max_groups(&self) -> usize {
        self.max_groups
    }

    /// How long it may take to let somebody in.
    pub const fn admission_timeout(&self) -> Duration {
        self.admission_timeout
    }

    /// A handshake; `address` is the client's, where it is to be counted.
    ///
    /// # Errors
    /// The limit that is reached. Those of the address go first: one that floods takes nothing from the others.
    pub fn try_admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<HandshakePermit, Refused> {
        let now = Instant::now();
        let address = match (&self.addresses, address) {
            (Some(addresses), Some(address)) => addresses.enter(address, now)?,
            _ => None,
        };
        if let Some((rate, bucket)) = &self.rate {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(rate, now).map_err(|wait| Refused::by(Limit::Rate, wait))?;
        }
        let others = self.admitting.fetch_add(1, Ordering::Relaxed);
        let admitting = Admitting(Arc::clone(self));
        let open = usize::try_from(self.metrics.connections.get()).unwrap_or(0);
        if open + others >= self.max_connections.load(Ordering::Relaxed) {
            return Err(Refused::by(Limit::Connections, Duration::ZERO));
        }
        Ok(HandshakePermit { admitting, address })
    }

    /// Keeps the tables small, for as long as the node lives.
    pub async fn run(self: Arc<Self>) {
        let Some(addresses) = &self.addresses else { return };
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            addresses.sweep(Instant::now());
        }
    }

    /// Gives this node's places back to the others; bounded in time.
    pub async fn stop(&self) {
        if let Some(users) = &self.users {
            users.stop().await;
        }
    }
}

#[cfg(test)]
mod tests;
