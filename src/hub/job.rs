//! Pending deliveries to the members of a group: which member gets which messages, in as few writes as possible.

use std::{cell::OnceCell, rc::Rc, time::Instant};

use bytes::BytesMut;

use super::{
    deferred::defer,
    delivery::Queued,
    member::{Member, Seat},
    tally::Tally,
};
use crate::{
    config::Compression,
    consumer::{Chosen, MemberIndex, NoAnswer, Positions, Selection},
    socket::{Connection, EncodedMessage, Loss, negotiate::Deflate},
};

/// Pending deliveries to the members of a group.
pub(super) struct Job {
    deliveries: Vec<Queued>,
    pub position: usize,
    whole: WholeFor,
    /// Whether some messages exclude slow clients.
    volatile: bool,
    /// Whether some messages may be lost while they wait for a slow client.
    losable: bool,
    /// Whether some messages differ between members, or are work.
    personal: bool,
    /// Whether conditions, and nothing else, say who gets what.
    pub is_selective: bool,
    /// Whether some messages depend on what a held member becomes.
    conditional: bool,
    encodings: Vec<Encoding>,
    /// Whether its duration is measured.
    pub is_timed: bool,
    /// Progress so far.
    pub served: Tally,
}

/// Who gets the whole job.
enum WholeFor {
    /// Every member.
    All,
    /// Those for which the condition of its only message is true, and the others nothing.
    Selected(Selection),
    /// Each message has its own members.
    Some,
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
        let only = if let [one] = deliveries.as_slice() { one.only_selection() } else { None };
        let whole = match only {
            Some(selection) => WholeFor::Selected(selection.clone()),
            None if deliveries.iter().all(|delivery| delivery.rules.is_none()) => WholeFor::All,
            None => WholeFor::Some,
        };
        let volatile = deliveries.iter().any(Queued::is_volatile);
        // A single message is whole already.
        let losable = deliveries.len() > 1 && deliveries.iter().any(|delivery| *delivery.frame.loss() != Loss::Never);
        let personal = deliveries.iter().any(Queued::is_apart);
        let is_selective = !matches!(whole, WholeFor::All)
            && deliveries.iter().all(|queued| queued.rules.is_none() || queued.only_selection().is_some());
        let conditional = deliveries.iter().any(Queued::is_conditional);
        Self {
            deliveries,
            position: 0,
            whole,
            volatile,
            losable,
            personal,
            is_selective,
            conditional,
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

    /// Its conditions.
    pub fn selections(&self) -> impl Iterator<Item = &Selection> {
        self.deliveries.iter().filter_map(Queued::only_selection)
    }

    /// The members of a block that get all of it for sure, and those that may get something.
    pub fn choose(&self, index: &mut MemberIndex, block: usize, members: &[Option<Seat>]) -> Chosen {
        let traits = |position: usize| members.get(position)?.as_ref()?.member.traits();
        let (mut whole, mut some) = (Positions::ALL, Positions::NONE);
        for queued in &self.deliveries {
            let all = || Chosen::ALL;
            let one = queued.only_selection().map_or_else(all, |one| one.choose(index, block, traits));
            whole = whole.and(one.yes);
            some = some.or(one.yes).or(one.unsure);
        }
        Chosen { yes: whole, unsure: some.without(whole) }
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
            None if self.conditional && seat.member.is_held() => self.serve_each(0, seat),
            None => self.give(&seat.member, &seat.member.connection, |whole, each| seat.member.deliver(whole, each)),
        }
    }

    /// Serves the member in this seat, which gets all of it.
    pub fn serve_all(&mut self, seat: &Seat) {
        match &seat.connection {
            Some(connection) => self.give_all(connection, |whole, each| connection.deliver(whole, each)),
            None => self.give_all(&seat.member.connection, |whole, each| seat.member.deliver(whole, each)),
        }
    }

    fn serve_each(&mut self, up_to: u64, seat: &Seat) {
        let (member, connection) = (&seat.member, &seat.member.connection);
        let encoding = self.encoding(connection.deflate());
        self.give_each(member, connection, encoding, up_to, |message| member.deliver(message, &[]));
    }

    /// Serves the member in this seat, which has got everything up to this number.
    pub fn serve_after(&mut self, up_to: u64, seat: &Seat) {
        let (first, last) = self.numbers();
        if up_to < first {
            self.serve(seat);
        } else if up_to < last {
            self.serve_each(up_to, seat);
        }
    }

    #[inline]
    fn give(
        &mut self,
        member: &Rc<Member>,
        connection: &Connection,
        deliver: impl Fn(&EncodedMessage, &[EncodedMessage]) -> u32,
    ) {
        match &self.whole {
            WholeFor::All => {}
            WholeFor::Selected(selection) => match member.meets(selection) {
                Ok(true) => {}
                Ok(false) => return,
                Err(NoAnswer) => return self.unanswered(member),
            },
            WholeFor::Some => {
                if self.personal || !self.is_all_for(member) || (self.volatile && connection.is_behind()) {
                    let encoding = self.encoding(connection.deflate());
                    return self.give_each(member, connection, encoding, 0, |message| deliver(message, &[]));
                }
            }
        }
        self.give_all(connection, deliver);
    }

    #[inline]
    fn give_all(&mut self, connection: &Connection, deliver: impl Fn(&EncodedMessage, &[EncodedMessage]) -> u32) {
        let (deflate, compression) = (connection.deflate(), &connection.limits().compression);
        let encoding = self.encoding(deflate);
        let (deliveries, encoding) = (self.deliveries.as_slice(), &self.encodings[encoding]);
        let each = if self.losable { encoding.each(deliveries, compression) } else { &[] };
        let whole = encoding.whole(deliveries, compression);
        let taken = deliver(whole, each);
        self.served.add(taken, whole);
        self.served.members += u64::from(taken > 0);
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
        let compression = &connection.limits().compression;
        let (deliveries, encoding) = (self.deliveries.as_slice(), &self.encodings[encoding]);
        let mut reached = false;
        for (queued, message) in deliveries.iter().zip(encoding.each(deliveries, compression)) {
            if queued.number <= up_to {
                continue;
            }
            if queued.is_undecided(member) {
                defer(queued, member);
                continue;
            }
            match queued.verdict(member) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(NoAnswer) => {
                    queued.unanswered(member, &mut self.served);
                    continue;
                }
            }
            if !queued.is_due(member) {
                continue;
            }
            if let Some(work) = queued.work() {
                work.give(member, &mut self.served);
                continue;
            }
            if queued.is_volatile() && connection.is_behind() {
                self.served.volatile += 1;
                continue;
            }
            let Ok(form) = queued.form(member, &mut self.served) else {
                queued.unanswered(member, &mut self.served);
                continue;
            };
            let Some(message) = form.or(message) else { continue };
            let taken = deliver(message);
            self.served.add(taken, message);
            reached |= taken > 0;
        }
        self.served.members += u64::from(reached);
    }

    #[cold]
    fn unanswered(&mut self, member: &Rc<Member>) {
        if let Some(only) = self.deliveries.first() {
            only.unanswered(member, &mut self.served);
        }
    }

    fn is_all_for(&self, member: &Rc<Member>) -> bool {
        self.deliveries.iter().all(|queued| queued.verdict(member) == Ok(true))
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
