//! Who is present in one scope, read from Redis for many connections at once.
//!
//! A connection that joins needs what was written before its own join: a read that began earlier may miss a member
//! whose arrival it was not told of. So a reader shares only a read that begins after its request: at most one is under
//! way for a scope, and all who came meanwhile share the next one.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::event::Value;

/// The members of a scope at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// Id and facts of each, in the order of their arrival; no more than were asked for.
    pub members: Vec<(Arc<str>, Value)>,
    /// The number of all of them.
    pub count: usize,
    /// Whether these are all: not if there are more than were asked for, nor if Redis cannot be asked or its data is not
    /// complete, so that only members of this node are known.
    pub complete: bool,
    /// The moment, comparable with that of a change of one of these members.
    pub at: u64,
}

impl Listing {
    /// The listing as expressions see it.
    pub fn to_value(&self) -> Value {
        let member = |(id, user): &(Arc<str>, Value)| -> Value {
            [("member", Value::from(&**id)), ("user", user.clone())].into_iter().collect()
        };
        let count = i64::try_from(self.count).unwrap_or(i64::MAX);
        let entries = [
            ("members", Value::List(self.members.iter().map(member).collect())),
            ("count", Value::Int(count)),
            ("complete", Value::Bool(self.complete)),
        ];
        entries.into_iter().collect()
    }
}

/// The reads of all scopes.
#[derive(Default)]
pub(super) struct Readings(Mutex<HashMap<Arc<str>, Arc<Reading>>>);

/// The reads of one scope.
#[derive(Default)]
struct Reading {
    /// How many have begun.
    begun: AtomicU64,
    /// The number of the last one that is done, and its result; locked while one is under way.
    last: tokio::sync::Mutex<(u64, Arc<Listing>)>,
}

impl Readings {
    /// The result of a read that begins after this call.
    pub async fn read(&self, scope: &Arc<str>, read: impl Future<Output = Listing>) -> Arc<Listing> {
        let reading = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(Arc::clone(scope)).or_default())
        };
        // Also for a reader that does not wait until the end.
        let reading = scopeguard::guard(reading, |reading| self.leave(scope, reading));
        let begun = reading.begun.load(Ordering::SeqCst);
        let mut last = reading.last.lock().await;
        if last.0 <= begun {
            let number = reading.begun.fetch_add(1, Ordering::SeqCst) + 1;
            *last = (number, Arc::new(read.await));
        }
        Arc::clone(&last.1)
    }

    /// A reader is done: the last one of a scope removes it.
    fn leave(&self, scope: &Arc<str>, reading: Arc<Reading>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(reading);
        if all.get(scope).is_some_and(|reading| Arc::strong_count(reading) == 1) {
            all.remove(scope);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_readers_share_the_next_read_and_none_that_began_before_them() {
        let readings = Readings::default();
        let scope: Arc<str> = "chat".into();
        let reads = AtomicU64::new(0);
        let read = |after: u64| {
            let (readings, scope, reads) = (&readings, &scope, &reads);
            async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                let begun = reads.load(Ordering::SeqCst);
                let read = async {
                    let count = reads.fetch_add(1, Ordering::SeqCst) as usize + 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    Listing { count, ..Listing::default() }
                };
                let listing = readings.read(scope, read).await;
                assert!(listing.count > begun as usize, "a read that began before its request");
                listing.count
            }
        };
        // One begins the first read; a hundred come while it is under way.
        let first = async { read(0).await };
        let crowd = futures_util::future::join_all((0..100).map(|_| read(5)));
        let (first, crowd) = tokio::join!(first, crowd);
        assert_eq!(first, 1);
        assert_eq!(crowd, [2; 100]);
        assert!(readings.0.lock().unwrap().is_empty());
        // A reader that goes while it reads leaves nothing, either.
        let gone = tokio::time::timeout(Duration::from_millis(5), read(0)).await;
        assert!(gone.is_err() && readings.0.lock().unwrap().is_empty());
        assert_eq!(read(0).await, 4);
    }
}
