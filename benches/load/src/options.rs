//! The command line of the generator.

use clap::{Parser, ValueEnum};

/// Loads a WebSocket or Socket.IO server, checks every number received, and prints the cost as JSON.
///
/// Exit codes: 0 success; 1 a message was lost, doubled, reordered or misrouted, or a socket was closed unexpectedly; 2
/// wrong usage; 3 not every connection could be opened.
#[derive(Parser, Clone, Debug)]
#[command(name = "load", version)]
pub struct Options {
    /// The measurement.
    pub mode: Mode,
    /// Targets; connections use them in turn. {i} is the connection's number, {g} its group's.
    #[arg(long, required = true, value_delimiter = ',')]
    pub url: Vec<String>,
    /// Connections.
    #[arg(long, default_value_t = 1000)]
    pub conns: usize,
    /// Concurrent handshakes.
    #[arg(long, default_value_t = 48)]
    pub concurrency: usize,
    /// A further header of the handshake.
    #[arg(long)]
    pub header: Vec<String>,
    /// A text frame sent once the socket is open.
    #[arg(long)]
    pub first: Vec<String>,
    /// The connection counts as open when a text frame with this prefix arrives, instead of with the 101.
    #[arg(long)]
    pub ready_prefix: Option<String>,
    /// Speak Engine.IO 4 and Socket.IO 5, joining the default namespace.
    #[arg(long)]
    pub socketio: bool,
    /// Offer permessage-deflate, without context takeover in either direction.
    #[arg(long)]
    pub deflate: bool,
    /// How long all connections together may take to connect.
    #[arg(long, default_value_t = 60.0)]
    pub connect_seconds: f64,
    /// How long one attempt may take.
    #[arg(long, default_value_t = 20)]
    pub handshake_seconds: u64,
    /// Further attempts of one connection.
    #[arg(long, default_value_t = 3)]
    pub retries: u32,

    /// Where messages are published: redis://HOST:PORT/CHANNEL (PUBLISH), http://HOST:PORT/PATH (POST), tcp://HOST:PORT
    /// (a line, answered by a line). {g} is the group's number.
    #[arg(long = "pub")]
    pub publisher: Option<String>,
    /// The message around the stamped text; {} stands for that text.
    #[arg(long, default_value = "{}")]
    pub template: String,
    /// Bytes of the stamped text.
    #[arg(long, default_value_t = 200)]
    pub size: usize,
    /// The maximum number of measured messages.
    #[arg(long, default_value_t = 100)]
    pub messages: usize,
    /// Messages before the measured ones.
    #[arg(long, default_value_t = 5)]
    pub warmup: usize,
    /// Publishing ends after this time at the latest.
    #[arg(long, default_value_t = 30.0)]
    pub seconds: f64,
    /// Messages a second, published on schedule regardless of deliveries (open loop); 0: closed loop.
    #[arg(long, default_value_t = 0.0)]
    pub rate: f64,
    /// Concurrent messages (closed loop).
    #[arg(long, default_value_t = 1)]
    pub inflight: usize,
    /// Groups (mode groups and ingest); in mode echo every connection is one.
    #[arg(long, default_value_t = 1)]
    pub groups: usize,
    /// How long to wait for missing deliveries.
    #[arg(long, default_value_t = 40.0)]
    pub timeout: f64,

    /// ingest: number of messages published before the one that shows that all were read.
    #[arg(long, default_value_t = 20_000)]
    pub stretch: usize,
    /// ingest: the channel of messages without receivers; unset: each group has a member, which receives them.
    #[arg(long)]
    pub silent: Option<String>,
    /// storm: a lost connection reconnects after a random time up to this.
    #[arg(long, default_value_t = 1000)]
    pub jitter_ms: u64,
    /// storm: the longest pause between two attempts of one connection.
    #[arg(long, default_value_t = 5000)]
    pub backoff_ms: u64,

    /// idle: how long the connections are held.
    #[arg(long, default_value_t = 3000)]
    pub hold_ms: u64,
    /// A pause after all connections are open; its CPU time counts towards the handshakes.
    #[arg(long, default_value_t = 1000)]
    pub settle_ms: u64,
    /// Process trees of the server.
    #[arg(long, value_delimiter = ',')]
    pub server_pid: Vec<i32>,
    /// NAME=PID of a process tree to report separately.
    #[arg(long, value_parser = named_pid)]
    pub aux: Vec<(String, i32)>,
    /// The core of the receiving thread.
    #[arg(long)]
    pub pin: Option<usize>,
}

/// The measurements.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Every message goes to every connection.
    Broadcast,
    /// Connections are spread over groups, each message goes to one of them.
    Groups,
    /// Connections that do nothing: memory and CPU.
    Idle,
    /// Many handshakes at once.
    Connect,
    /// Messages at a steady rate, while the server loses and regains its connections. Reads lines on standard input:
    /// `mark NAME` and `stop`.
    Storm,
    /// Messages as fast as Redis takes them.
    Ingest,
    /// Clients send the messages, and each is answered to the client that sent it.
    Echo,
}

impl Mode {
    /// The name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

fn named_pid(text: &str) -> Result<(String, i32), String> {
    let (name, pid) = text.split_once('=').ok_or("expected NAME=PID")?;
    Ok((name.to_owned(), pid.parse().map_err(|_| "the PID is not a number")?))
}

/// The address of a connection.
#[derive(Clone, Debug)]
pub struct Target {
    pub addr: [u8; 4],
    pub port: u16,
    pub host: String,
    pub path: String,
}

impl Target {
    /// Reads `ws://HOST:PORT/PATH`; only loopback is allowed.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("ws://").ok_or_else(|| format!("{url}: only ws:// is supported"))?;
        let at = rest.find('/').unwrap_or(rest.len());
        let (host, path) = (&rest[..at], if at < rest.len() { &rest[at..] } else { "/" });
        let address: std::net::SocketAddrV4 =
            host.parse().map_err(|_| format!("{url}: expected an IPv4 address and a port"))?;
        if !address.ip().is_loopback() {
            return Err(format!("{url}: only loopback is allowed"));
        }
        Ok(Self { addr: address.ip().octets(), port: address.port(), host: host.to_owned(), path: path.to_owned() })
    }
}
