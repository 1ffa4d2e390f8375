//! Ends clients that were admitted without a user and have none in time (`consumer.anonymous_for`): one task per worker
//! while any of them waits, no timer per connection.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// A client whose time to log in is over.
pub trait LoginDue {
    /// Ends the client's part in this one of its consumers, if it has no user there.
    fn login_due(&self, index: usize);
}

/// The dead entries that are not worth a search for them.
const FEW: usize = 1024;

/// A time, and a number that makes it unique.
type Deadline = (Instant, u64);

/// A client, and the place of its consumer.
type Waiting = (Weak<dyn LoginDue>, usize);

/// The clients of one worker that have no user yet. One that logs in stays until its time: then nothing happens. One that
/// goes stays until they have become twice as many as those who are there.
#[derive(Default)]
pub struct LoginDeadlines {
    waiting: RefCell<BTreeMap<Deadline, Waiting>>,
    next: Cell<u64>,
    /// The number of entries at which those of clients that have gone are removed.
    full: Cell<usize>,
    runs: Cell<bool>,
    sooner: Notify,
}

impl LoginDeadlines {
    /// The client has this long to get a user.
    pub fn add(self: &Rc<Self>, time: Duration, client: Weak<dyn LoginDue>, index: usize) {
        let number = self.next.replace(self.next.get() + 1);
        let deadline = (Instant::now() + time, number);
        let mut waiting = self.waiting.borrow_mut();
        if waiting.first_key_value().is_none_or(|(first, _)| deadline < *first) {
            self.sooner.notify_one();
        }
        waiting.insert(deadline, (client, index));
        if waiting.len() > self.full.get() {
            waiting.retain(|_, (client, _)| client.strong_count() > 0);
            self.full.set(2 * waiting.len() + FEW);
        }
        drop(waiting);
        if !self.runs.replace(true) {
            actix_rt::spawn(Rc::clone(self).run());
        }
    }

    async fn run(self: Rc<Self>) {
        loop {
            let next = self.waiting.borrow().first_key_value().map(|((at, _), _)| *at);
            let Some(next) = next else { break };
            tokio::select! {
                () = sleep_until(next) => self.end_due(),
                () = self.sooner.notified() => {}
            }
        }
        self.runs.set(false);
    }

    fn end_due(&self) {
        let now = Instant::now();
        loop {
            let mut waiting = self.waiting.borrow_mut();
            let Some(first) = waiting.first_entry().filter(|first| first.key().0 <= now) else { return };
            let (client, index) = first.remove();
            // Ending one client may add another.
            drop(waiting);
            if let Some(client) = client.upgrade() {
                client.login_due(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Client(RefCell<Vec<usize>>);

    impl LoginDue for Client {
        fn login_due(&self, index: usize) {
            self.0.borrow_mut().push(index);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_come_and_go_leave_no_more_behind_than_those_who_wait() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let (deadlines, stays) = (Rc::new(LoginDeadlines::default()), Rc::new(Client::default()));
                for _ in 0..100_000 {
                    let goes: Weak<dyn LoginDue> = Rc::<Client>::downgrade(&Rc::new(Client::default()));
                    deadlines.add(Duration::from_secs(3600), goes, 0);
                }
                for index in 0..3000 {
                    let client: Weak<dyn LoginDue> = Rc::<Client>::downgrade(&stays);
                    deadlines.add(Duration::from_secs(60), client, index);
                }
                let kept = deadlines.waiting.borrow().len();
                assert!((3000..8000).contains(&kept), "{kept}");
                tokio::time::sleep(Duration::from_secs(61)).await;
                tokio::task::yield_now().await;
                assert_eq!(stays.0.borrow().len(), 3000);
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn clients_are_due_in_the_order_of_their_times_and_the_task_ends_with_the_last() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let (deadlines, client) = (Rc::new(LoginDeadlines::default()), Rc::new(Client::default()));
                let gone = Rc::new(Client::default());
                let weak = |client: &Rc<Client>| -> Weak<dyn LoginDue> { Rc::<Client>::downgrade(client) };
                for (seconds, index) in [(10, 1), (2, 0), (30, 2)] {
                    deadlines.add(Duration::from_secs(seconds), weak(&client), index);
                }
                deadlines.add(Duration::from_secs(1), weak(&gone), 7);
                drop(gone);
                for (seconds, expected) in [(1, &[][..]), (2, &[0]), (9, &[0, 1]), (30, &[0, 1, 2])] {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    tokio::task::yield_now().await;
                    assert_eq!(*client.0.borrow(), expected);
                }
                assert!(!deadlines.runs.get() && deadlines.waiting.borrow().is_empty());
                deadlines.add(Duration::from_secs(1), weak(&client), 3);
                tokio::time::sleep(Duration::from_secs(2)).await;
                assert_eq!(client.0.borrow().len(), 4, "it begins again");
            })
            .await;
    }
}
