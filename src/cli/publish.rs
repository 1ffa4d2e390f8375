//! `channelgate publish`: sends one event to one group through Redis or, without Redis, through a node's API.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::time::{sleep, timeout};

use crate::{
    config::{Config, Secret},
    event::{GroupName, Value, json},
    layer::{Layer, redis::RedisLayer},
    telemetry::Metrics,
};

/// How long the node or Redis may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often to check whether the layer is connected.
const POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The group, as in channel_layer.group_send.
    group: String,
    /// The event, a JSON object such as '{"type": "send_event", "event": "ping", "data": {}}'.
    event: String,
    /// Publish through this node's POST /api/publish instead of Redis: http://host:port, unix:/path, or the address that
    /// the node printed.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The key of the publish API; default: the key in the address, else in the configuration. Other users of this
    /// machine can see it: prefer CHANNELGATE_API_KEY.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let group = GroupName::new(&arguments.group)?;
    let event = json::read(arguments.event.as_bytes()).context("the event cannot be read")?;
    if event.as_map().is_none() {
        bail!("the event must be an object, not {}", event.kind());
    }
    let url = arguments.url.or_else(|| config.is_embedded().then(|| config.server.url()));
    match url {
        Some(url) => {
            let (address, key) = super::split_key(&url);
            let key = arguments.key.as_deref().or(key).or(config.api.key.as_ref().map(Secret::expose));
            through_api(address, key, &group, &event).await?;
        }
        None => through_redis(config, &group, &event).await?,
    }
    println!("published to {group}");
    Ok(ExitCode::SUCCESS)
}

async fn through_redis(config: &Config, group: &GroupName, event: &Value) -> anyhow::Result<()> {
    let layer = RedisLayer::new(&config.layer, Vec::new(), Metrics::new())?;
    layer.start(Arc::new(drop))?;
    let published = timeout(DEADLINE, async {
        // The layer connects in the background and refuses events until then.
        while layer.outage(Some(group)).is_some() {
            sleep(POLL).await;
        }
        layer.publish(group, event).await
    })
    .await;
    let outage = layer.outage(Some(group));
    layer.stop().await;
    match (published, outage) {
        (Ok(published), _) => Ok(published?),
        (Err(_), Some(outage)) => Err(outage.into()),
        (Err(_), None) => bail!("Redis did not answer in time"),
    }
}

async fn through_api(url: &str, key: Option<&str>, group: &GroupName, event: &Value) -> anyhow::Result<()> {
    let body: Value = [("group", group.as_str().into()), ("event", event.clone())].into_iter().collect();
    let (client, base) = super::client(url)?;
    let mut request = client
        .post(format!("{base}/api/publish"))
        .timeout(DEADLINE)
        .header("Content-Type", "application/json")
        .body(json::text(&body));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let response = request.send().await.with_context(|| format!("{url} is not reachable"))?;
    if !response.status().is_success() {
        bail!("the node answered {}: {}", response.status(), response.text().await.unwrap_or_default());
    }
    Ok(())
}
