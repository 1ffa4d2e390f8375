//! An order to join or leave a group, as it arrives through Redis and the admin API: `{"user": 7, "leave": "board.7",
//! "consumer": "board", "id": "…"}`.

use super::{
    InvalidOrder,
    disconnect::{MAX_ID, text, user, wrong},
};
use crate::event::{GroupChange, GroupName, GroupOrder, Value};

/// The fields of an order in Redis.
const FIELDS: [&str; 6] = ["user", "join", "leave", "consumer", "id", "answer"];

/// Prefix of the lists for answers: an order may name no other key.
pub(super) const ANSWERS: &str = "channelgate:answer:";

/// Bytes of a name of a consumer.
const MAX_CONSUMER: usize = 255;

/// Reads an order.
///
/// # Errors
/// The first field with an error.
pub fn read(order: &Value) -> Result<GroupOrder, InvalidOrder> {
    let Value::Map(fields) = order else {
        return Err(wrong("body", format!("The body must be a JSON object, not {}", order.kind())));
    };
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&&***name)) {
        let name: String = unknown.chars().take(64).collect();
        return Err(wrong(&name, format!("{name:?} is not a known field")));
    }
    let required = |field: &str| fields.get(field).ok_or_else(|| wrong(field, format!("{field} is missing")));
    let change = match (fields.get("join"), fields.get("leave")) {
        (Some(group), None) => GroupChange::Join(room("join", group)?),
        (None, Some(group)) => GroupChange::Leave(room("leave", group)?),
        (None, None) => return Err(wrong("join", "Name a group to join or to leave")),
        (Some(_), Some(_)) => return Err(wrong("leave", "Name either a group to join or one to leave, not both")),
    };
    let consumer = match fields.get("consumer") {
        None | Some(Value::Null) => None,
        Some(name) => Some(text("consumer", name, MAX_CONSUMER)?.into()),
    };
    let id = text("id", required("id")?, MAX_ID)?.into();
    Ok(GroupOrder { user: user(required("user")?)?.into(), change, consumer, id })
}

/// The key of the list in which the orderer waits for answers; `None` if it does not wait, or names another key.
pub(super) fn answer_key(order: &Value) -> Option<&str> {
    let key = order.get("answer")?.as_str()?;
    let id = key.strip_prefix(ANSWERS)?;
    let is_id = (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_id.then_some(key)
}

/// The name of a group, or of a Socket.IO room.
fn room(field: &str, value: &Value) -> Result<Box<str>, InvalidOrder> {
    let room = text(field, value, MAX_ID)?;
    match GroupName::new(room).or_else(|_| GroupName::of_room(room)) {
        Ok(_) => Ok(room.into()),
        Err(reason) => Err(wrong(field, format!("{room:?} is not valid: {reason}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::codec::json;

    fn value(text: &str) -> Value {
        json::decode(text.as_bytes()).unwrap()
    }

    #[test]
    fn nodes_exchange_and_record_what_arrived() {
        for text in [
            r#"{"user": 7, "join": "board.7", "id": "a"}"#,
            r#"{"user": "7", "leave": "session:7", "consumer": "board", "id": "a", "answer": "channelgate:answer:12345678"}"#,
        ] {
            let order = read(&value(text)).unwrap();
            assert_eq!(&*order.user, "7");
            let sent = serde_json::to_string(&order).unwrap();
            assert_eq!(serde_json::from_str::<GroupOrder>(&sent).unwrap(), order);
            assert_eq!(read(&value(&sent)).unwrap(), order);
        }
    }

    #[test]
    fn an_error_names_its_field() {
        let long = "x".repeat(256);
        for (field, text) in [
            ("body", "[]".to_owned()),
            ("user", r#"{"join": "a", "id": "1"}"#.to_owned()),
            ("user", r#"{"user": null, "join": "a", "id": "1"}"#.to_owned()),
            ("user", r#"{"user": 7.5, "join": "a", "id": "1"}"#.to_owned()),
            ("user", r#"{"user": "", "join": "a", "id": "1"}"#.to_owned()),
            ("user", r#"{"user": true, "join": "a", "id": "1"}"#.to_owned()),
            ("join", r#"{"user": 7, "id": "1"}"#.to_owned()),
            ("join", r#"{"user": 7, "join": "", "id": "1"}"#.to_owned()),
            ("join", r#"{"user": 7, "join": 3, "id": "1"}"#.to_owned()),
            ("join", format!(r#"{{"user": 7, "join": "{}", "id": "1"}}"#, "x".repeat(100))),
            ("leave", format!(r#"{{"user": 7, "leave": "{}", "id": "1"}}"#, "é".repeat(40))),
            ("leave", r#"{"user": 7, "join": "a", "leave": "a", "id": "1"}"#.to_owned()),
            ("consumer", r#"{"user": 7, "join": "a", "consumer": 1, "id": "1"}"#.to_owned()),
            ("consumer", r#"{"user": 7, "join": "a", "consumer": "", "id": "1"}"#.to_owned()),
            ("id", r#"{"user": 7, "join": "a"}"#.to_owned()),
            ("id", format!(r#"{{"user": 7, "join": "a", "id": "{long}"}}"#)),
            ("group", r#"{"user": 7, "join": "a", "group": "b", "id": "1"}"#.to_owned()),
        ] {
            assert_eq!(read(&value(&text)).unwrap_err().field, field, "{text}");
        }
    }

    #[test]
    fn an_answer_goes_to_a_list_for_answers_only() {
        let key = |key: &str| answer_key(&value(&format!(r#"{{"answer": "{key}"}}"#))).is_some();
        assert!(key("channelgate:answer:0123456789abcdef"));
        for bad in ["asgi:group:x", "channelgate:answer:", "channelgate:answer:a b c d e f", "channelgate:revoked", ""]
        {
            assert!(!key(bad), "{bad}");
        }
    }
}
