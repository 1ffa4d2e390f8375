//! Pending deliveries to the members of a group: which member gets which messages, in as few writes as possible.

use std::{cell::OnceCell, rc::Rc, time::Instant};

use bytes::BytesMut;

use super::{
    delivery::Queued,
    member::{Member, Seat},
    notice::Notice,
};
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
        let volatile = !for_all && deliveries.iter().any(Queued::is_volatile);
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

    pub fn deliveries(&self) -> &[Queued] {
        &self.deliveries
    }

    /// The numbers of its first and its last message.
    pub fn numbers(&self) -> (u64, u64) {
        let number = |queued: Option<&Queued>| queued.map_or(0, |queued| queued.number);
        (number(self.deliveries.first()), number(self.deliveries.last()))
    }

    /// The number of members that received something, and the bytes.
    pub fn reached(&self) -> (u64, u64) {
        let ahead = |queued: &Queued| u64::from(queued.ahead.get());
        let members = self.deliveries.iter().map(ahead).max().unwrap_or(0);
        let bytes = self.deliveries.iter().map(|queued| ahead(queued) * queued.size() as u64).sum::<u64>();
        (self.served.members + members, self.served.bytes + bytes)
    }

    /// When the node received the first of them, which has waited longest.
    pub fn received(&self) -> Option<Instant> {
        self.deliveries.first().map(|first| first.received)
    }

    /// Its bytes in the worker's backlog.
    pub fn backlog(&self) -> usize {
        self.deliveries.iter().map(|queued| queued.backlog).sum()
    }

    fn encoding(&mut self, deflate: Option<Deflate>) -> usize {
        self.encodings.iter().position(|encoding| encoding.deflate == deflate).unwrap_or_else(|| {
            self.encodings.push(Encoding { deflate, whole: OnceCell::new(), each: OnceCell::new() });
            self.encodings.len() - 1
        })
    }

    /// Serves the member in this seat.
    pub fn serve(&mut self, seat: &Seat) {
        match &seat.connection {
            Some(connection) => {
                self.give(&seat.member, connection, |whole, each| connection.deliver(whole, each));
            }
            None => self.give(&seat.member, &seat.member.connection, |whole, each| seat.member.keep(whole, each)),
        }
    }

    /// Serves the member in this seat, which has got everything up to this number.
    pub fn serve_after(&mut self, up_to: u64, seat: &Seat) {
        let (first, last) = self.numbers();
        if up_to < first {
            self.serve(seat);
        } else if up_to < last {
            let (member, connection) = (&seat.member, &seat.member.connection);
            let encoding = self.encoding(connection.deflate());
            self.give_each(member, connection, encoding, up_to, |message| member.deliver(message, &[]));
        }
    }

    #[inline]
    fn give(
        &mut self,
        member: &Rc<Member>,
        connection: &Connection,
        deliver: impl Fn(&EncodedMessage, &[EncodedMessage]) -> u32,
    ) {
        let (deflate, compression) = (connection.deflate(), &connection.limits().compression);
        let encoding = self.encoding(deflate);
        let apart = || self.personal || !self.is_all_for(member) || (self.volatile && connection.is_behind());
        if self.for_all || !apart() {
            let (deliveries, encoding) = (self.deliveries.as_slice(), &self.encodings[encoding]);
            let each = if self.losable { encoding.each(deliveries, compression) } else { &[] };
            let whole = encoding.whole(deliveries, compression);
            let taken = deliver(whole, each);
            self.served.add(taken, whole);
            self.served.members += u64::from(taken > 0);
            return;
        }
        self.give_each(member, connection, encoding, 0, |message| deliver(message, &[]));
    }

    /// Each message separately: those after this number that are for the member.
    fn give_each(
        &mut self,
        member: &Rc<Member>,
        connection: &Connection,
        encoding: usize,
        up_to: u64,
        deliver: impl Fn(&EncodedMessage) -> u32,
    ) {
        let (deflate, compression) = (connection.deflate(), &connection.limits().compression);
        let (deliveries, encoding) = (self.deliveries.as_slice(), &self.encodings[encoding]);
        let mut reached = false;
        for (queued, message) in deliveries.iter().zip(encoding.each(deliveries, compression)) {
            if queued.number <= up_to || !queued.is_for(member) {
                continue;
            }
            if queued.is_volatile() && connection.is_behind() {
                self.served.volatile += 1;
                continue;
            }
            let own = queued.encoded_for(member, deflate, compression);
            let message = own.as_ref().unwrap_or(message);
            let taken = deliver(message);
            self.served.add(taken, message);
            reached |= taken > 0;
        }
        self.served.members += u64::from(reached);
    }

    fn is_all_for(&self, member: &Rc<Member>) -> bool {
        self.deliveries.iter().all(|queued| queued.is_for(member))
    }
}

impl Encoding {
    fn whole(&self, deliveries: &[Queued], compression: &Compression) -> &EncodedMessage {
        self.whole.get_or_init(|| match deliveries {
            [one] => one.encoded(self.deflate, compression),
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
        self.each.get_or_init(|| deliveries.iter().map(|one| one.encoded(self.deflate, compression)).collect())
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
    }
}
