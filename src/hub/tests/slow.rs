//! Slow clients: which events a consumer's policy keeps, arriving one by one and in bursts.

use super::*;

/// A member of a group that reads nothing, with an outbox of this size.
async fn behind(worker: &Worker, outbox: usize, group: &str, consumer: ConsumerId) -> Rc<Member> {
    let member = Member::new(worker.connection_with(outbox), None, BeforeSubscribe::All);
    worker.join(&member, group, consumer).await;
    member
}

#[tokio::test]
async fn the_oldest_are_lost_one_by_one_in_bursts_of_any_size() {
    for burst in [1, 7, 100] {
        let node = Node::new();
        let mut worker = node.worker();
        // Two bytes of header and two or three of text.
        let member = behind(&worker, 50, "a", LOG).await;
        let all = behind(&worker, 5000, "a", LOG).await;
        for n in 100..200 {
            node.event("a", n);
            if n % burst == burst - 1 {
                worker.turn();
            }
        }
        worker.turn();
        assert_eq!(got(&member), (190..200).map(|n| n.to_string()).collect::<Vec<_>>(), "bursts of {burst}");
        assert_eq!(got(&all).len(), 100);
        assert_eq!(node.metrics.drops(DropReason::Oldest), 90);
        assert_eq!(node.metrics.deliveries.get(), 200, "they were delivered, and then dropped");
    }
}

#[tokio::test]
async fn the_newest_of_each_key_is_kept_per_group_and_handler_position() {
    for burst in [1, 4, 50] {
        let node = Node::new();
        let mut worker = node.worker();
        let member = behind(&worker, 500, "a", PRICES).await;
        worker.join(&member, "b", PRICES).await;
        for n in 100..150 {
            node.event("a", n);
            if n < 103 {
                node.event("b", n);
            }
            if n % burst == 0 {
                worker.turn();
            }
        }
        worker.turn();
        let mut kept = got(&member);
        kept.sort();
        let mut expected = ["147", "148", "149", "-147", "-148", "-149", "100", "101", "102", "-100", "-101", "-102"];
        expected.sort_unstable();
        assert_eq!(kept, expected, "bursts of {burst}");
        assert_eq!(node.metrics.drops(DropReason::Superseded), 2 * 50 - 6);
    }
}

#[tokio::test]
async fn a_packet_and_its_attachments_are_lost_together() {
    for burst in [1, 5, 20] {
        let node = Node::new();
        let mut worker = node.worker();
        let member = behind(&worker, 1000, "a", RADIO).await;
        for n in 0..20 {
            let attachment = Value::Bytes(vec![n; 100].into());
            let content = Content::Event(vec!["n".into(), attachment.clone(), attachment]);
            let target = EmissionTarget::Namespace("/radio".into());
            node.emit(Emission { target, content, ..emission(&["a"], 0) });
            if n % burst == burst - 1 {
                worker.turn();
            }
        }
        let bytes = member.connection.waiting();
        let mut rest = bytes.as_slice();
        let mut kept = Vec::new();
        while let [0x81, length, after @ ..] = rest {
            let (text, after) = after.split_at(usize::from(*length));
            assert!(text.starts_with(b"452-/radio,"));
            let (one, other, next) = (&after[..102], &after[102..204], &after[204..]);
            assert_eq!((one, &one[..2]), (other, &[0x82, 100][..]));
            kept.push(one[2]);
            rest = next;
        }
        assert!(rest.is_empty());
        assert_eq!(kept, [17, 18, 19], "bursts of {burst}");
        assert_eq!(node.metrics.drops(DropReason::Oldest), 17);
    }
}
