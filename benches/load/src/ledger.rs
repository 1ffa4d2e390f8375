//! Records which connection received which number, and classifies the missing ones. Pure: no sockets, no clock.
//!
//! A connection has sessions. A session is owed every message published after it was open; the first of those is its
//! *floor*. Numbers that a connection never received are
//! - *lost*: owed to a session, and either a later one arrived in the same session, or the session is still open.
//!   Silent loss;
//! - *cut*: published before the client saw its session end, and after the last number received;
//! - *away*: published between two sessions. The client knows that it was away.

/// What a received number means to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    First,
    /// New, but a later number arrived before.
    Reordered,
    Doubled,
    /// A number that was not published.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    floor: u32,
    /// One more than the highest number received.
    next: u32,
    /// The first number not published when the session ended; None while it is open.
    end: Option<u32>,
}

/// Messages that a connection did not receive.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Missing {
    pub lost: u64,
    pub cut: u64,
    pub away: u64,
}

/// The records of all connections.
pub struct Ledger {
    total: usize,
    words: usize,
    seen: Vec<u64>,
    next: Vec<u32>,
    sessions: Vec<Vec<Session>>,
}

impl Ledger {
    /// For this number of messages.
    pub fn new(total: usize) -> Self {
        Self { total, words: total.div_ceil(64), seen: Vec::new(), next: Vec::new(), sessions: Vec::new() }
    }

    /// Adds a connection; they are numbered from 0.
    pub fn add(&mut self) {
        self.seen.resize(self.seen.len() + self.words, 0);
        self.next.push(0);
        self.sessions.push(Vec::new());
    }

    /// A session begins; it is owed `floor` and all later numbers.
    pub fn opened(&mut self, connection: usize, floor: u32) {
        self.sessions[connection].push(Session { floor, next: floor, end: None });
    }

    /// The session has ended; numbers below `published` had been published before.
    pub fn closed(&mut self, connection: usize, published: u32) {
        if let Some(session) = self.sessions[connection].last_mut() {
            session.end.get_or_insert(published);
        }
    }

    /// A number has arrived.
    #[inline]
    pub fn received(&mut self, connection: usize, seq: u32) -> Verdict {
        if seq as usize >= self.total {
            return Verdict::Unknown;
        }
        let cell = &mut self.seen[connection * self.words + (seq as usize >> 6)];
        let bit = 1u64 << (seq & 63);
        if *cell & bit != 0 {
            return Verdict::Doubled;
        }
        *cell |= bit;
        if let Some(session) = self.sessions[connection].last_mut() {
            session.next = session.next.max(seq + 1);
        }
        if seq < self.next[connection] {
            return Verdict::Reordered;
        }
        self.next[connection] = seq + 1;
        Verdict::First
    }

    /// The missing numbers below `published` that the connection wants.
    pub fn missing(&self, connection: usize, published: u32, wants: impl Fn(u32) -> bool) -> Missing {
        let mut missing = Missing::default();
        let sessions = &self.sessions[connection];
        let mut at = 0;
        for seq in sessions.first().map_or(0, |session| session.floor)..published {
            let word = self.seen[connection * self.words + (seq as usize >> 6)];
            if word & 1 << (seq & 63) != 0 || !wants(seq) {
                continue;
            }
            // The last session that was open before this number was published.
            while sessions.get(at + 1).is_some_and(|next| next.floor <= seq) {
                at += 1;
            }
            match sessions.get(at) {
                None => missing.away += 1,
                Some(session) if session.end.is_none() || seq < session.next => missing.lost += 1,
                Some(session) if session.end.is_some_and(|end| seq < end) => missing.cut += 1,
                Some(_) => missing.away += 1,
            }
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(floor: u32) -> Ledger {
        let mut ledger = Ledger::new(100);
        ledger.add();
        ledger.opened(0, floor);
        ledger
    }

    #[test]
    fn a_hole_and_an_unfinished_tail_are_losses() {
        let mut ledger = ledger(0);
        for seq in [0, 1, 3] {
            assert_eq!(ledger.received(0, seq), Verdict::First);
        }
        assert_eq!(ledger.missing(0, 6, |_| true), Missing { lost: 3, ..Missing::default() });
        assert_eq!(ledger.missing(0, 6, |seq| seq != 2), Missing { lost: 2, ..Missing::default() });
    }

    #[test]
    fn doubled_and_reordered_are_told_apart() {
        let mut ledger = ledger(0);
        assert_eq!(ledger.received(0, 1), Verdict::First);
        assert_eq!(ledger.received(0, 0), Verdict::Reordered);
        assert_eq!(ledger.received(0, 1), Verdict::Doubled);
        assert_eq!(ledger.received(0, 100), Verdict::Unknown);
        assert_eq!(ledger.missing(0, 2, |_| true), Missing::default());
    }

    #[test]
    fn what_is_published_while_a_client_is_away_is_not_a_silent_loss() {
        let mut ledger = ledger(2); // 0 and 1 were published before it was there
        ledger.received(0, 2);
        ledger.closed(0, 5); // 3 and 4 had been published when the end was seen
        ledger.opened(0, 8); // 5, 6 and 7 were published before it was back
        ledger.received(0, 7); // … and one of them was still under way
        ledger.received(0, 9);
        assert_eq!(ledger.missing(0, 11, |_| true), Missing { lost: 2, cut: 2, away: 2 });
    }
}
