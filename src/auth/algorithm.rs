//! The signature algorithms of JWTs, each with exactly one name, and their public keys.
//!
//! In: a name, and a key as text or from a key set. Out: whether a key signed a message. The list is simplejwt's:
//! jsonwebtoken has most of them, and two crates of the same family the rest.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Common, AlgorithmFamily, DecodingKey, crypto};
use p521::ecdsa::signature::Verifier as _;

use crate::event::Value;

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    name: &'static str,
    scheme: Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Common(Common),
    P521,
    Secp256k1,
}

/// All of them, as simplejwt names them.
const ALL: [Algorithm; 15] = [
    Algorithm::HS256,
    Algorithm { name: "HS384", scheme: Scheme::Common(Common::HS384) },
    Algorithm { name: "HS512", scheme: Scheme::Common(Common::HS512) },
    Algorithm { name: "RS256", scheme: Scheme::Common(Common::RS256) },
    Algorithm { name: "RS384", scheme: Scheme::Common(Common::RS384) },
    Algorithm { name: "RS512", scheme: Scheme::Common(Common::RS512) },
    Algorithm { name: "PS256", scheme: Scheme::Common(Common::PS256) },
    Algorithm { name: "PS384", scheme: Scheme::Common(Common::PS384) },
    Algorithm { name: "PS512", scheme: Scheme::Common(Common::PS512) },
    Algorithm { name: "ES256", scheme: Scheme::Common(Common::ES256) },
    Algorithm { name: "ES384", scheme: Scheme::Common(Common::ES384) },
    Algorithm { name: "ES512", scheme: Scheme::P521 },
    Algorithm { name: "ES521", scheme: Scheme::P521 },
    Algorithm { name: "ES256K", scheme: Scheme::Secp256k1 },
    Algorithm { name: "EdDSA", scheme: Scheme::Common(Common::EdDSA) },
];

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        ALL.into_iter().find(|known| known.name == name).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|known| known.name).collect();
            format!("{name:?} is unknown; known: {}", names.join(", "))
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Algorithm {
    /// HMAC with SHA-256, Django's and simplejwt's default.
    pub const HS256: Self = Self { name: "HS256", scheme: Scheme::Common(Common::HS256) };

    /// Its name in a token's header.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Whether both sides share one secret.
    pub fn is_hmac(self) -> bool {
        self.name.starts_with("HS")
    }

    /// The form in which a token is signed, if a node can do that: with a shared secret.
    pub fn signing(self) -> Option<Common> {
        match self.scheme {
            Scheme::Common(common) if self.is_hmac() => Some(common),
            _ => None,
        }
    }

    /// The length of an uncompressed point on its curve, if it has one.
    const fn point(self) -> Option<usize> {
        match self.scheme {
            Scheme::Common(Common::ES256) | Scheme::Secp256k1 => Some(65),
            Scheme::Common(Common::ES384) => Some(97),
            Scheme::P521 => Some(133),
            Scheme::Common(_) => None,
        }
    }

    /// A key as in Django's settings: a secret, or a public key in PEM.
    pub fn key(self, text: &str) -> Result<Key, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if self.is_hmac() {
            // As PyJWT: a public key is known to everybody, and so would be such a secret.
            if text.contains("-----BEGIN ") {
                return Err(format!(
                    "is a PEM, but {self} needs a secret; for a public key write another \"algorithm\", such as RS256"
                ));
            }
            return Ok(Key(KeyKind::Common(DecodingKey::from_secret(text.as_bytes()))));
        }
        // An environment variable often carries a PEM with escaped line ends.
        let pem = text.replace("\\n", "\n");
        let Scheme::Common(common) = self.scheme else {
            return self.of_pem(DecodingKey::from_ec_pem(pem.as_bytes()).ok());
        };
        self.of_pem(match common.family() {
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem.as_bytes()).ok(),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem.as_bytes()).ok(),
            _ => DecodingKey::from_rsa_pem(pem.as_bytes()).ok(),
        })
    }

    fn of_pem(self, key: Option<DecodingKey>) -> Result<Key, String> {
        key.and_then(|key| self.usable(key)).ok_or_else(|| format!("is not a PEM public key for {self}"))
    }

    /// A key of a key set (RFC 7517); `None` if it is for another algorithm or use.
    pub fn key_of_set(self, jwk: &Value) -> Option<Key> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let is_of_use = text("use").is_none_or(|usage| usage == "sig");
        // PyJWT does not compare `alg`, and providers are sloppy with it; the type and curve must fit.
        let key = match (text("kty")?, self.scheme) {
            ("RSA", Scheme::Common(common)) if common.family() == AlgorithmFamily::Rsa => {
                DecodingKey::from_rsa_components(text("n")?, text("e")?)
            }
            ("EC", _) if self.curve() == text("crv") => DecodingKey::from_ec_components(text("x")?, text("y")?),
            ("OKP", Scheme::Common(Common::EdDSA)) if text("crv") == Some("Ed25519") => {
                DecodingKey::from_ed_components(text("x")?)
            }
            _ => return None,
        };
        key.ok().filter(|_| is_of_use).and_then(|key| self.usable(key))
    }

    const fn curve(self) -> Option<&'static str> {
        match self.scheme {
            Scheme::Common(Common::ES256) => Some("P-256"),
            Scheme::Common(Common::ES384) => Some("P-384"),
            Scheme::P521 => Some("P-521"),
            Scheme::Secp256k1 => Some("secp256k1"),
            Scheme::Common(_) => None,
        }
    }

    /// The key, if it is on the right curve: jsonwebtoken looks only when it verifies.
    fn usable(self, key: DecodingKey) -> Option<Key> {
        let Some(length) = self.point() else { return Some(Key(KeyKind::Common(key))) };
        let point = key.try_get_as_bytes().ok().filter(|point| point.len() == length)?;
        Some(Key(match self.scheme {
            Scheme::Common(_) => KeyKind::Common(key),
            Scheme::P521 => KeyKind::P521(Box::new(p521::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?)),
            Scheme::Secp256k1 => KeyKind::Secp256k1(Box::new(k256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?)),
        }))
    }

    /// Whether `key` signed `message`; the signature is in base64url.
    pub fn is_signed(self, signature: &str, message: &[u8], key: &Key) -> bool {
        let bytes = || URL_SAFE_NO_PAD.decode(signature).ok();
        match (self.scheme, &key.0) {
            (Scheme::Common(common), KeyKind::Common(key)) => {
                crypto::verify(signature, message, key, common).unwrap_or(false)
            }
            (Scheme::P521, KeyKind::P521(key)) => {
                let signature = bytes().and_then(|bytes| p521::ecdsa::Signature::from_slice(&bytes).ok());
                signature.is_some_and(|signature| key.verify(message, &signature).is_ok())
            }
            (Scheme::Secp256k1, KeyKind::Secp256k1(key)) => {
                let signature = bytes().and_then(|bytes| k256::ecdsa::Signature::from_slice(&bytes).ok());
                // This curve's crate accepts only the lower half of `s`, a rule of blockchains that JWTs do not have.
                let signature = signature.map(|signature| signature.normalize_s().unwrap_or(signature));
                signature.is_some_and(|signature| key.verify(message, &signature).is_ok())
            }
            _ => false,
        }
    }
}

/// A key that verifies signatures of one [`Algorithm`].
#[derive(Clone)]
pub struct Key(KeyKind);

#[derive(Clone)]
enum KeyKind {
    Common(DecodingKey),
    P521(Box<p521::ecdsa::VerifyingKey>),
    Secp256k1(Box<k256::ecdsa::VerifyingKey>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}
