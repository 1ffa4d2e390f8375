//! A message that waits for its member's release to be decided: the handler that runs may change what its condition
//! compares, and what it contains, or take a snapshot of presence that contains what it reports.
//!
//! In: a message of which the member is held. Out: at the release, in the message's place, what the member gets.

use std::rc::{Rc, Weak};

use super::{
    delivery::Queued,
    hold::{HeldWork, Undecided},
    member::Member,
    tally::Tally,
    variants::Form,
};
use crate::socket::Charge;

/// The memory of a message that waits, beside the message.
const ENTRY: usize = 256;

struct Deferred {
    queued: Queued,
    member: Weak<Member>,
    _charge: Charge,
}

/// Keeps a message for a held member.
pub(super) fn defer(queued: &Queued, member: &Rc<Member>) {
    if !queued.is_among(member) {
        return;
    }
    let connection = member.connection();
    if let Some(applied) = &queued.rules {
        applied.kept.get_or_init(|| connection.charge(queued.size() + applied.rules.weight()));
    }
    let (queued, member_of) = (queued.clone(), Rc::downgrade(member));
    member.keep_undecided(Box::new(Deferred { queued, member: member_of, _charge: connection.charge(ENTRY) }));
}

impl Undecided for Deferred {
    fn weight(&self) -> usize {
        let work = self.queued.rules.as_ref().map_or(0, |applied| applied.rules.weight());
        ENTRY + self.queued.size() + work
    }

    fn decide(&self, served: &mut Tally) -> Option<HeldWork> {
        let member = self.member.upgrade()?;
        member.meanwhile(|| decided(&self.queued, &member, served))
    }
}

fn decided(queued: &Queued, member: &Rc<Member>, served: &mut Tally) -> Option<HeldWork> {
    if !queued.is_news(member) {
        return None;
    }
    match queued.meets(member) {
        Ok(true) if queued.is_due(member) => {}
        Ok(_) => return None,
        Err(_) => return queued.end_of_unanswered(served)?.of(member, served),
    }
    if let Some(work) = queued.work() {
        return work.of(member, served);
    }
    let connection = member.connection();
    if queued.is_volatile() && connection.is_behind() {
        served.volatile += 1;
        return None;
    }
    let message = match queued.form(member, served) {
        Ok(Form::Shared) => queued.encoded(connection.deflate(), &connection.limits().compression),
        Ok(Form::Own(message)) => message,
        Ok(Form::Missed) => return None,
        Err(_) => return queued.end_of_unanswered(served)?.of(member, served),
    };
    let taken = connection.deliver(&message, &[]);
    served.add(taken, &message);
    None
}
