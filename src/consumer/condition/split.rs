//! Splits the source of an expression at its outermost operator: `and`, `or`, `not`, a comparison, or a filter that
//! compares.
//!
//! In: a valid source. Out: its parts, which are sources themselves.

/// The outermost operator of an expression, and its operands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    Any(Vec<&'a str>),
    All(Vec<&'a str>),
    Not(&'a str),
    Compare(Operator, &'a str, &'a str),
    /// An expression in parentheses.
    Inner(&'a str),
    /// Anything else.
    Other,
}

/// A comparison of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    In,
    NotIn,
    Intersects,
    SameId,
}

/// Names of filters that compare two values.
const FILTERS: [(&str, Operator); 2] = [("intersects", Operator::Intersects), ("same_id", Operator::SameId)];

/// A word, a text or a symbol outside all brackets; a bracket with its content is one, too.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    text: &'a str,
    at: usize,
}

impl Token<'_> {
    const fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

/// The outermost operator of a source.
pub(super) fn split(source: &str) -> Shape<'_> {
    let source = source.trim();
    let tokens = tokens(source);
    let is_keyword = |index: usize, word: &str| {
        let before = |back: usize| index.checked_sub(back).and_then(|at| tokens.get(at)).map_or("", |token| token.text);
        // An attribute or a test can have any name.
        tokens[index].text == word
            && !matches!(before(1), "." | "is" | "|")
            && !(before(1) == "not" && before(2) == "is")
    };
    let all = |word: &str| (0..tokens.len()).filter(|index| is_keyword(*index, word)).collect::<Vec<_>>();
    let parts = |at: &[usize]| {
        let begins = std::iter::once(0).chain(at.iter().map(|index| tokens[*index].end()));
        let ends = at.iter().map(|index| tokens[*index].at).chain([source.len()]);
        begins.zip(ends).map(|(begin, end)| source[begin..end].trim()).collect::<Vec<_>>()
    };
    if !all("if").is_empty() {
        return Shape::Other;
    }
    match (all("or").as_slice(), all("and").as_slice()) {
        ([], []) => {}
        ([], and) => return Shape::All(parts(and)),
        (or, _) => return Shape::Any(parts(or)),
    }
    if !tokens.is_empty() && is_keyword(0, "not") {
        return Shape::Not(source[tokens[0].end()..].trim());
    }
    let is_comparison = |index: &usize| {
        matches!(tokens[*index].text, "==" | "!=" | "<" | ">" | "<=" | ">=") || is_keyword(*index, "in")
    };
    match (0..tokens.len()).filter(is_comparison).collect::<Vec<_>>().as_slice() {
        [] => {}
        [at] => {
            let negated = *at > 0 && is_keyword(*at - 1, "not");
            let operator = match (tokens[*at].text, negated) {
                ("==", _) => Operator::Equal,
                ("!=", _) => Operator::Unequal,
                ("in", false) => Operator::In,
                ("in", true) => Operator::NotIn,
                _ => return Shape::Other,
            };
            let begin = tokens[*at - usize::from(negated)].at;
            return Shape::Compare(operator, source[..begin].trim(), source[tokens[*at].end()..].trim());
        }
        _ => return Shape::Other,
    }
    match tokens.as_slice() {
        [only] if only.text.starts_with('(') => inner(only.text),
        [.., pipe, name, arguments] if pipe.text == "|" && arguments.text.starts_with('(') => {
            let computes = |token: &Token<'_>| matches!(token.text, "+" | "-" | "*" | "**" | "/" | "//" | "%" | "~");
            let filter = FILTERS.into_iter().find(|(known, _)| *known == name.text);
            match (filter, inner(arguments.text)) {
                (Some((_, operator)), Shape::Inner(other)) if !tokens.iter().any(computes) => {
                    Shape::Compare(operator, source[..pipe.at].trim(), other)
                }
                _ => Shape::Other,
            }
        }
        _ => Shape::Other,
    }
}

/// What is in the parentheses, if it is one expression.
fn inner(text: &str) -> Shape<'_> {
    let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or_default();
    let is_one = |token: &Token<'_>| !matches!(token.text, "," | "=");
    match !inside.trim().is_empty() && tokens(inside).iter().all(is_one) {
        true => Shape::Inner(inside.trim()),
        false => Shape::Other,
    }
}

fn tokens(source: &str) -> Vec<Token<'_>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(first) = source[at..].chars().next() {
        let length = length(&source[at..], first);
        if !first.is_whitespace() {
            found.push(Token { text: &source[at..at + length], at });
        }
        at += length;
    }
    found
}

/// The bytes of the first token.
fn length(rest: &str, first: char) -> usize {
    match first {
        '"' | '\'' => text(rest),
        '(' | '[' | '{' => bracket(rest),
        _ if first.is_alphanumeric() || first == '_' => {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        }
        _ if ["==", "!=", "<=", ">=", "**", "//"].iter().any(|two| rest.starts_with(two)) => 2,
        _ => first.len_utf8(),
    }
}

/// The bytes of a text with its quotes.
fn text(rest: &str) -> usize {
    rest.len() - super::after_text(&rest[1..], rest.chars().next().unwrap_or('"')).len()
}

/// The bytes of a bracket with its content.
fn bracket(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(first) = rest[at..].chars().next() {
        at += match first {
            '"' | '\'' => text(&rest[at..]),
            _ => first.len_utf8(),
        };
        depth = match first {
            '(' | '[' | '{' => depth + 1,
            ')' | ']' | '}' => depth - 1,
            _ => depth,
        };
        if depth == 0 {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::{Operator::*, Shape::*, *};

    #[test]
    fn a_source_is_split_at_its_outermost_operator() {
        for (source, shape) in [
            ("a or b and c", Any(vec!["a", "b and c"])),
            ("a and (b or c) and not d", All(vec!["a", "(b or c)", "not d"])),
            ("not a == b", Not("a == b")),
            ("not not a", Not("not a")),
            ("( a or b )", Inner("a or b")),
            ("(a, b)", Other),
            ("(a) == (b)", Compare(Equal, "(a)", "(b)")),
            ("event.a!=user.id", Compare(Unequal, "event.a", "user.id")),
            ("a in b", Compare(In, "a", "b")),
            ("a not in [b, 'in']", Compare(NotIn, "a", "[b, 'in']")),
            ("a is not in(b)", Other),
            ("a is in(b) and c", All(vec!["a is in(b)", "c"])),
            ("a is not none and b", All(vec!["a is not none", "b"])),
            ("event.in == user.or", Compare(Equal, "event.in", "user.or")),
            ("a == ' or \\' and ' or b", Any(vec!["a == ' or \\' and '", "b"])),
            ("a if b or c else d", Other),
            ("(a if b else c) == d", Compare(Equal, "(a if b else c)", "d")),
            ("a == b == c", Other),
            ("a < b", Other),
            ("a | intersects(b | default([]))", Compare(Intersects, "a", "b | default([])")),
            ("a|default(1)|same_id( b )", Compare(SameId, "a|default(1)", "b")),
            ("-a | same_id(b)", Other),
            ("a | same_id(b, c)", Other),
            ("a | same_id(other=b)", Other),
            ("a | default(b)", Other),
            ("f(a or b)", Other),
            ("é == 'ü or' and ß", All(vec!["é == 'ü or'", "ß"])),
        ] {
            assert_eq!(split(source), shape, "{source}");
        }
    }
}
