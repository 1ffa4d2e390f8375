//! The messages that wait for one slow client: shared frames, bounded in bytes, written with one `writev`; and which of
//! them are dropped when it is full.
//!
//! A message is sent or dropped as a whole, with its attachments; a partly written one stays. Nearly every connection
//! has an empty outbox nearly always, which is a null pointer.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, IoSlice},
    rc::Rc,
    sync::Arc,
    task::Waker,
};

use super::{
    encoded::{Loss, QueuedMessage},
    frame::{EncodedFrame, EncodedFrames, FrameContent},
    pressure::Pressure,
};

/// Maximum number of frames per system call.
const BATCH: usize = 32;

/// The cost of a waiting message for a connection besides its shared bytes: a pointer, in a queue that doubles when it
/// grows.
const POINTER: usize = 2 * size_of::<Option<Rc<QueuedMessage>>>();

/// The same for a message with a key.
const KEY: usize = 2 * size_of::<(Arc<str>, u64)>();

/// Holes of dropped messages are kept up to this number, and up to half of the queue.
const HOLES: usize = 32;

/// The outbox is full, and nothing can be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Frames that the kernel has not accepted yet.
#[derive(Default)]
pub struct Outbox(Option<Box<Backlog>>);

struct Backlog {
    /// Dropped messages leave a hole, so that the numbers of the others stay valid. The first is never a hole.
    queue: VecDeque<Option<Rc<QueuedMessage>>>,
    /// The number of the first message.
    first: u64,
    /// Bytes of the first message that are already written.
    written: usize,
    /// Waiting bytes, and those among them that are never dropped.
    bytes: usize,
    kept: usize,
    holes: usize,
    /// The message that is larger than the outbox.
    large: Option<u64>,
    /// No message before this number can be dropped as the oldest.
    oldest: u64,
    /// The number of the last message with a key, if none of it is written.
    latest: HashMap<Arc<str>, u64>,
    /// Messages dropped as the oldest since the outbox was last empty.
    lost: u64,
    /// Woken when the kernel may have accepted some of it, and when it is gone.
    waiter: Option<Waker>,
    pressure: Rc<Pressure>,
    listed: usize,
}

/// A place in the messages of an outbox; it changes with each byte that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(u64, usize);

impl Outbox {
    /// Whether it is empty.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The waiting bytes.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.bytes)
    }

    /// Those among them that are never dropped.
    pub fn kept(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.kept)
    }

    /// The first byte that waits; `None` if it is empty.
    pub fn position(&self) -> Option<Position> {
        self.0.as_ref().map(|backlog| Position(backlog.first, backlog.written))
    }

    /// Wakes this task after the next attempt to write. An empty outbox wakes nobody.
    pub fn watch(&mut self, waker: &Waker) {
        if let Some(backlog) = &mut self.0 {
            backlog.waiter = Some(waker.clone());
        }
    }

    /// All waiting bytes, for tests.
    #[cfg(test)]
    pub fn contents(&self) -> Vec<u8> {
        let Some(backlog) = &self.0 else { return Vec::new() };
        let messages = backlog.queue.iter().flatten();
        messages.flat_map(|message| message.bytes.iter()).copied().skip(backlog.written).collect()
    }

    /// Adds messages; their first `written` bytes are already sent (only if the outbox was empty). If it then exceeds
    /// `limit` bytes, droppable messages make room. `index` is the connection's index in `Connections`.
    pub(super) fn push(
        &mut self,
        message: &Rc<QueuedMessage>,
        written: usize,
        limit: usize,
        (pressure, index): (&Rc<Pressure>, u32),
    ) -> Result<(), Full> {
        debug_assert!(written == 0 || self.is_empty());
        if let Some(backlog) = &mut self.0 {
            return backlog.push(message, limit);
        }
        let mut backlog = Box::new(Backlog::new(pressure, index));
        backlog.append(message, message.len() > limit);
        backlog.advance(written);
        self.0 = Some(backlog);
        Ok(())
    }

    /// Adds a Close, regardless of the limit: its size is bounded by the protocol.
    pub(super) fn push_last(&mut self, message: &Rc<QueuedMessage>, (pressure, index): (&Rc<Pressure>, u32)) {
        self.0.get_or_insert_with(|| Box::new(Backlog::new(pressure, index))).append(message, false);
    }

    /// The connection has its index in `Connections` now.
    pub fn moved_to(&self, index: u32) {
        if let Some(backlog) = &self.0 {
            backlog.pressure.change(backlog.listed, |known| *known = index);
        }
    }

    /// Drops all messages except a partly written one, because the stream needs its rest. Returns their
    /// number.
    pub fn discard(&mut self) -> u64 {
        let Some(backlog) = &mut self.0 else { return 0 };
        let keep = usize::from(backlog.written > 0);
        let (first, end) = (backlog.first + keep as u64, backlog.end());
        let gone =
            (first..end).filter_map(|number| backlog.remove(number)).map(|message| u64::from(message.messages)).sum();
        backlog.queue.truncate(keep);
        backlog.holes = 0;
        if keep == 0 {
            self.0 = None;
        }
        gone
    }

    /// Drops all messages, because the connection has ended. Returns how many were not written completely.
    pub fn discard_all(self) -> u64 {
        let Some(backlog) = &self.0 else { return 0 };
        let waiting: u64 = backlog.queue.iter().flatten().map(|message| u64::from(message.messages)).sum();
        waiting - backlog.messages_out()
    }

    /// All its messages, none of which has been written, in order; and how many were lost meanwhile.
    pub(super) fn into_messages(self) -> (Vec<Rc<QueuedMessage>>, u64) {
        let Some(backlog) = self.0 else { return (Vec::new(), 0) };
        (backlog.queue.iter().flatten().cloned().collect(), backlog.lost)
    }

    /// Drops the messages with the policy `Oldest`. Returns their number.
    pub fn discard_oldest(&mut self) -> u64 {
        let Some(backlog) = &mut self.0 else { return 0 };
        let before = backlog.lost;
        while backlog.lose_oldest() {}
        backlog.settle();
        backlog.lost - before
    }

    /// The cost of this connection for the worker: its share of messages that wait for several.
    pub fn cost(&self) -> usize {
        let Some(backlog) = &self.0 else { return 0 };
        let part = |message: &Rc<QueuedMessage>| {
            POINTER + (size_of::<QueuedMessage>() + message.len()) / Rc::strong_count(message)
        };
        backlog.queue.iter().flatten().map(part).sum()
    }

    /// Writes with `write` until the outbox is empty (returns how many messages were lost meanwhile) or the kernel
    /// accepts no more (`None`).
    pub fn flush(&mut self, mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<Option<u64>> {
        let Some(backlog) = &mut self.0 else { return Ok(Some(0)) };
        backlog.wake_waiter();
        while !backlog.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); BATCH];
            let mut count = 0;
            for (slice, message) in slices.iter_mut().zip(backlog.queue.iter().flatten()) {
                let start = if count == 0 { backlog.written } else { 0 };
                *slice = IoSlice::new(&message.bytes[start..]);
                count += 1;
            }
            match write(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => backlog.advance(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let lost = backlog.lost;
        self.0 = None;
        Ok(Some(lost))
    }

    /// Takes complete messages out of their frames, in order, while `want` accepts their content. Only if nothing was
    /// written to a socket, so that all frames are complete and uncompressed. Returns how many messages were lost
    /// meanwhile, if the outbox is empty now.
    pub fn take_messages(&mut self, mut want: impl FnMut(FrameContent<'_>) -> bool) -> u64 {
        let Some(backlog) = &mut self.0 else { return 0 };
        backlog.wake_waiter();
        while let Some(message) = backlog.queue.front().cloned().flatten() {
            for part in EncodedFrames(&message.bytes[backlog.written..]) {
                if part.content().is_some_and(|content| !want(content)) {
                    return 0;
                }
                backlog.advance(part.frame.len());
            }
        }
        let lost = backlog.lost;
        self.0 = None;
        lost
    }
}

impl Backlog {
    fn new(pressure: &Rc<Pressure>, index: u32) -> Self {
        pressure.more(size_of::<Self>());
        Self {
            queue: VecDeque::new(),
            first: 0,
            written: 0,
            bytes: 0,
            kept: 0,
            holes: 0,
            large: None,
            oldest: 0,
            latest: HashMap::new(),
            lost: 0,
            waiter: None,
            listed: pressure.enter(index),
            pressure: Rc::clone(pressure),
        }
    }

    fn wake_waiter(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    fn push(&mut self, message: &Rc<QueuedMessage>, limit: usize) -> Result<(), Full> {
        let older = match &message.loss {
            Loss::Superseded(key) => self.latest.get(key).copied(),
            Loss::Never | Loss::Oldest => None,
        };
        let pushed = match older {
            Some(number) => self.supersede(number, message, limit),
            None => self.make_room(message, limit).map(|()| self.append(message, message.len() > limit)),
        };
        self.settle();
        pushed
    }

    /// Puts a message in the position of an older one with the same key.
    fn supersede(&mut self, number: u64, message: &Rc<QueuedMessage>, limit: usize) -> Result<(), Full> {
        let was_large = self.large == Some(number);
        let Some(older) = self.remove(number) else { return Err(Full) };
        if let Err(full) = self.make_room(message, limit) {
            // It is dropped with the others, and counted with them.
            self.put(number, &older, was_large);
            return Err(full);
        }
        self.put(number, message, message.len() > limit);
        self.pressure.superseded.inc();
        Ok(())
    }

    /// Drops the oldest messages until a new one fits. One that is larger than the outbox never would: it is accepted
    /// if no other such message waits, and the rest is bounded as if it did not exist.
    fn make_room(&mut self, message: &QueuedMessage, limit: usize) -> Result<(), Full> {
        let fits = |backlog: &Self| match message.len() > limit {
            true => message.messages <= 1 && backlog.large.is_none(),
            false => backlog.bytes - backlog.rest_of_large() + message.len() <= limit,
        };
        while !fits(self) {
            if !self.lose_oldest() {
                return Err(Full);
            }
            self.pressure.oldest.inc();
        }
        Ok(())
    }

    /// Drops the oldest droppable message; returns whether there was one.
    fn lose_oldest(&mut self) -> bool {
        let from = self.oldest.max(self.first + u64::from(self.written > 0));
        let is_losable = |number: &u64| self.get(*number).is_some_and(|message| message.loss == Loss::Oldest);
        let found = (from..self.end()).find(is_losable);
        // Later messages come after it.
        self.oldest = found.map_or(self.end(), |number| number + 1);
        let lost = found.and_then(|number| self.remove(number)).is_some();
        self.lost += u64::from(lost);
        lost
    }

    /// The number of completely written messages within one piece. Only single messages have attachments.
    fn messages_out(&self) -> u64 {
        let Some(Some(first)) = self.queue.front() else { return 0 };
        let mut end = 0;
        let is_out = |part: &EncodedFrame<'_>| {
            end += part.frame.len();
            end <= self.written
        };
        (EncodedFrames(&first.bytes).take_while(is_out).count() as u64).min(u64::from(first.messages.saturating_sub(1)))
    }

    fn rest_of_large(&self) -> usize {
        let Some(number) = self.large else { return 0 };
        let out = if number == self.first { self.written } else { 0 };
        self.get(number).map_or(0, |message| message.len() - out)
    }

    fn end(&self) -> u64 {
        self.first + self.queue.len() as u64
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX)
    }

    fn get(&self, number: u64) -> Option<&Rc<QueuedMessage>> {
        self.queue.get(self.index(number))?.as_ref()
    }

    fn append(&mut self, message: &Rc<QueuedMessage>, is_large: bool) {
        let number = self.end();
        self.queue.push_back(None);
        self.holes += 1;
        self.put(number, message, is_large);
    }

    /// Fills a hole.
    fn put(&mut self, number: u64, message: &Rc<QueuedMessage>, is_large: bool) {
        let index = self.index(number);
        self.queue[index] = Some(Rc::clone(message));
        self.holes -= 1;
        self.bytes += message.len();
        match &message.loss {
            Loss::Never => self.kept += message.len(),
            Loss::Oldest => {}
            Loss::Superseded(key) => drop(self.latest.insert(Arc::clone(key), number)),
        }
        if is_large {
            self.large = Some(number);
        }
        self.pressure.more(cost_of(message));
    }

    /// Leaves a hole if the message is still unwritten.
    fn remove(&mut self, number: u64) -> Option<Rc<QueuedMessage>> {
        let index = self.index(number);
        let message = self.queue.get_mut(index)?.take()?;
        self.holes += 1;
        self.bytes -= message.len();
        if message.loss == Loss::Never {
            self.kept -= message.len();
        }
        self.forget(number, &message);
        Some(message)
    }

    /// A message is gone, completely or with its rest.
    fn forget(&mut self, number: u64, message: &QueuedMessage) {
        self.unkey(number, message);
        if self.large == Some(number) {
            self.large = None;
        }
        self.pressure.less(cost_of(message));
    }

    /// A newer one can no longer replace it.
    fn unkey(&mut self, number: u64, message: &QueuedMessage) {
        if let Loss::Superseded(key) = &message.loss
            && self.latest.get(key) == Some(&number)
        {
            self.latest.remove(key);
        }
    }

    /// This many bytes are written.
    fn advance(&mut self, mut taken: usize) {
        self.bytes -= taken;
        while let Some(message) = self.queue.front().cloned().flatten() {
            let rest = message.len() - self.written;
            let now = taken.min(rest);
            taken -= now;
            if message.loss == Loss::Never {
                self.kept -= now;
            }
            if now < rest {
                self.written += now;
                if self.written > 0 {
                    self.unkey(self.first, &message);
                }
                return;
            }
            self.written = 0;
            self.forget(self.first, &message);
            self.queue.pop_front();
            self.first += 1;
            self.settle();
        }
    }

    /// Removes holes: those at the front, and all if they outnumber the messages.
    fn settle(&mut self) {
        while let Some(None) = self.queue.front() {
            self.queue.pop_front();
            self.first += 1;
            self.holes -= 1;
        }
        if self.holes <= HOLES || self.holes <= self.queue.len() / 2 {
            return;
        }
        let large = self.large.and_then(|number| self.get(number)).cloned();
        self.queue.retain(Option::is_some);
        self.queue.shrink_to(2 * self.queue.len());
        self.holes = 0;
        self.oldest = self.first;
        let all = || (self.first..).zip(self.queue.iter().flatten());
        self.large =
            large.and_then(|large| all().find(|(_, message)| Rc::ptr_eq(message, &large))).map(|(number, _)| number);
        let keyed = all().skip(usize::from(self.written > 0)).filter_map(|(number, message)| match &message.loss {
            Loss::Superseded(key) => Some((Arc::clone(key), number)),
            Loss::Never | Loss::Oldest => None,
        });
        self.latest = keyed.collect();
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.wake_waiter();
        let costs: usize = self.queue.iter().flatten().map(|message| cost_of(message)).sum();
        self.pressure.less(size_of::<Self>() + costs);
        self.pressure.leave(self.listed);
    }
}

/// The cost of a message for a connection besides its bytes.
const fn cost_of(message: &QueuedMessage) -> usize {
    POINTER + if matches!(message.loss, Loss::Superseded(_)) { KEY } else { 0 }
}

#[cfg(test)]
mod tests;
