//! The hold: the only way in which a member waits.
//!
//! While a member is held, the messages of its groups are kept for it, in order. Its release sends them. What the
//! handlers of its own connection send is not held, so it comes before them:
//!
//! - **Connecting.** A connection joins its groups as a held member. It is released when its `on_connect` handler is
//!   done. The packet that confirms the connection, the greeting, and a snapshot that the handler fetches come before
//!   the first event.
//! - **A handler that joins a group.** From the join on, its member is held until the handler is done. An event is
//!   either older than the join, and part of what the handler fetches then, or it comes after the handler's answer.
//!
//! A hold ends with the work of the handler, whose waits all have a deadline; a wait for the client itself
//! (an acknowledgement) ends it, too. The kept messages are bounded and counted like an outbox. When there is no room
//! for one, all of them are dropped and counted, and the client learns it: by a gap notice after the release, or, if
//! it does not ask for notices, by the close code 1013.
//!
//! A member without a hold pays nothing: its seat in a group contains its connection, and that of a held member does
//! not. `Shard::hold` and `Shard::release` change the seats.

use crate::socket::{Connection, EncodedMessage, Outbox};

/// What is kept for one held member.
#[derive(Default)]
pub struct Hold {
    kept: Outbox,
    /// Messages were dropped, and nothing is kept from then on.
    lost: bool,
}

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// Everything was sent.
    Complete,
    /// Messages were lost: the client must get a gap notice.
    Lossy,
}

impl Hold {
    /// Keeps messages; returns how many. `has_notices`: the client gets a gap notice if some are lost.
    pub(super) fn push(&mut self, connection: &Connection, messages: &[EncodedMessage], has_notices: bool) -> u32 {
        if self.lost {
            connection.held_back(messages);
            return 0;
        }
        let taken = connection.keep(&mut self.kept, messages);
        if taken.is_none() {
            self.lost = true;
            if !has_notices {
                connection.close_for_loss();
            }
        }
        taken.unwrap_or_default()
    }

    /// Sends what was kept.
    pub(super) fn release(self, connection: &Connection) -> Released {
        let lost = connection.send_kept(self.kept);
        if lost || self.lost { Released::Lossy } else { Released::Complete }
    }

    /// Drops what was kept: the member has left.
    pub(super) fn discard(self, connection: &Connection) {
        connection.discard_kept(self.kept);
    }
}
