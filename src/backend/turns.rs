//! Limits the number of concurrent calls, and of calls that wait for their turn.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// For each running call, this many may wait.
const WAITING_PER_TURN: usize = 16;

/// Turns, granted in order of request.
pub(super) struct Turns {
    turns: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// Too many calls wait already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Turns {
    pub fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            turns: Semaphore::new(concurrency),
            waiting: AtomicUsize::new(0),
            most_waiting: concurrency.saturating_mul(WAITING_PER_TURN),
        }
    }

    /// Waits for a turn, which ends when the permit is dropped. A dropped wait frees its place.
    pub async fn take(&self) -> Result<SemaphorePermit<'_>, TooMany> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most_waiting {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(TooMany);
        }
        let _place = WaitingPosition(&self.waiting);
        self.turns.acquire().await.map_err(|_| TooMany)
    }
}

/// A place in the queue.
struct WaitingPosition<'a>(&'a AtomicUsize);

impl Drop for WaitingPosition<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_queue_is_bounded_and_a_dropped_wait_leaves_it() {
        let turns = Turns::new(1);
        let turn = turns.take().await.unwrap();
        let mut queue: Vec<_> = (0..WAITING_PER_TURN).map(|_| Box::pin(turns.take())).collect();
        for place in &mut queue {
            assert!(timeout(Duration::from_millis(1), place).await.is_err(), "the turn is taken");
        }
        assert_eq!(turns.take().await.err(), Some(TooMany));
        queue.clear();
        assert!(timeout(Duration::from_millis(1), turns.take()).await.is_err(), "there is room to wait again");
        drop(turn);
        assert!(turns.take().await.is_ok());
    }
}
