//! Deliveries on their way through the members of a group: who gets which, in as few writes as can be.

use std::{rc::Rc, sync::Arc};

use bytes::{Bytes, BytesMut};

use super::{Rules, member::Member, size};
use crate::{
    config::Compression,
    socket::{Connection, connection, frame::Frame, negotiate::Deflate},
};

/// A delivery as it waits on its worker.
pub(super) struct Waiting {
    pub frame: Arc<Frame>,
    pub rules: Option<Box<Applied>>,
}

/// Rules with what they mean on this worker.
pub(super) struct Applied {
    pub rules: Arc<Rules>,
    /// The members named in `except_ids`.
    pub except: Vec<Rc<Member>>,
}

impl Waiting {
    pub fn size(&self) -> usize {
        size(&self.frame)
    }
}

impl Applied {
    /// Whether the member is meant, however its client reads.
    fn is_for(&self, member: &Rc<Member>) -> bool {
        self.rules.names.as_ref().is_none_or(|names| member.wants(names))
            && !self.except.iter().any(|one| Rc::ptr_eq(one, member))
            && !member.is_in(&self.rules.except_audiences)
    }
}

/// Deliveries on their way through the members of a group.
pub(super) struct Job {
    deliveries: Vec<Waiting>,
    pub position: usize,
    /// Whether every member gets all of it.
    for_all: bool,
    /// Whether some of it is not for clients that are behind with reading.
    volatile: bool,
    /// The frames as one piece, per compression.
    joined: Vec<(Option<Deflate>, Bytes)>,
}

impl Job {
    pub fn new(deliveries: Vec<Waiting>) -> Self {
        let for_all = deliveries.iter().all(|delivery| delivery.rules.is_none());
        let is_volatile = |delivery: &Waiting| delivery.rules.as_ref().is_some_and(|applied| applied.rules.volatile);
        let volatile = !for_all && deliveries.iter().any(is_volatile);
        Self { deliveries, position: 0, for_all, volatile, joined: Vec::with_capacity(1) }
    }

    pub fn bytes(&self) -> usize {
        self.deliveries.iter().map(Waiting::size).sum()
    }

    /// All frames as one piece.
    fn joined(&mut self, deflate: Option<Deflate>, compression: &Compression) -> &Bytes {
        let index = match self.joined.iter().position(|(kind, _)| *kind == deflate) {
            Some(index) => index,
            None => {
                let piece = match self.deliveries.as_slice() {
                    [one] => one.frame.bytes(deflate, compression).clone(),
                    many => {
                        let mut piece = BytesMut::with_capacity(self.bytes());
                        for delivery in many {
                            piece.extend_from_slice(delivery.frame.bytes(deflate, compression));
                        }
                        piece.freeze()
                    }
                };
                self.joined.push((deflate, piece));
                self.joined.len() - 1
            }
        };
        &self.joined[index].1
    }

    pub fn serve(&mut self, connection: &Connection, member: &Rc<Member>, served: &mut Served) {
        let (deflate, compression) = (connection.deflate(), &connection.limits().compression);
        if self.for_all || (self.is_all_for(member) && !(self.volatile && connection.is_behind())) {
            let frames = self.deliveries.len();
            served.add(connection.deliver(self.joined(deflate, compression)), frames);
            return;
        }
        for delivery in &self.deliveries {
            if let Some(applied) = &delivery.rules {
                if !applied.is_for(member) {
                    continue;
                }
                if applied.rules.volatile && connection.is_behind() {
                    served.volatile += 1;
                    continue;
                }
            }
            served.add(connection.deliver(delivery.frame.bytes(deflate, compression)), 1);
        }
    }

    fn is_all_for(&self, member: &Rc<Member>) -> bool {
        self.deliveries.iter().all(|delivery| delivery.rules.as_ref().is_none_or(|applied| applied.is_for(member)))
    }
}

/// What a slice did, for the counters.
#[derive(Default)]
pub(super) struct Served {
    pub delivered: u64,
    pub overflowed: u64,
    pub volatile: u64,
}

impl Served {
    fn add(&mut self, delivery: connection::Delivery, frames: usize) {
        match delivery {
            connection::Delivery::Sent | connection::Delivery::Queued => self.delivered += frames as u64,
            connection::Delivery::Overflow => self.overflowed += frames as u64,
            connection::Delivery::Refused => {}
        }
    }
}
