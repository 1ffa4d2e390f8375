//! What goes out: now if the kernel takes it, else through the outbox, and what becomes of it where there is no room.

use std::{
    io,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::net::TcpStream;

use super::{CloseCode, Connection, State};
use crate::{
    event::Payload,
    socket::{
        frame::{self, Frame},
        parcel::{Loss, Piece},
    },
    telemetry::DropReason,
};

/// Writes without asking the runtime whether the socket is ready: nearly always it is, and the kernel knows best. Where it
/// is not, the runtime is asked, too, so that it tells when it is again.
fn write_now(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match SockRef::from(stream).send(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.try_write(bytes),
        result => result,
    }
}

impl Connection {
    /// Encodes and sends one message to this connection alone. It is never lost as long as the connection lives.
    pub fn send(&self, payload: &Payload) {
        let frame = Frame::new(payload);
        let bytes = frame.bytes(self.deflate.get(), &self.limits.compression).clone();
        self.deliver(&Piece::new(bytes, 1, Loss::Never), &[]);
    }

    /// Hands over encoded messages: straight to the kernel where nothing waits, else to the outbox. `each` is what `whole`
    /// is made of, where it may have to wait in pieces. How many messages were taken; the others are counted as lost.
    pub fn deliver(&self, whole: &Piece, each: &[Piece]) -> u32 {
        match self.state.get() {
            State::Pending | State::Open => {}
            State::Closing | State::Finishing | State::Gone => return self.refuse(whole),
        }
        let mut written = 0;
        if self.outbox.borrow().is_empty()
            && let Some(stream) = self.stream.get()
        {
            match write_now(stream, whole.bytes()) {
                Ok(all) if all == whole.bytes().len() => return whole.messages(),
                Ok(part) => written = part,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.abort();
                    return self.refuse(whole);
                }
            }
        }
        self.queue(if each.is_empty() { std::slice::from_ref(whole) } else { each }, written)
    }

    #[cold]
    fn refuse(&self, whole: &Piece) -> u32 {
        self.roster.metrics().dropped(DropReason::Closed, u64::from(whole.messages()));
        0
    }

    /// Lets messages wait, the first `written` bytes of which are out.
    #[cold]
    fn queue(&self, pieces: &[Piece], mut written: usize) -> u32 {
        let pressure = self.roster.pressure();
        let mut taken = 0;
        for (index, piece) in pieces.iter().enumerate() {
            if written >= piece.bytes().len() {
                written -= piece.bytes().len();
            } else {
                let (parcel, from) = (piece.parcel(pressure), (pressure, self.place.get()));
                let pushed = self.outbox.borrow_mut().push(parcel, written, self.limits.outbox, from);
                if pushed.is_err() {
                    self.overflow(pieces[index..].iter().map(|piece| u64::from(piece.messages())).sum());
                    return taken;
                }
                written = 0;
            }
            taken += piece.messages();
        }
        self.wake();
        if pressure.take_over() {
            self.roster.relieve();
        }
        taken
    }

    /// There is no room: what waits is lost, and so many messages that came.
    fn overflow(&self, more: u64) {
        let lost = self.outbox.borrow_mut().discard() + more;
        self.roster.metrics().dropped(DropReason::SlowClient, lost);
        self.roster.metrics().closed("slow_client");
        self.close(CloseCode::TRY_AGAIN_LATER, "slow client");
    }

    /// What waits for the client costs the worker so much.
    pub(in crate::socket) fn cost(&self) -> usize {
        if self.is_open() { self.outbox.borrow().cost() } else { 0 }
    }

    /// The node has no room for all that waits: what may be lost is, and if that is less than half, the connection is closed.
    pub(in crate::socket) fn shed(&self) {
        let (before, lost, after) = {
            let mut outbox = self.outbox.borrow_mut();
            (outbox.bytes(), outbox.discard_oldest(), outbox.bytes())
        };
        self.roster.metrics().dropped(DropReason::Shed, lost);
        if after * 2 <= before {
            return self.wake();
        }
        let lost = self.outbox.borrow_mut().discard();
        self.roster.metrics().dropped(DropReason::Shed, lost);
        self.roster.metrics().closed("outbox_total");
        self.close(CloseCode::TRY_AGAIN_LATER, "the node is overloaded");
    }

    /// Writes what waits; `Ready(Ok)` when nothing does.
    pub(in crate::socket) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stream) = self.stream.get() else { return Poll::Ready(Ok(())) };
        while !self.outbox.borrow().is_empty() {
            let (before, lost, after) = {
                let mut outbox = self.outbox.borrow_mut();
                (outbox.bytes(), outbox.flush(|slices| stream.try_write_vectored(slices))?, outbox.bytes())
            };
            if after < before {
                // The kernel had no room for it before, so the client's has taken some.
                self.heard();
            }
            match lost {
                Some(lost) => self.caught_up(lost),
                None => std::task::ready!(stream.poll_write_ready(cx))?,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Nothing waits any more; the handler is told what was lost while something did.
    pub(super) fn caught_up(&self, lost: u64) {
        if lost > 0
            && self.is_open()
            && let Some(handler) = self.handler()
        {
            handler.lost(lost);
        }
    }

    /// Answers a ping; dropped when the client does not even read its pongs.
    pub(in crate::socket) fn pong(&self, payload: &[u8]) {
        if self.outbox.borrow().bytes() < self.limits.outbox {
            self.deliver(&Piece::control(frame::pong(payload)), &[]);
        }
    }

    /// Asks a silent client for a sign of life.
    pub(in crate::socket) fn ping(&self) {
        if self.outbox.borrow().is_empty() {
            self.deliver(&Piece::control(frame::ping(&[])), &[]);
        }
    }
}
