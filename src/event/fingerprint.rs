//! Identifies a user or a token where its text must not be kept.
//!
//! Eight bytes of SHA-256, the same on every node. The kind is hashed first, so that a user and a token with the same
//! text differ.

use std::{fmt, num::NonZeroU64, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// The fingerprint of a user or a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(NonZeroU64);

impl Fingerprint {
    /// Of a user, by the text of its id: `7` and `"7"` are one user.
    pub fn of_user(id: &str) -> Self {
        Self::of("user", id)
    }

    /// Of a token, by its id (`jti`).
    pub fn of_jti(jti: &str) -> Self {
        Self::of("jti", jti)
    }

    /// Of a token without an id, by its text.
    pub fn of_text(token: &str) -> Self {
        Self::of("token", token)
    }

    fn of(kind: &str, text: &str) -> Self {
        let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(text).finalize();
        let number = digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte));
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Fingerprint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_hex).and_then(NonZeroU64::new);
        number.map(Self).ok_or("is not valid: it must be 16 hexadecimal digits")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_differ_and_text_comes_back() {
        let all = [Fingerprint::of_user("7"), Fingerprint::of_jti("7"), Fingerprint::of_text("7")];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        assert_eq!(all[0].to_string().parse(), Ok(all[0]));
        // Every node must get the same result.
        assert_eq!(all[0].to_string(), "17b18eedbe306456");
        for wrong in ["", "7", "0000000000000000", "+f0bd0d4fe5a4fb", "3f0bd0d4fe5a4fbb0"] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong:?}");
        }
    }
}
