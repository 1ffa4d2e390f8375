//! What several of these files use: consumers from a few lines, connections, and effects as short text.

use super::*;
use crate::{config::ConfigErrors, event::ConnectionId};

pub(super) const SOCKETIO: &str = "protocol = \"socket.io\"\nauth = [\"jwt\"]\n";

pub(super) fn socketio(text: &str) -> Arc<Consumer> {
    set(&format!("[[consumer]]\nname = \"chat\"\npath = \"/socket.io/\"\nprotocol = \"socket.io\"\n{text}"))
        .get(ConsumerId(0))
        .unwrap()
        .clone()
}

pub(super) fn compiled(text: &str) -> Result<ConsumerSet, ConfigErrors> {
    let (config, errors) = load_text(Some((std::path::Path::new("test.toml"), text)), &Environment::default());
    assert_eq!(errors, []);
    ConsumerSet::compile(&config)
}

pub(super) fn refused(text: &str) -> String {
    compiled(text).map(|_| text).unwrap_err().to_string()
}

/// A connection of the user 7.
pub(super) fn ann() -> Context {
    Context {
        user: value(json!({"id": 7, "name": "Ann", "role": "user"})),
        id: ConnectionId::parse("socket-of-connection"),
        ..Context::default()
    }
}

pub(super) fn person(claims: Json) -> Context {
    let id = claims["id"].clone();
    Context { user: value(json!({"id": id})), claims: value(claims), ..Context::default() }
}

pub(super) fn names(consumer: &Consumer, context: &Context) -> Result<Vec<String>, GroupError> {
    consumer.groups(context).map(|names| names.iter().map(ToString::to_string).collect())
}

pub(super) fn hear(consumer: &Consumer, context: &Context, name: &str, args: Json) -> Reaction {
    on(consumer, context, Incoming::Event { name, args: &Arc::new(value(args)), ack: Some(5) })
}

/// Effects as short text.
pub(super) fn effects(reaction: &Reaction) -> Vec<String> {
    reaction.effects.iter().map(say).collect()
}

fn say(effect: &Effect) -> String {
    let names = |groups: &[GroupName]| groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let text = |value: &Value| serde_json::to_string(value).unwrap();
    match effect {
        Effect::Reply(payload) => super::text(payload).to_owned(),
        Effect::Join { groups, .. } => format!("join {}", names(groups)),
        Effect::JoinSigned { tokens, .. } => {
            let tokens: Vec<&str> = tokens.iter().map(|token| token.expose()).collect();
            format!("join by {tokens:?}")
        }
        Effect::Leave(groups) => format!("leave {}", names(groups)),
        Effect::Present { room, .. } => format!("present {}", room.as_deref().unwrap_or("here")),
        Effect::Emit { groups, body, .. } => {
            let content = body.get("event").or(body.get("message")).unwrap();
            let except = match body.get("except") {
                Some(Value::List(except)) if !except.is_empty() => format!(" but {}", text(&except[0])),
                _ => String::new(),
            };
            let volatile = if body.get("volatile") == Some(&Value::Bool(true)) { " if it can" } else { "" };
            format!("to {}{except}{volatile}: {}", names(groups), text(content))
        }
        Effect::Publish { group, body, .. } => format!("publish {group}: {}", text(body)),
        Effect::Send { channel, body } => format!("send {channel}: {}", text(body)),
        Effect::Set(vars) => format!("set {}", text(vars)),
        Effect::User(user) => format!("user {}", text(user)),
        Effect::Call { request, .. } => format!(
            "call {} {} as {}{}",
            request.action,
            text(&request.data),
            text(&request.user),
            if request.idempotent { " again" } else { "" }
        ),
        Effect::Ask { args, timeout, .. } => format!("ask {} for {timeout:?}", text(&Value::List(args.clone()))),
        Effect::Refuse(denial) => format!("refuse {}", denial.text),
        Effect::Close { code, reason } => format!("close {code} {reason}").trim_end().to_owned(),
        Effect::Refresh { token, .. } => format!("refresh {}", token.expose()),
        Effect::Subscribe(names) => format!("subscribe {}", names.join(" ")),
        Effect::Unsubscribe(names) => format!("unsubscribe {}", names.join(" ")),
    }
}

pub(super) fn then(reaction: &Reaction) -> &Continuation {
    match reaction.effects.last() {
        Some(Effect::Call { then, .. } | Effect::Ask { then, .. } | Effect::Refresh { then, .. }) => then,
        other => panic!("{other:?}"),
    }
}

pub(super) fn answer(status: u16, body: Json) -> Outcome {
    Outcome::Answer { status, body: value(body), kind: BodyKind::Json, retry_after: None }
}

pub(super) fn joined(consumer: &Consumer, args: Json) -> Reaction {
    let Value::List(args) = value(args) else { panic!() };
    let args = Arc::new(Value::List(args));
    on(consumer, &Context::default(), Incoming::Event { name: "join", args: &args, ack: None })
}

pub(super) fn group_of(reaction: &Reaction) -> Option<String> {
    match reaction.effects.as_slice() {
        [Effect::Join { groups, .. }] => Some(groups[0].to_string()),
        _ => None,
    }
}
