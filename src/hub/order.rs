//! The order in which a member gets its messages: that of their arrival, whichever of its groups they are for.
//!
//! Messages are numbered as they arrive on a worker. Each group delivers its own in turn, and merges those that wait, so
//! a member of two groups could get them out of order. Therefore a member of several groups gets, at its first turn in
//! any of them, everything that waits for it in all of them, in order and in one write. Its other groups skip it then.
//! A message for several groups waits in each of them with one number, so a member of several gets it once.
//!
//! While nothing waits in another group, which is the usual and the fast case, none of this is needed.

use std::{collections::HashMap, rc::Rc};

use bytes::BytesMut;

use super::{
    deferred::defer, delivery::Queued, group::Group, member::Member, registry::AudienceId, tally::Tally, variants::Form,
};
use crate::{
    consumer::NoAnswer,
    socket::{EncodedMessage, Loss, negotiate::Deflate},
};

/// The numbers of one worker's messages.
#[derive(Default)]
pub(super) struct Order {
    /// The number of the last message that has arrived.
    pub last: u64,
    /// Up to this number, some members may have got messages before their turn in the group.
    pub ahead: u64,
    /// The last merged messages: members of the same groups get the same.
    merged: Option<Merged>,
}

/// Messages of several groups in one piece.
struct Merged {
    numbers: Vec<u64>,
    deflate: Option<Deflate>,
    whole: EncodedMessage,
    /// Each message separately, if some of them may be lost.
    each: Vec<EncodedMessage>,
}

impl Order {
    /// The number of one more message.
    pub const fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Frees what only helps during a slice.
    pub fn rest(&mut self) {
        self.merged = None;
    }

    /// Delivers everything that waits for a member, and `single`, a message for it alone.
    pub fn catch_up(
        &mut self,
        groups: &HashMap<AudienceId, Group>,
        member: &Rc<Member>,
        single: Option<&Queued>,
        served: &mut Tally,
    ) {
        let done = member.up_to.replace(self.last);
        self.ahead = self.last;
        let slots = member.slots.borrow();
        let busy = slots.iter().filter_map(|slot| Some((groups.get(&slot.audience)?, slot.index as usize)));
        let busy = busy.filter(|(group, _)| group.queued).flat_map(|(group, index)| group.pending_for(index));
        let may_get = |queued: &&Queued| queued.is_undecided(member) || queued.verdict(member) != Ok(false);
        let is_for = |queued: &&Queued| queued.number > done && may_get(queued);
        let mut messages: Vec<&Queued> = busy.chain(single).filter(is_for).collect();
        messages.sort_by_key(|queued| queued.number);
        messages.dedup_by_key(|queued| queued.number);
        let is_apart = |queued: &&Queued| {
            queued.is_volatile() || queued.is_apart() || queued.is_undecided(member) || queued.verdict(member).is_err()
        };
        if messages.len() > 1 && !messages.iter().any(is_apart) {
            self.send_merged(&messages, member, served);
        } else {
            messages.iter().for_each(|queued| send(queued, member, served));
        }
    }

    fn send_merged(&mut self, messages: &[&Queued], member: &Member, served: &mut Tally) {
        let deflate = member.connection().deflate();
        let is_same = |known: &Merged| {
            known.deflate == deflate && known.numbers.iter().eq(messages.iter().map(|queued| &queued.number))
        };
        let known = self.merged.take().filter(is_same);
        let merged = self.merged.insert(known.unwrap_or_else(|| Merged::new(messages, member, deflate)));
        let taken = member.deliver(&merged.whole, &merged.each);
        served.add(taken, &merged.whole);
        for queued in messages.iter().take(taken as usize) {
            queued.ahead.set(queued.ahead.get() + 1);
        }
    }
}

impl Merged {
    fn new(messages: &[&Queued], member: &Member, deflate: Option<Deflate>) -> Self {
        let compression = &member.connection().limits().compression;
        let losable = messages.iter().any(|queued| *queued.frame.loss() != Loss::Never);
        let mut whole = BytesMut::with_capacity(messages.iter().map(|queued| queued.size()).sum());
        for queued in messages {
            whole.extend_from_slice(queued.frame.bytes(deflate, compression));
        }
        let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        let each = if losable { messages } else { &[] };
        Self {
            numbers: messages.iter().map(|queued| queued.number).collect(),
            deflate,
            whole: EncodedMessage::new(whole.freeze(), count, Loss::Never),
            each: each.iter().map(|queued| queued.encoded(deflate, compression)).collect(),
        }
    }
}

/// Sends one message to a member.
fn send(queued: &Queued, member: &Rc<Member>, served: &mut Tally) {
    if queued.is_undecided(member) {
        return defer(queued, member);
    }
    if queued.verdict(member).is_err() {
        return queued.unanswered(member, served);
    }
    if !queued.is_due(member) {
        return;
    }
    if let Some(work) = queued.work() {
        return work.give(member, served);
    }
    let connection = member.connection();
    if queued.is_volatile() && connection.is_behind() {
        served.volatile += 1;
        return;
    }
    let (deflate, compression) = (connection.deflate(), &connection.limits().compression);
    let message = match queued.form(member, served) {
        Ok(Form::Shared) => queued.encoded(deflate, compression),
        Ok(Form::Own(message)) => message,
        Ok(Form::Missed) => return,
        Err(NoAnswer) => return queued.unanswered(member, served),
    };
    let taken = member.deliver(&message, &[]);
    served.add(taken, &message);
    queued.ahead.set(queued.ahead.get() + taken);
}
