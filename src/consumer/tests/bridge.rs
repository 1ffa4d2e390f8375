//! Consumers that Django runs: what is handled here, and what is passed on.

use super::*;
use crate::config::Django;

/// A consumer in Django with these keys.
fn bridged(text: &str) -> Arc<Consumer> {
    let backend = "[backend]\nurl = \"http://127.0.0.1:8001/channelgate\"\nsecret = \"s\"\n";
    set(&format!("{backend}[[consumer]]\npath = \"/x/\"\n{text}")).get(ConsumerId(0)).unwrap().clone()
}

#[test]
fn a_message_without_a_handler_here_is_for_django() {
    let consumer = bridged(
        "django = true\nexport = [\"self.user.id\"]\non_failed = { reply = \"'failed'\" }\n\
         [consumer.on_raw.ping]\nreply_raw = \"'pong'\"\n\
         [consumer.on_message.mine]\nreply = \"vars.user.id\"\n\
         [consumer.on_message.bad]\nreply = \"vars.nothing.at_all\"\n",
    );
    let context = Context { vars: value(json!({"user": {"id": 7}})), ..Context::default() };
    let hear =
        |incoming: Incoming<'_>| consumer.on_matching(&context, incoming, &mut Quotas::default(), Instant::now());
    assert_eq!(replies(&hear(Incoming::Text("ping")).unwrap()), ["pong"]);
    assert_eq!(replies(&hear(Incoming::Text(r#"{"type":"mine"}"#)).unwrap()), ["7"]);
    assert_eq!(replies(&hear(Incoming::Text(r#"{"type":"bad"}"#)).unwrap()), [r#""failed""#]);
    for text in ["hello", "{", "[1]", r#"{"type":"other"}"#, r#"{"type":["mine"]}"#, ""] {
        assert_eq!(hear(Incoming::Text(text)), None, "{text}");
    }
    assert_eq!(hear(Incoming::Binary(b"ping")), None);
}

#[test]
fn a_consumer_says_which_parts_django_runs() {
    let native = one("");
    assert_eq!((native.django(), native.export().len(), native.needs_id()), (Django::default(), 0, false));
    let all = bridged("django = true\n");
    assert_eq!((all.django(), all.needs_id()), (Django::ALL, true));
    assert!(all.keep(Context::default()).is_none(), "without handlers here, a connection keeps no context");
    let part = bridged("django = [\"connect\"]\nexport = [\"self.a\"]\n[consumer.on_message.m]\nreply = \"vars.a\"\n");
    assert_eq!(part.django(), Django { connect: true, ..Django::default() });
    assert_eq!(part.export()[..], ["self.a".to_owned()]);
    assert!(part.keep(Context { vars: value(json!({"a": 1})), ..Context::default() }).is_some());
}
