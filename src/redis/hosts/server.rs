//! One Redis server or Sentinel: its address, login and TLS, and connections to it.
//!
//! In: redis-py's keywords. Out: an open connection. Certificates are read anew for each one, so that files that were
//! exchanged are used from the next connection on.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::select_ok;
use redis::{
    AsyncConnectionConfig, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult, aio::PubSub,
};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{HostError, keywords::Keywords, tls::TlsOptions};
use crate::redis::{command, connection::Connection, error::timed_out};

/// How long sent bytes may stay unacknowledged.
const DEAD: Duration = Duration::from_secs(15);

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// How a connection is made, wherever the server is.
#[derive(Clone)]
pub(super) struct Access {
    pub login: RedisConnectionInfo,
    pub client_name: Option<String>,
    pub tls: Option<Arc<TlsOptions>>,
    /// Deadline for connecting, if it is not the usual one.
    pub connect: Option<Duration>,
}

impl Access {
    /// Takes the keywords of login and TLS.
    pub fn of(keywords: &mut Keywords) -> Result<Self, HostError> {
        let mut login = RedisConnectionInfo::default();
        if let Some(db) = keywords.number("db", i32::MAX.unsigned_abs())? {
            login = login.set_db(db.into());
        }
        let (username, password) = (keywords.text("username")?, keywords.text("password")?);
        if let Some(username) = &username {
            login = login.set_username(username);
        }
        // As redis-py: a user without a password gives an empty one.
        if let Some(password) = password.or_else(|| username.map(|_| String::new())) {
            login = login.set_password(password);
        }
        keywords.fulfilled()?;
        let client_name = keywords.text("client_name")?;
        let connect = keywords.seconds("socket_connect_timeout")?;
        Ok(Self { login, client_name, tls: TlsOptions::of(keywords)?.map(Arc::new), connect })
    }

    /// Whether any server is taken for Redis.
    pub fn is_unverified(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_unverified())
    }
}

/// A server at a known address.
#[derive(Clone)]
pub struct Server {
    pub(super) address: Address,
    pub(super) access: Arc<Access>,
}

/// A stream of bytes to a server.
trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for S {}

impl Server {
    /// The address, for logs and comparisons.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Opens a connection for commands within `deadline`.
    ///
    /// # Errors
    /// The server is unreachable or late, its certificate or the login is refused.
    pub async fn connect(
        &self,
        protocol: ProtocolVersion,
        deadline: Duration,
        config: AsyncConnectionConfig,
    ) -> RedisResult<Connection> {
        let opened = async {
            let stream = self.stream().await?;
            let mut connection = Connection::over(&self.login(protocol), stream, config).await?;
            if let Some(name) = &self.access.client_name {
                let mut command = redis::cmd("CLIENT");
                command.arg("SETNAME").arg(name);
                let () = command::query(&mut connection, &command).await?;
            }
            Ok(connection)
        };
        timeout(self.access.connect.unwrap_or(deadline), Box::pin(opened)).await.map_err(|_| timed_out())?
    }

    /// Opens a connection that only receives, of the old protocol.
    ///
    /// # Errors
    /// Like [`Self::connect`].
    pub async fn subscribe(&self, deadline: Duration) -> RedisResult<PubSub> {
        let opened = async { PubSub::new(&self.login(ProtocolVersion::RESP2), self.stream().await?).await };
        timeout(self.access.connect.unwrap_or(deadline), Box::pin(opened)).await.map_err(|_| timed_out())?
    }

    fn login(&self, protocol: ProtocolVersion) -> RedisConnectionInfo {
        // The library's announcement to Redis would need an additional right.
        self.access.login.clone().set_protocol(protocol).set_skip_set_lib_name()
    }

    async fn stream(&self) -> RedisResult<Box<dyn Stream>> {
        let (host, port) = match &self.address {
            Address::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await?)),
            Address::Tcp(host, port) => (host.as_str(), *port),
        };
        let stream = tcp(host, port).await?;
        let Some(tls) = &self.access.tls else { return Ok(Box::new(stream)) };
        let config = tls.client_config().map_err(|error| refused(error.to_string()))?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| refused(format!("{host:?} cannot be the name in a certificate")))?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        Ok(Box::new(connected.map_err(|error| explained(error, tls))?))
    }
}

/// Connects to the first of the name's addresses that answers; a dead peer is detected within half a minute even without
/// traffic, and small commands are sent at once.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let attempts: Vec<_> = lookup_host((host, port)).await?.map(|at| Box::pin(TcpStream::connect(at))).collect();
    if attempts.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")));
    }
    let (stream, _) = select_ok(attempts).await?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(DEAD).with_interval(Duration::from_secs(5)).with_retries(3);
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(DEAD))?;
    Ok(stream)
}

fn refused(reason: String) -> RedisError {
    (ErrorKind::InvalidClientConfig, "TLS", reason).into()
}

/// The error of a TLS handshake, with what to change.
fn explained(error: io::Error, tls: &TlsOptions) -> RedisError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let advice = match inner {
        Some(rustls::Error::InvalidCertificate(reason)) => tls.advice(reason),
        _ => None,
    };
    match advice {
        Some(advice) => io::Error::new(error.kind(), format!("{error}; {advice}")).into(),
        None => error.into(),
    }
}
