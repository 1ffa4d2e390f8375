//! The state of a consumer in Django between two calls. Nothing but its size matters to the node.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// How a state is kept; the last byte of it.
const BASE64: u8 = 0;
const TEXT: u8 = 1;

/// A state: unpacked if it is base64, as Django's package writes it, because most of an idle connection is its state.
#[derive(Debug, PartialEq, Eq)]
pub struct KeptState(Box<[u8]>);

impl KeptState {
    /// Keeps a state. What is not written as `text` will write it stays as it is.
    pub fn new(state: &str) -> Self {
        let (mut bytes, form) = match STANDARD.decode(state) {
            Ok(bytes) => (bytes, BASE64),
            Err(_) => (state.as_bytes().to_vec(), TEXT),
        };
        bytes.reserve_exact(1);
        bytes.push(form);
        Self(bytes.into())
    }

    /// The state as Django wrote it.
    pub fn text(self) -> String {
        let mut bytes = self.0.into_vec();
        match bytes.pop() {
            // The bytes were text.
            Some(TEXT) => String::from_utf8(bytes).unwrap_or_default(),
            _ => STANDARD.encode(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_comes_back_as_it_was() {
        for state in ["", "a", "YQ==", "YR==", "YQ", "YWI=", "YWJj", "YWJj\n", "{\"a\": 1}", "ä", "-_8=", "+/8="] {
            assert_eq!(KeptState::new(state).text(), state, "{state}");
        }
    }

    #[test]
    fn base64_takes_three_quarters_of_its_length() {
        assert_eq!(&*KeptState::new("YWJj").0, b"abc\0");
        // The last character has bits that are not zero: written again, it would be another text.
        assert_eq!(&*KeptState::new("YR==").0, b"YR==\x01");
    }
}
