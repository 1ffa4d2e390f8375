//! `channelgate token`: prints a token for a test on standard output.

use std::{process::ExitCode, str::FromStr, time::SystemTime};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{
    auth::{RedisCache, jwt, ws_token::WsTokens},
    config::{Config, Span},
    event::{Value, json, surrogate},
};

#[derive(Clone, Debug, PartialEq, Eq)]
enum TokenKind {
    /// A simplejwt access token.
    Access,
    /// A JWT of the kind with this name.
    Jwt(String),
    /// A ws-token; it is stored in the Django cache, so it needs Redis.
    Ws,
}

impl FromStr for TokenKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "access" || text == "jwt" => Ok(Self::Access),
            None if text == "ws" => Ok(Self::Ws),
            Some(("jwt", kind)) if !kind.is_empty() => Ok(Self::Jwt(kind.to_owned())),
            _ => Err("possible values: access, ws, jwt:KIND".to_owned()),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The user's id.
    #[arg(long)]
    user: String,
    /// The kind of token: access (a simplejwt access token), jwt:KIND (a JWT of auth.jwt.kinds.KIND), or ws (a ws-token;
    /// it is stored in the Django cache, so it needs Redis).
    #[arg(long, default_value = "access")]
    kind: TokenKind,
    /// Lifetime of a JWT: "5m", "1h", or seconds. A ws-token lasts auth.ws_token.lifetime.
    #[arg(long, default_value = "5m")]
    lifetime: Span,
    /// A further claim of a JWT, NAME=VALUE; the value is read as JSON, else as text. May be given several
    /// times.
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mint = |rules| -> anyhow::Result<String> {
        let claims = arguments.claims.iter().map(|claim| parse_claim(claim)).collect::<Result<_, _>>()?;
        let (user, lifetime) = (&arguments.user, arguments.lifetime.0);
        Ok(jwt::mint_kind(&config.auth, rules, user, lifetime, claims, SystemTime::now())?)
    };
    let token = match &arguments.kind {
        TokenKind::Access => mint(&config.auth.jwt)?,
        TokenKind::Jwt(kind) => match config.auth.jwt.kinds.get(kind) {
            Some(rules) => mint(rules)?,
            None => bail!("there is no kind of JWT {kind:?}; write [auth.jwt.kinds.{kind}]"),
        },
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
