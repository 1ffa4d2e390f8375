//! Runs the work of a session in order: at once as far as possible, then in a task that waits.

use std::{rc::Rc, time::Duration};

use tokio::time::sleep;

use super::{
    After, Agenda, Session,
    queue::{Item, Queue},
    work::{Pending, Work},
};

/// The interval of checks for room for a message.
const ROOM: Duration = Duration::from_millis(5);

impl Session {
    /// Runs the work until the first wait; a task then continues with the rest, and its bytes are counted.
    pub(super) fn start(self: &Rc<Self>, mut agenda: Agenda, bytes: impl FnOnce() -> usize) {
        if let Some(pending) = self.advance(&mut agenda) {
            *self.queue.borrow_mut() = Some(Box::new(Queue::new(bytes(), self.inbox())));
            self.weigh();
            actix_rt::spawn(Rc::clone(self).go_on(Some(pending), agenda));
        }
    }

    /// Runs the agenda up to the first wait.
    fn advance(self: &Rc<Self>, agenda: &mut Agenda) -> Option<(usize, Pending)> {
        while let Some((index, work)) = agenda.pop_front() {
            if let Work::Connected = work {
                let binding = &self.bindings[index];
                let reaction = binding.with_context(|context| binding.consumer.on_connect(context));
                self.note(index, &reaction, "on_connect");
                let effects = reaction.effects.into_iter().rev();
                effects.for_each(|effect| agenda.push_front((index, Work::Effect(effect))));
            } else if let Work::Release = work {
                // Its member is still held after work of an event. If that needs a wait, the wait ends with a release.
                while let Some(work) = self.release() {
                    let mut first = self.event_work(work);
                    let pending = self.advance(&mut first);
                    first.into_iter().rev().for_each(|work| agenda.push_front(work));
                    if pending.is_some() {
                        return pending;
                    }
                }
            } else if let Some(pending) = self.at_once(index, work) {
                return Some((index, pending));
            }
        }
        None
    }

    pub(super) async fn go_on(self: Rc<Self>, mut next: Option<(usize, Pending)>, mut agenda: Agenda) {
        let stop = self.queue.borrow().as_ref().map(|queue| Rc::clone(&queue.stop)).unwrap_or_default();
        let mut was_event = false;
        loop {
            while let Some((index, pending)) = next {
                // Changes of user counts and presence are not interrupted.
                let can_stop = pending.can_stop();
                if self.has_joined() || matches!(pending, Pending::Call(_)) {
                    self.hold();
                }
                if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
                    queue.can_stop = can_stop;
                }
                tokio::select! {
                    after = self.in_time(index, pending) => match after {
                        After::More(more) => more.into_iter().rev().for_each(|work| agenda.push_front((index, work))),
                        After::End => agenda.retain(|(of, work)| *of != index || !matches!(work, Work::Effect(_))),
                    },
                    () = stop.notified(), if can_stop => agenda.clear(),
                }
                next = self.advance(&mut agenda);
            }
            while self.queue.borrow().as_ref().is_some_and(|queue| queue.lacks_room()) {
                sleep(ROOM).await;
            }
            let waiting = self.next_item(&mut was_event);
            self.set_asked(None);
            let bytes;
            (agenda, bytes) = match waiting {
                None => {
                    self.outlet.hold(false);
                    return;
                }
                Some(Item::Event(event)) => (self.event_work(event), 0),
                Some(Item::Gone) => (self.farewell(), 0),
                Some(Item::Resume { index, then, outcome }) => (self.resume(index, &then, outcome), then.weight()),
                Some(Item::Message(message)) => {
                    let weight = self.passed_on(message.bytes()).unwrap_or_else(|| message.weight());
                    (self.react_to(message), weight)
                }
            };
            if let Some(queue) = self.queue.borrow_mut().as_deref_mut() {
                queue.handled = bytes;
            }
            self.weigh();
            next = self.advance(&mut agenda);
        }
    }

    /// What comes next; `None` ends the wait. Messages of the client and work of events take turns. Nothing
    /// may come between the look and the end of the wait, so it does not wait itself.
    fn next_item(&self, was_event: &mut bool) -> Option<Item> {
        let has_message = self.queue.borrow().as_ref().is_some_and(|queue| queue.len() > 0);
        if !(*was_event && has_message)
            && let Some(event) = self.release()
        {
            *was_event = true;
            return Some(Item::Event(event));
        }
        *was_event = false;
        let mut queue = self.queue.borrow_mut();
        let waiting = queue.as_deref_mut().and_then(Queue::pop);
        if waiting.is_none() {
            *queue = None;
        }
        waiting
    }
}
