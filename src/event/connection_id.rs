//! The public id of a connection.

use std::{fmt, ops::Deref, str::from_utf8};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The bytes of an id.
const BYTES: usize = 15;
/// The characters of its text.
const TEXT: usize = 20;

/// The public id of a connection: 20 characters like in the reference server of Socket.IO, which never shows the id of
/// the session below it. It is kept as the bytes that they encode, because every connection with an id has several.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId([u8; BYTES]);

impl ConnectionId {
    /// A new one.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Reads an id; `None` if no connection can have it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; BYTES];
        // The decoder rejects characters outside its alphabet, and 20 of them have no bits to spare: one text per id.
        let fits = text.len() == TEXT && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) == Ok(BYTES);
        fits.then_some(Self(bytes))
    }

    /// The id as clients and Django know it.
    pub fn text(self) -> ConnectionIdText {
        let mut text = [0; TEXT];
        // The text of 15 bytes has 20 characters.
        let _ = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        ConnectionIdText(text)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The text of an id, without memory of its own.
pub struct ConnectionIdText([u8; TEXT]);

impl Deref for ConnectionIdText {
    type Target = str;

    fn deref(&self) -> &str {
        from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_its_text() {
        for _ in 0..100 {
            let id = ConnectionId::random();
            assert!(id.text().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{id:?}");
            assert_eq!((id.text().len(), ConnectionId::parse(&id.text())), (20, Some(id)));
        }
    }

    #[test]
    fn another_text_is_not_an_id() {
        let short = "A".repeat(19);
        for text in [
            "",
            &short,
            "AAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAA==",
            "AAAAAAAAAA+AAAAAAAAA",
            "room_AAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(ConnectionId::parse(text), None, "{text}");
        }
        assert_eq!(ConnectionId::parse(&format!("{short}ä")), None);
    }

    #[test]
    fn an_id_and_its_absence_take_16_bytes() {
        assert_eq!((size_of::<ConnectionId>(), size_of::<Option<ConnectionId>>()), (15, 16));
    }
}
