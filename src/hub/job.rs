//! Pending deliveries to the members of a group: which member gets which messages, in as few writes as possible.

use std::{cell::OnceCell, rc::Rc, time::Instant};

use bytes::BytesMut;

use super::{delivery::Queued, member::Member, notice::Notice};
use crate::{
    config::Compression,
    socket::{Connection, EncodedMessage, Loss, negotiate::Deflate},
};

/// Pending deliveries to the members of a group.
pub(super) struct Job {
    deliveries: Vec<Queued>,
    pub position: usize,
    /// Whether every member gets the whole job.
    for_all: bool,
    /// Whether some messages exclude slow clients.
    volatile: bool,
    /// Whether some messages may be lost while they wait for a slow client.
    losable: bool,
    /// Whether some messages differ between members.
    personal: bool,
    encodings: Vec<Encoding>,
    /// Whether its duration is measured.
    pub is_timed: bool,
    /// Progress so far.
    pub served: Tally,
}

/// The messages encoded for connections with one kind of compression.
struct Encoding {
    deflate: Option<Deflate>,
    /// All messages as one piece.
    whole: OnceCell<EncodedMessage>,
    /// Each message separately; made if not every member gets all of it, or if some of it may be lost.
    each: OnceCell<Box<[EncodedMessage]>>,
}

impl Job {
    pub fn new(deliveries: Vec<Queued>) -> Self {
        let for_all = deliveries.iter().all(|delivery| delivery.rules.is_none());
        let is_volatile = |delivery: &Queued| delivery.rules.as_ref().is_some_and(|applied| applied.rules.volatile);
        let volatile = !for_all && deliveries.iter().any(is_volatile);
        // A single message is whole already.
        let losable = deliveries.len() > 1 && deliveries.iter().any(|delivery| *delivery.frame.loss() != Loss::Never);
        let is_personal = |delivery: &Queued| delivery.notice().is_some_and(Notice::is_personal);
        let personal = !for_all && deliveries.iter().any(is_personal);
        Self {
            deliveries,
            position: 0,
            for_all,
            volatile,
            losable,
            personal,
            encodings: Vec::with_capacity(1),
            is_timed: false,
            served: Tally::default(),
        }
    }

    /// The number of messages.
    pub const fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// When the node received the first of them, which has waited longest.
    pub fn received(&self) -> Option<Instant> {
        self.deliveries.first().map(|first| first.received)
    }

    pub fn bytes(&self) -> usize {
        self.deliveries.iter().map(Queued::size).sum()
    }

    fn encoding(&mut self, deflate: Option<Deflate>) -> usize {
        self.encodings.iter().position(|encoding| encoding.deflate == deflate).unwrap_or_else(|| {
            self.encodings.push(Encoding { deflate, whole: OnceCell::new(), each: OnceCell::new() });
            self.encodings.len() - 1
        })
    }

    pub fn serve(&mut self, connection: &Connection, member: &Rc<Member>) {
        let (deflate, compression) = (connection.deflate(), &connection.limits().compression);
        let encoding = self.encoding(deflate);
        let (deliveries, encoding) = (self.deliveries.as_slice(), &self.encodings[encoding]);
        let apart = || self.personal || !self.is_all_for(member) || (self.volatile && connection.is_behind());
        if self.for_all || !apart() {
            let each = if self.losable { encoding.each(deliveries, compression) } else { &[] };
            let whole = encoding.whole(deliveries, compression);
            let taken = connection.deliver(whole, each);
            self.served.add(taken, whole);
            self.served.members += u64::from(taken > 0);
            return;
        }
        let mut reached = false;
        for (delivery, message) in deliveries.iter().zip(encoding.each(deliveries, compression)) {
            if let Some(applied) = &delivery.rules {
                if !applied.is_for(member) {
                    continue;
                }
                if applied.rules.volatile && connection.is_behind() {
                    self.served.volatile += 1;
                    continue;
                }
            }
            let own = delivery.notice().and_then(|notice| notice.own_frame(member));
            let own = own
                .map(|frame| EncodedMessage::new(frame.bytes(deflate, compression).clone(), 1, frame.loss().clone()));
            let message = own.as_ref().unwrap_or(message);
            let taken = connection.deliver(message, &[]);
            self.served.add(taken, message);
            reached |= taken > 0;
        }
        self.served.members += u64::from(reached);
    }

    fn is_all_for(&self, member: &Rc<Member>) -> bool {
        self.deliveries.iter().all(|delivery| delivery.rules.as_ref().is_none_or(|applied| applied.is_for(member)))
    }
}

impl Encoding {
    fn whole(&self, deliveries: &[Queued], compression: &Compression) -> &EncodedMessage {
        self.whole.get_or_init(|| match deliveries {
            [one] => self.one(one, compression),
            many => {
                let mut all = BytesMut::with_capacity(many.iter().map(Queued::size).sum());
                for delivery in many {
                    all.extend_from_slice(delivery.frame.bytes(self.deflate, compression));
                }
                EncodedMessage::new(all.freeze(), u32::try_from(many.len()).unwrap_or(u32::MAX), Loss::Never)
            }
        })
    }

    fn each(&self, deliveries: &[Queued], compression: &Compression) -> &[EncodedMessage] {
        self.each.get_or_init(|| deliveries.iter().map(|delivery| self.one(delivery, compression)).collect())
    }

    fn one(&self, delivery: &Queued, compression: &Compression) -> EncodedMessage {
        EncodedMessage::new(delivery.frame.bytes(self.deflate, compression).clone(), 1, delivery.frame.loss().clone())
    }
}

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
}

impl Tally {
    fn add(&mut self, taken: u32, message: &EncodedMessage) {
        self.delivered += u64::from(taken);
        self.bytes += if taken > 0 { message.size() as u64 } else { 0 };
    }

    /// Adds the progress between `before` and `after`.
    pub fn add_since(&mut self, before: Self, after: Self) {
        self.members += after.members - before.members;
        self.delivered += after.delivered - before.delivered;
        self.bytes += after.bytes - before.bytes;
        self.volatile += after.volatile - before.volatile;
    }
}
