//! Signs of life of the threads that everything depends on: each beats about once a second from its own event loop.
//!
//! A thread is judged by the beats of another thread, not by the clock: a process that was stopped as a whole, with its
//! machine, is not stuck.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The threads of a node.
#[derive(Clone, Debug)]
pub struct Watchdog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    started: Instant,
    all: Mutex<Vec<Thread>>,
}

#[derive(Debug)]
struct Thread {
    name: String,
    last: Arc<AtomicU64>,
}

/// One thread's handle. Dropping it means that the thread has ended and need not beat any more; a panic is still
/// found.
#[derive(Debug)]
pub struct ThreadHeartbeat {
    shared: Weak<Shared>,
    last: Arc<AtomicU64>,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self(Arc::new(Shared { started: Instant::now(), all: Mutex::default() }))
    }
}

impl Watchdog {
    /// Registers a thread; it must beat about once a second from now on.
    pub fn start(&self, name: impl Into<String>) -> ThreadHeartbeat {
        let last = Arc::new(AtomicU64::new(self.0.now()));
        self.0.lock().push(Thread { name: name.into(), last: Arc::clone(&last) });
        ThreadHeartbeat { shared: Arc::downgrade(&self.0), last }
    }

    /// The first thread that has not beaten for longer than `limit` while another one did, and for how long.
    pub fn stuck(&self, limit: Duration) -> Option<(String, Duration)> {
        let all = self.0.lock();
        let latest = all.iter().map(|slot| slot.last.load(Ordering::Relaxed)).max()?;
        let behind = |slot: &Thread| Duration::from_millis(latest.saturating_sub(slot.last.load(Ordering::Relaxed)));
        all.iter()
            .map(|slot| (slot, behind(slot)))
            .find(|(_, still)| *still > limit)
            .map(|(slot, still)| (slot.name.clone(), still))
    }
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Thread>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ThreadHeartbeat {
    /// Gives a sign of life.
    pub fn beat(&self) {
        if let Some(shared) = self.shared.upgrade() {
            self.last.store(shared.now(), Ordering::Relaxed);
        }
    }
}

impl Drop for ThreadHeartbeat {
    fn drop(&mut self) {
        if let (false, Some(shared)) = (std::thread::panicking(), self.shared.upgrade()) {
            shared.lock().retain(|slot| !Arc::ptr_eq(&slot.last, &self.last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(heartbeat: &ThreadHeartbeat, millis: u64) {
        heartbeat.last.fetch_add(millis, Ordering::Relaxed);
    }

    #[test]
    fn a_thread_that_does_not_beat_while_another_does_is_stuck() {
        let watchdog = Watchdog::default();
        let (worker, layer) = (watchdog.start("worker 0"), watchdog.start("the layer thread"));
        let limit = Duration::from_secs(15);
        later(&worker, 15_000);
        assert_eq!(watchdog.stuck(limit + Duration::from_secs(1)), None);
        later(&worker, 10_000);
        assert_eq!(watchdog.stuck(limit).unwrap().0, "the layer thread");
        later(&layer, 25_000);
        assert_eq!(watchdog.stuck(limit), None, "a process that was stopped as a whole goes on");
    }

    #[test]
    fn a_thread_that_ended_is_not_stuck_and_one_that_panicked_is() {
        let watchdog = Watchdog::default();
        let (ended, layer) = (watchdog.start("worker 0"), watchdog.start("the layer thread"));
        let worker = watchdog.start("worker 1");
        drop(ended);
        let crashed = std::thread::spawn(move || {
            let _layer = layer;
            panic!("for the test");
        });
        assert!(crashed.join().is_err());
        later(&worker, 60_000);
        assert_eq!(watchdog.stuck(Duration::from_secs(15)).unwrap().0, "the layer thread");
    }
}
