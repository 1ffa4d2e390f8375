//! What the page says on a live stream: its authorization, then which records of the tail it wants.

use serde::Deserialize;

use crate::telemetry::tail::TailFilter;

/// The first message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    authorization: String,
}

/// The token or key of a first message; nothing else of it is ever repeated to anybody.
pub fn authorization(text: &str) -> Option<String> {
    let First { authorization } = serde_json::from_str(text).ok()?;
    Some(authorization).filter(|shown| !shown.is_empty())
}

/// A later message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    #[serde(deserialize_with = "present")]
    tail: Option<Wanted>,
}

/// A field that must be there, and may be null.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Wanted>, D::Error> {
    Option::deserialize(value)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    consumer: Option<String>,
    #[serde(default)]
    drops: bool,
}

/// What a later message asks for: records that pass this filter, or none any more.
///
/// # Errors
/// The message is something else; the reason names what was expected.
pub fn tail(text: &str) -> Result<Option<TailFilter>, String> {
    let Later { tail } = serde_json::from_str(text).map_err(|error| {
        format!("expected {{\"tail\": {{\"group\", \"consumer\", \"drops\"}}}} or {{\"tail\": null}}: {error}")
    })?;
    let set = |name: Option<String>| name.filter(|name| !name.is_empty()).into_iter().collect();
    Ok(tail.map(|wanted| TailFilter {
        groups: set(wanted.group),
        consumers: set(wanted.consumer),
        losses: wanted.drops,
        ..TailFilter::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_is_an_authorization_and_nothing_else() {
        assert_eq!(authorization(r#"{"authorization": "abc"}"#).as_deref(), Some("abc"));
        for text in
            ["", "{}", r#"{"authorization": ""}"#, r#"{"authorization": 7}"#, r#"{"authorization": "a", "x": 1}"#]
        {
            assert_eq!(authorization(text), None, "{text}");
        }
    }

    #[test]
    fn a_tail_is_wanted_or_not() {
        let filter = tail(r#"{"tail": {"group": "board", "consumer": null, "drops": true}}"#).unwrap().unwrap();
        assert!(filter.groups.contains("board") && filter.consumers.is_empty() && filter.losses && !filter.payloads);
        assert!(tail(r#"{"tail": null}"#).unwrap().is_none());
        let all = tail(r#"{"tail": {"group": "", "consumer": ""}}"#).unwrap().unwrap();
        assert!(all.groups.is_empty() && all.consumers.is_empty() && !all.losses);
        for text in ["", "{}", "[]", r#"{"tail": 7}"#, r#"{"tail": {"payload": true}}"#, r#"{"tail": null, "x": 1}"#] {
            assert!(tail(text).is_err(), "{text}");
        }
    }
}
