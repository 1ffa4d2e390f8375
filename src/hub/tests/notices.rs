//! Gap notices: to which members, how often, and where among the events.

use super::*;
use crate::event::{Gap, GapReason};

impl Node {
    fn gap(&self, groups: Option<&[&str]>, reason: GapReason) {
        let groups = groups.map(|groups| groups.iter().map(|group| name(group)).collect());
        self.dispatcher.take(Signal::Gap(Gap { groups, reason }));
    }
}

#[tokio::test]
async fn a_member_that_wants_notices_gets_one_per_gap_and_others_get_none() {
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
    assert_eq!(worker.backlog(), 0, "a notice frees its room");
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
    let texts = got(&member);
    let at = texts.iter().position(|text| text.starts_with('[')).unwrap();
    assert_eq!((at, texts.len()), (6, 8), "{texts:?}");
    assert_eq!(texts[7], "99");
}

#[tokio::test]
async fn a_notice_names_only_groups_of_the_member() {
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
    // Together with an event for both, so that the shared encoding could be used.
    node.event("all", 5);
    worker.turn();
    assert_eq!(got(&members[0]), [r#"["capacity",["all","user_1"]]"#, "5"]);
    assert_eq!(got(&members[1]), [r#"["capacity",["all","user_2"]]"#, "5"]);
}

#[tokio::test]
async fn a_socket_of_two_consumers_gets_the_notice_of_the_one_it_asked() {
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
async fn after_a_full_backlog_one_notice_comes_after_the_last_drop() {
    let node = Node::new();
    let mut worker = node.worker();
    let limits = ConnectionLimits { outbox: usize::MAX, ..ConnectionLimits::new(&config::Socket::default(), None) };
    let connection = Connection::pending(Rc::clone(&worker.connections), Arc::new(limits), None);
    let member = Member::new(connection, None, BeforeSubscribe::All);
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
async fn messages_for_a_client_that_left_or_is_closing_are_counted() {
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
    // One is gone, the other is closing: neither gets it.
    assert_eq!(node.metrics.drops(DropReason::Closed), 5);
}
