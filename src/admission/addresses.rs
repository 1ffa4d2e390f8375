//! Counts open connections and recent handshakes per address.
//!
//! An entry lives while it has an open connection or its bucket is not full: at one handshake per second or more, at
//! most a second per handshake. So a flood from many addresses keeps only the latest.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Limit, OverLimit,
    bucket::{Bucket, BucketRate},
};

/// Parts of the table, each with its own lock.
const PARTS: usize = 16;

/// A part with fewer entries is not searched for old ones between two sweeps.
const FEW: usize = 1024;

/// How an address is counted: an IPv4 address as itself, an IPv6 address as its /64 network, the least that a provider
/// gives to one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Prefix(IpAddr);

impl Prefix {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        })
    }
}

#[derive(Default)]
struct Entry {
    open: u32,
    bucket: Bucket,
}

impl Entry {
    fn is_needed(&self, now: Instant) -> bool {
        self.open > 0 || !self.bucket.is_full(now)
    }
}

struct Stripe {
    entries: HashMap<Prefix, Entry>,
    /// The number of entries at which old ones are removed.
    sweep_at: usize,
}

impl Stripe {
    fn sweep(&mut self, now: Instant) {
        self.entries.retain(|_, entry| entry.is_needed(now));
        if self.entries.capacity() > 4 * self.entries.len().max(FEW) {
            self.entries.shrink_to_fit();
        }
        self.sweep_at = 2 * self.entries.len().max(FEW);
    }
}

/// The table.
pub(super) struct Addresses {
    stripes: Box<[Mutex<Stripe>]>,
    hasher: RandomState,
    /// Maximum of open connections per address; 0: any number.
    most: u32,
    rate: Option<BucketRate>,
}

impl Addresses {
    pub fn new(most: u32, rate: Option<BucketRate>) -> Arc<Self> {
        let stripe = || Mutex::new(Stripe { entries: HashMap::new(), sweep_at: FEW });
        Arc::new(Self { stripes: (0..PARTS).map(|_| stripe()).collect(), hasher: RandomState::new(), most, rate })
    }

    fn stripe(&self, prefix: Prefix) -> MutexGuard<'_, Stripe> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let stripe = self.hasher.hash_one(prefix) as usize % self.stripes.len();
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a handshake from an address; returns its permit where open connections are counted.
    pub fn enter(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<Option<AddressPermit>, OverLimit> {
        let prefix = Prefix::of(address);
        let mut stripe = self.stripe(prefix);
        if stripe.entries.len() >= stripe.sweep_at {
            stripe.sweep(now);
        }
        let entry = stripe.entries.entry(prefix).or_default();
        if let Some(rate) = &self.rate {
            entry.bucket.take(rate, now).map_err(|wait| OverLimit::by(Limit::AddressRate, wait))?;
        }
        if self.most == 0 {
            return Ok(None);
        }
        if entry.open >= self.most {
            return Err(OverLimit::by(Limit::Address, Duration::ZERO));
        }
        entry.open += 1;
        Ok(Some(AddressPermit { table: Arc::clone(self), prefix }))
    }

    /// Removes entries that are no longer in use.
    pub fn sweep(&self, now: Instant) {
        for stripe in &self.stripes {
            stripe.lock().unwrap_or_else(PoisonError::into_inner).sweep(now);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.stripes.iter().map(|stripe| stripe.lock().unwrap_or_else(PoisonError::into_inner).entries.len()).sum()
    }
}

/// One of the connections of an address; given back when dropped.
pub struct AddressPermit {
    table: Arc<Addresses>,
    prefix: Prefix,
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut stripe = self.table.stripe(self.prefix);
        let Some(entry) = stripe.entries.get_mut(&self.prefix) else { return };
        entry.open = entry.open.saturating_sub(1);
        if !entry.is_needed(Instant::now()) {
            stripe.entries.remove(&self.prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap_or([0; 4].into())
    }

    #[test]
    fn connections_are_counted_by_address_and_by_64_bits_of_ipv6() {
        let table = Addresses::new(2, None);
        let now = Instant::now();
        let enter = |address: &str| table.enter(ip(address), now);
        let held: Vec<_> = ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2"].map(enter).into();
        assert!(held.iter().all(Result::is_ok));
        for full in ["10.0.0.1", "2001:db8::ffff:1"] {
            assert_eq!(enter(full).err().map(|refused| refused.limit), Some(Limit::Address), "{full}");
        }
        for free in ["10.0.0.2", "2001:db8:0:1::1"] {
            assert!(enter(free).is_ok(), "{free}");
        }
        assert_eq!(table.len(), 2, "a closed connection's address is forgotten at once");
        drop(held);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_flood_from_many_addresses_keeps_only_the_latest() {
        let table = Addresses::new(0, BucketRate::new(1, 1));
        let start = Instant::now();
        // 200,000 addresses over 20 seconds: 10,000 of them within the second that a bucket takes to fill.
        for number in 0..200_000_u32 {
            let now = start + Duration::from_micros(u64::from(number) * 100);
            assert!(table.enter(IpAddr::from(number.to_be_bytes()), now).is_ok());
            assert!(number % 1000 != 0 || table.len() <= 10_000 * 2 + PARTS * FEW * 2, "{}", table.len());
        }
        table.sweep(start + Duration::from_secs(22));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_refused_handshake_learns_when_to_retry() {
        let table = Addresses::new(0, BucketRate::new(2, 1));
        let now = Instant::now();
        assert!(table.enter(ip("10.0.0.1"), now).is_ok());
        let refused = table.enter(ip("10.0.0.1"), now).err().unwrap_or_else(|| unreachable!());
        assert_eq!(refused.limit, Limit::AddressRate);
        assert!(refused.retry_after >= Duration::from_millis(500));
        assert!(table.enter(ip("10.0.0.1"), now + Duration::from_millis(500)).is_ok());
    }
}
