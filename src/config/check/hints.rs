//! What a configuration that is valid could say better.

use crate::config::{
    Call, Config, ConfigError, Consumer, EventHandler, Handler, Notice, PythonPer, Step, error::KeyPath,
};

/// What to write instead of an `on_admit` that asks who the client is.
const FETCHES: &str = "only fetches the user: `auth` says who somebody is, `on_admit` what they may do here; with auth = \
                       [\"django\"] the package channelgate answers without an action of yours, answers are kept for 10 s, and \
                       the connection ends with the login (docs/BACKEND.md)";

/// What a call for a room means with several paths.
const PATHS: &str = "members with the same parameters share a call, whichever of the paths they took; if the handler reads \
                     which one, write a consumer for each path, or another python_per";

/// Why a development server is on the same machine.
const AWAY: &str = "is not this machine, and the way there has no TLS; the key is for development: in production a proxy such as \
                    nginx decides which paths are the node's (nginx/)";

/// What clients know a gap notice by.
const REASON: &str = "the notice has no `gap.reason`: an application may have an event named \"gap\", too, and a client of \
                      @channelgate/client takes only one with a reason for the notice (docs/PROTOCOL.md)";

/// The hints, each under its key.
pub fn hints(config: &Config) -> Vec<ConfigError> {
    let consumers = config.consumers.iter().enumerate();
    let fetching = consumers.filter(|(_, consumer)| fetches_user(consumer));
    let key = |index: usize| KeyPath::ROOT.then("consumer").then(index);
    let fetching = fetching.map(|(index, _)| config.error(&key(index).then("on_admit"), FETCHES.to_owned()));
    let bare = config.consumers.iter().enumerate().flat_map(|(index, consumer)| bare(consumer, &key(index)));
    let rooms = config.consumers.iter().enumerate().flat_map(|(index, consumer)| {
        let here = key(index).then("on_event");
        let per_room = |handler: &EventHandler| handler.python_per == Some(PythonPer::Room);
        let rooms = consumer.on_event.iter().filter(move |(_, handler)| per_room(handler));
        let rooms = rooms.filter(move |_| consumer.path.as_slice().len() > 1);
        rooms.map(move |(name, _)| (here.then(name.as_str()).then("python_per"), PATHS.to_owned()))
    });
    let gaps =
        config.consumers.iter().enumerate().filter(|(_, consumer)| consumer.on_gap.as_ref().is_some_and(hides_why));
    let gaps = gaps.map(|(index, _)| (key(index).then("on_gap"), REASON.to_owned()));
    let away = config.server.proxy.as_ref().filter(|upstream| !upstream.is_loopback());
    let away = away.map(|upstream| (KeyPath::dotted("server.proxy"), format!("{upstream} {AWAY}")));
    fetching.chain(bare.chain(rooms).chain(gaps).chain(away).map(|(key, reason)| config.error(&key, reason))).collect()
}

/// Whether a gap notice is named `gap`, and says nothing of the gap.
fn hides_why(notice: &Notice) -> bool {
    const NAMES: [&str; 2] = ["'gap'", "\"gap\""];
    let emit = notice.emit.as_deref();
    let source = emit.and_then(|emit| emit.data.as_ref().or(emit.args.as_ref())).or(notice.send.as_ref());
    let source = source.map_or("", String::as_str);
    let is_named =
        emit.is_some_and(|emit| emit.event.as_deref() == Some("gap")) || NAMES.iter().any(|name| source.contains(name));
    is_named && !NAMES.iter().fold(source.to_owned(), |rest, name| rest.replace(name, "")).contains("gap")
}

/// Templates that look like an expression: they are text, and a name of a group like any other.
fn bare(consumer: &Consumer, here: &KeyPath) -> Vec<(KeyPath, String)> {
    let mut found = Vec::new();
    let mut look = |key: KeyPath, source: &str| {
        if is_path(source) {
            found.push((key, format!("\"{source}\" is text here; for the value write {{{{ {source} }}}}")));
        }
    };
    for (index, group) in consumer.groups.iter().enumerate() {
        look(here.then("groups").then(index), group);
    }
    for (name, handler) in &consumer.on_event {
        let here = here.then("on_event").then(name.as_str());
        for (key, groups) in [("leave", &handler.leave), ("join", &handler.join)] {
            let key = here.then(key);
            for (key, group) in groups.iter().flat_map(|groups| groups.keyed(&key)) {
                look(key, group);
            }
        }
        if let Some(reason) = handler.close.as_ref().and_then(|close| close.reason.as_deref()) {
            look(here.then("close").then("reason"), reason);
        }
    }
    found
}

/// Whether it is a value of an event or of a connection, as expressions name it.
fn is_path(source: &str) -> bool {
    let mut parts = source.split('.');
    let is_name = |part: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && part.chars().all(is_part)
    };
    matches!(parts.next(), Some("event" | "user" | "route" | "query" | "claims" | "vars" | "auth"))
        && source.contains('.')
        && parts.all(is_name)
}

/// Whether all that `on_admit` does is a call whose answer becomes the user.
fn fetches_user(consumer: &Consumer) -> bool {
    let Some([step]) = consumer.on_admit.as_ref().map(Handler::as_slice) else { return false };
    let Some(call) = step.call.as_deref() else { return false };
    let alone = Step { call: step.call.clone(), ..Step::default() };
    let Call { ok, status, unavailable, error, .. } = call;
    let is_user = |handler: &Handler| match handler.as_slice() {
        [step] => step.user.is_some() && Step { user: None, ..step.clone() } == Step::default(),
        _ => false,
    };
    let refuses = |handler: &Handler| {
        handler.as_slice().iter().all(|step| Step { refuse: None, ..step.clone() } == Step::default())
    };
    *step == alone
        && ok.as_ref().is_some_and(is_user)
        && status.values().chain(unavailable).chain(error).all(refuses)
        && !consumer.asks_django()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Environment, load_text};

    #[test]
    fn a_template_that_looks_like_an_expression_is_named() {
        let text = "[[consumer]]\npath = '/a/<int:room>/'\ngroups = ['route.room', 'room_{{ route.room }}', 'user.5']\n\
                    [consumer.on_event.moved]\nleave = '{{ event.old }}'\njoin = ['event.to', 'events', 'event_to']\n\
                    close = { code = 'event.code', reason = 'event.why' }\n";
        let (config, errors) = load_text(Some((Path::new("test.toml"), text)), &Environment::default());
        assert_eq!(errors, []);
        let hints: Vec<String> =
            super::hints(&config).into_iter().map(|hint| format!("{}: {}", hint.key, hint.reason)).collect();
        assert_eq!(
            hints,
            [
                "consumer[0].groups[0]: \"route.room\" is text here; for the value write {{ route.room }}",
                "consumer[0].on_event.moved.join[0]: \"event.to\" is text here; for the value write {{ event.to }}",
                "consumer[0].on_event.moved.close.reason: \"event.why\" is text here; for the value write {{ event.why }}",
            ]
        );
    }

    #[test]
    fn a_gap_notice_without_the_reason_is_named() {
        let plain = "path = '/a/'\n[consumer.on_gap]\nsend = ";
        let socketio = "path = '/socket.io/'\nprotocol = 'socket.io'\n[consumer.on_gap]\nemit = ";
        for (consumer, notice, is_named) in [
            (plain, "\"{'type': 'gap', 'reason': gap.reason, 'groups': gap.groups}\"", false),
            (plain, "\"{'event': 'gap', 'data': gap}\"", false),
            (plain, "\"{'type': 'gap'}\"", true),
            (plain, "\"{'event': 'gap', 'data': {'node': node}}\"", true),
            (plain, "\"{'type': 'reload'}\"", false),
            (socketio, "{ event = 'gap', data = \"{'reason': gap.reason}\" }", false),
            (socketio, "{ event = 'gap', data = 'gap' }", false),
            (socketio, "{ event = 'gap' }", true),
            (socketio, "{ event = 'reload' }", false),
        ] {
            let text = format!("[[consumer]]\n{consumer}{notice}\n");
            let (config, errors) = load_text(Some((Path::new("test.toml"), &text)), &Environment::default());
            assert_eq!(errors, [], "{notice}");
            let keys: Vec<String> = super::hints(&config).into_iter().map(|hint| hint.key.to_string()).collect();
            assert_eq!(keys, if is_named { vec!["consumer[0].on_gap"] } else { vec![] }, "{notice}");
        }
    }

    #[test]
    fn a_server_behind_the_node_on_another_machine_is_named() {
        for (proxy, is_named) in
            [("http://127.0.0.1:8001", false), ("http://localhost:8001", false), ("http://web:8001", true)]
        {
            let text = format!("presets = []\n[server]\nproxy = '{proxy}'\n");
            let (config, errors) = load_text(Some((Path::new("test.toml"), &text)), &Environment::default());
            assert_eq!(errors, []);
            let hints: Vec<String> = super::hints(&config).iter().map(ToString::to_string).collect();
            assert_eq!(hints.len(), usize::from(is_named), "{hints:?}");
            assert!(
                hints
                    .iter()
                    .all(|hint| hint.starts_with("test.toml:3: server.proxy: http://web:8001 is not this machine"))
            );
        }
    }

    #[test]
    fn a_call_for_a_room_of_several_paths_is_named() {
        for (paths, is_named) in [("['/a/', '/b/']", true), ("'/a/<int:room>/'", false)] {
            let text = format!(
                "[server]\nallowed_origins = ['a.example']\n[backend]\nurl = 'http://127.0.0.1:1/'\nsecret = 'a-secret-of-both-sides-000000000000'\n\
                 [[consumer]]\npath = {paths}\ndjango = true\n[consumer.on_event]\na.python_per = 'room'\nb.python_per = 'user'\n"
            );
            let (config, errors) = load_text(Some((Path::new("test.toml"), &text)), &Environment::default());
            assert_eq!(errors, []);
            let keys: Vec<String> = super::hints(&config).into_iter().map(|hint| hint.key.to_string()).collect();
            assert_eq!(keys, if is_named { vec!["consumer[0].on_event.a.python_per"] } else { vec![] });
        }
    }

    #[test]
    fn an_on_admit_that_only_fetches_the_user_is_named_and_others_are_not() {
        for (handler, is_named) in [
            ("call = { action = 'who', ok = { user = 'result.body' } }", true),
            ("call = { action = 'who', ok = { user = 'result.body' }, error = { refuse = 'no' } }", true),
            ("call = { action = 'may', ok = { set = { room = 'result.body' } } }", false),
            ("call = { action = 'may', ok = [{ user = 'result.body' }, { require = 'user.is_staff' }] }", false),
            ("require = 'query.a'\ncall = { action = 'who', ok = { user = 'result.body' } }", false),
            ("call = { action = 'who', ok = { user = 'result.body' }, status.404 = { set = { a = '1' } } }", false),
            ("refuse = 'closed'", false),
        ] {
            let text = format!("[[consumer]]\npath = \"/a/\"\n[consumer.on_admit]\n{handler}\n");
            let (config, errors) = load_text(Some((Path::new("test.toml"), &text)), &Environment::default());
            assert_eq!(errors, [], "{handler}");
            let keys: Vec<String> = super::hints(&config).into_iter().map(|hint| hint.key.to_string()).collect();
            assert_eq!(keys, if is_named { vec!["consumer[0].on_admit"] } else { vec![] }, "{handler}");
        }
    }
}
