//! Multiplication in expressions is for numbers only. MiniJinja also repeats text and lists, up to a hundred million
//! times, so a number that a client chooses would choose how much memory an expression takes.
//!
//! In: the source of an expression. Out: the same with the filter [`FACTOR`] on both operands of every `*`. MiniJinja
//! has no hook for its operators.

use super::{after_text, functions::FACTOR};

/// Words that end an operand; after `is` they belong to a test.
const ENDS: [&str; 6] = ["and", "or", "not", "in", "if", "else"];

/// The source with its products guarded. It must be valid.
pub fn guard(source: &str) -> String {
    let mut out =
        Guarded { text: String::with_capacity(source.len() + 32), depth: 0, right: Vec::new(), begins: false };
    let (mut rest, mut before, mut word_before) = (source, ' ', "");
    while let Some(character) = rest.chars().next() {
        let token = token(rest);
        rest = &rest[token.len()..];
        match character {
            _ if character.is_whitespace() => {
                out.text.push_str(token);
                continue;
            }
            '(' | '[' | '{' => out.depth += 1,
            ')' | ']' | '}' => {
                out.end_operand();
                out.depth = out.depth.saturating_sub(1);
            }
            // Before an argument it spreads a list.
            '*' if token == "*" && !matches!(before, '(' | ',') => {
                out.end_operand();
                out.factor();
                out.text.push_str(token);
                out.right.push(out.depth);
                (out.begins, before, word_before) = (true, character, "");
                continue;
            }
            '-' if out.begins => {
                out.text.push_str(token);
                continue;
            }
            '*' | '/' | '%' | '+' | '-' | '~' | '=' | '!' | '<' | '>' | ',' | ':' => out.end_operand(),
            _ if ENDS.contains(&token) && word_before != "is" && before != '.' => out.end_operand(),
            _ => {}
        }
        out.text.push_str(token);
        out.begins = false;
        (before, word_before) = (character, token);
    }
    out.end_operand();
    out.text
}

struct Guarded {
    text: String,
    depth: usize,
    /// The depths of right operands that have not ended.
    right: Vec<usize>,
    /// Whether a right operand begins, so that `-` is its sign.
    begins: bool,
}

impl Guarded {
    fn end_operand(&mut self) {
        if self.right.pop_if(|depth| *depth == self.depth).is_some() {
            self.factor();
        }
    }

    fn factor(&mut self) {
        self.text.push('|');
        self.text.push_str(FACTOR);
        self.text.push(' ');
    }
}

/// The tokens of a source, each with its offset.
pub fn tokens(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        offset += source[offset..].find(|c: char| !c.is_whitespace())?;
        let (at, token) = (offset, token(&source[offset..]));
        offset += token.len();
        Some((at, token))
    })
}

/// The token at the start of the text.
fn token(text: &str) -> &str {
    let first = text.chars().next().unwrap_or_default();
    let length = match first {
        '"' | '\'' => text.len() - after_text(&text[1..], first).len(),
        _ if first.is_alphanumeric() || first == '_' => {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
            // `1e-5` is one number.
            let exponent =
                first.is_ascii_digit() && text[..end].ends_with(['e', 'E']) && text[end..].starts_with(['+', '-']);
            if exponent { end + 1 } else { end }
        }
        _ if text.starts_with("**") => 2,
        _ => first.len_utf8(),
    };
    &text[..length]
}

#[cfg(test)]
mod tests {
    use minijinja::{Value as Jinja, context};

    use super::{super::ENVIRONMENT, *};

    const FORMS: [&str; 26] = [
        "a * b",
        "a*b",
        "a * b * c",
        "c * a*b",
        "-a * -b",
        "a * - - b",
        "c + a * b - c",
        "c ~ a * b ~ c",
        "(a) * (b)",
        "[a * b, c]",
        "{'x': a * b, 'y': c}",
        "{'x*': o.a * o['b']}",
        "o.a * o.b | default(1) + 1",
        "(a * b) | string",
        "a * b ** 2",
        "c ** 2 * a * b",
        "a * (b if c else c)",
        "a * b if c else c",
        "c if a * b == 7 else a * b",
        "a * b > c and not c * a * b in [1]",
        "a * b / c * 2",
        "max(*[a * b, c])",
        "max(c, *[c, a * b])",
        "dict(x=a * b)",
        "[c, c, c][a * b - 6:]",
        "1e-1 * a * b * 1e+1",
    ];

    #[test]
    fn products_of_numbers_stay_as_they_are() {
        let scope = context! { a => 2, b => 3, c => 5, o => context! { a => 2, b => 3 } };
        for source in FORMS {
            let wanted = ENVIRONMENT.compile_expression(source).unwrap().eval(&scope).unwrap();
            let guarded = guard(source);
            let given = ENVIRONMENT.compile_expression(&guarded).unwrap().eval(&scope).unwrap();
            assert_eq!(wanted.to_string(), given.to_string(), "{source}: {guarded}");
        }
        for source in ["'a * b'", "dict(**o)", "a ** b", "max(*[a, b])", "'\\'*' ~ a"] {
            assert_eq!(guard(source), source);
        }
    }

    #[test]
    fn text_and_lists_are_never_repeated() {
        let hostile = [Jinja::from("x"), Jinja::from(vec![1]), Jinja::from_iter([1])];
        for source in FORMS.into_iter().chain([
            "a is defined * [1]",
            "2 * b is defined | string",
            "2 * b is not defined or 'x' * 2",
            "a * b is string * 'x'",
        ]) {
            let guarded = guard(source);
            for bad in &hostile {
                for (a, b) in [(bad.clone(), 2.into()), (2.into(), bad.clone())] {
                    let scope = context! { a => &a, b => &b, c => 5, o => context! { a => &a, b => &b } };
                    let error = ENVIRONMENT.compile_expression(&guarded).and_then(|guarded| guarded.eval(scope));
                    assert!(error.is_err(), "{source}: {guarded}: {error:?}");
                }
            }
        }
    }
}
