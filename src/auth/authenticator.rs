//! Tries a consumer's authentication methods on one handshake.
//!
//! In: methods and a [`RequestHead`]. Out: an [`Identity`] or an [`AuthError`].
//!
//! The first method that yields a user wins. `anonymous` applies only without a credential, wherever it is in the list:
//! a client that sends a token expects to be authenticated, so an invalid token refuses the connection instead of
//! quietly making it anonymous (as a Channels middleware would), unless the consumer has `invalid = "anonymous"`. Why: `docs/decisions/0004-auth.md`.

use std::{fmt, sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;

use super::{
    AuthConfigError, AuthError, Cache, Fault, Identity, IssuedToken, OriginPolicy, PageTokens, Reason, RequestHead,
    Revocations, claims,
    credential::{self, Authorization, Credential},
    jwt,
    ws_token::{self, WsTokens},
};
use crate::{
    config::{AuthMethod, Config, InvalidToken, Jwt, TokenHeader, TokenSource},
    event::Fingerprint,
};

/// Authenticates connections. One per node, shared by its workers.
pub struct Authenticator {
    /// Replaced by a reload.
    keys: ArcSwap<Keys>,
    cache: Arc<dyn Cache>,
    revocations: Arc<Revocations>,
    /// Tokens of the node's own live page, which open connections only.
    page_tokens: Option<Arc<PageTokens>>,
}

/// Keys, credential sources and origins of a configuration.
pub struct Keys {
    jwt: JwtKind,
    /// The other kinds of JWT, by name.
    kinds: Vec<(Box<str>, JwtKind)>,
    ws_tokens: WsTokens,
    ws_token_sources: Vec<TokenSource>,
    origins: OriginPolicy,
    /// The headers in which a token may be, besides `Authorization`.
    headers: Arc<[Box<str>]>,
}

/// How the JWTs of one kind are found and checked.
struct JwtKind {
    verifier: Option<jwt::Verifier>,
    sources: Vec<TokenSource>,
    jti_claim: String,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.load();
        f.debug_struct("Authenticator")
            .field("jwt", &keys.jwt.verifier)
            .field("origins", &keys.origins)
            .finish_non_exhaustive()
    }
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
        let headers = credential::header_names(all.chain(&ws_token_sources)).into();
        let ws_tokens = WsTokens::new(auth)?;
        let origins = OriginPolicy::new(config.server.allowed_origins.as_deref());
        Ok(Self { jwt, kinds, ws_tokens, ws_token_sources, origins, headers })
    }

    /// How the JWTs of this method are checked.
    fn kind(&self, method: &AuthMethod) -> Option<&JwtKind> {
        match method {
            AuthMethod::Jwt => Some(&self.jwt),
            AuthMethod::JwtKind(name) => self.kinds.iter().find(|(known, _)| known == name).map(|(_, kind)| kind),
            AuthMethod::WsToken | AuthMethod::Anonymous => None,
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
    fn lacks_key_of(&self, method: &AuthMethod, token: &str) -> bool {
        let verifier = self.kind(method).and_then(|kind| kind.verifier.as_ref());
        verifier.is_some_and(|verifier| verifier.lacks_key_of(token))
    }

    /// Keeps the sets of keys that are known: their issuer may be away during a reload.
    fn take_over(&self, old: &Self) {
        for verifier in self.verifiers() {
            old.verifiers().for_each(|old| verifier.take_over(old));
        }
    }

    fn verifiers(&self) -> impl Iterator<Item = &jwt::Verifier> {
        let kinds = self.kinds.iter().map(|(_, kind)| kind).chain([&self.jwt]);
        kinds.filter_map(|kind| kind.verifier.as_ref())
    }

    /// The headers in which an access token may be, on routes that take no token from elsewhere.
    fn token_headers(&self) -> Vec<TokenHeader> {
        let headers = self.jwt.sources.iter().filter_map(|source| match source {
            TokenSource::Header(header) => Some(header.clone()),
            _ => None,
        });
        let headers: Vec<TokenHeader> = headers.collect();
        if headers.is_empty() { vec![TokenHeader::default()] } else { headers }
    }
}

impl Authenticator {
    /// Uses the rules of the configuration, and the cache that holds ws-tokens. An error names the key in the file.
    pub fn new(config: &Config, cache: Arc<dyn Cache>) -> Result<Self, AuthConfigError> {
        let keys = ArcSwap::from_pointee(Keys::new(config)?);
        Ok(Self { keys, cache, revocations: Arc::default(), page_tokens: None })
    }

    /// Accepts the tokens of the node's own live page for connections, too.
    #[must_use]
    pub fn with_page_tokens(self, page_tokens: Option<Arc<PageTokens>>) -> Self {
        Self { page_tokens, ..self }
    }

    /// Uses other rules from the next credential on.
    pub fn exchange(&self, keys: Keys) {
        keys.take_over(&self.keys.load());
        self.keys.store(Arc::new(keys));
    }

    /// The revoked tokens.
    pub const fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// The fingerprint of a token, and when it expires according to its own claims. Neither is verified; but of several
    /// kinds of JWT, the one that has a key which signed it knows where its id is.
    pub fn recognise(&self, token: &str) -> (Fingerprint, Option<SystemTime>) {
        let keys = self.keys.load();
        let signed = |kind: &JwtKind| kind.verifier.as_ref().is_some_and(|verifier| verifier.signed(token));
        let kinds = || keys.kinds.iter().map(|(_, kind)| kind);
        let is_of_main = kinds().all(|kind| kind.jti_claim == keys.jwt.jti_claim) || signed(&keys.jwt);
        let kind = if is_of_main { &keys.jwt } else { kinds().find(|kind| signed(kind)).unwrap_or(&keys.jwt) };
        claims::recognise(token, &kind.jti_claim)
    }

    /// The headers in which a token may be, besides `Authorization`, in small letters.
    pub fn token_headers(&self) -> Arc<[Box<str>]> {
        Arc::clone(&self.keys.load().headers)
    }

    /// Checks the origin of the page.
    pub fn check_origin(&self, head: &RequestHead<'_>) -> Result<(), AuthError> {
        if self.keys.load().origins.allows(head.origin, head.host) { Ok(()) } else { Err(AuthError::Origin) }
    }

    /// Authenticates by the first of `methods` that succeeds.
    ///
    /// If none does, the most informative error is returned: an unreachable store before a missing key, that before an
    /// invalid token, and that before no token.
    pub async fn authenticate(&self, methods: &[AuthMethod], head: &RequestHead<'_>) -> Result<Identity, AuthError> {
        let keys = self.keys.load_full();
        let find = |method: &AuthMethod| credential::find(keys.sources(method), head);
        match self.first(&keys, methods, find).await {
            Err(AuthError::Missing | AuthError::Unconfigured(_))
                if methods.contains(&AuthMethod::Anonymous) && methods.iter().all(|method| find(method).is_none()) =>
            {
                Ok(Identity::default())
            }
            result => result,
        }
    }

    /// Tries each method with the credential that `find` has for it.
    ///
    /// Last comes one whose set of keys would have to be asked for the key that the token names: mostly the token is of
    /// another kind, and neither it nor its client's answer depends on that set.
    async fn first(
        &self,
        keys: &Keys,
        methods: &[AuthMethod],
        find: impl Fn(&AuthMethod) -> Option<Credential>,
    ) -> Result<Identity, AuthError> {
        let (mut worst, mut is_decided) = (AuthError::Missing, false);
        let mut later = Vec::new();
        for method in methods.iter().filter(|method| **method != AuthMethod::Anonymous) {
            let result = match find(method) {
                Some(credential) if keys.lacks_key_of(method, &credential.token) => {
                    later.push((method, credential));
                    continue;
                }
                Some(credential) => self.identify_credential(method, credential).await,
                None => Err(lacks_key(keys, method).unwrap_or(AuthError::Missing)),
            };
            match result {
                Ok(identity) => return Ok(identity),
                Err(error) => {
                    is_decided |= method.is_jwt() && has_ended(&error);
                    worst = worse(worst, error);
                }
            }
        }
        for (method, credential) in later {
            if is_decided {
                break;
            }
            match self.identify_credential(method, credential).await {
                Ok(identity) => return Ok(identity),
                Err(error) => worst = worse(worst, error),
            }
        }
        Err(worst)
    }

    async fn identify_credential(&self, method: &AuthMethod, credential: Credential) -> Result<Identity, AuthError> {
        let identity = self.identify_client(method, &credential.token).await?;
        Ok(Identity { subprotocol: credential.subprotocol, ..identity })
    }

    /// Authenticates a client by the token that it sent in a message, else by those in its head; `invalid` says what
    /// happens if its token is not valid.
    pub async fn authenticate_client(
        &self,
        methods: &[AuthMethod],
        invalid: InvalidToken,
        token: Option<&str>,
        head: &RequestHead<'_>,
    ) -> Result<Identity, AuthError> {
        let result = match token {
            Some(token) => self.identify_by(methods, credential::bare(token)).await,
            None => self.authenticate(methods, head).await,
        };
        match result {
            Err(error @ (AuthError::Invalid(_) | AuthError::Revoked)) if invalid == InvalidToken::Anonymous => {
                let keys = self.keys.load_full();
                let find = |method| credential::find(keys.sources(method), head);
                // A browser drops the connection unless the subprotocol of its token comes back.
                let shown = methods.iter().find_map(find).and_then(|Credential { subprotocol, .. }| subprotocol);
                let subprotocol = shown.filter(|_| token.is_none());
                Ok(Identity { subprotocol, ignored: Some(error), ..Identity::default() })
            }
            result => result,
        }
    }

    /// The user of a token that did not come in a request's head, by one method.
    pub async fn identify(&self, method: &AuthMethod, token: &str) -> Result<Identity, AuthError> {
        let keys = self.keys.load_full();
        let identity = match method {
            AuthMethod::Anonymous => return Ok(Identity::default()),
            AuthMethod::WsToken => keys.ws_tokens.identify(&*self.cache, token, SystemTime::now()).await?,
            AuthMethod::Jwt | AuthMethod::JwtKind(_) => {
                let verifier = keys.kind(method).and_then(|kind| kind.verifier.as_ref());
                verifier.ok_or(jwt::NO_KEY)?.identify(token, SystemTime::now()).await?
            }
        };
        self.unless_revoked(identity).await
    }

    /// Like [`Self::identify`], but for a connection, so it accepts the tokens of the node's own live page, too.
    async fn identify_client(&self, method: &AuthMethod, token: &str) -> Result<Identity, AuthError> {
        if let (true, Some(page_tokens)) = (method.is_jwt(), &self.page_tokens)
            && let Ok(identity) = page_tokens.identify(token, SystemTime::now())
        {
            return self.unless_revoked(identity).await;
        }
        self.identify(method, token).await
    }

    /// Last, so that nothing is awaited between this check and the moment from which the connection can be disconnected.
    async fn unless_revoked(&self, identity: Identity) -> Result<Identity, AuthError> {
        if let Some(token) = identity.token {
            self.revocations.check(token).await?;
        }
        Ok(identity)
    }

    /// Like [`Self::authenticate`], with a token that has been found already.
    pub async fn identify_by(&self, methods: &[AuthMethod], token: &str) -> Result<Identity, AuthError> {
        if methods.iter().all(|method| *method == AuthMethod::Anonymous) {
            // None of these methods reads tokens.
            return Ok(Identity::default());
        }
        let shown = |_: &AuthMethod| Some(Credential { token: token.to_owned(), subprotocol: None });
        self.first(&self.keys.load_full(), methods, shown).await
    }

    /// The user of the access token in a request's headers, for routes that are not for connections: as simplejwt reads
    /// `AUTH_HEADER_NAME` and `AUTH_HEADER_TYPES`, so of `auth.jwt` and of no other kind.
    pub async fn identify_request(&self, head: &RequestHead<'_>) -> Result<Identity, AuthError> {
        let keys = self.keys.load_full();
        let mut malformed = false;
        for header in keys.token_headers() {
            match header.read(head) {
                Authorization::Token(token) => return self.identify(&AuthMethod::Jwt, token).await,
                Authorization::Malformed => malformed = true,
                Authorization::None => {}
            }
        }
        Err(match (malformed, &keys.jwt.verifier) {
            (true, _) => Reason::BadHeader.into(),
            (false, None) => jwt::NO_KEY,
            (false, Some(_)) => AuthError::Missing,
        })
    }

    /// The schemes of the headers that [`Self::identify_request`] reads, for `WWW-Authenticate`: the first one, as
    /// simplejwt.
    pub fn challenge(&self) -> String {
        let header = self.keys.load().token_headers().into_iter().next().unwrap_or_default();
        format!("{} realm=\"api\"", header.scheme)
    }

    /// Issues a ws-token for the user of an access token in a request's headers.
    pub async fn issue_ws_token(&self, head: &RequestHead<'_>) -> Result<IssuedToken, AuthError> {
        let keys = self.keys.load_full();
        let identity = self.identify_request(head).await?;
        let id = identity.user.get("id").ok_or(AuthError::Missing)?;
        keys.ws_tokens.issue(&*self.cache, id, SystemTime::now()).await
    }
}

/// Why no token of this method could be checked: the key is missing.
fn lacks_key(keys: &Keys, method: &AuthMethod) -> Option<AuthError> {
    match method {
        AuthMethod::WsToken => keys.ws_tokens.needs_key().then_some(ws_token::NO_KEY),
        AuthMethod::Anonymous => None,
        _ => keys.kind(method).is_none_or(|kind| kind.verifier.is_none()).then_some(jwt::NO_KEY),
    }
}

/// Whether a token is valid no more, under a key that signed it: no other key can change that.
const fn has_ended(error: &AuthError) -> bool {
    matches!(error, AuthError::Revoked | AuthError::Invalid(Fault { reason: Reason::Expired, .. }))
}

/// The one of two errors that tells more; the first of equals.
fn worse(first: AuthError, second: AuthError) -> AuthError {
    if weight(&second) > weight(&first) { second } else { first }
}

/// How much an error tells if a client was read in several ways.
const fn weight(error: &AuthError) -> u8 {
    match error {
        AuthError::Missing => 0,
        AuthError::Invalid(Fault { reason, .. }) => 1 + reason.weight(),
        AuthError::Origin => 5,
        AuthError::Revoked => 6,
        AuthError::Unconfigured(_) => 7,
        AuthError::Unavailable { .. } | AuthError::KeySetUnavailable { .. } => 8,
    }
}

#[cfg(test)]
mod tests;
