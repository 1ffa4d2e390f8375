use std::sync::Arc;

use super::*;
use crate::cluster::{ConsumerConnections, RoomMembers};

fn sample(at: u64, events: u64, connections: u64) -> Sample {
    Sample { at, events, deliveries: 2 * events, connections, labelled: Box::default() }
}

fn node(id: &str, overview: NodeOverview) -> (NodeId, Reply) {
    (id.into(), Reply::All(Box::new(overview)))
}

fn with(samples: &[Sample]) -> NodeOverview {
    NodeOverview { name: "a name".into(), samples: samples.to_vec(), ..NodeOverview::default() }
}

fn all(replies: Vec<(NodeId, Reply)>) -> Overview {
    of(replies, &[])
}

fn of(replies: Vec<(NodeId, Reply)>, silent: &[&str]) -> Overview {
    Overview::new(replies, silent.iter().map(|id| (*id).into()).collect(), &BTreeMap::new(), 3, 200)
}

#[test]
fn the_samples_of_the_nodes_are_added_step_by_step() {
    let overview = all(vec![
        node("a", with(&[sample(100, 1, 5), sample(105, 2, 6), sample(110, 3, 7)])),
        node("b", with(&[sample(105, 10, 1), sample(110, 20, 2)])),
    ]);
    let history = &overview.of_last(4)["history"];
    assert_eq!((&history["step"], &history["end"]), (&json!(5), &json!(110)));
    assert_eq!(history["events"], json!([null, 1, 12, 23]));
    assert_eq!(history["deliveries"], json!([null, 2, 24, 46]));
    assert_eq!(history["connections"], json!([null, 5, 7, 9]));
    let second =
        json!({ "node": "b", "name": "a name", "events": [null, null, 10, 20], "connections": [null, null, 1, 2] });
    assert_eq!(history["perNode"][1], second);
}

#[test]
fn a_node_that_stood_still_for_a_step_still_had_its_connections() {
    let overview = all(vec![
        node(
            "a",
            with(&[sample(95, 1, 5), sample(100, 1, 5), sample(105, 1, 5), sample(110, 1, 6), sample(115, 1, 6)]),
        ),
        node("b", with(&[sample(100, 1, 2), sample(110, 2, 3)])),
    ]);
    let history = &overview.history(90, 115);
    assert_eq!(history["connections"], json!([5, 7, 7, 9, 6]));
    assert_eq!(history["perNode"][1]["connections"], json!([null, 2, 2, 3, null]));
    assert_eq!(history["perNode"][1]["events"], json!([null, 1, null, 2, null]));
    // The step before the first one that is new is known as well.
    assert_eq!(overview.since(100, 110)["history"]["connections"], json!([7, 9]));
}

#[test]
fn a_false_node_has_a_limited_number_of_labels() {
    let count = 100_000;
    let label = |number: usize| (Series::Drops, format!("x{number}").into(), 1);
    let labelled: Box<[_]> = (0..count).map(label).collect();
    let real = Sample { labelled: Box::new([(Series::Drops, "shed".into(), 7)]), ..sample(200, 0, 0) };
    let many = Sample { labelled: labelled.clone(), ..sample(195, 0, 0) };
    let again = Sample { labelled, ..sample(200, 0, 0) };
    let history = &all(vec![node("false", with(&[many, again])), node("real", with(&[real]))]).of_last(2)["history"];
    let drops = history["drops"].as_object().unwrap();
    assert_eq!(drops.len(), LABELS + 1);
    assert_eq!((&drops["shed"], &drops["x0"]), (&json!([0, 7]), &json!([1, 1])));
}

#[test]
fn the_newest_step_is_one_that_every_node_has() {
    let one_is_late = all(vec![
        node("a", with(&[sample(105, 1, 1), sample(110, 1, 1)])),
        node("b", with(&[sample(105, 1, 1)])),
        node("new", with(&[])),
    ]);
    assert_eq!(one_is_late.end(), 105);
    let one_stands_still = all(vec![node("a", with(&[sample(110, 1, 1)])), node("b", with(&[sample(50, 1, 1)]))]);
    assert_eq!(one_stands_still.end(), 100);
    let starting = &all(vec![node("new", with(&[]))]).of_last(3)["history"];
    assert_eq!((&starting["end"], &starting["events"]), (&json!(195), &json!([null, null, null])));
}

#[test]
fn a_node_with_a_clock_of_the_future_does_not_move_the_others() {
    let overview = all(vec![
        node("a", with(&[sample(195, 1, 1), sample(200, 1, 1)])),
        node("false", with(&[sample(3_800, 9, 9), sample(u64::MAX, 9, 9)])),
    ]);
    let history = &overview.of_last(2)["history"];
    assert_eq!((&history["end"], &history["events"]), (&json!(200), &json!([1, 1])));
}

#[test]
fn numbers_of_another_process_are_added_whatever_they_are() {
    let most = || NodeOverview {
        stats: NodeStats { connections: u64::MAX, events: u64::MAX, ..NodeStats::default() },
        consumers: vec![ConsumerConnections { connections: u64::MAX, ..ConsumerConnections::default() }],
        rooms: vec![RoomMembers { members: u64::MAX, ..RoomMembers::default() }],
        ..with(&[Sample {
            labelled: Box::new([(Series::Drops, "shed".into(), u64::MAX)]),
            ..Sample { at: 200, events: u64::MAX, deliveries: u64::MAX, connections: u64::MAX, ..Sample::default() }
        }])
    };
    let overview = all(vec![node("a", most()), node("b", most())]);
    let data = overview.of_last(1);
    assert_eq!((&data["connections"], &data["history"]["events"]), (&json!(u64::MAX), &json!([u64::MAX])));
    let figures = overview.figures();
    assert_eq!((&figures["connections"], &figures["events"]), (&json!(u64::MAX), &json!(u64::MAX)));
}

#[test]
fn a_reader_gets_only_the_steps_that_it_does_not_have() {
    let overview = all(vec![node("a", with(&[sample(100, 1, 1), sample(105, 2, 1), sample(110, 3, 1)]))]);
    let events = |last| overview.since(last, overview.end())["history"]["events"].clone();
    assert_eq!((events(105), events(100), events(110), events(500)), (json!([3]), json!([2, 3]), json!([]), json!([])));
    assert_eq!(events(0).as_array().unwrap().len(), 110 / STEP as usize);
}

#[test]
fn only_counters_that_have_gained_are_shown() {
    let gained = |series, label: &'static str, count| (series, label.into(), count);
    let one = Sample {
        labelled: Box::new([gained(Series::Drops, "shed", 3), gained(Series::Bridge, "open", 1)]),
        ..sample(105, 0, 0)
    };
    let other = Sample { labelled: Box::new([gained(Series::Drops, "shed", 4)]), ..sample(105, 0, 0) };
    let overview = all(vec![node("a", with(&[sample(100, 0, 0), one])), node("b", with(&[other]))]);
    let history = &overview.of_last(3)["history"];
    assert_eq!(history["drops"], json!({ "shed": [null, 0, 7] }));
    assert_eq!(history["bridge"], json!({ "open": [null, 0, 1] }));
    assert_eq!((&history["gaps"], &history["backend"]), (&json!({}), &json!({})));
}

#[test]
fn a_room_on_two_nodes_is_one_room() {
    let rooms = |rooms: &[(&str, u64)]| NodeOverview {
        stats: NodeStats { rooms: rooms.iter().map(|(room, _)| Arc::from(*room)).collect(), ..NodeStats::default() },
        rooms: rooms.iter().map(|(room, members)| RoomMembers { room: (*room).into(), members: *members }).collect(),
        ..NodeOverview::default()
    };
    let many: Vec<String> = (0..30).map(|number| format!("room_{number:02}")).collect();
    let small: Vec<(&str, u64)> = many.iter().map(|name| (name.as_str(), 1)).collect();
    let overview = all(vec![
        node("a", rooms(&[("board", 3), ("desk", 4)])),
        node("b", rooms(&[("board", 2)])),
        node("c", rooms(&small)),
    ]);
    let data = overview.of_last(12);
    assert_eq!(data["rooms"], 32);
    let largest = data["largestRooms"].as_array().unwrap();
    assert_eq!(largest.len(), SHOWN);
    assert_eq!(largest[0], json!({ "room": "board", "members": 5 }));
    assert_eq!(largest[1], json!({ "room": "desk", "members": 4 }));
    assert_eq!(largest[2], json!({ "room": "room_00", "members": 1 }));
}

#[test]
fn names_of_rooms_are_counted_and_not_kept() {
    let names: [Arc<str>; 2] = ["board".into(), "desk".into()];
    let kept = [0, 1].map(|number| Arc::downgrade(&names[number]));
    let stats = |rooms: &[Arc<str>]| Reply::Figures(NodeStats { rooms: rooms.to_vec(), ..NodeStats::default() });
    let overview = all(vec![("a".into(), stats(&names)), ("b".into(), stats(&names[..1]))]);
    drop(names);
    assert!(kept.iter().all(|name| name.upgrade().is_none()));
    let figures = overview.figures();
    assert_eq!((&figures["rooms"], &figures["perNode"][0]["rooms"]), (&json!(2), &json!(2)));
    assert_eq!(figures["perNode"][1]["rooms"], 1);
}

#[test]
fn consumers_are_added_up_and_slow_clients_are_put_in_order() {
    let one = |waiting, open| NodeOverview {
        consumers: vec![ConsumerConnections {
            consumer: "feed".into(),
            protocol: "websocket".into(),
            connections: open,
        }],
        slow: vec![SlowClient { consumer: "feed".into(), user: Some("7".into()), socket: None, waiting }],
        ..NodeOverview::default()
    };
    let data = all(vec![node("a", one(10, 3)), node("b", one(20, 4))]).of_last(12);
    assert_eq!(data["consumers"], json!([{ "consumer": "feed", "protocol": "websocket", "connections": 7 }]));
    let first = json!({ "node": "b", "consumer": "feed", "user": "7", "socket": null, "waiting": 20 });
    assert_eq!((&data["slow"][0], &data["slow"][1]["node"]), (&first, &json!("a")));
}

#[test]
fn a_node_of_an_older_release_is_named_and_its_figures_count() {
    let stats = NodeStats { connections: 4, events: 9, rooms: vec!["board".into()], users: 0 };
    let new = NodeOverview { version: "2".into(), ready: true, ..with(&[sample(100, 1, 1)]) };
    let data = of(vec![node("new", new), ("old".into(), Reply::Figures(stats))], &["old", "gone"]).of_last(1);
    assert_eq!((&data["nodes"], &data["connections"], &data["events"]), (&json!(3), &json!(4), &json!(9)));
    let (new, old) = (&data["perNode"][0], &data["perNode"][1]);
    assert_eq!((&new["version"], &new["ready"], &new["reason"]), (&json!("2"), &json!(true), &json!(null)));
    assert_eq!((&old["version"], &old["ready"], &old["connections"]), (&json!(null), &json!(null), &json!(4)));
    assert_eq!(data["history"]["perNode"].as_array().unwrap().len(), 1);
}
