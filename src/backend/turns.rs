//! Limits the number of concurrent calls, and of calls that wait for their turn.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// For each running call, this many may wait.
const WAITING_PER_TURN: usize = 16;

/// A turn, until it is dropped.
pub(super) type Turn = OwnedSemaphorePermit;

/// Turns, granted in order of request.
pub(super) struct Turns {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// Too many calls wait already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Turns {
    pub fn new(concurrency: usize) -> Self {
        Self::part(concurrency, concurrency)
    }

    /// A part of all turns; as many may wait for it as for all of them.
    pub fn part(turns: usize, all: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(turns.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            most_waiting: all.max(1).saturating_mul(WAITING_PER_TURN),
        }
    }

    /// Waits for a turn, which ends when the permit is dropped. A dropped wait frees its place.
    pub async fn take(&self) -> Result<Turn, TooMany> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let _place = self.place()?;
        self.turn().await
    }

    /// A place among those that wait, until it is dropped.
    pub fn place(&self) -> Result<WaitingPosition<'_>, TooMany> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = WaitingPosition(&self.waiting);
        if before < self.most_waiting { Ok(place) } else { Err(TooMany) }
    }

    /// Waits for a turn without a place: for those that are bounded elsewhere.
    pub async fn turn(&self) -> Result<Turn, TooMany> {
        Arc::clone(&self.turns).acquire_owned().await.map_err(|_| TooMany)
    }
}

/// A place in the queue.
pub(super) struct WaitingPosition<'a>(&'a AtomicUsize);

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
