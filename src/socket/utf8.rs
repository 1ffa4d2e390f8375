//! Validates UTF-8 that arrives in chunks: each byte is checked once, and the first invalid one is an error at once.

/// Bytes are not UTF-8, whatever may follow them.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

/// The beginning of an incomplete character, at most three bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incomplete {
    bytes: [u8; 4],
    length: u8,
}

impl Incomplete {
    /// Appends `chunk` to `text`, keeping back a character that is cut at its end.
    pub fn push(&mut self, mut chunk: &[u8], text: &mut String) -> Result<(), InvalidUtf8> {
        while self.length > 0 {
            let Some((first, rest)) = chunk.split_first() else { return Ok(()) };
            let length = usize::from(self.length) + 1;
            self.bytes[length - 1] = *first;
            self.length += 1;
            chunk = rest;
            match std::str::from_utf8(&self.bytes[..length]) {
                Ok(character) => {
                    text.push_str(character);
                    self.length = 0;
                }
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(InvalidUtf8),
            }
        }
        let (whole, cut) = chunk.split_at(chunk.len() - cut_length(chunk));
        text.push_str(std::str::from_utf8(whole).map_err(|_| InvalidUtf8)?);
        match std::str::from_utf8(cut) {
            Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
            _ => {}
        }
        self.bytes[..cut.len()].copy_from_slice(cut);
        self.length = cut.len() as u8;
        Ok(())
    }

    /// Bytes kept back.
    pub const fn length(self) -> usize {
        self.length as usize
    }

    /// Whether everything pushed so far ends with a complete character.
    pub const fn is_complete(self) -> bool {
        self.length == 0
    }
}

/// How many bytes at the end of `chunk` begin a character that needs more (0 to 3), determined by the first byte only.
fn cut_length(chunk: &[u8]) -> usize {
    for (back, byte) in chunk.iter().rev().take(3).enumerate() {
        let needs = match byte {
            0x80..=0xBF => continue,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return 0,
        };
        return if back + 1 < needs { back + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many bytes are accepted, one by one, before the error.
    fn accepted(bytes: &[u8]) -> usize {
        let (mut state, mut text) = (Incomplete::default(), String::new());
        bytes.iter().take_while(|byte| state.push(&[**byte], &mut text).is_ok()).count()
    }

    #[test]
    fn the_first_byte_that_can_never_be_valid_is_refused() {
        // (bytes, how many of them could still become UTF-8)
        let cases: [(&[u8], usize); 12] = [
            (b"\xf4\x90\x80\x80", 1),     // above U+10FFFF
            (b"\xed\xa0\x80", 1),         // surrogate
            (b"\xc0\xaf", 0),             // overlong in two
            (b"\xe0\x80\xaf", 1),         // overlong in three
            (b"\xf0\x80\x80\xaf", 1),     // overlong in four
            (b"\xf8\x88\x80\x80\x80", 0), // five bytes
            (b"\xfe", 0),                 // never a byte of UTF-8
            (b"\x80", 0),                 // continuation alone
            (b"ok\xce\xbaq\xff", 5),      // after good text
            (b"\xe2\x82q", 2),            // cut by a letter
            (b"\xf0\x90\x80\xc2", 3),     // cut by the next character
            ("κόσμε".as_bytes(), 10),     // nothing wrong
        ];
        for (bytes, good) in cases {
            assert_eq!(accepted(bytes), good, "{bytes:x?}");
            let wrong = (good + 1).min(bytes.len());
            let at_once = Incomplete::default().push(&bytes[..wrong], &mut String::new());
            assert_eq!(at_once.is_ok(), good == bytes.len(), "{bytes:x?} at once");
        }
    }

    proptest! {
        #[test]
        fn chunks_give_the_same_result_as_the_whole(text in any::<String>(), cuts in prop::collection::vec(1usize..5, 1..40)) {
            let (mut state, mut out, mut rest) = (Incomplete::default(), String::new(), text.as_bytes());
            for cut in cuts.iter().cycle() {
                let (chunk, left) = rest.split_at((*cut).min(rest.len()));
                state.push(chunk, &mut out).unwrap();
                rest = left;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert!(state.is_complete());
            prop_assert_eq!(out, text);
        }

        #[test]
        fn bytes_are_accepted_as_the_standard_library_does(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac), Just(b'a')], 0..24),
            cut in 0usize..24,
        ) {
            let (mut state, mut out) = (Incomplete::default(), String::new());
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let pushed = state.push(first, &mut out).and_then(|()| state.push(second, &mut out));
            match std::str::from_utf8(&bytes) {
                Ok(text) => {
                    prop_assert!(pushed.is_ok() && state.is_complete());
                    prop_assert_eq!(out.as_str(), text);
                }
                Err(error) if error.error_len().is_none() => prop_assert!(pushed.is_ok() && !state.is_complete()),
                Err(_) => prop_assert!(pushed.is_err()),
            }
        }
    }
}
