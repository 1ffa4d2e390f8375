//! Access tokens that a node signs for its own live page.
//!
//! In: the user that the page asks for. Out: a token, and later its [`Identity`]. The key is created at the start,
//! never leaves the process and ends with it, so these tokens open connections of this node and nothing else: Django
//! and other nodes reject them, and so do this node's admin API and its route for ws-tokens.

use std::time::{Duration, SystemTime};

use indexmap::IndexMap;

use super::{AuthConfigError, AuthError, Identity, jwt};
use crate::{
    config::{Auth, Jwt, Secret},
    event::Value,
};

/// The lifetime of a token; the page fetches another one for each connection.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Signs tokens for the live page and recognises them.
#[derive(Debug)]
pub struct PageTokens {
    rules: Auth,
    verifier: jwt::Verifier,
}

impl PageTokens {
    /// Creates a new key; the names of the claims are those of `auth.jwt`.
    pub fn new(auth: &Auth) -> Result<Self, AuthConfigError> {
        let made = || uuid::Uuid::new_v4().simple();
        let key = Secret::new(format!("{}{}", made(), made()));
        let jwt = Jwt {
            user_id_claims: auth.jwt.user_id_claims.clone(),
            token_type_claim: auth.jwt.token_type_claim.clone(),
            token_type: auth.jwt.token_type.clone(),
            jti_claim: auth.jwt.jti_claim.clone(),
            signing_key: Some(key),
            ..Jwt::default()
        };
        let rules = Auth { jwt, ..Auth::default() };
        let verifier = jwt::Verifier::new(&rules)?;
        let verifier = verifier.ok_or_else(|| AuthConfigError::new("auth.jwt", "has no key"))?;
        Ok(Self { rules, verifier })
    }

    /// A token for the user with this id and these further claims.
    pub fn sign(&self, user_id: &str, claims: IndexMap<Box<str>, Value>, now: SystemTime) -> Result<String, AuthError> {
        jwt::mint(&self.rules, user_id, LIFETIME, claims, now)
    }

    /// The user of a token from [`Self::sign`]; an error for every other token.
    pub fn identify(&self, token: &str, now: SystemTime) -> Result<Identity, AuthError> {
        self.verifier.identify_offline(token, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(tokens: &PageTokens, now: SystemTime) -> String {
        tokens.sign("7", IndexMap::from([("role".into(), "admin".into())]), now).unwrap()
    }

    #[test]
    fn a_token_names_its_user_with_the_claims_and_ends() {
        let tokens = PageTokens::new(&Auth::default()).unwrap();
        let now = SystemTime::now();
        let identity = tokens.identify(&sign(&tokens, now), now).unwrap();
        assert_eq!(identity.user.get("id"), Some(&Value::Int(7)));
        assert_eq!(identity.user.get("role"), Some(&Value::from("admin")));
        assert!(tokens.identify(&sign(&tokens, now), now + LIFETIME + Duration::from_secs(1)).is_err());
    }

    #[test]
    fn other_nodes_and_django_reject_a_token() {
        let secret_key = Some(Secret::new("the-secret-of-django"));
        let auth = Auth { secret_key, ..Auth::default() };
        let (tokens, now) = (PageTokens::new(&auth).unwrap(), SystemTime::now());
        let token = sign(&tokens, now);
        assert!(PageTokens::new(&auth).unwrap().identify(&token, now).is_err(), "another node");
        assert!(
            jwt::Verifier::new(&auth).unwrap().unwrap().identify_offline(&token, now).is_err(),
            "the key of Django"
        );
    }

    #[test]
    fn a_token_of_django_is_rejected() {
        let secret_key = Some(Secret::new("the-secret-of-django"));
        let auth = Auth { secret_key, ..Auth::default() };
        let now = SystemTime::now();
        let token = jwt::mint(&auth, "7", LIFETIME, IndexMap::new(), now).unwrap();
        assert!(PageTokens::new(&auth).unwrap().identify(&token, now).is_err());
    }
}
