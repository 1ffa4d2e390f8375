//! Django's cache as far as tokens need it: raw values under keys, over Redis or, embedded, in this process.
//!
//! In: keys without Django's prefix. Out: bytes, which `layer::codec::cache_value` reads. Every value written has an end,
//! every command a deadline; a Redis out of reach is [`AuthError::Unavailable`], never a refusal of the user.

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

/// A value, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The value.
    pub value: Bytes,
    /// When it ends by itself, rather too early than too late; unset: never.
    pub end: Option<Instant>,
}

/// How long several keys have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Another number than before where the store may have lost what it had, by a new start or a flush: what is not in it
    /// then need not have been deleted.
    pub run: u64,
    /// For each key: whether it is there, and when it ends by itself, rather too early than too late.
    pub ends: Vec<Option<Option<Instant>>>,
}

/// What tokens need of a cache.
pub trait Cache: Send + Sync + 'static {
    /// The value of a key.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Cached>, AuthError>>;

    /// How long keys have, in one exchange.
    fn ends<'a>(&'a self, keys: &'a [Arc<str>]) -> BoxFuture<'a, Result<Ends, AuthError>>;

    /// Writes a value that ends after `ttl`, whole seconds.
    fn set<'a>(&'a self, key: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<(), AuthError>>;

    /// Deletes a key if it still holds `expected`, in one step; whether it did.
    ///
    /// This is how a token is spent. A plain GETDEL would let anyone delete any key that a token of theirs can name.
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

    fn ends<'a>(&'a self, keys: &'a [Arc<str>]) -> BoxFuture<'a, Result<Ends, AuthError>> {
        self.with(|entries| {
            let ends = keys.iter().map(|key| entries.live(key).map(|(_, end)| Some(*end))).collect();
            Ends { run: 0, ends }
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
    async fn ended_values_are_gone_and_do_not_pile_up() {
        let cache = MemoryCache::new();
        for number in 0..5000 {
            cache.set(&number.to_string(), Bytes::new(), Duration::ZERO).await.unwrap();
        }
        assert_eq!(cache.get("0").await.unwrap(), None);
        assert!(cache.entries.lock().unwrap().values.len() <= 1024);
    }
}
