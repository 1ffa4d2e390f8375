//! The id of a session, which contains its location: `<node>.<worker, place and 96 random bits in base64url>`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;

const LENGTH: usize = 1 + 4 + 12;

/// The secret part of an id, known only to its session and client.
#[derive(Clone, Copy)]
pub struct SidSecret([u8; 12]);

impl SidSecret {
    /// A new random secret.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Compares in constant time.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The location of a session, and the proof that the client was given the id.
#[derive(Clone)]
pub struct Sid {
    /// The node.
    pub node: Box<str>,
    /// Its worker.
    pub worker: u8,
    /// The index among the worker's sessions.
    pub index: u32,
    /// The secret.
    pub secret: SidSecret,
}

impl Sid {
    /// Parses an id; `None` if it is not in the form that a node makes.
    pub fn parse(text: &str) -> Option<Self> {
        let (node, rest) = text.split_once('.')?;
        let named = !node.is_empty() && node.len() <= 64 && node.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let mut bytes = [0; LENGTH];
        if !named || URL_SAFE_NO_PAD.decode_slice(rest, &mut bytes).ok()? != LENGTH {
            return None;
        }
        let [worker, a, b, c, d, secret @ ..] = bytes;
        Some(Self { node: node.into(), worker, index: u32::from_be_bytes([a, b, c, d]), secret: SidSecret(secret) })
    }

    /// As clients see it.
    pub fn text(&self) -> String {
        let mut bytes = [self.worker; LENGTH];
        bytes[1..5].copy_from_slice(&self.index.to_be_bytes());
        bytes[5..].copy_from_slice(&self.secret.0);
        format!("{}.{}", self.node, URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written_and_nothing_else_is() {
        let sid = Sid { node: "node7".into(), worker: 63, index: 70_000, secret: SidSecret::random() };
        let text = sid.text();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)), "{text}");
        let read = Sid::parse(&text).unwrap();
        assert_eq!((&*read.node, read.worker, read.index), ("node7", 63, 70_000));
        assert!(read.secret.is(&sid.secret) && !read.secret.is(&SidSecret::random()));
        let long = format!("{text}A");
        for wrong in ["", ".", "a", "node7.", "no/de.AAAA", &text[..text.len() - 1], &long, &text[5..], "node7.@@@"] {
            assert!(Sid::parse(wrong).is_none(), "{wrong}");
        }
    }
}
