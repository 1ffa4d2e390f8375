//! Keys and rules for tokens, and the key of the publish API.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Names, Secret, Span};

/// How clients authenticate.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Django's `SECRET_KEY`.
    pub secret_key: Option<Secret>,
    /// Earlier values of `SECRET_KEY`, still accepted during a rotation (Django's `SECRET_KEY_FALLBACKS`).
    pub secret_key_fallbacks: Vec<Secret>,
    /// simplejwt access tokens.
    pub jwt: Jwt,
    /// Short-lived tokens for WebSockets, kept in the Django cache.
    pub ws_token: WsToken,
    /// What is passed on to Django for `auth = ["django"]`.
    pub django: DjangoLogin,
}

/// One kind of JWT: `SIMPLE_JWT` of Django's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jwt {
    /// `ALGORITHM`: HS256/384/512, RS256/384/512, PS256/384/512, ES256/384/512, ES256K or EdDSA.
    pub algorithm: String,
    /// `SIGNING_KEY` of the HS family; unset: `auth.secret_key`.
    pub signing_key: Option<Secret>,
    /// `VERIFYING_KEY` of the others, PEM.
    pub verifying_key: Option<Secret>,
    /// `JWK_URL`: a set of public keys (RFC 7517) instead of `verifying_key`.
    pub jwk_url: Option<String>,
    /// How long that set is used before it is fetched again.
    pub jwk_lifetime: Span,
    /// Keys accepted besides the current one during a rotation (secrets for HS, PEM for the others).
    pub previous_keys: Vec<Secret>,
    /// `LEEWAY`.
    pub leeway: Span,
    /// `AUDIENCE`: a token must be for one of these.
    pub audience: Option<Names>,
    /// `ISSUER`: a token must be by one of these.
    pub issuer: Option<Names>,
    /// Claims that may hold the user's id, tried in order; simplejwt's `USER_ID_CLAIM` first.
    pub user_id_claims: Vec<String>,
    /// `TOKEN_TYPE_CLAIM`; empty: a token needs no type.
    pub token_type_claim: String,
    /// The values that claim may have: those of the classes in `AUTH_TOKEN_CLASSES`.
    pub token_type: Names,
    /// `JTI_CLAIM`, a required claim; empty: not required.
    pub jti_claim: String,
    /// Whether a token must end. simplejwt requires it.
    pub require_exp: bool,
    /// Where the token may be, tried in order: `query:NAME`, `header` (Authorization: Bearer), `header:SCHEME`,
    /// `header:NAME`, `cookie:NAME`, `subprotocol`, `subprotocol:NAME`.
    pub sources: Vec<String>,
    /// Further kinds, for `auth = ["jwt:NAME"]`; what one does not set is as here.
    pub kinds: IndexMap<String, Self>,
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            algorithm: "HS256".to_owned(),
            signing_key: None,
            verifying_key: None,
            jwk_url: None,
            jwk_lifetime: Span::seconds(300),
            previous_keys: Vec::new(),
            leeway: Span::seconds(0),
            audience: None,
            issuer: None,
            user_id_claims: ["user_id", "id", "sub"].map(str::to_owned).to_vec(),
            token_type_claim: "token_type".to_owned(),
            token_type: Names::one("access".to_owned()),
            jti_claim: "jti".to_owned(),
            require_exp: true,
            sources: vec!["query:token".to_owned(), "header".to_owned()],
            kinds: IndexMap::new(),
        }
    }
}

/// The accepted forms of ws-tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WsTokenForm {
    /// A JWT with `type: "ws_token"`, valid while equal to the cached value.
    Jwt,
    /// An opaque text, stored as a key of the cache.
    Opaque,
    /// Both.
    #[default]
    Any,
}

/// ws-tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WsToken {
    /// Which forms are accepted.
    pub form: WsTokenForm,
    /// Cache key of a user's JWT ws-token; `{user_id}` is replaced.
    pub jwt_key: String,
    /// Cache key of an opaque token; `{token}` is replaced.
    pub opaque_key: String,
    /// Keys of a cached dict that may hold the user's id, tried in order.
    pub user_id_keys: Vec<String>,
    /// Whether a token is valid for one connection only (GETDEL).
    pub single_use: bool,
    /// How often the tokens of open connections are looked up in the cache; zero: never.
    pub recheck: Span,
    /// Lifetime of the tokens that `GET /api/user/ws-token/` issues.
    pub lifetime: Span,
    /// Where the token may be; like `auth.jwt.sources`.
    pub sources: Vec<String>,
}

impl Default for WsToken {
    fn default() -> Self {
        Self {
            form: WsTokenForm::Any,
            jwt_key: "ws_token_{user_id}".to_owned(),
            opaque_key: "ws_token_{token}".to_owned(),
            user_id_keys: vec!["user_id".to_owned(), "user_pk".to_owned(), "id".to_owned()],
            single_use: false,
            recheck: Span::seconds(5),
            lifetime: Span::seconds(1800),
            sources: vec!["query:token".to_owned(), "header".to_owned(), "subprotocol".to_owned()],
        }
    }
}

/// What of a handshake is passed on to Django, which answers who the client is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DjangoLogin {
    /// Names of cookies: `SESSION_COOKIE_NAME` of Django's settings.
    pub cookies: Vec<String>,
    /// Names of headers, such as `Authorization`.
    pub headers: Vec<String>,
    /// Names of parameters of the query string.
    pub query: Vec<String>,
    /// Subprotocols that stand before a token: `["NAME", "<token>"]` or `NAME.<token>`.
    pub subprotocols: Vec<String>,
    /// How long an answer is used for other handshakes with the same credentials.
    pub cache: Span,
}

impl Default for DjangoLogin {
    fn default() -> Self {
        Self {
            cookies: vec!["sessionid".to_owned()],
            headers: Vec::new(),
            query: Vec::new(),
            subprotocols: Vec::new(),
            cache: Span::seconds(10),
        }
    }
}

/// `POST /api/publish`, and the admin API under `/api/websocket/`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// `Authorization: Bearer <key>`; unset: off, or, with the embedded layer, a key that the node makes and prints.
    pub key: Option<Secret>,
    /// Largest body, in bytes.
    pub max_body: usize,
    /// Values of the claim `role` that may use the admin API; `is_staff` and `is_superuser` may, too.
    pub admin_roles: Vec<String>,
}

impl Default for Api {
    fn default() -> Self {
        Self { key: None, max_body: 1 << 20, admin_roles: vec!["admin".to_owned()] }
    }
}
