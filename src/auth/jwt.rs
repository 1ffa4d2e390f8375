//! Access tokens of djangorestframework-simplejwt: keys, claims, and the user that they name.
//!
//! In: a token and the time. Out: an [`Identity`]. Like simplejwt it asks no database: neither `is_active` nor a
//! blacklist is checked (simplejwt itself never looks up access tokens in its blacklist).

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime},
};

use indexmap::IndexMap;
use jsonwebtoken::EncodingKey;

use super::{
    AuthConfigError, AuthError, Identity,
    algorithm::{Algorithm, Key},
    claims::{self, Parts},
    fault::{Fault, Reason},
    key_set::KeySet,
};
use crate::{
    config::{Auth, Jwt, Names, Secret},
    event::Value,
};

/// Why a node without a key cannot check access tokens.
pub const NO_KEY: AuthError =
    AuthError::Unconfigured("DJANGO_SECRET_KEY is not set (nor a key in auth.jwt), so access tokens cannot be checked");

/// Claims about the token, not about the user.
const ABOUT_THE_TOKEN: [&str; 8] = ["exp", "iat", "nbf", "jti", "aud", "iss", "sub", "id"];

/// Claims with a token's type, checked besides the configured claim, and the types that are never access tokens: a
/// ws-token would renew itself, and a refresh token lives for long. As [`plain`] writes them.
const TYPE_CLAIMS: [&str; 4] = ["type", "tokentype", "typ", "tokenuse"];
const OTHER_TYPES: [&str; 3] = ["wstoken", "refresh", "refreshtoken"];

/// Checks JWTs of one kind.
pub struct Verifier {
    /// The table of its rules: `auth.jwt`, or `auth.jwt.kinds.NAME`.
    table: Cow<'static, str>,
    algorithm: Algorithm,
    keys: Vec<Key>,
    set: Option<KeySet>,
    rules: Jwt,
    /// The claim with the type in tokens of `auth.jwt`.
    main_type_claim: Box<str>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("table", &self.table)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// Reads keys and rules of `auth.jwt`; `None` if no key is configured.
    pub fn new(auth: &Auth) -> Result<Option<Self>, AuthConfigError> {
        Self::of_table(auth, &auth.jwt, "auth.jwt".into())
    }

    /// The same for the kind of this name.
    pub fn of_kind(auth: &Auth, name: &str, rules: &Jwt) -> Result<Option<Self>, AuthConfigError> {
        Self::of_table(auth, rules, format!("auth.jwt.kinds.{name}").into())
    }

    /// `previous_keys` are accepted besides the current key. If the key is Django's `SECRET_KEY`, so are
    /// `secret_key_fallbacks`: a key listed there is still trusted.
    fn of_table(auth: &Auth, rules: &Jwt, table: Cow<'static, str>) -> Result<Option<Self>, AuthConfigError> {
        let algorithm: Algorithm = (rules.algorithm.parse())
            .map_err(|reason: String| AuthConfigError::new(format!("{table}.algorithm"), reason))?;
        let mut keys = Vec::new();
        let mut add = |name: String, secret: &Secret| {
            keys.push(algorithm.key(secret.expose()).map_err(|reason| AuthConfigError::new(name, reason))?);
            Ok(())
        };
        if algorithm.is_hmac() {
            match (&rules.signing_key, &auth.secret_key) {
                (Some(key), _) => add(format!("{table}.signing_key"), key)?,
                (None, Some(key)) => {
                    add("auth.secret_key".to_owned(), key)?;
                    for (index, key) in auth.secret_key_fallbacks.iter().enumerate() {
                        add(format!("auth.secret_key_fallbacks[{index}]"), key)?;
                    }
                }
                (None, None) => {}
            }
        } else if let Some(key) = &rules.verifying_key {
            add(format!("{table}.verifying_key"), key)?;
        }
        for (index, key) in rules.previous_keys.iter().enumerate() {
            add(format!("{table}.previous_keys[{index}]"), key)?;
        }
        if rules.user_id_claims.is_empty() {
            let reason = "names no claim, so no user would be known";
            return Err(AuthConfigError::new(format!("{table}.user_id_claims"), reason));
        }
        let set = rules
            .jwk_url
            .as_ref()
            .map(|url| KeySet::new(&format!("{table}.jwk_url"), url, algorithm, rules.jwk_lifetime.0));
        let set = set.transpose()?;
        let has_key = !keys.is_empty() || set.is_some();
        let main_type_claim = auth.jwt.token_type_claim.as_str().into();
        Ok(has_key.then(|| Self { table, algorithm, keys, set, rules: rules.clone(), main_type_claim }))
    }

    /// The user of a valid token: the id, and every claim about the user (`role`, `email`, …).
    pub async fn identify(&self, token: &str, now: SystemTime) -> Result<Identity, AuthError> {
        let Some(set) = &self.set else { return Ok(self.identify_by(&self.keys, token, now)?) };
        let parts = Parts::of(token, self.algorithm).map_err(|fault| self.advise(fault))?;
        let Some(id) = parts.header.get("kid").and_then(Value::as_str) else {
            let fault =
                Fault::new(Reason::UnknownKey, "its header does not name a key (\"kid\"), and the key set needs that");
            return Err(self.advise(fault).into());
        };
        let key = set.find(id).await.map_err(|error| match error {
            AuthError::Invalid(fault) => self.advise(fault).into(),
            error => error,
        })?;
        Ok(self.identify_by(&[key], token, now)?)
    }

    /// The same with the keys of the configuration only.
    pub fn identify_offline(&self, token: &str, now: SystemTime) -> Result<Identity, AuthError> {
        Ok(self.identify_by(&self.keys, token, now)?)
    }

    /// Whether the set of keys would have to be asked for the key that this token names.
    pub fn lacks_key_of(&self, token: &str) -> bool {
        let Some(set) = &self.set else { return false };
        let Ok(parts) = Parts::of(token, self.algorithm) else { return false };
        parts.header.get("kid").and_then(Value::as_str).is_some_and(|id| set.lacks(id))
    }

    /// Keeps the keys that an earlier verifier has from the same URL.
    pub fn take_over(&self, old: &Self) {
        if let (Some(set), Some(old)) = (&self.set, &old.set) {
            set.take_over(old);
        }
    }

    /// Whether a key that is known now signed the token, valid or not.
    pub fn signed(&self, token: &str) -> bool {
        let Ok(parts) = Parts::of(token, self.algorithm) else { return false };
        let is_signed = |key: &Key| parts.is_signed(self.algorithm, std::slice::from_ref(key));
        self.keys.iter().any(is_signed) || self.set.as_ref().is_some_and(|set| set.any_known(is_signed))
    }

    fn identify_by(&self, keys: &[Key], token: &str, now: SystemTime) -> Result<Identity, Fault> {
        let read = claims::open(token, self.algorithm, keys).and_then(|claims| self.judge(claims, now));
        let (claims, id) = read.map_err(|fault| self.advise(fault))?;
        let mut user = IndexMap::from([("id".into(), id)]);
        for (name, value) in claims.as_map().into_iter().flatten() {
            let is_of_the_token = ABOUT_THE_TOKEN.contains(&&**name)
                || **name == *self.rules.token_type_claim
                || **name == *self.rules.jti_claim
                || self.rules.user_id_claims.iter().any(|claim| **name == **claim);
            if !is_of_the_token {
                user.insert(name.clone(), value.clone());
            }
        }
        let expires = claims::expiry(&claims).and_then(|end| end.checked_add(self.rules.leeway.0));
        let token = Some(claims::fingerprint(token, &claims, &self.rules.jti_claim));
        Ok(Identity { user: Value::Map(user), claims, expires, token, ..Identity::default() })
    }

    /// Checks the claims of a signed token, as `rest_framework_simplejwt.tokens.AccessToken(token)` does, and finds the
    /// user's id.
    fn judge(&self, claims: Value, now: SystemTime) -> Result<(Value, Value), Fault> {
        let rules = &self.rules;
        claims::check(&claims, rules.leeway.0, !rules.require_exp, now)?;
        if rules.audience.as_ref().is_some_and(|audience| !is_for(&claims, audience)) {
            return Err(Fault::new(Reason::Audience, "its claim \"aud\" names none of the configured audiences"));
        }
        let by = claims.get("iss").and_then(Value::as_str);
        if rules.issuer.as_ref().is_some_and(|issuer| !by.is_some_and(|by| issuer.has(by))) {
            return Err(Fault::new(Reason::Issuer, "its claim \"iss\" is none of the configured issuers"));
        }
        let lacks = |claim: &str| Fault::new(Reason::NoId, format!("it has no claim {claim:?}"));
        if !rules.jti_claim.is_empty() && claims.get(&rules.jti_claim).is_none() {
            return Err(lacks(&rules.jti_claim));
        }
        self.check_type(&claims)?;
        let named = rules.user_id_claims.iter().find_map(|name| claims.get(name));
        let id = named.and_then(claims::user_id).ok_or_else(|| {
            let names = rules.user_id_claims.join(", ");
            Fault::new(Reason::NoUser, format!("it has no user's id in any of the claims {names}"))
        })?;
        Ok((claims, id))
    }

    fn check_type(&self, claims: &Value) -> Result<(), Fault> {
        let rules = &self.rules;
        let wrong = |claim: &str, shown: &str| {
            let shown: String = shown.chars().take(32).collect();
            Fault::new(Reason::WrongType, format!("its claim {claim:?} is {shown:?}, not {}", rules.token_type))
        };
        for (claim, value) in claims.as_map().into_iter().flatten() {
            let Some(kind) = value.as_str().filter(|_| TYPE_CLAIMS.contains(&plain(claim).as_str())) else { continue };
            if OTHER_TYPES.contains(&plain(kind).as_str()) {
                return Err(wrong(claim, kind));
            }
        }
        let claim = match rules.token_type_claim.as_str() {
            // A token needs no type then, but one that simplejwt made for another use is no access token either. It
            // says so in its default claim, or in that of `auth.jwt`.
            "" => match [&*self.main_type_claim, "token_type"].into_iter().find(|claim| claims.get(claim).is_some()) {
                Some(claim) => claim,
                None => return Ok(()),
            },
            claim => claim,
        };
        let kind = claims.get(claim).ok_or_else(|| Fault::new(Reason::NoType, format!("it has no claim {claim:?}")))?;
        match kind.as_str() {
            Some(kind) if rules.token_type.has(kind) => Ok(()),
            kind => Err(wrong(claim, kind.unwrap_or("no text"))),
        }
    }

    /// Adds the setting to change.
    fn advise(&self, fault: Fault) -> Fault {
        let table = &self.table;
        match fault.reason {
            Reason::Algorithm => fault.and(format_args!("see {table}.algorithm")),
            Reason::UnknownKey => fault.and(format_args!("see {table}.jwk_url")),
            Reason::Signature if self.set.is_some() => fault.and(format_args!("see {table}.jwk_url")),
            Reason::Signature if !self.algorithm.is_hmac() => fault.and(format_args!("see {table}.verifying_key")),
            Reason::Signature if self.rules.signing_key.is_none() => fault.and(format_args!(
                "DJANGO_SECRET_KEY must be the SECRET_KEY of the Django that issues them; with SIGNING_KEY see \
                 {table}.signing_key"
            )),
            Reason::Signature => fault.and(format_args!("see {table}.signing_key")),
            Reason::Expired | Reason::NotYetValid => fault.and(format_args!("see {table}.leeway")),
            Reason::NoExpiry => fault.and(format_args!("{table}.require_exp = false admits such tokens")),
            Reason::Audience => fault.and(format_args!("see {table}.audience")),
            Reason::Issuer => fault.and(format_args!("see {table}.issuer")),
            Reason::NoId => fault.and(format_args!("{table}.jti_claim = \"\" admits such tokens")),
            Reason::NoType => fault.and(format_args!("{table}.token_type_claim = \"\" admits such tokens")),
            Reason::WrongType => fault.and(format_args!("see {table}.token_type")),
            Reason::NoUser => fault.and(format_args!("see {table}.user_id_claims")),
            _ => fault,
        }
    }
}

/// An access token as simplejwt 5.5 makes it, for testing an installation; HS algorithms only.
///
/// `extra` claims follow the user's id, in their order.
pub fn mint(
    auth: &Auth,
    user_id: &str,
    lifetime: Duration,
    extra: IndexMap<Box<str>, Value>,
    now: SystemTime,
) -> Result<String, AuthError> {
    mint_kind(auth, &auth.jwt, user_id, lifetime, extra, now)
}

/// The same for the kind of JWT with these rules.
pub fn mint_kind(
    auth: &Auth,
    rules: &Jwt,
    user_id: &str,
    lifetime: Duration,
    extra: IndexMap<Box<str>, Value>,
    now: SystemTime,
) -> Result<String, AuthError> {
    let algorithm: Algorithm =
        rules.algorithm.parse().map_err(|_| AuthError::Unconfigured("the algorithm of these tokens is unknown"))?;
    let algorithm = algorithm.signing().ok_or(AuthError::Unconfigured(
        "a token can be minted only with an HS algorithm: the others need a private key",
    ))?;
    let key = rules.signing_key.as_ref().or(auth.secret_key.as_ref()).ok_or(NO_KEY)?;
    let mut token = IndexMap::new();
    let mut put = |name: &str, value: Value| {
        if !name.is_empty() {
            token.insert(name.into(), value);
        }
    };
    put(&rules.token_type_claim, first(&rules.token_type).into());
    put("exp", claims::timestamp(now, lifetime));
    put("iat", claims::timestamp(now, Duration::ZERO));
    put(&rules.jti_claim, uuid::Uuid::new_v4().simple().to_string().into());
    put(rules.user_id_claims.first().map_or("user_id", String::as_str), user_id.into());
    extra.into_iter().for_each(|(name, value)| put(&name, value));
    if let Some(audience) = &rules.audience {
        put(
            "aud",
            match audience.as_slice() {
                [one] => one.as_str().into(),
                several => Value::List(several.iter().map(|one| one.as_str().into()).collect()),
            },
        );
    }
    // A token has one issuer.
    rules.issuer.iter().for_each(|issuer| put("iss", first(issuer).into()));
    let key = EncodingKey::from_secret(key.expose().as_bytes());
    claims::sign(&Value::Map(token), algorithm, &key).ok_or(NO_KEY)
}

/// A name without hyphens and underscores, in small letters: `refreshToken` and `refresh_token` are the same.
fn plain(name: &str) -> String {
    name.replace(['_', '-', ' '], "").to_ascii_lowercase()
}

fn first(names: &Names) -> &str {
    names.as_slice().first().map_or("", String::as_str)
}

/// `aud`, one or several, must include one of the audiences.
fn is_for(claims: &Value, audience: &Names) -> bool {
    match claims.get("aud") {
        Some(Value::Str(one)) => audience.has(one),
        Some(Value::List(several)) => {
            several.iter().all(|one| one.as_str().is_some())
                && several.iter().filter_map(Value::as_str).any(|one| audience.has(one))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
