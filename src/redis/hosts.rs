//! The address of a Redis as in Django's settings, and the server that is in charge there now.
//!
//! In: a URL, or a host of channels_redis' `hosts` as JSON. Out: a [`Server`] to connect to, for which Sentinel is asked on
//! every call. A password never appears in an error or a label.
//!
//! - `keywords`: what redis-py understands, the common form of all addresses; `url`: the forms of a URL
//! - `tls`, `verifier`: TLS with redis-py's settings
//! - `server`: one address and connections to it; `sentinel`: the master of several

mod keywords;
mod sentinel;
mod server;
mod tls;
mod url;
mod verifier;

use std::sync::Arc;

use redis::RedisResult;
use serde_json::Value as Json;

use self::{
    keywords::Keywords,
    sentinel::{Sentinels, pair},
    server::{Access, Address},
};

pub use server::Server;

/// A Redis server, or the master according to several Sentinels.
#[derive(Clone)]
pub struct Host {
    label: String,
    endpoint: Endpoint,
}

#[derive(Clone)]
enum Endpoint {
    Direct(Server),
    Sentinels(Box<Sentinels>),
}

/// Why a text is not the address of a Redis. The text itself is not repeated: it may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Another scheme.
    #[error(
        "a Redis URL must begin with redis://, rediss://, valkey://, valkeys://, redis+sentinel://, rediss+sentinel://, \
         redis+unix:// or unix://; other forms are a pair [\"10.0.0.1\", 6379] and a table {{ host = \"10.0.0.1\" }}"
    )]
    Scheme,
    /// A part of the address is wrong.
    #[error("the address of Redis is not valid: {0}")]
    Malformed(String),
    /// A certificate or key file cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl HostError {
    fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed(reason.into())
    }
}

impl Host {
    /// Parses an address; certificates that it names are read now, and again for each connection.
    ///
    /// # Errors
    /// Another scheme, a bad port or database, a setting that is not followed here, a file that cannot be read.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let text = text.trim();
        let mut keywords = match text.starts_with(['[', '{']) {
            false => url::keywords(text)?,
            true => match serde_json::from_str(text) {
                Ok(Json::Object(table)) => of_table(Keywords::of_table(table))?,
                Ok(list) => of_pair(list)?,
                // The error of serde repeats a part of the text.
                Err(_) => return Err(HostError::malformed("a table is written { host = \"10.0.0.1\", port = 6379 }")),
            },
        };
        let access = Access::of(&mut keywords)?;
        let endpoint = match keywords.has("sentinels") || keywords.has("master_name") {
            true => Endpoint::Sentinels(Box::new(Sentinels::of(&mut keywords, access)?)),
            false => Endpoint::Direct(direct(&mut keywords, access)?),
        };
        keywords.end()?;
        let label = match &endpoint {
            Endpoint::Direct(server) => server.address(),
            Endpoint::Sentinels(sentinels) => sentinels.label(),
        };
        Ok(Self { label, endpoint })
    }

    /// Parses the `LOCATION` of a Django cache: of several URLs, separated by `,` or `;`, the first is the leader, which
    /// Django writes to. Its replicas are not read: they may not have a token yet.
    ///
    /// # Errors
    /// Like [`Self::parse`], for any of them.
    pub fn leader(text: &str) -> Result<Self, HostError> {
        let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
        let is_next = |rest: &str| rest.trim_start().split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme));
        let mut ends: Vec<usize> = text.match_indices([',', ';']).map(|(at, _)| at).collect();
        ends.retain(|at| is_next(&text[at + 1..]));
        let first = ends.first().map_or(text, |end| &text[..*end]);
        let leader = Self::parse(first)?;
        for (nth, at) in ends.iter().enumerate() {
            Self::parse(&text[at + 1..ends.get(nth + 1).copied().unwrap_or(text.len())])?;
        }
        Ok(leader)
    }

    /// The address without credentials, for logs.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether the address can change without a change of the configuration.
    pub const fn moves(&self) -> bool {
        matches!(self.endpoint, Endpoint::Sentinels(_))
    }

    /// Whether any server is taken for this one, because the configuration says not to verify its certificate.
    pub fn is_unverified(&self) -> bool {
        match &self.endpoint {
            Endpoint::Direct(server) => server.access.is_unverified(),
            Endpoint::Sentinels(sentinels) => sentinels.is_unverified(),
        }
    }

    /// The server at the current address. Nothing is kept from earlier calls.
    ///
    /// # Errors
    /// No Sentinel names a master that answers.
    pub async fn server(&self) -> RedisResult<Server> {
        match &self.endpoint {
            Endpoint::Direct(server) => Ok(server.clone()),
            Endpoint::Sentinels(sentinels) => sentinels.resolve().await,
        }
    }

    /// The current address of the master, if the address can change; `None` if it is unknown.
    pub async fn master(&self) -> Option<String> {
        match &self.endpoint {
            Endpoint::Direct(_) => None,
            Endpoint::Sentinels(sentinels) => sentinels.resolve().await.ok().map(|server| server.address()),
        }
    }
}

/// A host that is a table: `address` is a URL whose parts count more than the table's.
fn of_table(mut table: Keywords) -> Result<Keywords, HostError> {
    match table.take("address") {
        None => Ok(table),
        Some(Json::String(url)) => {
            let of_url = url::keywords(url.trim())?;
            if table.flag("ssl")? == Some(true) && !of_url.has("ssl") {
                return Err(HostError::malformed("ssl = true needs an address that begins with rediss://"));
            }
            table.extend(of_url);
            Ok(table)
        }
        Some(_) => Err(HostError::malformed("address must be a URL")),
    }
}

/// A host that is a pair of name and port.
fn of_pair(list: Json) -> Result<Keywords, HostError> {
    let (host, port) = pair(list)?;
    let mut keywords = Keywords::default();
    keywords.set("host", host);
    keywords.set("port", port);
    Ok(keywords)
}

fn direct(keywords: &mut Keywords, access: Access) -> Result<Server, HostError> {
    let address = match keywords.text("path")? {
        Some(_) if access.tls.is_some() => return Err(HostError::malformed("a unix socket has no TLS; remove ssl")),
        Some(path) => Address::Unix(path.into()),
        None => {
            let host = keywords.text("host")?.unwrap_or_else(|| "localhost".to_owned());
            let port = keywords.number("port", u16::MAX.into())?.and_then(|port| u16::try_from(port).ok());
            Address::Tcp(host, port.unwrap_or(6379))
        }
    };
    Ok(Server { address, access: Arc::new(access) })
}

#[cfg(test)]
mod tests;
