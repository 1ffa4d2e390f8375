//! Checks the rules for tokens: of JWTs of every kind, and of ws-tokens.

use url::Url;

use crate::config::{
    Auth, AuthMethod, Config, Jwt, Names, TokenSource,
    error::{ConfigSource, KeyPath, did_you_mean},
};

/// simplejwt's algorithms.
const ALGORITHMS: &[&str] = &[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
    "ES521", "ES256K", "EdDSA",
];

/// Types of tokens with other uses.
const TYPES_OF_OTHERS: [&str; 2] = ["ws_token", "refresh"];

pub(super) fn check(config: &Config, note: &mut impl FnMut(KeyPath, String)) {
    let auth = &config.auth;
    let main = KeyPath::dotted("auth.jwt");
    let uses = |method: &AuthMethod| config.consumers.iter().any(|consumer| consumer.auth.contains(method));
    jwt(&auth.jwt, &main, uses(&AuthMethod::Jwt), note);
    for (name, kind) in &auth.jwt.kinds {
        let here = main.then("kinds").then(name.as_str());
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            || name.is_empty()
        {
            // Otherwise no variable of the environment could set its key.
            note(here.clone(), "a kind's name has small letters, digits and \"_\"".to_owned());
        }
        if !kind.kinds.is_empty() {
            note(
                here.then("kinds"),
                format!("a kind has no kinds of its own; write [auth.jwt.kinds.NAME] beside {name:?}"),
            );
        }
        let of_preset =
            config.locations.of_key(&here).is_some_and(|(at, _)| matches!(*at.source, ConfigSource::Preset(_)));
        if !config.uses_kind(name) && !of_preset {
            note(here.clone(), format!("no consumer takes these tokens; write auth = [\"jwt:{name}\"] in one"));
        }
        let has_own = auth.jwt.signing_key.is_some() || kind.previous_keys != auth.jwt.previous_keys;
        if kind.algorithm.starts_with("HS") && kind.signing_key.is_none() && !kind.previous_keys.is_empty() && has_own {
            let reason =
                "needs \"signing_key\" beside it, or Django's SECRET_KEY would be the current key of these tokens";
            note(here.then("previous_keys"), reason.to_owned());
        }
        jwt(kind, &here, config.uses_kind(name), note);
    }
    for (index, consumer) in config.consumers.iter().enumerate() {
        for (at, method) in consumer.auth.iter().enumerate() {
            let AuthMethod::JwtKind(kind) = method else { continue };
            if !auth.jwt.kinds.contains_key(&**kind) {
                let near = did_you_mean(kind, auth.jwt.kinds.keys().map(String::as_str));
                let key = KeyPath::ROOT.then("consumer").then(index).then("auth").then(at);
                note(key, format!("the kind {kind:?} is not described; write [auth.jwt.kinds.{kind}]{near}"));
            }
        }
    }
    ws_tokens(auth, note);
}

/// One kind of JWT; `is_used` by a consumer.
fn jwt(jwt: &Jwt, here: &KeyPath, is_used: bool, note: &mut impl FnMut(KeyPath, String)) {
    let algorithm = jwt.algorithm.as_str();
    if !ALGORITHMS.contains(&algorithm) {
        let near = did_you_mean(algorithm, ALGORITHMS.iter().copied());
        note(here.then("algorithm"), format!("unknown algorithm; known: {}{near}", ALGORITHMS.join(", ")));
    }
    keys(jwt, here, is_used, note);
    sources(&jwt.sources, &here.then("sources"), note);
    for (key, names) in
        [("audience", jwt.audience.as_ref()), ("issuer", jwt.issuer.as_ref()), ("token_type", Some(&jwt.token_type))]
    {
        let Some(names) = names.map(Names::as_slice) else { continue };
        if names.is_empty() {
            note(here.then(key), "lists nothing, so every token would be refused; leave it out".to_owned());
        }
        if names.iter().any(|name| name.trim().is_empty()) {
            note(here.then(key), "is empty; write a value, or leave it out".to_owned());
        }
    }
    if jwt.token_type.as_slice().iter().any(|name| TYPES_OF_OTHERS.contains(&name.as_str())) {
        let reason = "a ws-token and a refresh token are never access tokens; write \"access\"".to_owned();
        note(here.then("token_type"), reason);
    }
    for (index, _) in jwt.user_id_claims.iter().enumerate().filter(|(_, name)| name.trim().is_empty()) {
        note(here.then("user_id_claims").then(index), "is empty; write a value, or leave it out".to_owned());
    }
}

/// The keys that verify signatures.
fn keys(jwt: &Jwt, here: &KeyPath, is_used: bool, note: &mut impl FnMut(KeyPath, String)) {
    let algorithm = jwt.algorithm.as_str();
    let is_hmac = algorithm.starts_with("HS");
    let unused = |wanted: &str| format!("is not used with {algorithm}; write \"{wanted}\", or another \"algorithm\"");
    if is_hmac {
        if jwt.verifying_key.is_some() {
            note(here.then("verifying_key"), unused("signing_key"));
        }
        if jwt.jwk_url.is_some() {
            note(
                here.then("jwk_url"),
                format!("is not used with {algorithm}; write algorithm = \"RS256\", or what its keys are for"),
            );
        }
    } else {
        if jwt.signing_key.is_some() {
            note(here.then("signing_key"), unused("verifying_key"));
        }
        if is_used && jwt.verifying_key.is_none() && jwt.jwk_url.is_none() {
            let reason = format!("{algorithm} needs a public key; write \"verifying_key\" or \"jwk_url\"");
            note(here.then("algorithm"), reason);
        }
    }
    let Some(url) = &jwt.jwk_url else { return };
    for (key, is_set) in
        [("verifying_key", jwt.verifying_key.is_some()), ("previous_keys", !jwt.previous_keys.is_empty())]
    {
        if is_set && !is_hmac {
            note(
                here.then(key),
                "is not used beside \"jwk_url\", whose set has all keys; remove one of the two".to_owned(),
            );
        }
    }
    if let Err(reason) = jwk_url(url) {
        note(here.then("jwk_url"), reason);
    }
    if jwt.jwk_lifetime.0.is_zero() {
        note(here.then("jwk_lifetime"), "must be longer than 0".to_owned());
    }
}

/// As PyJWT: http or https. Credentials would be shown where the configuration is.
fn jwk_url(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must begin with http:// or https:// and a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user or password: a set of public keys needs none".to_owned());
    }
    Ok(())
}

fn sources(sources: &[String], here: &KeyPath, note: &mut impl FnMut(KeyPath, String)) {
    for (index, source) in sources.iter().enumerate() {
        if let Err(reason) = TokenSource::parse(source) {
            note(here.then(index), reason);
        }
    }
}

fn ws_tokens(auth: &Auth, note: &mut impl FnMut(KeyPath, String)) {
    if auth.ws_token.user_id_keys.is_empty() {
        let reason = "names no key, so no user would be known; write [\"user_id\"]".to_owned();
        note(KeyPath::dotted("auth.ws_token.user_id_keys"), reason);
    }
    sources(&auth.ws_token.sources, &KeyPath::dotted("auth.ws_token.sources"), note);
    let templates = [
        ("auth.ws_token.jwt_key", &auth.ws_token.jwt_key, "{user_id}"),
        ("auth.ws_token.opaque_key", &auth.ws_token.opaque_key, "{token}"),
    ];
    for (key, template, part) in templates {
        if !template.contains(part) {
            // Without it, one cached value would be the token of every user.
            note(KeyPath::dotted(key), format!("must contain {part}"));
        }
    }
}
