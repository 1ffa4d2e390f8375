//! Gap notices: to whom, how often, and where among the events.

use super::*;
use crate::event::{Gap, GapReason};

impl Node {
    fn gap(&self, groups: Option<&[&str]>, reason: GapReason) {
        let groups = groups.map(|groups| groups.iter().map(|group| name(group)).collect());
        self.dispatcher.take(Signal::Gap(Gap { groups, reason }));
    }
}

#[tokio::test]
async fn who_asked_is_told_once_per_gap_however_many_of_its_groups_are_concerned_and_nobody_else_is() {
    let node = Node::new();
    let mut worker = node.worker();
    let (asked, silent) = (worker.plain(), worker.plain());
    asked.tell_gaps(FEED);
    for group in ["a", "b", "c"] {
        worker.join(&asked, group, FEED).await;
        worker.join(&silent, group, FEED).await;
    }
    node.gap(None, GapReason::Reconnected);
    worker.turn();
    assert_eq!(got(&asked), [r#"["reconnected",null]"#]);
    node.gap(Some(&["a", "b", "elsewhere"]), GapReason::Capacity);
    node.gap(Some(&["elsewhere"]), GapReason::Expired);
    worker.turn();
    assert_eq!(got(&asked), [r#"["reconnected",null]"#, r#"["capacity",["a","b"]]"#]);
    assert!(got(&silent).is_empty());
    assert_eq!(worker.backlog(), 0, "what is told takes no room for good");
}

#[tokio::test]
async fn a_notice_keeps_its_place_among_the_events_of_every_group() {
    let node = Node::new();
    let mut worker = node.worker();
    let member = worker.plain();
    member.tell_gaps(FEED);
    for group in ["a", "b"] {
        worker.join(&member, group, FEED).await;
    }
    for n in 0..3 {
        node.event("a", n);
        node.event("b", n + 10);
    }
    node.gap(None, GapReason::Reconnected);
    node.event("b", 99);
    worker.turn();
    let told = got(&member);
    let at = told.iter().position(|text| text.starts_with('[')).unwrap();
    assert_eq!((at, told.len()), (6, 8), "{told:?}");
    assert_eq!(told[7], "99");
}

#[tokio::test]
async fn nobody_is_told_the_name_of_a_group_it_is_not_in() {
    let node = Node::new();
    let mut worker = node.worker();
    let mut members = Vec::new();
    for user in ["user_1", "user_2"] {
        let member = worker.plain();
        member.tell_gaps(FEED);
        worker.join(&member, "all", FEED).await;
        worker.join(&member, user, FEED).await;
        members.push(member);
    }
    node.gap(Some(&["all", "user_1", "user_2", "user_3"]), GapReason::Capacity);
    // In one pile with an event for both, so that the shared way of writing could be taken.
    node.event("all", 5);
    worker.turn();
    assert_eq!(got(&members[0]), [r#"["capacity",["all","user_1"]]"#, "5"]);
    assert_eq!(got(&members[1]), [r#"["capacity",["all","user_2"]]"#, "5"]);
}

#[tokio::test]
async fn a_socket_that_two_consumers_of_a_namespace_serve_is_told_by_the_one_it_asked() {
    let node = Node::new();
    let mut worker = node.worker();
    let socket = worker.socket("s");
    socket.tell_gaps(SHOP);
    worker.join(&socket, "rooms.chat", CHAT).await;
    worker.join(&socket, "rooms.shop", SHOP).await;
    node.gap(None, GapReason::Reconnected);
    node.gap(Some(&["rooms.chat"]), GapReason::Capacity);
    worker.turn();
    assert_eq!(got(&socket), [r#"42["shop_gap",null]"#, r#"42["shop_gap",["rooms.chat"]]"#]);
}

#[tokio::test]
async fn when_a_backlog_was_full_the_notice_comes_once_and_after_the_last_drop() {
    let node = Node::new();
    let mut worker = node.worker();
    let limits = ConnectionLimits { outbox: usize::MAX, ..ConnectionLimits::new(&config::Socket::default(), None) };
    let connection = Connection::pending(Rc::clone(&worker.roster), Arc::new(limits), None);
    let member = Member::new(connection, BeforeSubscribe::All);
    member.tell_gaps(FEED);
    worker.join(&member, "a", FEED).await;
    let body: Value = [("n", Value::from("x".repeat(4 << 20)))].into_iter().collect();
    for _ in 0..20 {
        let event = Event { group: name("a"), body: body.clone(), source: Source::Memory, received: Instant::now() };
        node.dispatcher.take(Signal::Event(event));
    }
    let dropped = node.metrics.drops(DropReason::Backlog);
    assert!(dropped > 1, "{dropped}");
    worker.turn();
    let notice: &[u8] = br#"["backlog",null]"#;
    let waiting = member.connection.waiting();
    assert!(waiting.ends_with(notice));
    assert_eq!(waiting.windows(notice.len()).filter(|window| *window == notice).count(), 1);
    assert!(node.metrics.render().contains(r#"channelgate_gaps_total{reason="backlog"} 1"#));
    node.event("a", 7);
    worker.turn();
    assert!(member.connection.waiting().ends_with(b"7"));
}

#[tokio::test]
async fn what_waits_for_a_client_that_goes_is_counted_and_so_is_what_comes_while_it_closes() {
    let node = Node::new();
    let mut worker = node.worker();
    let (gone, closing) = (worker.plain(), worker.plain());
    worker.join(&gone, "a", FEED).await;
    worker.join(&closing, "a", FEED).await;
    for n in 0..3 {
        node.event("a", n);
    }
    worker.turn();
    gone.connection.hang_up();
    assert_eq!(node.metrics.drops(DropReason::Closed), 3);
    closing.connection.close(crate::socket::close::CloseCode::NORMAL, "");
    node.event("a", 3);
    worker.turn();
    // The one is gone, the other says goodbye: neither gets it.
    assert_eq!(node.metrics.drops(DropReason::Closed), 5);
}
