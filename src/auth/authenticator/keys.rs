//! The keys, sources of credentials and origins of a configuration; a reload replaces them as a whole.

use std::{sync::Arc, time::Duration};

use crate::{
    auth::{
        AuthConfigError, AuthError, OriginPolicy, RequestHead,
        credential::{self, Credential},
        django::{Forwarded, Forwarding},
        jwt,
        node_ticket::NodeTickets,
        signed_group::SignedGroups,
        ws_token::{self, WsTokens},
    },
    config::{AuthMethod, Config, Jwt, TokenHeader, TokenSource},
};

/// What a client shows for one method.
pub(super) enum Shown {
    /// A token.
    Token(Credential),
    /// What Django is asked about.
    Django(Forwarded),
}

impl Shown {
    /// The subprotocol to echo.
    pub(super) fn subprotocol(self) -> Option<String> {
        match self {
            Self::Token(credential) => credential.subprotocol,
            Self::Django(forwarded) => forwarded.subprotocol,
        }
    }
}

/// Keys, credential sources and origins of a configuration.
pub struct Keys {
    pub(super) jwt: JwtKind,
    /// The other kinds of JWT, by name.
    pub(super) kinds: Vec<(Box<str>, JwtKind)>,
    pub(super) ws_tokens: WsTokens,
    ws_token_sources: Vec<TokenSource>,
    pub(super) origins: OriginPolicy,
    forwarding: Forwarding,
    /// How long Django's answers are kept.
    pub(super) keep_answers: Duration,
    pub(super) signed_groups: SignedGroups,
    pub(super) node_tickets: NodeTickets,
    /// The headers in which a token may be, besides `Authorization`.
    pub(super) headers: Arc<[Box<str>]>,
}

/// How the JWTs of one kind are found and checked.
pub(super) struct JwtKind {
    pub(super) verifier: Option<jwt::Verifier>,
    sources: Vec<TokenSource>,
    pub(super) jti_claim: String,
}

impl Keys {
    /// Reads keys, rules and sources. An error names the key in the file.
    pub fn new(config: &Config) -> Result<Self, AuthConfigError> {
        let auth = &config.auth;
        let kind = |rules: &Jwt, table: &str, verifier| {
            let sources = credential::parse_sources(&format!("{table}.sources"), &rules.sources)?;
            Ok(JwtKind { verifier, sources, jti_claim: rules.jti_claim.clone() })
        };
        let jwt = kind(&auth.jwt, "auth.jwt", jwt::Verifier::new(auth)?)?;
        let kinds = auth.jwt.kinds.iter().map(|(name, rules)| {
            let verifier = jwt::Verifier::of_kind(auth, name, rules)?;
            Ok((name.as_str().into(), kind(rules, &format!("auth.jwt.kinds.{name}"), verifier)?))
        });
        let kinds: Vec<(Box<str>, JwtKind)> = kinds.collect::<Result<_, AuthConfigError>>()?;
        let ws_token_sources = credential::parse_sources("auth.ws_token.sources", &auth.ws_token.sources)?;
        let all = kinds.iter().map(|(_, kind)| kind).chain([&jwt]).flat_map(|kind| &kind.sources);
        let mut headers = credential::header_names(all.chain(&ws_token_sources));
        let forwarding = Forwarding::new(&auth.django);
        headers.extend(forwarding.header_names().map(Box::from));
        headers.sort_unstable();
        headers.dedup();
        let ws_tokens = WsTokens::new(auth)?;
        let origins = OriginPolicy::new(config.server.allowed_origins.as_deref());
        let (keep_answers, headers) = (auth.django.cache.0, headers.into());
        Ok(Self {
            jwt,
            kinds,
            ws_tokens,
            ws_token_sources,
            origins,
            forwarding,
            keep_answers,
            signed_groups: SignedGroups::new(config),
            node_tickets: NodeTickets::new(config),
            headers,
        })
    }

    /// How the JWTs of this method are checked.
    pub(super) fn kind(&self, method: &AuthMethod) -> Option<&JwtKind> {
        match method {
            AuthMethod::Jwt => Some(&self.jwt),
            AuthMethod::JwtKind(name) => self.kinds.iter().find(|(known, _)| known == name).map(|(_, kind)| kind),
            AuthMethod::WsToken | AuthMethod::Django | AuthMethod::Anonymous => None,
        }
    }

    /// What a handshake shows for this method.
    pub(super) fn shown(&self, method: &AuthMethod, head: &RequestHead<'_>) -> Option<Shown> {
        match method {
            AuthMethod::Django => self.forwarding.of(head).map(Shown::Django),
            _ => credential::find(self.sources(method), head).map(Shown::Token),
        }
    }

    /// Where the token of this method may be.
    fn sources(&self, method: &AuthMethod) -> &[TokenSource] {
        match method {
            AuthMethod::WsToken => &self.ws_token_sources,
            _ => self.kind(method).map_or(&[], |kind| &kind.sources),
        }
    }

    /// Whether a set of keys would have to be asked for the key that this token names.
    pub(super) fn lacks_key_of(&self, method: &AuthMethod, token: &str) -> bool {
        let verifier = self.kind(method).and_then(|kind| kind.verifier.as_ref());
        verifier.is_some_and(|verifier| verifier.lacks_key_of(token))
    }

    /// Keeps the sets of keys that are known: their issuer may be away during a reload.
    pub(super) fn take_over(&self, old: &Self) {
        for verifier in self.verifiers() {
            old.verifiers().for_each(|old| verifier.take_over(old));
        }
    }

    fn verifiers(&self) -> impl Iterator<Item = &jwt::Verifier> {
        let kinds = self.kinds.iter().map(|(_, kind)| kind).chain([&self.jwt]);
        kinds.filter_map(|kind| kind.verifier.as_ref())
    }

    /// The headers in which an access token may be, on routes that take no token from elsewhere.
    pub(super) fn token_headers(&self) -> Vec<TokenHeader> {
        let headers = self.jwt.sources.iter().filter_map(|source| match source {
            TokenSource::Header(header) => Some(header.clone()),
            _ => None,
        });
        let headers: Vec<TokenHeader> = headers.collect();
        if headers.is_empty() { vec![TokenHeader::default()] } else { headers }
    }
}

/// Why no token of this method could be checked: the key is missing.
pub(super) fn lacks_key(keys: &Keys, method: &AuthMethod) -> Option<AuthError> {
    match method {
        AuthMethod::WsToken => keys.ws_tokens.needs_key().then_some(ws_token::NO_KEY),
        AuthMethod::Anonymous | AuthMethod::Django => None,
        _ => keys.kind(method).is_none_or(|kind| kind.verifier.is_none()).then_some(jwt::NO_KEY),
    }
}
