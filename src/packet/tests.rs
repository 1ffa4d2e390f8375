//! Packets as the protocol's documents write them, both ways, and what a hostile client may try.

use proptest::prelude::*;

use super::*;
use crate::event::{Raw, Value};

const LIMITS: Limits = Limits { attachments: 4, bytes: 64 };

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn written(payload: &Payload) -> String {
    match payload {
        Payload::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn events_are_written_as_the_protocol_says() {
    let args = value(r#"["message",1.5,{"b":18446744073709551615,"a":[]}]"#);
    let event = |namespace, id| written(&event(namespace, id, &Raw(&args)).unwrap());
    assert_eq!(event("/", None), r#"42["message",1.5,{"b":18446744073709551615,"a":[]}]"#);
    assert_eq!(event("/", Some(0)), r#"420["message",1.5,{"b":18446744073709551615,"a":[]}]"#);
    assert_eq!(event("/admin", Some(13)), r#"42/admin,13["message",1.5,{"b":18446744073709551615,"a":[]}]"#);
    assert_eq!(written(&ack("/", 7, &Vec::<u8>::new()).unwrap()), "437[]");
    assert_eq!(written(&connected("/", "abc")), r#"40{"sid":"abc"}"#);
    assert_eq!(written(&refused("/x", "not \"you\"")), r#"44/x,{"message":"not \"you\""}"#);
    assert_eq!(written(&disconnect("/")), "41");
    assert_eq!(written(&disconnect("/admin")), "41/admin,");
}
