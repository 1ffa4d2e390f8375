//! The master of a group of Redis servers, as their Sentinels name it.
//!
//! In: the Sentinels, with their own login and TLS. Out: the server that is the master now, asked for on every call.

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, ErrorKind, ProtocolVersion, RedisError, RedisResult, Value, cmd};
use serde_json::Value as Json;
use tokio::time::timeout;

use super::{
    HostError,
    keywords::Keywords,
    server::{Access, Address, Server},
};
use crate::redis::{command::query, error::timed_out};

/// Deadline for asking all Sentinels.
const ALL: Duration = Duration::from_secs(5);

/// Deadline for asking one, so that the next one gets its turn.
const ONE: Duration = Duration::from_millis(1500);

/// The Sentinels of a master.
#[derive(Clone)]
pub(super) struct Sentinels {
    sentinels: Vec<Server>,
    master: String,
    access: Arc<Access>,
}

impl Sentinels {
    /// Takes the keywords of a host with Sentinels.
    pub fn of(keywords: &mut Keywords, access: Access) -> Result<Self, HostError> {
        let Some(master) = keywords.text("master_name")? else {
            return Err(HostError::malformed("sentinels need master_name, the name of the master"));
        };
        let sentinel_kwargs = match keywords.take("sentinel_kwargs") {
            None | Some(Json::Null) => serde_json::Map::new(),
            Some(Json::Object(table)) => table,
            Some(_) => return Err(HostError::malformed("sentinel_kwargs must be a table")),
        };
        let mut theirs = Keywords::of_table(sentinel_kwargs);
        if theirs.has("db") {
            return Err(HostError::malformed("a Sentinel has no databases: remove db from sentinel_kwargs"));
        }
        let within = |error: HostError| match error {
            HostError::Malformed(reason) => HostError::malformed(format!("sentinel_kwargs: {reason}")),
            other => other,
        };
        let their_access = Arc::new(Access::of(&mut theirs).map_err(within)?);
        theirs.end().map_err(within)?;
        let Some(Json::Array(sentinels)) = keywords.take("sentinels") else {
            return Err(HostError::malformed("sentinels must be a list of pairs: [[\"10.0.0.1\", 26379]]"));
        };
        let sentinels = sentinels.into_iter().map(|one| {
            let (host, port) = pair(one)?;
            Ok(Server { address: Address::Tcp(host, port), access: Arc::clone(&their_access) })
        });
        let sentinels = sentinels.collect::<Result<Vec<_>, HostError>>()?;
        if sentinels.is_empty() {
            return Err(HostError::malformed("sentinels is empty; name at least one"));
        }
        Ok(Self { sentinels, master, access: Arc::new(access) })
    }

    /// Whether any server is taken for the master.
    pub fn is_unverified(&self) -> bool {
        self.access.is_unverified()
    }

    /// The name for logs.
    pub fn label(&self) -> String {
        let sentinels: Vec<String> = self.sentinels.iter().map(Server::address).collect();
        format!("{} of {}", self.master, sentinels.join(","))
    }

    /// The master now.
    ///
    /// # Errors
    /// No Sentinel names a master that answers as such; the last reason.
    pub async fn resolve(&self) -> RedisResult<Server> {
        let asked = async {
            let mut last = None;
            for sentinel in &self.sentinels {
                let answer = timeout(ONE, Box::pin(self.ask(sentinel))).await.unwrap_or_else(|_| Err(timed_out()));
                match answer {
                    Ok(master) => return Ok(master),
                    Err(error) => last = Some((sentinel.address(), error)),
                }
            }
            let (at, error) = last.unwrap_or_else(|| (String::new(), timed_out()));
            log::debug!("Sentinel {at}: {error}");
            Err(match error.code() {
                // Its code stays, for those who judge by it.
                Some(_) => error,
                None => (ErrorKind::Io, "Sentinel", format!("{at}: {error}")).into(),
            })
        };
        timeout(ALL, asked).await.map_err(|_| timed_out())?
    }

    async fn ask(&self, sentinel: &Server) -> RedisResult<Server> {
        let quick = || AsyncConnectionConfig::new().set_response_timeout(Some(ONE));
        let mut connection = sentinel.connect(ProtocolVersion::RESP2, ONE, quick()).await?;
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(&self.master);
        let answer: Option<(String, u16)> = query(&mut connection, &question).await?;
        let Some((host, port)) = answer else {
            return Err(no_master(format!("no master is called {}", self.master)));
        };
        let master = Server { address: Address::Tcp(host, port), access: Arc::clone(&self.access) };
        let mut connection = master.connect(ProtocolVersion::RESP2, ONE, quick()).await?;
        // A Sentinel that was cut off may name the old master, which is a replica by now.
        let role: Vec<Value> = query(&mut connection, &cmd("ROLE")).await?;
        match role.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(master),
            _ => Err(no_master(format!("{} is not the master", master.address()))),
        }
    }
}

fn no_master(reason: String) -> RedisError {
    (ErrorKind::Io, "Sentinel", reason).into()
}

/// A pair of host and port.
pub(super) fn pair(pair: Json) -> Result<(String, u16), HostError> {
    let wrong = || HostError::malformed("a pair is a host and a port: [\"10.0.0.1\", 6379]");
    let Json::Array(items) = pair else { return Err(wrong()) };
    let Ok([Json::String(host), port]) = <[Json; 2]>::try_from(items) else { return Err(wrong()) };
    let port = match &port {
        Json::Number(port) => port.as_u64().and_then(|port| u16::try_from(port).ok()),
        Json::String(port) => port.parse().ok(),
        _ => None,
    };
    match port {
        Some(port) if !host.is_empty() => Ok((host, port)),
        _ => Err(wrong()),
    }
}
