//! Fernet, the encryption of `symmetric_encryption_keys`.
//!
//! ```text
//! token = base64url( 0x80 ‖ seconds u64be ‖ IV[16] ‖ AES-128-CBC ciphertext ‖ HMAC-SHA256[32] )
//! ```
//! The HMAC is checked in constant time before any other part of a token is used. Keys are never shown.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aes::cipher::{BlockDecryptMut as _, BlockEncryptMut as _, KeyIvInit as _, block_padding::Pkcs7};
use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// How far a token's clock may be ahead of ours, in seconds; checked only with a TTL, as in Python.
const MAX_CLOCK_SKEW: u64 = 60;
const VERSION: u8 = 0x80;
const IV_AT: usize = 9;
const BODY_AT: usize = 25;
const TAG_LENGTH: usize = 32;
const BLOCK: usize = 16;

/// Why a token cannot be decrypted. The keys that were tried are never named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FernetError {
    /// Not a Fernet token, for instance plaintext from a publisher without keys.
    #[error("not a Fernet token (does the publisher encrypt?)")]
    Malformed,
    /// No key decrypts it.
    #[error("no key decrypts the Fernet token")]
    NoKey,
    /// Older than the TTL.
    #[error("the Fernet token has expired")]
    Expired,
    /// From more than a minute in the future.
    #[error("the Fernet token comes from the future (are the clocks in step?)")]
    Future,
}

#[derive(Clone)]
struct Key {
    signing: Hmac<Sha256>,
    encryption: [u8; 16],
}

impl Key {
    fn from_passphrase(passphrase: &str) -> Option<Self> {
        let digest: [u8; 32] = Sha256::digest(passphrase.as_bytes()).into();
        let (signing, encryption) = digest.split_first_chunk::<16>()?;
        Some(Self { signing: Hmac::new_from_slice(signing).ok()?, encryption: encryption.try_into().ok()? })
    }
}

/// The keys of a layer; the first encrypts, all decrypt. Only their number is shown.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// Keys from passphrases, as channels_redis derives them: the SHA-256 of the UTF-8 text, its first half for signing and
    /// its second for encryption.
    pub fn new<S: AsRef<str>>(passphrases: impl IntoIterator<Item = S>) -> Self {
        // A key of the right length is never refused, so no passphrase is dropped here.
        Self { keys: passphrases.into_iter().filter_map(|text| Key::from_passphrase(text.as_ref())).collect() }
    }

    /// Whether there are no keys, so that nothing is encrypted.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The plaintext of `token`; with a `ttl`, its age and clock are checked as Python's `Fernet` does, in whole seconds.
    pub fn decrypt(&self, token: &[u8], ttl: Option<Duration>, now: SystemTime) -> Result<Vec<u8>, FernetError> {
        let mut data = URL_SAFE.decode(token).map_err(|_| FernetError::Malformed)?;
        let body_end = data.len().checked_sub(TAG_LENGTH).ok_or(FernetError::Malformed)?;
        if body_end < BODY_AT + BLOCK || data.first() != Some(&VERSION) {
            return Err(FernetError::Malformed);
        }
        let (signed, tag) = data.split_at(body_end);
        let key = self
            .keys
            .iter()
            .find(|key| key.signing.clone().chain_update(signed).verify_slice(tag).is_ok())
            .ok_or(FernetError::NoKey)?;
        if let Some(ttl) = ttl {
            check_age(timestamp(signed), ttl.as_secs(), seconds(now))?;
        }
        let iv: [u8; BLOCK] = data[IV_AT..BODY_AT].try_into().map_err(|_| FernetError::Malformed)?;
        let length = cbc::Decryptor::<aes::Aes128>::new(&key.encryption.into(), &iv.into())
            .decrypt_padded_mut::<Pkcs7>(&mut data[BODY_AT..body_end])
            .map_err(|_| FernetError::Malformed)?
            .len();
        data.truncate(BODY_AT + length);
        data.drain(..BODY_AT);
        Ok(data)
    }

    /// The longest plaintext with a token of at most `limit` bytes.
    pub const fn longest_plaintext(&self, limit: usize) -> usize {
        if self.is_empty() {
            return limit;
        }
        // Base64 makes four bytes of three, and the last block of the ciphertext has at least one byte of padding.
        let ciphertext = (limit / 4 * 3).saturating_sub(BODY_AT + TAG_LENGTH);
        (ciphertext / BLOCK * BLOCK).saturating_sub(1)
    }

    /// A token, encrypted with the first key; `None` without keys.
    pub fn encrypt(&self, plaintext: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        self.encrypt_with_iv(plaintext, now, rand::random())
    }

    pub(super) fn encrypt_with_iv(&self, plaintext: &[u8], now: SystemTime, iv: [u8; BLOCK]) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let mut data = Vec::with_capacity(BODY_AT + plaintext.len() + BLOCK + TAG_LENGTH);
        data.push(VERSION);
        data.extend_from_slice(&seconds(now).to_be_bytes());
        data.extend_from_slice(&iv);
        let cipher = cbc::Encryptor::<aes::Aes128>::new(&key.encryption.into(), &iv.into());
        data.extend_from_slice(&cipher.encrypt_padded_vec_mut::<Pkcs7>(plaintext));
        let tag = key.signing.clone().chain_update(&data).finalize().into_bytes();
        data.extend_from_slice(&tag);
        Some(URL_SAFE.encode(data).into_bytes())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

fn timestamp(signed: &[u8]) -> u64 {
    signed.get(1..IV_AT).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn check_age(timestamp: u64, ttl: u64, now: u64) -> Result<(), FernetError> {
    if timestamp.saturating_add(ttl) < now {
        Err(FernetError::Expired)
    } else if now.saturating_add(MAX_CLOCK_SKEW) < timestamp {
        Err(FernetError::Future)
    } else {
        Ok(())
    }
}
