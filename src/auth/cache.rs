//! Django's cache as far as tokens need it: raw values under keys, in Redis or, embedded, in this process.
//!
//! In: keys without Django's prefix. Out: bytes, which `layer::codec::cache_value` reads. Every value written expires,
//! every command has a deadline; an unreachable Redis is [`AuthError::Unavailable`], never a refusal of the user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{self, BoxFuture};

use super::AuthError;

mod redis;

pub use self::redis::RedisCache;

/// A value and its expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The value.
    pub value: Bytes,
    /// When it expires, rather too early than too late; `None`: never.
    pub end: Option<Instant>,
}

/// The expiry of several keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyExpiries {
    /// A number that changes when the store may have lost its data, by a restart or a flush: a missing key then need
    /// not have been deleted.
    pub run: u64,
    /// For each key: whether it exists, and when it expires, rather too early than too late.
    pub ends: Vec<Option<Option<Instant>>>,
}

/// The cache operations that tokens need.
pub trait Cache: Send + Sync + 'static {
    /// The value of a key.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Cached>, AuthError>>;

    /// The expiry of several keys, in one exchange.
    fn ends<'a>(&'a self, keys: &'a [Arc<str>]) -> BoxFuture<'a, Result<KeyExpiries, AuthError>>;

    /// Writes a value that expires after `ttl`, whole seconds.
    fn set<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<(), AuthError>>;

    /// Deletes a key if it still holds `expected`, in one step; returns whether it did.
    ///
    /// This is how a single-use token is spent. A plain GETDEL would let a client delete any key that its token can
    /// name.
    fn compare_and_delete<'a>(&'a self, key: &'a str, expected: &'a Bytes) -> BoxFuture<'a, Result<bool, AuthError>>;
}

/// A cache in this process, for one node without Redis. Django cannot see it.
#[derive(Default)]
pub struct MemoryCache {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    values: HashMap<String, (Bytes, Instant)>,
    sweep_at: usize,
}

impl Entries {
    fn live(&self, key: &str) -> Option<&(Bytes, Instant)> {
        self.values.get(key).filter(|(_, end)| *end > Instant::now())
    }
}

impl MemoryCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Entries) -> T) -> BoxFuture<'static, Result<T, AuthError>>
    where
        T: Send + 'static,
    {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(future::ready(Ok(work(&mut entries))))
    }
}

impl Cache for MemoryCache {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Cached>, AuthError>> {
        self.with(|entries| entries.live(key).cloned().map(|(value, end)| Cached { value, end: Some(end) }))
    }

    fn ends<'a>(&'a self, keys: &'a [Arc<str>]) -> BoxFuture<'a, Result<KeyExpiries, AuthError>> {
        self.with(|entries| {
            let ends = keys.iter().map(|key| entries.live(key).map(|(_, end)| Some(*end))).collect();
            KeyExpiries { run: 0, ends }
        })
    }

    fn set<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<(), AuthError>> {
        self.with(|entries| {
            let now = Instant::now();
            if entries.values.len() >= entries.sweep_at {
                entries.values.retain(|_, (_, end)| *end > now);
                entries.sweep_at = (entries.values.len() * 2).max(1024);
            }
            entries.values.insert(key.to_owned(), (value, now + ttl));
        })
    }

    fn compare_and_delete<'a>(&'a self, key: &'a str, expected: &'a Bytes) -> BoxFuture<'a, Result<bool, AuthError>> {
        self.with(|entries| {
            let is_same = entries.live(key).is_some_and(|(value, _)| value == expected);
            if is_same {
                entries.values.remove(key);
            }
            is_same
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_value_is_deleted_only_while_it_is_the_expected_one() {
        let cache = MemoryCache::new();
        let (one, two) = (Bytes::from_static(b"1"), Bytes::from_static(b"2"));
        cache.set("k", one.clone(), LONG).await.unwrap();
        assert!(!cache.compare_and_delete("k", &two).await.unwrap());
        assert_eq!(cache.get("k").await.unwrap().map(|cached| cached.value), Some(one.clone()));
        assert!(cache.compare_and_delete("k", &one).await.unwrap());
        assert!(!cache.compare_and_delete("k", &one).await.unwrap());
        assert_eq!(cache.get("k").await.unwrap(), None);
    }

    #[tokio::test]
    async fn expired_values_are_gone_and_do_not_pile_up() {
        let cache = MemoryCache::new();
        for number in 0..5000 {
            cache.set(&number.to_string(), Bytes::new(), Duration::ZERO).await.unwrap();
        }
        assert_eq!(cache.get("0").await.unwrap(), None);
        assert!(cache.entries.lock().unwrap().values.len() <= 1024);
    }
}
