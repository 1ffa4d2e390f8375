//! Deadlines with the same delay: the first one set is the first one due, so a queue is enough.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The owner of a deadline: an index among the worker's sessions, and the serial number of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionKey {
    /// The index.
    pub index: u32,
    /// The serial number of the session; indices are reused.
    pub serial: u32,
}

/// Deadlines of one delay.
pub struct Deadlines {
    delay: Duration,
    queue: VecDeque<(Instant, SessionKey)>,
}

impl Deadlines {
    /// Without deadlines.
    pub const fn new(delay: Duration) -> Self {
        Self { delay, queue: VecDeque::new() }
    }

    /// Sets a deadline, counted from `from`, which must not be before that of the last call.
    pub fn add(&mut self, from: Instant, key: SessionKey) -> Instant {
        let due = from + self.delay;
        self.queue.push_back((due, key));
        due
    }

    /// Takes the next deadline that is due.
    pub fn due(&mut self, now: Instant) -> Option<(Instant, SessionKey)> {
        match self.queue.front() {
            Some((due, _)) if *due <= now => self.queue.pop_front(),
            _ => None,
        }
    }

    /// The time of the next deadline.
    pub fn next(&self) -> Option<Instant> {
        self.queue.front().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_not_before_their_time() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let key = |index| SessionKey { index, serial: 0 };
        let mut deadlines = Deadlines::new(Duration::from_millis(300));
        assert_eq!(deadlines.add(start, key(1)), at(300));
        deadlines.add(at(5), key(2));
        assert_eq!(deadlines.due(at(299)), None);
        assert_eq!(deadlines.due(at(301)), Some((at(300), key(1))));
        assert_eq!(deadlines.due(at(301)), None);
        assert_eq!(deadlines.next(), Some(at(305)));
    }
}
