//! `channelgate token`: prints a token for a test on standard output.

use std::{process::ExitCode, time::SystemTime};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use crate::{
    auth::{RedisCache, jwt, ws_token::WsTokens},
    config::{Config, Span},
    event::{Value, json, surrogate},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TokenKind {
    /// A simplejwt access token.
    Access,
    /// A ws-token; it is stored in the Django cache, so it needs Redis.
    Ws,
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The user's id.
    #[arg(long)]
    user: String,
    /// The kind of token.
    #[arg(long, value_enum, default_value = "access")]
    kind: TokenKind,
    /// Lifetime of an access token: "5m", "1h", or seconds. A ws-token lasts auth.ws_token.lifetime.
    #[arg(long, default_value = "5m")]
    lifetime: Span,
    /// A further claim of an access token, NAME=VALUE; the value is read as JSON, else as text. May be given several
    /// times.
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let token = match arguments.kind {
        TokenKind::Access => {
            let claims = arguments.claims.iter().map(|claim| parse_claim(claim)).collect::<Result<_, _>>()?;
            jwt::mint(&config.auth, &arguments.user, arguments.lifetime.0, claims, SystemTime::now())?
        }
        TokenKind::Ws => {
            let Some(url) = config.cache_url() else {
                bail!("a ws-token is kept in the Django cache: set REDIS_URL or CHANNELGATE_CACHE_URL");
            };
            let cache = RedisCache::new(&config.cache, url)?;
            let user = arguments.user.parse::<i64>().map_or_else(|_| Value::from(arguments.user.as_str()), Value::from);
            WsTokens::new(&config.auth)?.issue(&cache, &user, SystemTime::now()).await?.token
        }
    };
    println!("{token}");
    Ok(ExitCode::SUCCESS)
}

fn parse_claim(text: &str) -> anyhow::Result<(Box<str>, Value)> {
    let (name, value) = text.split_once('=').context("a claim is NAME=VALUE")?;
    let value = json::read_strict(value).unwrap_or_else(|_| Value::Str(surrogate::pack(value)));
    Ok((name.into(), value))
}
