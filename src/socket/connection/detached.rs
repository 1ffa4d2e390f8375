//! A connection without a socket: its client fetches waiting messages, and may get a socket later.

use std::rc::Rc;

use tokio::net::TcpStream;

use super::{Connection, Deflate};
use crate::socket::frame::FrameContent;

impl Connection {
    /// Opens it for a client that fetches its messages ([`Self::take_messages`]) and may get a socket later.
    pub fn open_without_socket(self: &Rc<Self>) {
        self.enter();
    }

    /// Gives a socket to a connection without one; waiting messages are written to it now.
    pub(in crate::socket) fn adopt(&self, stream: TcpStream, deflate: Option<Deflate>) {
        if self.stream.set(stream).is_ok() {
            self.deflate.set(deflate);
        }
    }

    /// Takes waiting messages for a client without a socket, while `want` accepts them.
    pub fn take_messages(&self, want: impl FnMut(FrameContent<'_>) -> bool) {
        if self.stream.get().is_none() {
            let lost = self.outbox.borrow_mut().take_messages(want);
            self.caught_up(lost);
        }
    }

    /// Ends the connection without a Close, with or without a socket.
    pub fn hang_up(&self) {
        self.abort();
        if self.stream.get().is_none() {
            self.release();
        }
    }
}
