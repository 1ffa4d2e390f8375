//! The address of a Redis as in Django's settings, and a client for the server in charge.
//!
//! In: a URL. Out: a [`redis::Client`] for the current address, which Sentinel is asked for on every call. A URL's
//! password never appears in an error or a label.
//!
//! - `redis://[user:password@]host[:port][/db]`, `rediss://…` (TLS, verified; `?ssl_ca_certs=<file>`,
//!   `?ssl_certfile=<file>&ssl_keyfile=<file>` as redis-py spells them)
//! - `redis+sentinel://[user:password@]host[:port],host[:port]/<master>[/db]`, `rediss+sentinel://…`
//!   (`?sentinel_username=…&sentinel_password=…` for the sentinels themselves)
//! - `redis+unix://[user:password@]/path.sock[?db=n]`, `unix://…`

use std::{collections::HashMap, fs, path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisResult, TlsCertificates, TlsMode,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use tokio::time::timeout;

use super::error::timed_out;

/// The permitted keys in the query of a URL, with redis-py's names.
const QUERY: [&str; 4] = ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"];
const QUERY_OF_UNIX: [&str; 5] = ["db", "password", "pass", "username", "user"];
const QUERY_OF_SENTINEL: [&str; 7] =
    ["db", "sentinel_username", "sentinel_password", QUERY[0], QUERY[1], QUERY[2], QUERY[3]];

/// Deadline for asking all Sentinels.
const RESOLVE: Duration = Duration::from_secs(5);

const DEFAULT_SENTINEL_PORT: u16 = 26379;

/// A Redis server, or the master according to several Sentinels.
#[derive(Clone)]
pub struct Host {
    label: String,
    endpoint: Endpoint,
}

#[derive(Clone)]
enum Endpoint {
    Direct(Box<ConnectionInfo>),
    Sentinel(Box<Sentinel>),
}

#[derive(Clone)]
struct Sentinel {
    addresses: Vec<(String, u16)>,
    master: String,
    login: RedisConnectionInfo,
    sentinel_login: Credentials,
    tls: bool,
    certificates: Option<TlsCertificates>,
}

#[derive(Clone, Default)]
struct Credentials {
    username: Option<String>,
    password: Option<String>,
}

/// Why a text is not a Redis URL. The text itself is not repeated: it may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Another scheme.
    #[error(
        "a Redis URL must begin with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+unix:// or unix://"
    )]
    Scheme,
    /// A part of the URL is wrong.
    #[error("the Redis URL is not valid: {0}")]
    Malformed(String),
    /// A certificate or key file cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// The error of the operating system.
        reason: String,
    },
}

fn malformed(reason: impl Into<String>) -> HostError {
    HostError::Malformed(reason.into())
}

impl Host {
    /// Parses a URL; certificates that it names are read now.
    ///
    /// # Errors
    /// Another scheme, a bad port or database, a file that cannot be read.
    pub fn parse(url: &str) -> Result<Self, HostError> {
        let url = url.trim();
        let (scheme, rest) = url.split_once("://").ok_or(HostError::Scheme)?;
        match scheme {
            "redis" | "rediss" => Self::direct(url),
            "redis+unix" | "unix" => Self::unix(rest),
            "redis+sentinel" => Self::sentinel(rest, false),
            "rediss+sentinel" => Self::sentinel(rest, true),
            _ => Err(HostError::Scheme),
        }
    }

    /// The address without credentials, for logs.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether the address can change without a change of the URL.
    pub const fn moves(&self) -> bool {
        matches!(self.endpoint, Endpoint::Sentinel(_))
    }

    /// A client for the current address. Nothing is kept from earlier calls.
    ///
    /// # Errors
    /// No Sentinel names a master that answers.
    pub async fn client(&self, protocol: ProtocolVersion) -> RedisResult<Client> {
        let info = match &self.endpoint {
            Endpoint::Direct(info) => (**info).clone(),
            Endpoint::Sentinel(sentinel) => {
                timeout(RESOLVE, Box::pin(sentinel.resolve())).await.map_err(|_| timed_out())??
            }
        };
        // The library's announcement to Redis would need an additional right.
        let login = info.redis_settings().clone().set_protocol(protocol).set_skip_set_lib_name();
        Client::open(info.set_redis_settings(login).set_tcp_settings(tcp_settings()))
    }

    /// The current address of the master, if the address can change; `None` if it is unknown.
    pub async fn master(&self) -> Option<String> {
        match &self.endpoint {
            Endpoint::Direct(_) => None,
            Endpoint::Sentinel(sentinel) => Box::pin(sentinel.resolve()).await.ok().map(|info| info.addr().to_string()),
        }
    }

    fn direct(url: &str) -> Result<Self, HostError> {
        let parsed = url::Url::parse(url).map_err(|error| malformed(error.to_string()))?;
        if parsed.fragment().is_some() {
            return Err(malformed("TLS is always verified; remove the part after #"));
        }
        let query = query_of(parsed.query().unwrap_or_default(), &QUERY)?;
        let certificates = certificates(&query)?;
        let info = parsed.into_connection_info().map_err(|error| malformed(error.to_string()))?;
        let label = info.addr().to_string();
        let tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let info = match certificates {
            Some(_) if !tls => return Err(malformed("certificates need rediss://")),
            Some(certificates) => {
                let client =
                    Client::build_with_tls(info, certificates).map_err(|error| malformed(error.to_string()))?;
                client.get_connection_info().clone()
            }
            None => info,
        };
        Ok(Self { label, endpoint: Endpoint::Direct(Box::new(info)) })
    }

    fn unix(rest: &str) -> Result<Self, HostError> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let slash = rest.find('/').ok_or_else(|| malformed("a unix socket needs an absolute path"))?;
        let (authority, path) = rest.split_at(slash);
        let query = query_of(query, &QUERY_OF_UNIX)?;
        let mut login = credentials(authority.strip_suffix('@').unwrap_or(authority))?;
        // redis-py reads `password` and `username` from the query, other clients `pass` and `user`.
        for (names, field) in [(["password", "pass"], &mut login.password), (["username", "user"], &mut login.username)]
        {
            if let Some(value) = names.iter().find_map(|name| query.get(*name)) {
                *field = Some(value.clone());
            }
        }
        let db = query.get("db").map_or(Ok(0), |db| database(db))?;
        let path = PathBuf::from(decoded(path)?);
        let label = path.display().to_string();
        let info = ConnectionAddr::Unix(path).into_connection_info().map_err(|error| malformed(error.to_string()))?;
        let info = info.set_redis_settings(login.apply(RedisConnectionInfo::default().set_db(db)));
        Ok(Self { label, endpoint: Endpoint::Direct(Box::new(info)) })
    }

    fn sentinel(rest: &str, tls: bool) -> Result<Self, HostError> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = query_of(query, &QUERY_OF_SENTINEL)?;
        let mut path = rest.split('/');
        let authority = path.next().unwrap_or_default();
        let master = match path.next() {
            Some(master) if !master.is_empty() => decoded(master)?,
            _ => return Err(malformed("the sentinels must be followed by the name of the master, /mymaster")),
        };
        let db = match path.next() {
            Some(db) if !db.is_empty() => database(db)?,
            _ => query.get("db").map_or(Ok(0), |db| database(db))?,
        };
        let (login, addresses) = authority.rsplit_once('@').unwrap_or(("", authority));
        let addresses = addresses.split(',').map(address).collect::<Result<Vec<_>, _>>()?;
        let listed = addresses.iter().map(|(host, port)| format!("{host}:{port}")).collect::<Vec<_>>().join(",");
        let certificates = certificates(&query)?;
        if certificates.is_some() && !tls {
            return Err(malformed("certificates need rediss+sentinel://"));
        }
        Ok(Self {
            label: format!("{master} of {listed}"),
            endpoint: Endpoint::Sentinel(Box::new(Sentinel {
                addresses,
                master,
                login: credentials(login)?.apply(RedisConnectionInfo::default().set_db(db)),
                sentinel_login: Credentials {
                    username: query.get("sentinel_username").cloned(),
                    password: query.get("sentinel_password").cloned(),
                },
                tls,
                certificates,
            })),
        })
    }
}

impl Sentinel {
    async fn resolve(&self) -> RedisResult<ConnectionInfo> {
        let addresses = self.addresses.iter().map(|(host, port)| match self.tls {
            true => ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host.clone(), *port),
        });
        let mut builder = SentinelClientBuilder::new(addresses, &self.master, SentinelServerType::Master)?
            .set_client_to_redis_db(self.login.db())
            .set_client_to_redis_tcp_settings(tcp_settings())
            .set_client_to_sentinel_tcp_settings(tcp_settings());
        if self.tls {
            builder =
                builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        if let Some(username) = self.login.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = self.login.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(username) = &self.sentinel_login.username {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if let Some(password) = &self.sentinel_login.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        let client = builder.build()?.async_get_client().await?;
        Ok(client.get_connection_info().clone())
    }
}

impl Credentials {
    fn apply(&self, mut login: RedisConnectionInfo) -> RedisConnectionInfo {
        if let Some(username) = &self.username {
            login = login.set_username(username);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        login
    }
}

/// A dead peer is detected within half a minute even without traffic; small commands are sent at once.
fn tcp_settings() -> TcpSettings {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5)).with_retries(3);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(Duration::from_secs(15))
}

fn decoded(text: &str) -> Result<String, HostError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(malformed("percent-encoded text must be UTF-8")),
    }
}

fn credentials(text: &str) -> Result<Credentials, HostError> {
    let (username, password) = match text.split_once(':') {
        Some((username, password)) => (username, Some(decoded(password)?)),
        None => (text, None),
    };
    Ok(Credentials { username: if username.is_empty() { None } else { Some(decoded(username)?) }, password })
}

fn database(text: &str) -> Result<i64, HostError> {
    text.parse::<u32>().map(i64::from).map_err(|_| malformed("the database must be a number"))
}

fn address(text: &str) -> Result<(String, u16), HostError> {
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address without a port ends with its bracket.
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|_| malformed("the port must be a number up to 65535"))?)
        }
        _ => (text, DEFAULT_SENTINEL_PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(malformed("a host name is missing"));
    }
    Ok((host.to_owned(), port))
}

/// Parses the query; an unknown key is refused instead of ignored.
fn query_of(query: &str, known: &[&str]) -> Result<HashMap<String, String>, HostError> {
    let query: HashMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    match query.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(query),
        Some(unknown) => {
            let known = known.join(", ");
            Err(malformed(format!(
                "{unknown:?} is unknown after \"?\"; known: {known}; user, password and database must come before it, \
                 redis://user:password@host:6379/0"
            )))
        }
    }
}

fn certificates(query: &HashMap<String, String>) -> Result<Option<TlsCertificates>, HostError> {
    if query.get("ssl_cert_reqs").is_some_and(|value| value != "required") {
        return Err(malformed("TLS is always verified; name the CA with ssl_ca_certs instead of ssl_cert_reqs"));
    }
    let root_cert = query.get("ssl_ca_certs").map(|path| read(path)).transpose()?;
    let client_tls = match (query.get("ssl_certfile"), query.get("ssl_keyfile")) {
        (Some(certificate), Some(key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        (None, None) => None,
        _ => return Err(malformed("ssl_certfile and ssl_keyfile must be used together")),
    };
    Ok((root_cert.is_some() || client_tls.is_some()).then_some(TlsCertificates { client_tls, root_cert }))
}

fn read(path: &str) -> Result<Vec<u8>, HostError> {
    fs::read(path).map_err(|error| HostError::File { path: path.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(url: &str) -> ConnectionInfo {
        match Host::parse(url).unwrap().endpoint {
            Endpoint::Direct(info) => *info,
            Endpoint::Sentinel(_) => panic!("{url}"),
        }
    }

    fn sentinel(url: &str) -> Sentinel {
        match Host::parse(url).unwrap().endpoint {
            Endpoint::Sentinel(sentinel) => *sentinel,
            Endpoint::Direct(_) => panic!("{url}"),
        }
    }

    #[test]
    fn plain_and_tls_urls_are_read() {
        let info = direct("redis://user:p%40ss@example.org:7000/3");
        assert_eq!(info.addr().to_string(), "example.org:7000");
        assert_eq!(
            (info.redis_settings().username(), info.redis_settings().password(), info.redis_settings().db()),
            (Some("user"), Some("p@ss"), 3)
        );
        assert_eq!(direct("redis://localhost").addr().to_string(), "localhost:6379");
        assert!(matches!(direct("rediss://h:1").addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
    }

    #[test]
    fn unix_sockets_are_read_in_both_spellings() {
        for url in [
            "unix:///run/redis.sock?db=2&password=pw",
            "redis+unix:///run/redis.sock?db=2&pass=pw",
            "unix://:pw@/run/redis.sock?db=2",
        ] {
            let info = direct(url);
            assert!(
                matches!(info.addr(), ConnectionAddr::Unix(path) if path.as_os_str() == "/run/redis.sock"),
                "{url}"
            );
            assert_eq!((info.redis_settings().password(), info.redis_settings().db()), (Some("pw"), 2), "{url}");
        }
    }

    #[test]
    fn sentinels_are_read() {
        let read = sentinel("redis+sentinel://app:pw@a:1,b,[::1]:3/mymaster/4?sentinel_password=s");
        assert_eq!(read.addresses, [("a".into(), 1), ("b".into(), DEFAULT_SENTINEL_PORT), ("::1".into(), 3)]);
        assert_eq!(read.master, "mymaster");
        assert_eq!((read.login.username(), read.login.password(), read.login.db()), (Some("app"), Some("pw"), 4));
        assert_eq!(read.sentinel_login.password.as_deref(), Some("s"));
        assert!(!read.tls);
        assert!(sentinel("rediss+sentinel://a/m").tls);
        assert_eq!(Host::parse("redis+sentinel://:pw@a:1/m").unwrap().label(), "m of a:1");
    }

    #[test]
    fn errors_do_not_contain_the_password() {
        for (url, said) in [
            ("localhost:6379", "must begin with"),
            ("http://secret@h", "must begin with"),
            ("redis://u:secret@h:port", "not valid"),
            ("redis://u:secret@h/db", "not valid"),
            ("rediss://u:secret@h/#insecure", "always verified"),
            ("rediss://u:secret@h/?ssl_cert_reqs=none", "always verified"),
            ("rediss://u:secret@h/?ssl_ca_certs=/nowhere/ca.pem", "/nowhere/ca.pem"),
            ("redis://u:secret@h/0?dbb=3", "\"dbb\" is unknown"),
            ("redis://h?password=secret", "redis://user:password@host"),
            ("redis://h?db=3", "host:6379/0"),
            ("unix:///s?ssl=secret", "known: db, password"),
            ("redis+sentinel://u:secret@h/m?username=secret", "\"username\" is unknown"),
            ("redis+sentinel://u:secret@h", "name of the master"),
            ("redis+sentinel://u:secret@h:x/m", "port"),
            ("redis+sentinel://u:secret@,/m", "host name"),
            ("unix://u:secret@", "path"),
            ("unix:///s?db=x&password=secret", "number"),
        ] {
            let error = Host::parse(url).err().unwrap().to_string();
            assert!(error.contains(said), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
