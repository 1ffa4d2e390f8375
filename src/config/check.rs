//! Checks values of the right type that still make no sense.

mod bridge;
mod consumers;
pub mod hints;
mod login;
mod tokens;
pub(super) mod unused;

use std::{path::Path, time::Duration};

use super::{
    Config,
    error::{ConfigError, KeyPath},
};

/// `sun_path` of unix(7), without the zero byte at its end.
const MAX_SOCKET_PATH: usize = 107;

/// With faster heartbeats a node would count as dead before Redis answers.
const MIN_HEARTBEAT: Duration = Duration::from_millis(100);

/// Adds the errors of `config` to `errors`.
pub(super) fn check(config: &Config, errors: &mut Vec<ConfigError>) {
    let mut note = |key: KeyPath, reason: String| {
        let error = config.error(&key, reason);
        // A list is not reported again after its wrong items were removed.
        if !errors.iter().any(|known| known.key.is_inside(&error.key)) {
            errors.push(error);
        }
    };
    sections(config, &mut note);
    tokens::check(config, &mut note);
    bridge::check(config, &mut note);
    login::check(config, &mut note);
    blanks(config, &mut note);
    useless(config, &mut note);
    for (index, source) in config.sources.iter().enumerate() {
        if source.channel.is_some() == source.pattern.is_some() {
            let key = KeyPath::ROOT.then("source").then(index);
            note(key, "needs either \"channel\" or \"pattern\"".to_owned());
        }
    }
    let taken = consumers::TakenActions { channels: bridge::is_used(config), who_am_i: config.asks_django() };
    for (index, consumer) in config.consumers.iter().enumerate() {
        let here = KeyPath::ROOT.then("consumer").then(index);
        bridge::consumer(consumer, &here, &mut note);
        login::anonymous_for(consumer, &here, &mut note);
        consumers::check(consumer, &here, taken, &mut note);
    }
}

fn sections(config: &Config, note: &mut impl FnMut(KeyPath, String)) {
    let listening = match config.server.unix_socket() {
        Some(path) => socket_path(path),
        None => listen(&config.server.listen),
    };
    if let Err(reason) = listening {
        note(KeyPath::dotted("server.listen"), reason);
    }
    match (&config.server.socket_mode, config.server.unix_socket()) {
        (Some(_), None) => {
            let reason = "has no effect: server.listen is not \"unix:/path\"".to_owned();
            note(KeyPath::dotted("server.socket_mode"), reason);
        }
        (Some(mode), Some(_)) if !is_mode(mode) => {
            let reason = format!("{mode:?} is not a file mode in octal, such as \"660\"");
            note(KeyPath::dotted("server.socket_mode"), reason);
        }
        _ => {}
    }
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(name) = &config.cluster.name
        && (name.is_empty() || name.len() > 64 || !name.chars().all(in_name))
    {
        let reason = "a node's name is 1 to 64 ASCII letters, digits, '-', '_' and '.'; every client may read it";
        note(KeyPath::dotted("cluster.name"), reason.to_owned());
    }
    if let Some(Err(reason)) = config.cluster.address.as_deref().map(listen) {
        note(KeyPath::dotted("cluster.address"), reason);
    }
    if config.cluster.heartbeat.0 < MIN_HEARTBEAT {
        let reason = format!("must be at least {} ms", MIN_HEARTBEAT.as_millis());
        note(KeyPath::dotted("cluster.heartbeat"), reason);
    }
    if let Some(Err(reason)) = config.backend.url.as_deref().map(backend_url) {
        note(KeyPath::dotted("backend.url"), reason);
    }
    let in_channel = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(worker) = &config.backend.worker
        && (worker.is_empty() || worker.len() >= 100 || !worker.chars().all(in_channel))
    {
        let reason = "a channel's name is 1 to 99 ASCII letters, digits, '-', '_' and '.'".to_owned();
        note(KeyPath::dotted("backend.worker"), reason);
    }
    let least_one = [
        ("server.max_connections", config.server.max_connections),
        ("socket.max_message", config.socket.max_message),
        ("socket.outbox", config.socket.outbox),
        ("socketio.max_payload", config.socketio.max_payload),
        ("socketio.max_pending", config.socketio.max_pending),
        ("layer.capacity", config.layer.capacity),
        ("layer.queues", config.layer.queues),
        ("layer.max_message", config.layer.max_message),
        ("layer.probe_failures", config.layer.probe_failures as usize),
        ("layer.probe_successes", config.layer.probe_successes as usize),
        ("cache.pool", config.cache.pool),
        ("api.max_body", config.api.max_body),
        ("backend.concurrency", config.backend.concurrency),
        ("backend.max_request", config.backend.max_request),
    ];
    for (key, value) in least_one {
        if value == 0 {
            note(KeyPath::dotted(key), "must be at least 1".to_owned());
        }
    }
    // Then the bytes of one read pause a client for a minute at most.
    if (1..1024).contains(&config.socket.max_bytes_per_second) {
        note(KeyPath::dotted("socket.max_bytes_per_second"), "must be at least 1024, or 0 for no limit".to_owned());
    }
    let above_zero = [
        ("server.handshake_timeout", config.server.handshake_timeout),
        ("server.body_timeout", config.server.body_timeout),
        ("limits.admission_timeout", config.limits.admission_timeout),
        ("socketio.ping_interval", config.socketio.ping_interval),
        ("socketio.ping_timeout", config.socketio.ping_timeout),
        ("socketio.connect_timeout", config.socketio.connect_timeout),
        ("socketio.poll_timeout", config.socketio.poll_timeout),
        ("layer.expiry", config.layer.expiry),
        ("layer.group_expiry", config.layer.group_expiry),
        ("layer.probe_interval", config.layer.probe_interval),
        ("layer.probe_timeout", config.layer.probe_timeout),
        ("server.stuck_after", config.server.stuck_after),
        ("cache.timeout", config.cache.timeout),
        ("auth.ws_token.lifetime", config.auth.ws_token.lifetime),
        ("backend.timeout", config.backend.timeout),
    ];
    for (key, value) in above_zero {
        if value.0.is_zero() {
            note(KeyPath::dotted(key), "must be longer than 0".to_owned());
        }
    }
    let is_unix = config.server.unix_socket().is_some();
    if config.server.proxy_protocol && config.server.trusted_proxies.is_empty() && !is_unix {
        note(
            KeyPath::dotted("server.proxy_protocol"),
            "needs server.trusted_proxies: only those proxies may use the protocol".to_owned(),
        );
    }
    if config.server.proxy.as_ref().is_some_and(|upstream| upstream.is_at(&config.server.listen)) {
        note(
            KeyPath::dotted("server.proxy"),
            "is this node itself (server.listen); name the address of Django".to_owned(),
        );
    }
    let limits = &config.limits;
    for (burst, value, rate, of) in [
        ("handshake_burst", limits.handshake_burst, "handshakes_per_second", limits.handshakes_per_second),
        (
            "handshake_burst_per_address",
            limits.handshake_burst_per_address,
            "handshakes_per_second_per_address",
            limits.handshakes_per_second_per_address,
        ),
    ] {
        if value > 0 && of == 0 {
            note(KeyPath::ROOT.then("limits").then(burst), format!("has no effect without limits.{rate}"));
        }
    }
    if config.socketio.transports.is_empty() {
        note(
            KeyPath::dotted("socketio.transports"),
            "names no transport; write [\"polling\", \"websocket\"]".to_owned(),
        );
    }
    if !(1..=9).contains(&config.socket.compression.level) {
        note(KeyPath::dotted("socket.compression.level"), "must be from 1 (fast) to 9 (small)".to_owned());
    }
    if config.layer.random_prefix_length == 0 || config.layer.random_prefix_length > 64 {
        note(KeyPath::dotted("layer.random_prefix_length"), "must be from 1 to 64 bytes".to_owned());
    }
}

/// Names and values that must not be empty; an unset variable in a template leaves them so.
fn blanks(config: &Config, note: &mut impl FnMut(KeyPath, String)) {
    let Config { auth, api, .. } = config;
    let lists = [("api.admin_roles", &api.admin_roles), ("auth.ws_token.user_id_keys", &auth.ws_token.user_id_keys)];
    let lists = lists.into_iter().flat_map(|(key, list)| {
        list.iter().enumerate().map(move |(index, text)| (KeyPath::dotted(key).then(index), text))
    });
    for (key, _) in lists.filter(|(_, text)| text.trim().is_empty()) {
        note(key, "is empty; write a value, or leave it out".to_owned());
    }
}

/// Keys without an effect next to other settings.
fn useless(config: &Config, note: &mut impl FnMut(KeyPath, String)) {
    if config.backend.worker.is_some()
        && config.backend.secret.is_some()
        && !bridge::is_used(config)
        && !config.asks_django()
        && !joins_signed(config)
    {
        let reason = "signs requests over HTTP, but calls go to \"worker\"; remove one of the two".to_owned();
        note(KeyPath::dotted("backend.secret"), reason);
    }
}

/// Whether a client may join signed groups.
fn joins_signed(config: &Config) -> bool {
    config.consumers.iter().flat_map(|consumer| consumer.steps()).any(|step| step.join_token.is_some())
}

/// Checks a base URL; a query or fragment would be lost when the action's name is appended.
fn backend_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must begin with http:// or https:// and a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not contain a user or password, because it is shown in logs; sign with backend.secret".to_owned()
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path: the action's name is appended to it".to_owned());
    }
    Ok(())
}

/// Whether this is a file's permissions, such as `660` or `0660`.
fn is_mode(text: &str) -> bool {
    let digits = text.strip_prefix('0').unwrap_or(text);
    digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
}

/// Checks the path of a unix socket.
fn socket_path(path: &Path) -> Result<(), String> {
    if !path.is_absolute() || path.ends_with("/") || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(format!(
            "\"unix:{}\" needs an absolute path, such as \"unix:/run/channelgate.sock\"",
            path.display()
        ));
    }
    let bytes = path.as_os_str().len();
    if bytes > MAX_SOCKET_PATH {
        return Err(format!("the path has {bytes} bytes; that of a unix socket has at most {MAX_SOCKET_PATH}"));
    }
    Ok(())
}

fn listen(text: &str) -> Result<(), String> {
    let wrong = || format!("{text:?} is not an address with a port, such as \"127.0.0.1:8000\" or \"[::]:8000\"");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    if host.is_empty() || port.parse::<u16>().is_err() || (host.contains(':') && !host.starts_with('[')) {
        return Err(wrong());
    }
    Ok(())
}
