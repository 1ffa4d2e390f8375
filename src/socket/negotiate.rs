//! The opening handshake as a pure function: which requests are answered with 101, and which compression is negotiated.
//!
//! In: the start and the headers of a request. Out: [`Agreed`], or a [`HandshakeError`] with the HTTP status of the refusal.

use base64::{Engine as _, alphabet, engine};
use sha1::{Digest as _, Sha1};

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Clients are careless about the unused bits of the last character; the value is never used for its content.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// permessage-deflate as negotiated; always without context takeover in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deflate {
    /// The client's inflater has a window of 2^n bytes, n from 9 to 15.
    pub server_window_bits: u8,
}

/// The headers of the 101 answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// How messages may be compressed.
    pub deflate: Option<Deflate>,
    /// The value of `Sec-WebSocket-Extensions`, if that header is sent.
    pub extensions: Option<&'static str>,
}

/// Why a request is not an acceptable handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Another method than GET.
    #[error("a WebSocket handshake is a GET request")]
    Method,
    /// HTTP/1.0, in which `Upgrade` has no meaning (RFC 9110, section 7.8).
    #[error("a WebSocket handshake needs HTTP/1.1 (nginx: proxy_http_version 1.1)")]
    Http10,
    /// A body is announced; its bytes would be taken for frames.
    #[error("a WebSocket handshake has no body: send neither Content-Length nor Transfer-Encoding")]
    Body,
    /// No `Upgrade: websocket` with `Connection: Upgrade`.
    #[error("not a WebSocket handshake: Upgrade: websocket and Connection: Upgrade are needed")]
    NotWebSocket,
    /// No `Sec-WebSocket-Version`, or more than one.
    #[error("Sec-WebSocket-Version must be given once")]
    MissingVersion,
    /// Another version than 13.
    #[error("only WebSocket version 13 is supported")]
    Version,
    /// No `Sec-WebSocket-Key`, or not base64 of 16 bytes, or more than one.
    #[error("Sec-WebSocket-Key must be given once and be 16 bytes in base64")]
    Key,
    /// `Sec-WebSocket-Extensions` violates its grammar (RFC 6455 §9.1).
    #[error("Sec-WebSocket-Extensions is malformed")]
    Extensions,
}

impl HandshakeError {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::Http10 | Self::Version => 426,
            _ => 400,
        }
    }

    /// Headers of the refusal.
    pub const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("Allow", "GET")],
            Self::Http10 => &[("Upgrade", "websocket")],
            Self::Version => &[("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")],
            Self::MissingVersion => &[("Sec-WebSocket-Version", "13")],
            _ => &[],
        }
    }
}

/// The start of a request.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Whether its method is GET.
    pub is_get: bool,
    /// Whether its version is HTTP/1.1 or later.
    pub is_http_1_1: bool,
}

/// Checks a request (header names in any case) against RFC 6455 §4.2.1 and chooses a compression if `compression` is
/// set.
pub fn handshake<'a>(
    start: Start,
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    compression: bool,
) -> Result<Agreed, HandshakeError> {
    let (mut upgrade, mut connection) = (false, false);
    let (mut version, mut key) = (Once::Missing, Once::Missing);
    let (mut agreed, mut body) = (None, false);
    for (name, value) in headers {
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case("upgrade") {
            upgrade |= lists(value, b"websocket");
        } else if name.eq_ignore_ascii_case("connection") {
            connection |= lists(value, b"upgrade");
        } else if name.eq_ignore_ascii_case("sec-websocket-version") {
            version.see(value);
        } else if name.eq_ignore_ascii_case("sec-websocket-key") {
            key.see(value);
        } else if name.eq_ignore_ascii_case("content-length") {
            body |= value != b"0";
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = true;
        } else if compression && name.eq_ignore_ascii_case("sec-websocket-extensions") {
            // A request that is not a handshake has more to say than its extensions.
            agreed = Some(match agreed {
                None | Some(Ok(None)) => choose(value),
                Some(known) => choose(value).and(known),
            });
        }
    }
    if !upgrade || !connection {
        return Err(HandshakeError::NotWebSocket);
    }
    if !start.is_http_1_1 {
        return Err(HandshakeError::Http10);
    }
    if !start.is_get {
        return Err(HandshakeError::Method);
    }
    if body {
        return Err(HandshakeError::Body);
    }
    match version {
        Once::Seen(b"13") => {}
        Once::Seen(_) => return Err(HandshakeError::Version),
        _ => return Err(HandshakeError::MissingVersion),
    }
    let Once::Seen(key) = key else { return Err(HandshakeError::Key) };
    let accept = accept(key)?;
    let (deflate, extensions) = agreed.transpose()?.flatten().unzip();
    Ok(Agreed { accept, deflate, extensions })
}

/// A header that must not be repeated.
enum Once<'a> {
    Missing,
    Seen(&'a [u8]),
    Repeated,
}

impl<'a> Once<'a> {
    fn see(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Missing => Self::Seen(value),
            _ => Self::Repeated,
        };
    }
}

/// Whether a comma-separated header value contains `token`.
pub fn lists(value: &[u8], token: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

/// The value of `Sec-WebSocket-Accept` for a key.
fn accept(key: &[u8]) -> Result<String, HandshakeError> {
    let mut nonce = [0; 18];
    if key.len() != 24 || BASE64.decode_slice(key, &mut nonce).ok() != Some(16) {
        return Err(HandshakeError::Key);
    }
    Ok(BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize()))
}

/// The first acceptable offer of permessage-deflate in one header, and the answer to it. Offers of other extensions and
/// offers that cannot be accepted are skipped (RFC 7692 §5.1); only invalid grammar is an error.
fn choose(value: &[u8]) -> Result<Option<(Deflate, &'static str)>, HandshakeError> {
    let mut rest = Grammar(value);
    let mut chosen = None;
    loop {
        // The list rule permits empty elements.
        while rest.skip(b',') {}
        if rest.is_empty() {
            return Ok(chosen);
        }
        let name = rest.token()?;
        let mut offer = name.eq_ignore_ascii_case(b"permessage-deflate").then(Offer::default);
        while rest.skip(b';') {
            let name = rest.token()?;
            let value = if rest.skip(b'=') { Some(rest.value()?) } else { None };
            offer = offer.and_then(|offer| offer.with(name, value.as_deref()));
        }
        if !rest.is_empty() && !rest.skip(b',') {
            return Err(HandshakeError::Extensions);
        }
        chosen = chosen.or_else(|| offer.map(Offer::answer));
    }
}

/// One offer of permessage-deflate, as far as it was parsed (RFC 7692 §7.1).
#[derive(Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: bool,
}

impl Offer {
    /// The offer with one more parameter, or `None` if the offer must be declined because of the parameter: unknown, repeated, or
    /// with an invalid value.
    fn with(mut self, name: &[u8], value: Option<&[u8]>) -> Option<Self> {
        let flag = |seen: &mut bool| (!std::mem::replace(seen, true)).then_some(());
        match (name, value) {
            (b"server_no_context_takeover", None) => flag(&mut self.server_no_context_takeover)?,
            (b"client_no_context_takeover", None) => flag(&mut self.client_no_context_takeover)?,
            (b"client_max_window_bits", None) => flag(&mut self.client_max_window_bits)?,
            (b"client_max_window_bits", Some(bits)) => {
                // A hint that needs no answer: the inflater here reads every window.
                window_bits(bits)?;
                flag(&mut self.client_max_window_bits)?;
            }
            (b"server_max_window_bits", Some(bits)) if self.server_max_window_bits.is_none() => {
                // zlib cannot write raw deflate with a window of 256 bytes.
                self.server_max_window_bits = Some(window_bits(bits).filter(|bits| *bits > 8)?);
            }
            _ => return None,
        }
        Some(self)
    }

    /// Both directions without context takeover, requested or not (§7.1.1): no connection keeps zlib state.
    fn answer(self) -> (Deflate, &'static str) {
        macro_rules! answer {
            ($bits:literal) => {
                concat!(answer!(), "; server_max_window_bits=", $bits)
            };
            () => {
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
            };
        }
        let text = match self.server_max_window_bits {
            None => answer!(),
            Some(9) => answer!(9),
            Some(10) => answer!(10),
            Some(11) => answer!(11),
            Some(12) => answer!(12),
            Some(13) => answer!(13),
            Some(14) => answer!(14),
            Some(_) => answer!(15),
        };
        (Deflate { server_window_bits: self.server_max_window_bits.unwrap_or(15) }, text)
    }
}

/// 8 to 15, in decimal without leading zeros.
fn window_bits(text: &[u8]) -> Option<u8> {
    match text {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The rest of a header value; white space is skipped everywhere.
struct Grammar<'a>(&'a [u8]);

impl<'a> Grammar<'a> {
    fn is_empty(&mut self) -> bool {
        self.0 = self.0.trim_ascii_start();
        self.0.is_empty()
    }

    fn skip(&mut self, byte: u8) -> bool {
        self.0 = self.0.trim_ascii_start();
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn token(&mut self) -> Result<&'a [u8], HandshakeError> {
        self.0 = self.0.trim_ascii_start();
        let length = self.0.iter().take_while(|byte| is_token(**byte)).count();
        if length == 0 {
            return Err(HandshakeError::Extensions);
        }
        let (token, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(token)
    }

    /// A token, or a quoted string that contains one.
    fn value(&mut self) -> Result<std::borrow::Cow<'a, [u8]>, HandshakeError> {
        if !self.skip(b'"') {
            return self.token().map(Into::into);
        }
        let mut content = Vec::new();
        loop {
            let (byte, rest) = match self.0 {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    break;
                }
                [b'\\', byte, rest @ ..] | [byte, rest @ ..] => (*byte, rest),
                [] => return Err(HandshakeError::Extensions),
            };
            if !is_token(byte) {
                return Err(HandshakeError::Extensions);
            }
            content.push(byte);
            self.0 = rest;
        }
        if content.is_empty() { Err(HandshakeError::Extensions) } else { Ok(content.into()) }
    }
}

/// RFC 9110 §5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");
    const UPGRADE: (&str, &str) = ("Upgrade", "WebSocket");
    const CONNECTION: (&str, &str) = ("connection", "keep-alive, Upgrade");

    const START: Start = Start { is_get: true, is_http_1_1: true };

    fn shake(headers: &[(&str, &str)]) -> Result<Agreed, HandshakeError> {
        handshake(START, headers.iter().map(|(name, value)| (*name, value.as_bytes())), true)
    }

    /// The negotiated result for these `Sec-WebSocket-Extensions` headers.
    fn agree(offers: &[&str]) -> Result<Option<(u8, &'static str)>, HandshakeError> {
        let offers = offers.iter().map(|offer| ("Sec-WebSocket-Extensions", *offer));
        let headers: Vec<_> = [UPGRADE, CONNECTION, VERSION, KEY].into_iter().chain(offers).collect();
        let agreed = shake(&headers)?;
        Ok(agreed.deflate.map(|deflate| deflate.server_window_bits).zip(agreed.extensions))
    }

    #[test]
    fn the_example_of_rfc_6455_is_accepted() {
        let agreed = shake(&[UPGRADE, CONNECTION, VERSION, KEY]).unwrap();
        assert_eq!(agreed.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!((agreed.deflate, agreed.extensions), (None, None));
    }

    #[test]
    fn an_invalid_handshake_is_refused_with_its_status() {
        let bad_key = |key| shake(&[UPGRADE, CONNECTION, VERSION, ("Sec-WebSocket-Key", key)]).unwrap_err();
        for (error, status) in [
            (shake(&[CONNECTION, VERSION, KEY]).unwrap_err(), 400),
            (shake(&[("Upgrade", "h2c"), CONNECTION, VERSION, KEY]).unwrap_err(), 400),
            (shake(&[UPGRADE, ("Connection", "close"), VERSION, KEY]).unwrap_err(), 400),
            (shake(&[UPGRADE, CONNECTION, KEY]).unwrap_err(), 400),
            (shake(&[UPGRADE, CONNECTION, VERSION, VERSION, KEY]).unwrap_err(), 400),
            (shake(&[UPGRADE, CONNECTION, ("Sec-WebSocket-Version", "8"), KEY]).unwrap_err(), 426),
            (shake(&[UPGRADE, CONNECTION, VERSION]).unwrap_err(), 400),
            (shake(&[UPGRADE, CONNECTION, VERSION, KEY, KEY]).unwrap_err(), 400),
            (bad_key(""), 400),
            (bad_key("dGhlIHNhbXBsZSBub25jZQ"), 400),
            (bad_key("dGhlIHNhbXBsZSBub25jZTE="), 400),
            (bad_key("!GhlIHNhbXBsZSBub25jZQ=="), 400),
        ] {
            assert_eq!(error.status(), status, "{error}");
        }
        let wrong_version = shake(&[UPGRADE, CONNECTION, ("Sec-WebSocket-Version", "8"), KEY]).unwrap_err();
        assert!(wrong_version.headers().contains(&("Sec-WebSocket-Version", "13")));
    }

    #[test]
    fn only_a_get_of_http_1_1_without_a_body_is_a_handshake() {
        let good = [UPGRADE, CONNECTION, VERSION, KEY];
        let of = |start, more: &[(&str, &str)]| {
            let headers: Vec<_> = good.iter().chain(more).copied().collect();
            handshake(start, headers.iter().map(|(name, value)| (*name, value.as_bytes())), true)
        };
        let error = of(Start { is_get: false, ..START }, &[]).unwrap_err();
        assert_eq!((error.status(), error.headers()), (405, &[("Allow", "GET")][..]));
        let error = of(Start { is_http_1_1: false, ..START }, &[]).unwrap_err();
        assert_eq!((error.status(), error.headers()), (426, &[("Upgrade", "websocket")][..]));
        for body in [("Content-Length", "1"), ("content-length", "00"), ("Transfer-Encoding", "chunked")] {
            assert_eq!(of(START, &[body]), Err(HandshakeError::Body), "{body:?}");
        }
        assert!(of(START, &[("Content-Length", "0")]).is_ok(), "no body");
    }

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    const TEN: &str =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10";

    #[test]
    fn offers_of_browsers_and_of_the_rfc_are_accepted_without_context_takeover() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits", // Chrome, Firefox
            "permessage-deflate; client_max_window_bits=8",
            "Permessage-Deflate;client_no_context_takeover ; server_no_context_takeover",
            "x-webkit-deflate-frame, permessage-deflate",
            "mux; max=\"4\"; flow , , permessage-deflate,",
        ] {
            assert_eq!(agree(&[offer]), Ok(Some((15, PLAIN))), "{offer}");
        }
        assert_eq!(agree(&["permessage-deflate; server_max_window_bits=10"]), Ok(Some((10, TEN))));
        assert_eq!(agree(&["permessage-deflate; server_max_window_bits=\"1\\0\""]), Ok(Some((10, TEN))));
        for bits in 9..=15 {
            let (chosen, answer) =
                agree(&[&format!("permessage-deflate; server_max_window_bits={bits}")]).unwrap().unwrap();
            assert_eq!((chosen, answer), (bits, format!("{PLAIN}; server_max_window_bits={bits}").as_str()));
        }
    }

    #[test]
    fn an_unacceptable_offer_is_skipped_for_the_next() {
        for offer in [
            "permessage-deflate; server_max_window_bits=8", // zlib cannot
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; unknown",
            "permessage-bzip2",
            "",
        ] {
            assert_eq!(agree(&[offer]), Ok(None), "{offer}");
            assert_eq!(agree(&[offer, "permessage-deflate"]), Ok(Some((15, PLAIN))), "{offer}, in the next header");
            let both = format!("{offer}, permessage-deflate; server_max_window_bits=10");
            assert_eq!(agree(&[&both]), Ok(Some((10, TEN))), "{offer}, next in the same header");
        }
        let first = "permessage-deflate; server_max_window_bits=10, permessage-deflate";
        assert_eq!(agree(&[first]), Ok(Some((10, TEN))), "the first acceptable one wins");
        assert_eq!(agree(&[first, "permessage-deflate"]), Ok(Some((10, TEN))), "in the first header");
    }

    #[test]
    fn broken_grammar_fails_the_handshake() {
        for offer in [
            "permessage-deflate;",
            "permessage-deflate; =1",
            "permessage-deflate; a=",
            "permessage-deflate; a=\"1",
            "permessage-deflate; a=\"\"",
            "permessage-deflate; a=\"1 0\"",
            "permessage-deflate foo",
            "; a",
            "permessage-deflate; a=\"1\\",
        ] {
            assert_eq!(agree(&[offer]), Err(HandshakeError::Extensions), "{offer}");
        }
        let off = [UPGRADE, CONNECTION, VERSION, KEY, ("Sec-WebSocket-Extensions", "permessage-deflate")];
        let off = handshake(START, off.iter().map(|(name, value)| (*name, value.as_bytes())), false).unwrap();
        assert_eq!((off.deflate, off.extensions), (None, None), "compression is off");
    }
}
