//! Reads the URL of a Redis as redis-py's `from_url` does, and the further forms that this program has.
//!
//! In: a URL. Out: the same address in redis-py's keywords.
//!
//! - `redis://[user:password@]host[:port][/db]`, `rediss://…` (TLS); `valkey://…`, `valkeys://…`
//! - `unix://[user:password@]/path.sock[?db=n]`, `redis+unix://…`
//! - `redis+sentinel://[user:password@]host[:port],host[:port]/<master>[/db]`, `rediss+sentinel://…`; keys of the query
//!   that begin with `sentinel_` are those of the connections to the Sentinels

use serde_json::{Value as Json, json};

use super::{
    HostError,
    keywords::{ESCAPE, Keywords, decoded},
};

const DEFAULT_PORT: u16 = 6379;
const DEFAULT_SENTINEL_PORT: u16 = 26379;

/// The parts of a URL.
struct Parts<'a> {
    login: Keywords,
    hosts: &'a str,
    path: &'a str,
    query: Keywords,
}

/// The keywords of a URL.
pub(super) fn keywords(url: &str) -> Result<Keywords, HostError> {
    let (scheme, rest) = url.split_once("://").ok_or(HostError::Scheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" => direct(rest, false),
        "rediss" | "valkeys" => direct(rest, true),
        "unix" | "redis+unix" => unix(rest),
        "redis+sentinel" | "valkey+sentinel" => sentinel(rest, false),
        "rediss+sentinel" | "valkeys+sentinel" => sentinel(rest, true),
        _ => Err(HostError::Scheme),
    }
}

fn direct(rest: &str, tls: bool) -> Result<Keywords, HostError> {
    let mut parts = parts(rest)?;
    if parts.query.has("ssl") {
        return Err(HostError::malformed("ssl is not a key of a URL; rediss:// is Redis with TLS, redis:// without"));
    }
    let (host, port) = address(parts.hosts, DEFAULT_PORT)?;
    if !host.is_empty() {
        parts.query.set("host", host);
    }
    parts.query.set("port", port);
    if !parts.query.has("db") {
        set_database(&mut parts.query, parts.path.trim_matches('/'))?;
    }
    if tls {
        parts.query.set("ssl", true);
    }
    parts.query.extend(parts.login);
    Ok(parts.query)
}

fn unix(rest: &str) -> Result<Keywords, HostError> {
    let mut parts = parts(rest)?;
    if !parts.hosts.is_empty() || parts.path.is_empty() {
        return Err(HostError::malformed("a unix socket needs an absolute path: unix:///run/redis.sock"));
    }
    // Other clients say `pass` and `user`.
    for (theirs, ours) in [("pass", "password"), ("user", "username")] {
        if let Some(value) = parts.query.take(theirs)
            && !parts.query.has(ours)
        {
            parts.query.set(ours, value);
        }
    }
    parts.query.set("path", decoded(parts.path)?);
    parts.query.extend(parts.login);
    Ok(parts.query)
}

fn sentinel(rest: &str, tls: bool) -> Result<Keywords, HostError> {
    let mut parts = parts(rest)?;
    if parts.query.has("ssl") {
        return Err(HostError::malformed(
            "ssl is not a key of a URL; rediss+sentinel:// is Redis and its Sentinels with TLS, and sentinel_ssl says \
             otherwise for the Sentinels",
        ));
    }
    let mut path = parts.path.split('/').skip(1);
    let master = match path.next() {
        Some(master) if !master.is_empty() => decoded(master)?,
        _ => return Err(HostError::malformed("the sentinels must be followed by the name of the master, /mymaster")),
    };
    if master.contains(',') {
        return Err(HostError::malformed("all sentinels come before the name of the master: host:1,host:2/mymaster"));
    }
    if !parts.query.has("db") {
        set_database(&mut parts.query, path.next().unwrap_or_default())?;
    }
    let sentinels = parts.hosts.split(',').map(|one| match address(one, DEFAULT_SENTINEL_PORT)? {
        (host, _) if host.is_empty() => Err(HostError::malformed("a host name is missing")),
        (host, port) => Ok(json!([host, port])),
    });
    let sentinels = sentinels.collect::<Result<Vec<Json>, _>>()?;
    let mut theirs = parts.query.split("sentinel_");
    if theirs.has("kwargs") {
        return Err(HostError::malformed(
            "sentinel_kwargs is not a key of a URL; write sentinel_username, sentinel_ssl …",
        ));
    }
    // Without a word of its own, the way to the Sentinels is protected like that to Redis.
    let theirs_tls = theirs.flag("ssl")?.unwrap_or(tls);
    if theirs_tls {
        for (name, value) in parts.query.beginning("ssl_") {
            if !theirs.has(name) {
                theirs.set(name, value.clone());
            }
        }
    }
    theirs.set("ssl", theirs_tls);
    parts.query.set("ssl", tls);
    parts.query.set("sentinels", sentinels);
    parts.query.set("master_name", master);
    parts.query.set("sentinel_kwargs", theirs.into_table());
    parts.query.extend(parts.login);
    Ok(parts.query)
}

/// Splits what follows `://`.
fn parts(rest: &str) -> Result<Parts<'_>, HostError> {
    if rest.contains('#') {
        return Err(HostError::malformed(format!(
            "nothing may follow #: for an unverified certificate write ?ssl_cert_reqs=none; {ESCAPE}"
        )));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // A unix socket's login may stand before the path without its "@".
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    Ok(Parts { login: credentials(login)?, hosts, path, query: Keywords::of_query(query)? })
}

fn credentials(text: &str) -> Result<Keywords, HostError> {
    let (username, password) = text.split_once(':').unwrap_or((text, ""));
    let mut login = Keywords::default();
    for (name, value) in [("username", username), ("password", password)] {
        if !value.is_empty() {
            login.set(name, decoded(value)?);
        }
    }
    Ok(login)
}

fn set_database(keywords: &mut Keywords, text: &str) -> Result<(), HostError> {
    if !text.is_empty() {
        let number = decoded(text)?.parse::<u32>();
        keywords.set("db", number.map_err(|_| HostError::malformed("the database must be a number"))?);
    }
    Ok(())
}

fn address(text: &str, default_port: u16) -> Result<(String, u16), HostError> {
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address without a port ends with its bracket.
        Some((host, port)) if !port.ends_with(']') => match port {
            "" => (host, default_port),
            port => {
                let wrong = |_| HostError::malformed(format!("the port must be a number up to 65535; {ESCAPE}"));
                (host, port.parse().map_err(wrong)?)
            }
        },
        _ => (text, default_port),
    };
    Ok((decoded(host.trim_start_matches('[').trim_end_matches(']'))?, port))
}
