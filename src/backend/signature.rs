//! The signature that proves that a request comes from a node.

use std::fmt::Write as _;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::config::Secret;

/// `sha256=<hex HMAC-SHA256(secret, timestamp + "." + body)>`
pub(super) fn signature(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return String::new() };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // python3 -c 'import hmac,hashlib;print(hmac.new(b"key",b"1700000000.{\"a\":1}",hashlib.sha256).hexdigest())'
    #[test]
    fn the_signature_is_what_python_computes() {
        assert_eq!(
            signature(&Secret::new("key"), "1700000000", br#"{"a":1}"#),
            "sha256=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
        );
    }
}
