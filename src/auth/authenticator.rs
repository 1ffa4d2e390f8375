//! Tries a consumer's authentication methods on one handshake.
//!
//! In: methods and a [`RequestHead`]. Out: an [`Identity`] or an [`AuthError`]. `keys` is what the configuration says.
//!
//! The first method that yields a user wins. `anonymous` applies only without a credential, wherever it is in the list:
//! a client that sends a token expects to be authenticated, so an invalid token refuses the connection instead of
//! quietly making it anonymous (as a Channels middleware would), unless the consumer has `invalid = "anonymous"`. Why: `docs/decisions/0004-auth.md`.

mod keys;

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use arc_swap::ArcSwap;

pub use self::keys::Keys;
use self::keys::{JwtKind, Shown, lacks_key};
use super::{
    AuthConfigError, AuthError, Cache, Fault, Identity, IssuedToken, PageTokens, Reason, RequestHead, Revocations,
    claims,
    credential::{self, Authorization, Credential},
    django::{DjangoLogins, Forwarded, Verdict},
    jwt,
    origin::is_own,
    signed_group::{SignedGroup, SignedGroupError},
};
use crate::{
    config::{AuthMethod, Config, InvalidToken},
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
    /// Absent without `backend.url`.
    django: Option<Arc<DjangoLogins>>,
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

impl Authenticator {
    /// Uses the rules of the configuration, and the cache that holds ws-tokens. An error names the key in the file.
    pub fn new(config: &Config, cache: Arc<dyn Cache>) -> Result<Self, AuthConfigError> {
        let keys = ArcSwap::from_pointee(Keys::new(config)?);
        Ok(Self { keys, cache, revocations: Arc::default(), page_tokens: None, django: None })
    }

    /// Accepts the tokens of the node's own live page for connections, too.
    #[must_use]
    pub fn with_page_tokens(self, page_tokens: Option<Arc<PageTokens>>) -> Self {
        Self { page_tokens, ..self }
    }

    /// Asks Django for `auth = ["django"]`.
    #[must_use]
    pub fn with_django(self, django: Option<Arc<DjangoLogins>>) -> Self {
        Self { django, ..self }
    }

    /// Uses other rules from the next credential on.
    pub fn exchange(&self, keys: Keys) {
        keys.take_over(&self.keys.load());
        self.keys.store(Arc::new(keys));
        if let Some(django) = &self.django {
            django.clear();
        }
    }

    /// Users or tokens were disconnected, each at its time: Django is asked about them anew.
    pub fn forget(&self, principals: &HashMap<Fingerprint, Instant>) {
        if let Some(django) = &self.django {
            django.forget(principals);
        }
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

    /// Like [`Self::check_origin`], for pages that show a credential after the handshake: those of the node itself are
    /// accepted with any configuration.
    pub fn check_page_origin(&self, head: &RequestHead<'_>) -> Result<(), AuthError> {
        let is_own = head.origin.is_some_and(|origin| is_own(origin, head.host));
        if is_own { Ok(()) } else { self.check_origin(head) }
    }

    /// Authenticates by the first of `methods` that succeeds.
    ///
    /// If none does, the most informative error is returned: an unreachable store before a missing key, that before an
    /// invalid token, and that before no token.
    pub async fn authenticate(&self, methods: &[AuthMethod], head: &RequestHead<'_>) -> Result<Identity, AuthError> {
        let keys = self.keys.load_full();
        let find = |method: &AuthMethod| keys.shown(method, head);
        match self.first(&keys, methods, find).await {
            // Only Django can say of a client that shows something that it shows no credential.
            Err(AuthError::Missing) if methods.contains(&AuthMethod::Anonymous) => Ok(Identity::default()),
            Err(AuthError::Unconfigured(_))
                if methods.contains(&AuthMethod::Anonymous) && methods.iter().all(|method| find(method).is_none()) =>
            {
                Ok(Identity::default())
            }
            result => result,
        }
    }

    /// Tries each method with what `find` has for it. Django's refusal is final.
    ///
    /// Last comes one whose set of keys would have to be asked for the key that the token names: mostly the token is of
    /// another kind, and neither it nor its client's answer depends on that set.
    async fn first(
        &self,
        keys: &Keys,
        methods: &[AuthMethod],
        find: impl Fn(&AuthMethod) -> Option<Shown>,
    ) -> Result<Identity, AuthError> {
        let (mut worst, mut is_decided) = (AuthError::Missing, false);
        let mut later = Vec::new();
        for method in methods.iter().filter(|method| **method != AuthMethod::Anonymous) {
            let result = match find(method) {
                Some(Shown::Token(credential)) if keys.lacks_key_of(method, &credential.token) => {
                    later.push((method, credential));
                    continue;
                }
                Some(Shown::Token(credential)) => self.identify_credential(method, credential).await,
                Some(Shown::Django(forwarded)) => self.ask_django(keys, forwarded).await,
                None => Err(lacks_key(keys, method).unwrap_or(AuthError::Missing)),
            };
            match result {
                Ok(identity) => return Ok(identity),
                Err(AuthError::Denied) => return Err(AuthError::Denied),
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

    /// The user whom Django names for what a client shows.
    async fn ask_django(&self, keys: &Keys, forwarded: Forwarded) -> Result<Identity, AuthError> {
        let django = self.django.as_ref().ok_or(AuthError::Unconfigured("backend.url is not set"))?;
        if forwarded.tokens().any(|token| token.len() > claims::MAX_TOKEN) {
            return Err(no_login());
        }
        let tokens: Vec<Fingerprint> = forwarded.tokens().map(|token| self.recognise(token).0).collect();
        let answer = django.ask(&forwarded, tokens.iter().copied(), keys.keep_answers).await;
        let (user, expires, via) = match &answer.verdict {
            Verdict::User { user, expires, via } => (user.clone(), *expires, via.as_deref()),
            Verdict::Nobody => return Err(AuthError::Missing),
            Verdict::Invalid => return Err(no_login()),
            Verdict::Denied => return Err(AuthError::Denied),
            Verdict::Unavailable { retry_after } => {
                return Err(AuthError::DjangoUnavailable { retry_after: *retry_after });
            }
        };
        if expires.is_some_and(|end| end <= SystemTime::now()) {
            return Err(no_login());
        }
        for token in &tokens {
            self.revocations.check(*token).await?;
        }
        Ok(Identity {
            user,
            expires,
            token: tokens.get(forwarded.token_at(via)).copied(),
            subprotocol: forwarded.subprotocol,
            asked: Some(answer.asked),
            ..Identity::default()
        })
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
                // A browser drops the connection unless the subprotocol of its token comes back.
                let shown = methods.iter().find_map(|method| keys.shown(method, head)).and_then(Shown::subprotocol);
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
            AuthMethod::Django => return self.ask_django(&keys, Forwarded::token(token)).await,
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
        let shown = |method: &AuthMethod| match method {
            AuthMethod::Django => Some(Shown::Django(Forwarded::token(token))),
            _ => Some(Shown::Token(Credential { token: token.to_owned(), subprotocol: None })),
        };
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

    /// The group that a token signed by Django lets a client of this consumer join, if the client has this user.
    pub fn signed_group(
        &self,
        token: &str,
        user: Option<&str>,
        consumer: &str,
    ) -> Result<SignedGroup, SignedGroupError> {
        self.keys.load().signed_groups.verify(token, user, consumer, SystemTime::now())
    }

    /// The schemes of the headers that [`Self::identify_request`] reads, for `WWW-Authenticate`: the first one, as
    /// simplejwt.
    pub fn challenge(&self) -> String {
        let header = self.keys.load().token_headers().into_iter().next().unwrap_or_default();
        format!("{} realm=\"api\"", header.scheme)
    }

    /// What this node shows to another one; `None` if the nodes share no secret.
    pub fn ticket_for(&self, node: &str, address: &str) -> Option<String> {
        self.keys.load().node_tickets.issue(node, address, SystemTime::now())
    }

    /// Whether another node shows a ticket for this one, which the others find at this address.
    pub fn accepts_ticket(&self, ticket: &str, node: &str, address: &str) -> bool {
        self.keys.load().node_tickets.accepts(ticket, node, address, SystemTime::now())
    }

    /// Issues a ws-token for the user of an access token in a request's headers.
    pub async fn issue_ws_token(&self, head: &RequestHead<'_>) -> Result<IssuedToken, AuthError> {
        let keys = self.keys.load_full();
        let identity = self.identify_request(head).await?;
        let id = identity.user.get("id").ok_or(AuthError::Missing)?;
        keys.ws_tokens.issue(&*self.cache, id, SystemTime::now()).await
    }
}

/// Django does not take what a client shows for a login.
fn no_login() -> AuthError {
    let advice = "Django does not know the login: it has ended, or it is of another project (compare auth.django with \
                  SESSION_COOKIE_NAME and the authenticators of CHANNELGATE in Django's settings)";
    Fault::new(Reason::Login, advice).into()
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
        AuthError::Unavailable { .. } | AuthError::KeySetUnavailable { .. } | AuthError::DjangoUnavailable { .. } => 8,
        AuthError::Denied => 9,
    }
}

#[cfg(test)]
mod tests;
