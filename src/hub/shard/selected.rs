//! Delivers to those members of a group for which a condition is true, block by block: an index of the members' values
//! finds them.

use crate::{
    consumer::{BLOCK, Positions},
    hub::{group::Selected, job::Job, member::Seat},
};

/// Serves members in turn, at most as many as the budget says; `then` is called after each.
pub(super) fn serve(selected: &mut Selected<'_>, budget: &mut usize, mut then: impl FnMut(&Job)) {
    let Selected { job, members, some_are_apart, index } = selected;
    while *budget > 0 && job.position < members.len() {
        let (block, from) = (job.position / BLOCK, job.position % BLOCK);
        let (here, to) = (&members[block * BLOCK..], BLOCK.min(from + *budget));
        let chosen = job.choose(index, block, members);
        let turn = Positions::between(from, to);
        let held = if *some_are_apart { held(here) } else { Positions::NONE };
        let (sure, unsure) = (chosen.yes.without(held).and(turn), chosen.unsure.or(held).and(turn));
        let is_sure = unsure.is_empty();
        sure.or(unsure).each(|at| {
            if let Some(Some(seat)) = here.get(usize::from(at)) {
                if is_sure || sure.has(at) {
                    job.serve_all(seat);
                } else {
                    job.serve(seat);
                }
                then(job);
            }
        });
        *budget -= to - from;
        job.position = members.len().min(block * BLOCK + to);
    }
}

/// The members of a block that are held: what their handlers change may decide otherwise.
fn held(block: &[Option<Seat>]) -> Positions {
    let mut held = Positions::NONE;
    for (seat, at) in block.iter().zip(0..=u8::MAX) {
        if let Some(Seat { connection: None, member }) = seat
            && member.is_held()
        {
            held.add(at);
        }
    }
    held
}
