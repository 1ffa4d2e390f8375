//! What deliveries have done, for the counters.

use crate::socket::EncodedMessage;

/// Progress, for the counters.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    /// Members that received something.
    pub members: u64,
    /// Messages that they received.
    pub delivered: u64,
    pub bytes: u64,
    /// Messages skipped for a slow client.
    pub volatile: u64,
    /// Messages whose condition has no answer for the member.
    pub unanswered: u64,
}

impl Tally {
    pub fn add(&mut self, taken: u32, message: &EncodedMessage) {
        self.delivered += u64::from(taken);
        self.bytes += if taken > 0 { message.size() as u64 } else { 0 };
    }

    /// Adds the progress between `before` and `after`.
    pub fn add_since(&mut self, before: Self, after: Self) {
        self.members += after.members - before.members;
        self.delivered += after.delivered - before.delivered;
        self.bytes += after.bytes - before.bytes;
        self.volatile += after.volatile - before.volatile;
        self.unanswered += after.unanswered - before.unanswered;
    }
}
