//! The orders of other programs to join and leave groups that one worker has carried out lately.
//!
//! In: each order. Out: what was ordered for a user since a certain time. A client whose admission began before an order
//! joins its groups later, and so does a handler that asked Django before it; both look here. Orders for the same user and
//! group are carried out one after the other.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::{
    event::{Fingerprint, ReceivedOrder},
    sparse::give_back,
};

/// How long an order is known here. Nodes that could not hear read it in Redis for the same time.
const KEPT: Duration = Duration::from_secs(3600);

/// Maximum number of orders; beyond it, those given first are forgotten.
const MOST: usize = 20_000;

/// The orders of one worker.
#[derive(Default)]
pub struct GroupOrders {
    /// In the order of their times.
    by_user: RefCell<HashMap<Fingerprint, Vec<Arc<ReceivedOrder>>>>,
    /// In the order of their arrival.
    arrived: RefCell<VecDeque<Arc<ReceivedOrder>>>,
    running: RefCell<Vec<Turn>>,
}

/// A user and a room with orders that are being carried out.
struct Turn {
    user: Fingerprint,
    room: Box<str>,
    /// Orders that have it or wait for it.
    orders: Cell<usize>,
    lock: Rc<Mutex<()>>,
}

impl GroupOrders {
    /// Remembers an order; `false` if it is known already.
    pub(super) fn remember(&self, order: &Arc<ReceivedOrder>) -> bool {
        self.forget();
        let mut by_user = self.by_user.borrow_mut();
        let orders = by_user.entry(order.user).or_default();
        if orders.iter().any(|known| known.order.id == order.order.id) {
            return false;
        }
        let slot = orders.partition_point(|known| known.at <= order.at);
        orders.insert(slot, Arc::clone(order));
        self.arrived.borrow_mut().push_back(Arc::clone(order));
        true
    }

    fn forget(&self) {
        let mut arrived = self.arrived.borrow_mut();
        while let Some(first) = arrived.front()
            && (arrived.len() >= MOST || first.at.elapsed() > KEPT)
        {
            let Some(first) = arrived.pop_front() else { return };
            let mut by_user = self.by_user.borrow_mut();
            if let Some(orders) = by_user.get_mut(&first.user) {
                orders.retain(|known| !Arc::ptr_eq(known, &first));
                if orders.is_empty() {
                    by_user.remove(&first.user);
                    give_back(&mut by_user);
                }
            }
        }
    }

    /// What was ordered for a user since then, in order of time.
    pub fn since(&self, user: Fingerprint, since: Instant) -> Vec<Arc<ReceivedOrder>> {
        let by_user = self.by_user.borrow();
        let Some(orders) = by_user.get(&user) else { return Vec::new() };
        orders.iter().filter(|order| order.at >= since).cloned().collect()
    }

    /// Whether the last of these orders since then is to leave.
    pub fn left_since(&self, user: Fingerprint, since: Instant, is_meant: impl Fn(&ReceivedOrder) -> bool) -> bool {
        let by_user = self.by_user.borrow();
        let Some(orders) = by_user.get(&user) else { return false };
        let last = orders.iter().rev().take_while(|order| order.at >= since).find(|order| is_meant(order));
        last.is_some_and(|order| !order.order.joins())
    }

    /// Whether no later order is known for the same user, room and consumer.
    pub(super) fn is_last(&self, order: &Arc<ReceivedOrder>) -> bool {
        let by_user = self.by_user.borrow();
        let same = |known: &&Arc<ReceivedOrder>| {
            known.order.room() == order.order.room() && known.order.consumer == order.order.consumer
        };
        by_user
            .get(&order.user)
            .and_then(|orders| orders.iter().rev().find(same))
            .is_some_and(|last| Arc::ptr_eq(last, order))
    }

    /// Carries out the work of an order after that of earlier orders for the same user and room.
    pub(super) async fn in_turn<T>(&self, order: &ReceivedOrder, work: impl Future<Output = T>) -> T {
        let (user, room) = (order.user, order.order.room());
        let lock = self.enter(user, room);
        let left = scopeguard::guard((), |()| self.exit(user, room));
        let turn = lock.lock().await;
        let done = work.await;
        drop((turn, left));
        done
    }

    /// Waits until no order is being carried out for this user and such a room.
    pub async fn settled(&self, user: Fingerprint, is_meant: impl Fn(&str) -> bool) {
        if let Some(lock) = self.running_for(user, is_meant) {
            drop(lock.lock().await);
        }
    }

    fn running_for(&self, user: Fingerprint, is_meant: impl Fn(&str) -> bool) -> Option<Rc<Mutex<()>>> {
        let running = self.running.borrow();
        let turn = running.iter().find(|turn| turn.user == user && is_meant(&turn.room))?;
        Some(Rc::clone(&turn.lock))
    }

    fn enter(&self, user: Fingerprint, room: &str) -> Rc<Mutex<()>> {
        let mut running = self.running.borrow_mut();
        if let Some(turn) = running.iter().find(|turn| turn.user == user && *turn.room == *room) {
            turn.orders.set(turn.orders.get() + 1);
            return Rc::clone(&turn.lock);
        }
        let lock = Rc::default();
        running.push(Turn { user, room: room.into(), orders: Cell::new(1), lock: Rc::clone(&lock) });
        lock
    }

    fn exit(&self, user: Fingerprint, room: &str) {
        let mut running = self.running.borrow_mut();
        if let Some(at) = running.iter().position(|turn| turn.user == user && *turn.room == *room) {
            let left = running[at].orders.get() - 1;
            running[at].orders.set(left);
            if left == 0 {
                running.swap_remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{GroupChange, GroupOrder};

    fn order(id: &str, change: GroupChange, at: Instant) -> Arc<ReceivedOrder> {
        let order = GroupOrder { user: "7".into(), change, consumer: None, id: id.into() };
        Arc::new(ReceivedOrder::recorded(order, at))
    }

    fn join(id: &str, at: Instant) -> Arc<ReceivedOrder> {
        order(id, GroupChange::Join("board".into()), at)
    }

    fn leave(id: &str, at: Instant) -> Arc<ReceivedOrder> {
        order(id, GroupChange::Leave("board".into()), at)
    }

    #[test]
    fn an_order_is_carried_out_once() {
        let (orders, now) = (GroupOrders::default(), Instant::now());
        assert!(orders.remember(&leave("a", now)));
        assert!(!orders.remember(&leave("a", now + Duration::from_secs(1))));
        assert!(orders.remember(&leave("b", now)));
    }

    #[test]
    fn the_last_order_since_then_decides_even_if_an_earlier_one_arrives_late() {
        let (orders, now) = (GroupOrders::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        let user = Fingerprint::of_user("7");
        let left = |since| orders.left_since(user, at(since), |order| order.order.room() == "board");
        assert!(!left(0));
        orders.remember(&leave("a", at(2)));
        assert!(left(0) && left(2) && !left(3));
        orders.remember(&join("b", at(4)));
        assert!(!left(0) && !left(3));
        let late = leave("late", at(3));
        orders.remember(&late);
        assert!(!left(0) && !orders.is_last(&late));
        orders.remember(&leave("c", at(5)));
        assert!(left(0) && left(5));
        assert!(!orders.left_since(user, now, |order| order.order.room() == "other"));
        assert!(!orders.left_since(Fingerprint::of_user("8"), now, |_| true));
        let ids = orders.since(user, at(3));
        assert_eq!(ids.iter().map(|order| &*order.order.id).collect::<Vec<_>>(), ["late", "b", "c"]);
    }

    #[test]
    fn no_more_orders_are_kept_than_the_record_in_redis_has() {
        let (orders, now) = (GroupOrders::default(), Instant::now());
        for number in 0..MOST + 10 {
            orders.remember(&leave(&number.to_string(), now));
        }
        assert_eq!(orders.since(Fingerprint::of_user("7"), now).len(), MOST);
    }

    #[tokio::test]
    async fn orders_for_the_same_user_and_room_are_carried_out_one_after_the_other() {
        let (orders, now) = (GroupOrders::default(), Instant::now());
        let (first, second) = (leave("a", now), join("b", now));
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let done = RefCell::new(Vec::new());
        let one = orders.in_turn(&first, async {
            let _ = receiver.await;
            done.borrow_mut().push("leave");
        });
        let two = orders.in_turn(&second, async { done.borrow_mut().push("join") });
        let three = async {
            orders.settled(Fingerprint::of_user("7"), |room| room == "board").await;
            done.borrow_mut().push("settled");
        };
        let four = async {
            tokio::task::yield_now().await;
            done.borrow_mut().push("go");
            drop(sender);
        };
        tokio::join!(one, two, three, four);
        assert_eq!(*done.borrow(), ["go", "leave", "join", "settled"]);
        assert!(orders.running.borrow().is_empty());
    }
}
