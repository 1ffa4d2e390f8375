//! `channelgate tail`: shows live what happens to events on one or several nodes, as aligned text or as JSON lines.

mod line;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::{Client, Response, StatusCode};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use url::Url;

use self::line::Printer;
use crate::{
    cluster::Cluster,
    config::{Config, Secret},
    telemetry::Metrics,
};

/// How long a node may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// A node sends at least an empty line every ten seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest line that is accepted, payload included.
const MAX_LINE: usize = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A node, such as http://10.0.0.5:8000 or unix:/run/channelgate.sock, or the address that it printed; may be given several times. Default: the
    /// node of this configuration.
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// Every live node of the cluster; their addresses are in the Redis of this configuration.
    #[arg(long, conflicts_with = "url")]
    cluster: bool,
    /// Only this group, and lines that may concern it; may be given several times.
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Only what this consumer did, and losses that may concern it; may be given several times.
    #[arg(long, value_name = "CONSUMER")]
    consumer: Vec<String>,
    /// Only what was lost, or may have been: drops and gaps.
    #[arg(long)]
    drops: bool,
    /// Only the calls that ran a consumer in Django for this connection, and messages to its channel; may be given several
    /// times.
    #[arg(long, value_name = "ID")]
    connection: Vec<String>,
    /// The key of the publish API; default: the key in the address, else in the configuration. Other users of this
    /// machine can see it: prefer CHANNELGATE_API_KEY.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Show the content of events, too.
    #[arg(long)]
    payload: bool,
    /// Print the node's JSON lines.
    #[arg(long)]
    json: bool,
}

/// A line of a node.
struct NodeLine {
    node: usize,
    line: String,
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let urls = match arguments.url.as_slice() {
        [] if arguments.cluster => of_cluster(config).await?,
        [] => vec![config.server.url()],
        some => some.to_vec(),
    };
    let (sender, mut lines) = mpsc::channel(1024);
    let mut nodes = Vec::new();
    for (node, url) in urls.iter().enumerate() {
        let (url, key) = super::split_key(url);
        let key = arguments.key.as_deref().or(key).or(config.api.key.as_ref().map(Secret::expose)).map(str::to_owned);
        let (client, base) = super::client(url)?;
        let source = NodeTail { client, name: url.to_owned(), url: address(&base, &arguments)?, key };
        // An error of any node is reported before anything is shown.
        let first = source.connect().await.with_context(|| url.to_owned())?;
        nodes.push(url.to_owned());
        actix_rt::spawn(source.follow(node, first, sender.clone()));
    }
    drop(sender);
    let mut out = io::stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let printer = Printer { json: arguments.json, colour, nodes: if nodes.len() > 1 { nodes } else { Vec::new() } };
    while let Some(NodeLine { node, line }) = lines.recv().await {
        // The reader of standard output may be gone.
        if writeln!(out, "{}", printer.print(node, &line)).and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_cluster(config: &Config) -> anyhow::Result<Vec<String>> {
    let addresses = Cluster::new(config, Metrics::new())?.addresses().await?;
    if addresses.is_empty() {
        bail!("this Redis has no live node of a cluster");
    }
    let url = |address: &Arc<str>| {
        if address.starts_with("unix:") { address.to_string() } else { format!("http://{address}") }
    };
    Ok(addresses.iter().map(url).collect())
}

fn address(url: &str, arguments: &Arguments) -> anyhow::Result<Url> {
    let mut address = Url::parse(url).with_context(|| format!("{url:?} is not a URL"))?;
    address
        .path_segments_mut()
        .map_err(|()| anyhow::anyhow!("{url:?} cannot have a path"))?
        .pop_if_empty()
        .extend(["api", "tail"]);
    for group in &arguments.group {
        address.query_pairs_mut().append_pair("group", group);
    }
    for connection in &arguments.connection {
        address.query_pairs_mut().append_pair("connection", connection);
    }
    for consumer in &arguments.consumer {
        address.query_pairs_mut().append_pair("consumer", consumer);
    }
    if arguments.drops {
        address.query_pairs_mut().append_pair("drops", "1");
    }
    if arguments.payload {
        address.query_pairs_mut().append_pair("payload", "1");
    }
    Ok(address)
}

struct NodeTail {
    client: Client,
    name: String,
    url: Url,
    key: Option<String>,
}

impl NodeTail {
    async fn connect(&self) -> anyhow::Result<Response> {
        let mut request = self.client.get(self.url.clone());
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let response = timeout(DEADLINE, request.send()).await.context("the node did not answer in time")??;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => bail!("the node answered {status}: {}", response.text().await.unwrap_or_default()),
        }
    }

    /// Forwards every line and reconnects when the node is gone, until the receiver is dropped.
    async fn follow(self, node: usize, first: Response, sender: mpsc::Sender<NodeLine>) {
        let mut response = Some(first);
        loop {
            if let Some(response) = response.take() {
                let reason = match read(response, node, &sender).await {
                    Ok(()) if sender.is_closed() => return,
                    Ok(()) => "the node ended the stream".to_owned(),
                    Err(error) => format!("{error:#}"),
                };
                eprintln!("{}: {reason}; reconnecting", self.name);
            }
            sleep(PAUSE).await;
            response = self.connect().await.ok();
        }
    }
}

async fn read(mut response: Response, node: usize, sender: &mpsc::Sender<NodeLine>) -> anyhow::Result<()> {
    let mut rest = Vec::new();
    while let Some(chunk) =
        timeout(SILENCE, response.chunk()).await.context("the node sent nothing for 30 seconds")??
    {
        rest.extend_from_slice(&chunk);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
            if rest.len() > MAX_LINE {
                bail!("a line is longer than {MAX_LINE} bytes");
            }
            continue;
        };
        let after = rest.split_off(end + 1);
        for line in String::from_utf8_lossy(&rest).lines().filter(|line| !line.is_empty()) {
            if sender.send(NodeLine { node, line: line.to_owned() }).await.is_err() {
                return Ok(());
            }
        }
        rest = after;
    }
    Ok(())
}
