//! Text with lone surrogates, such as half an emoji (`"\ud83d"`), which Python and JavaScript hold and `str` cannot.
//!
//! In: text of a decoder, or of an expression. Out: the same as `str`, in one of two forms. Each lone surrogate is one
//! character of plane 16, from [`FIRST`] on; where real text has one of these characters or [`MARK`], a [`MARK`] stands
//! before it.
//!
//! - *Packed*: what [`Value`](super::Value) holds. Ordinary text is unchanged. Only text that has lone surrogates, or
//!   that begins with [`MARK`], has a [`MARK`] in front, so one look at the first byte recognises it.
//! - *Loose*: what expressions see, without the mark in front: they may join and cut text.

use std::borrow::Cow;

/// Begins a packed text, and stands before a character that is real.
const MARK: char = '\u{10e800}';

/// Stands for U+D800; the others follow.
const FIRST: u32 = 0x10_e000;

/// The first byte of every character from U+100000 on.
const LEAD: u8 = 0xf4;

/// The first surrogate, and the last.
const SURROGATES: std::ops::RangeInclusive<u32> = 0xd800..=0xdfff;

/// Whether a packed text has lone surrogates, or begins with [`MARK`].
#[inline]
pub fn is_marked(packed: &str) -> bool {
    may_be_marked(packed) && packed.starts_with(MARK)
}

/// Whether a packed text begins like [`MARK`].
#[inline]
pub const fn may_be_marked(packed: &str) -> bool {
    matches!(packed.as_bytes().first(), Some(&LEAD))
}

/// Whether a packed text has lone surrogates.
pub fn has_lone(packed: &str) -> bool {
    is_marked(packed) && points(packed).any(|point| SURROGATES.contains(&point))
}

/// Real text as packed text.
#[inline]
pub fn pack(text: &str) -> Box<str> {
    if is_marked(text) { marked(text) } else { text.into() }
}

#[cold]
fn marked(text: &str) -> Box<str> {
    let mut builder = TextBuilder::default();
    builder.push_str(text);
    builder.finish()
}

/// The code points of a packed text, lone surrogates among them.
pub fn points(packed: &str) -> impl Iterator<Item = u32> {
    let is_marked = is_marked(packed);
    let loose = if is_marked { &packed[MARK.len_utf8()..] } else { packed };
    let mut characters = loose.chars();
    std::iter::from_fn(move || {
        let character = characters.next()?;
        Some(if is_marked { point(character, &mut characters) } else { u32::from(character) })
    })
}

/// The code point that a character of loose text stands for, with what follows it.
fn point(character: char, after: &mut std::str::Chars<'_>) -> u32 {
    match u32::from(character) {
        _ if character == MARK => after.next().map_or(u32::from(MARK), u32::from),
        at if is_reserved(character) => at - FIRST + *SURROGATES.start(),
        ordinary => ordinary,
    }
}

/// Whether loose text needs a [`MARK`] before this character if it is real.
fn is_reserved(character: char) -> bool {
    (FIRST..=u32::from(MARK)).contains(&u32::from(character))
}

/// Whether text may have a reserved character.
fn is_suspect(text: &str) -> bool {
    text.as_bytes().contains(&LEAD) && text.contains(is_reserved)
}

/// Packed text as loose text.
pub fn loosen(packed: &str) -> Cow<'_, str> {
    match is_suspect(packed) {
        false => Cow::Borrowed(packed),
        true if is_marked(packed) => Cow::Borrowed(&packed[MARK.len_utf8()..]),
        true => Cow::Owned(escaped(packed)),
    }
}

/// Real text as loose text.
#[inline]
pub fn loosen_real(text: &str) -> Cow<'_, str> {
    if is_suspect(text) { Cow::Owned(escaped(text)) } else { Cow::Borrowed(text) }
}

/// Loose text as packed text.
pub fn tighten(loose: &str) -> Cow<'_, str> {
    if !is_suspect(loose) {
        return Cow::Borrowed(loose);
    }
    let mut builder = TextBuilder::default();
    let mut characters = loose.chars();
    while let Some(character) = characters.next() {
        builder.push_point(point(character, &mut characters));
    }
    Cow::Owned(builder.finish().into_string())
}

/// Packed text as real text: U+FFFD stands for each lone surrogate, as in what JavaScript encodes.
pub fn lossy(packed: &str) -> Cow<'_, str> {
    match is_marked(packed) {
        false => Cow::Borrowed(packed),
        true => Cow::Owned(
            points(packed).map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER)).collect(),
        ),
    }
}

/// Packed text of UTF-8 that may have surrogates, as Python's `surrogatepass` writes them; `None` for other bytes.
#[cold]
pub fn of_wide_utf8(bytes: &[u8]) -> Option<Box<str>> {
    let mut builder = TextBuilder::default();
    let mut rest = bytes;
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(text) => {
                builder.push_str(text);
                return Some(builder.finish());
            }
            Err(error) => error,
        };
        let (text, after) = rest.split_at_checked(error.valid_up_to())?;
        builder.push_str(std::str::from_utf8(text).ok()?);
        let (surrogate, after) = after.split_first_chunk::<3>()?;
        let [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf] = *surrogate else { return None };
        builder.push_point(0xd000 | (u32::from(second & 0x3f) << 6) | u32::from(third & 0x3f));
        rest = after;
    }
}

/// UTF-8 in which surrogates are encoded as any other code point.
pub fn wide_utf8(packed: &str) -> Cow<'_, [u8]> {
    if !is_marked(packed) {
        return Cow::Borrowed(packed.as_bytes());
    }
    let mut bytes = Vec::with_capacity(packed.len());
    for point in points(packed) {
        match char::from_u32(point) {
            Some(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            None => {
                bytes
                    .extend([0xe0 | point >> 12, 0x80 | point >> 6 & 0x3f, 0x80 | point & 0x3f].map(|byte| byte as u8));
            }
        }
    }
    Cow::Owned(bytes)
}

fn escaped(text: &str) -> String {
    let mut loose = String::with_capacity(text.len() + 8);
    text.chars().for_each(|character| push_real(character, &mut loose));
    loose
}

fn push_real(character: char, loose: &mut String) {
    if is_reserved(character) {
        loose.push(MARK);
    }
    loose.push(character);
}

/// Builds packed text.
#[derive(Debug, Default)]
pub struct TextBuilder {
    /// Real text; from the first lone surrogate on packed text.
    text: String,
    is_marked: bool,
}

impl TextBuilder {
    /// Continues after this real text.
    pub fn after(text: &str) -> Self {
        Self { text: text.to_owned(), is_marked: false }
    }

    /// Adds real text.
    pub fn push_str(&mut self, text: &str) {
        match self.is_marked {
            false => self.text.push_str(text),
            true => text.chars().for_each(|character| push_real(character, &mut self.text)),
        }
    }

    /// Adds a character, or a surrogate, which stays alone.
    pub fn push_point(&mut self, point: u32) {
        match char::from_u32(point) {
            Some(character) if self.is_marked => push_real(character, &mut self.text),
            Some(character) => self.text.push(character),
            None => {
                self.mark();
                let stands = point.wrapping_sub(*SURROGATES.start()).wrapping_add(FIRST);
                self.text.push(char::from_u32(stands).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
    }

    fn mark(&mut self) {
        if !self.is_marked {
            self.is_marked = true;
            self.text = std::iter::once(MARK).chain(escaped(&self.text).chars()).collect();
        }
    }

    /// The packed text.
    pub fn finish(mut self) -> Box<str> {
        if is_marked(&self.text) {
            self.mark();
        }
        self.text.into_boxed_str()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(points: &[u32]) -> Box<str> {
        let mut builder = TextBuilder::default();
        points.iter().for_each(|point| builder.push_point(*point));
        builder.finish()
    }

    /// Any code points; many of them are surrogates, or characters that stand for surrogates.
    fn any_points() -> impl Strategy<Value = Vec<u32>> {
        let point = prop_oneof![
            any::<char>().prop_map(u32::from),
            SURROGATES,
            FIRST - 2..=u32::from(MARK) + 2,
            Just(u32::from(MARK)),
            0x20u32..0x7f,
        ];
        prop::collection::vec(point, 0..12)
    }

    #[test]
    fn ordinary_text_is_unchanged() {
        for text in ["", "a", "é😀", "\u{10ffff}", "x\u{10e800}", "\u{10e000}"] {
            assert_eq!((&*pack(text), has_lone(text)), (text, false));
        }
        assert_eq!(loosen("a😀"), "a😀");
    }

    #[test]
    fn half_an_emoji_is_one_character_of_an_expression() {
        let half = packed(&[0xd83d]);
        let loose = loosen(&half);
        assert_eq!(loose.chars().count(), 1);
        let joined = format!("x{loose}");
        let joined = tighten(&joined);
        assert_eq!(points(&joined).collect::<Vec<_>>(), [0x78, 0xd83d]);
        assert!(has_lone(&joined));
        assert_eq!(lossy(&joined), "x\u{fffd}");
        assert_eq!(&*wide_utf8(&joined), b"x\xed\xa0\xbd");
    }

    #[test]
    fn other_bytes_are_not_text() {
        for bytes in [&b"\xff"[..], b"a\xed\xa0", b"\xed\xa0a", b"\xed\x60\x80", b"\xc3"] {
            assert_eq!(of_wide_utf8(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn every_form_leads_back(all in any_points(), cut in 0usize..12) {
            let text = packed(&all);
            prop_assert_eq!(&points(&text).collect::<Vec<_>>(), &all);
            let (loose, wide) = (loosen(&text), wide_utf8(&text));
            prop_assert_eq!(tighten(&loose), &*text);
            prop_assert_eq!(has_lone(&text), all.iter().any(|point| SURROGATES.contains(point)));
            let back = of_wide_utf8(&wide);
            prop_assert_eq!(back.as_deref(), Some(&*text));
            let (left, right) = all.split_at(cut.min(all.len()));
            let joined = format!("{}{}", loosen(&packed(left)), loosen(&packed(right)));
            prop_assert_eq!(tighten(&joined), &*text);
        }

        #[test]
        fn different_texts_stay_different(a in any_points(), b in any_points()) {
            prop_assert_eq!(a == b, packed(&a) == packed(&b));
        }

        #[test]
        fn any_str_has_a_meaning(text in "\\PC*[\u{10dfff}-\u{10e801}]{0,6}\\PC*") {
            let _ = (points(&text).count(), tighten(&text), loosen(&text), lossy(&text), wide_utf8(&text));
        }
    }
}
