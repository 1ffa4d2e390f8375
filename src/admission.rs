//! Limits who may connect: connections of the node, of an address and of a user, and the rate of handshakes.
//!
//! In: addresses and users. Out: permits, which are given back when dropped, or the limit that is reached and when to
//! retry. It knows no request and no protocol, and it keeps only what is in use: a table is as large as the open
//! connections plus the handshakes within the time that a bucket takes to fill.

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
    bucket::{Bucket, BucketRate},
};
use crate::{config::Config, redis::HostError, telemetry::Metrics};

pub use addresses::AddressPermit;
pub use permits::{ConnectionPermits, UserPermit};
pub use users::{UserCountPermit, Users};

/// How often unused entries are removed from the table of addresses.
const SWEEP: Duration = Duration::from_secs(5);

/// The limit that refuses a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `server.max_connections`.
    Connections,
    /// `limits.connections_per_address`.
    Address,
    /// `limits.connections_per_user`.
    User,
    /// The number of the user's connections is unknown: Redis is unreachable.
    UserUnknown,
    /// `limits.handshakes_per_second`.
    Rate,
    /// `limits.handshakes_per_second_per_address`.
    AddressRate,
}

impl Limit {
    /// The earliest retry, and the time over which retries spread after it: clients refused together must not return
    /// together.
    const fn pause(self) -> (Duration, Duration) {
        match self {
            Self::Connections | Self::Rate | Self::AddressRate | Self::UserUnknown => {
                (Duration::from_secs(1), Duration::from_secs(4))
            }
            // One of their connections has to end first.
            Self::Address | Self::User => (Duration::from_secs(5), Duration::from_secs(10)),
        }
    }
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverLimit {
    /// The limit.
    pub limit: Limit,
    /// When to retry; spread over time.
    pub retry_after: Duration,
}

impl OverLimit {
    /// Refused by a limit; retry not before `wait` is over.
    fn by(limit: Limit, wait: Duration) -> Self {
        let (least, spread) = limit.pause();
        Self { limit, retry_after: wait.max(least) + spread.mul_f64(rand::random()) }
    }
}

/// A connection that is being admitted and does not count as open yet.
pub struct Admitting(Arc<AdmissionControl>);

impl Drop for Admitting {
    fn drop(&mut self) {
        self.0.admitting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The permits of an admitted handshake; both are given back when dropped.
pub struct HandshakePermit {
    /// One of the node's connections, until the connection is open.
    pub admitting: Admitting,
    /// One of its address's connections, while it is open; `None` where addresses are not counted.
    pub address: Option<AddressPermit>,
}

/// The limits of a node. One per node, shared by its workers.
pub struct AdmissionControl {
    max_connections: AtomicUsize,
    admitting: AtomicUsize,
    addresses: Option<Arc<Addresses>>,
    rate: Option<(BucketRate, Mutex<Bucket>)>,
    users: Option<Users>,
    admission_timeout: Duration,
    max_groups: usize,
    metrics: Metrics,
}

impl AdmissionControl {
    /// The limits of the node `node`; users are counted on the caller's runtime.
    ///
    /// # Errors
    /// The Redis URL is not valid.
    pub fn new(config: &Config, node: &str, metrics: Metrics) -> Result<Arc<Self>, HostError> {
        let limits = &config.limits;
        let rate = BucketRate::new(limits.handshakes_per_second, limits.handshake_burst);
        let of_address = BucketRate::new(limits.handshakes_per_second_per_address, limits.handshake_burst_per_address);
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

    /// Sets the maximum number of connections; open ones stay.
    pub fn admit_up_to(&self, max_connections: usize) {
        self.max_connections.store(max_connections, Ordering::Relaxed);
    }

    /// Whether addresses are limited.
    pub const fn counts_addresses(&self) -> bool {
        self.addresses.is_some()
    }

    /// Whether users are limited.
    pub const fn users(&self) -> Option<&Users> {
        self.users.as_ref()
    }

    /// While the node has this many groups, a client's message creates no further group.
    pub const fn max_groups(&self) -> usize {
        self.max_groups
    }

    /// How long admission may take.
    pub const fn admission_timeout(&self) -> Duration {
        self.admission_timeout
    }

    /// Admits a handshake; `address` is the client's if it is counted.
    ///
    /// # Errors
    /// The limit that is reached. The address's limits are checked first: an address that floods takes nothing from the
    /// others.
    pub fn try_admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<HandshakePermit, OverLimit> {
        let now = Instant::now();
        let address = match (&self.addresses, address) {
            (Some(addresses), Some(address)) => addresses.enter(address, now)?,
            _ => None,
        };
        if let Some((rate, bucket)) = &self.rate {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(rate, now).map_err(|wait| OverLimit::by(Limit::Rate, wait))?;
        }
        let others = self.admitting.fetch_add(1, Ordering::Relaxed);
        let admitting = Admitting(Arc::clone(self));
        let open = usize::try_from(self.metrics.connections.get()).unwrap_or(0);
        if open + others >= self.max_connections.load(Ordering::Relaxed) {
            return Err(OverLimit::by(Limit::Connections, Duration::ZERO));
        }
        Ok(HandshakePermit { admitting, address })
    }

    /// Keeps the tables small while the node lives.
    pub async fn run(self: Arc<Self>) {
        let Some(addresses) = &self.addresses else { return };
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            addresses.sweep(Instant::now());
        }
    }

    /// Gives this node's permits back to the others; bounded in time.
    pub async fn stop(&self) {
        if let Some(users) = &self.users {
            users.stop().await;
        }
    }
}

#[cfg(test)]
mod tests;
