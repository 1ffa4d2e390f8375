//! Checks functions, methods and filters, and their arguments: MiniJinja finds a wrong number, or an unknown form of
//! `now`, only during evaluation, and takes a function without parentheses for a value.
//!
//! In: the source of a valid expression. Out: the first use that can never be meant.

use std::ops::RangeInclusive;

use super::{functions::unknown_form, product::tokens};

/// How many arguments the functions take.
const FUNCTIONS: [(&str, RangeInclusive<usize>); 5] =
    [("present", 0..=1), ("now", 0..=1), ("range", 1..=3), ("min", 1..=usize::MAX), ("max", 1..=usize::MAX)];

/// How many arguments the methods take.
const METHODS: [(&str, RangeInclusive<usize>); 12] = [
    ("get", 1..=2),
    ("keys", 0..=0),
    ("values", 0..=0),
    ("items", 0..=0),
    ("upper", 0..=0),
    ("lower", 0..=0),
    ("strip", 0..=0),
    ("split", 0..=1),
    ("startswith", 1..=1),
    ("endswith", 1..=1),
    ("replace", 2..=2),
    ("isoformat", 0..=0),
];

/// How many arguments the filters of this program take.
const FILTERS: [(&str, RangeInclusive<usize>); 13] = [
    ("base64", 0..=0),
    ("base64url", 0..=0),
    ("hex", 0..=0),
    ("intersects", 1..=1),
    ("md5", 0..=0),
    ("prefix", 1..=1),
    ("same_id", 1..=1),
    ("sha1", 0..=0),
    ("sha256", 0..=0),
    ("sha512", 0..=0),
    ("slug", 0..=0),
    ("urlencode", 0..=0),
    ("without", 1..=usize::MAX),
];

/// Finds a call with a wrong number of arguments, or with an unknown form of `now`, a function that is not called, and
/// what Python does with the results of functions and with text.
pub fn check(source: &str) -> Result<(), String> {
    let all: Vec<&str> = tokens(source).map(|(_, token)| token).collect();
    for (index, token) in all.iter().enumerate() {
        let before = index.checked_sub(1).map_or("", |before| all[before]);
        let rest = &all[index + 1..];
        let is_called = rest.first() == Some(&"(");
        if before == "|" {
            let given = if is_called { arguments(&rest[1..]) } else { Vec::new() };
            filter(token, &given)?;
        } else if before != "." && before != "is" {
            function(token, rest, is_called)?;
        }
    }
    for (index, pair) in all.windows(2).enumerate().filter(|(_, pair)| pair[1] == "(") {
        let table = match index.checked_sub(1).map(|before| all[before]) {
            Some("|" | "is") => continue,
            Some(".") => &METHODS[..],
            _ => &FUNCTIONS[..],
        };
        let Some((name, takes)) = table.iter().find(|(name, _)| *name == pair[0]) else { continue };
        let arguments = arguments(&all[index + 2..]);
        if arguments.iter().any(|argument| argument.first() == Some(&"*")) {
            continue;
        }
        // `==` is two tokens.
        let is_named = |argument: &[&str]| argument.get(1) == Some(&"=") && argument.get(2) != Some(&"=");
        if arguments.iter().any(|argument| is_named(argument) || argument.first() == Some(&"**")) {
            return Err(format!("{name}() takes no arguments by name"));
        }
        if !takes.contains(&arguments.len()) {
            return Err(format!("{name}() takes {}, not {}", numbers(takes), arguments.len()));
        }
        if let ("now", [[form]]) = (*name, arguments.as_slice())
            && let Some(reason) = literal(form).and_then(unknown_form)
        {
            return Err(reason);
        }
    }
    Ok(())
}

/// Checks the number of arguments of a filter.
fn filter(name: &str, arguments: &[&[&str]]) -> Result<(), String> {
    let Some((_, takes)) = FILTERS.iter().find(|(known, _)| *known == name) else { return Ok(()) };
    let is_spread = arguments.iter().any(|argument| argument.first() == Some(&"*"));
    match is_spread || takes.contains(&arguments.len()) {
        true => Ok(()),
        false => Err(format!("the filter {name} takes {}, not {}", numbers(takes), arguments.len())),
    }
}

/// Checks the use of a function, or of a text, by what follows it.
fn function(token: &str, rest: &[&str], is_called: bool) -> Result<(), String> {
    let is_function = token == "dict" || FUNCTIONS.iter().any(|(known, _)| *known == token);
    let is_name_of_argument = rest.first() == Some(&"=") && rest.get(1) != Some(&"=");
    if is_function && !is_called && !is_name_of_argument {
        return Err(format!("{token} is a function; write `{token}()`"));
    }
    if token.starts_with(['"', '\'']) && rest.first() == Some(&"%") {
        return Err("text has no %; write `'text ' ~ x`".to_owned());
    }
    let after = if is_function && is_called { behind(&rest[1..]) } else { &[] };
    match (token, after) {
        ("now", [".", "isoformat", ..]) => Err("now() is text already; write `now('isoformat')`".to_owned()),
        ("present", ["|", filter @ ("length" | "count"), ..]) => {
            Err(format!("present() is an object, not a list; write `present().count` instead of `| {filter}`"))
        }
        _ => Ok(()),
    }
}

/// The tokens behind the closing parenthesis of a call, from behind the opening one on.
fn behind<'a, 'b>(tokens: &'b [&'a str]) -> &'b [&'a str] {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth > 0 => depth -= 1,
            ")" => return &tokens[index + 1..],
            _ => {}
        }
    }
    &[]
}

/// The arguments of each call of a function, as text; a call without arguments gives none.
pub fn of_calls(source: &str, function: &str) -> Vec<String> {
    let all: Vec<&str> = tokens(source).map(|(_, token)| token).collect();
    let calls = all.windows(2).enumerate().filter(|(_, pair)| *pair == [function, "("]);
    let texts =
        calls.flat_map(|(index, _)| arguments(&all[index + 2..]).into_iter().map(|argument| argument.join(" ")));
    texts.collect()
}

/// The tokens of each argument, from behind the opening parenthesis on.
fn arguments<'a, 'b>(tokens: &'b [&'a str]) -> Vec<&'b [&'a str]> {
    let (mut depth, mut begin, mut found) = (0_usize, 0, Vec::new());
    for (index, token) in tokens.iter().enumerate() {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth > 0 => depth -= 1,
            ")" => {
                found.push(&tokens[begin..index]);
                break;
            }
            "," if depth == 0 => {
                found.push(&tokens[begin..index]);
                begin = index + 1;
            }
            _ => {}
        }
    }
    found.retain(|argument| !argument.is_empty());
    found
}

/// The value of a literal, as far as it can be a form.
fn literal(token: &str) -> Option<&str> {
    let quote = token.chars().next().filter(|c| matches!(c, '"' | '\'' | '0'..='9'))?;
    Some(token.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).unwrap_or(token))
}

fn numbers(takes: &RangeInclusive<usize>) -> String {
    let plural = |number: usize| if number == 1 { "argument" } else { "arguments" };
    match (*takes.start(), *takes.end()) {
        (least, most) if least == most => format!("{least} {}", plural(least)),
        (least, usize::MAX) => format!("at least {least} {}", plural(least)),
        (least, most) => format!("{least} to {most} arguments"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Allowed, Expression, Var};

    #[test]
    fn a_call_that_can_never_succeed_is_an_error() {
        let known =
            "known: 'iso', 'isoformat', 'isoformat_naive', 'str', 'str_naive', 'epoch', 'epoch_ms', 'timestamp'";
        for (source, wanted) in [
            ("now('isoformatt')", format!("now(\"isoformatt\") is unknown; {known}")),
            ("{'at': now(\"%Y-%m-%d\")}", format!("now(\"%Y-%m-%d\") is unknown; {known}")),
            ("now(5)", format!("now(\"5\") is unknown; {known}")),
            ("now('iso', 'epoch')", "now() takes 0 to 1 arguments, not 2".to_owned()),
            ("now(form='iso')", "now() takes no arguments by name".to_owned()),
            ("range()", "range() takes 1 to 3 arguments, not 0".to_owned()),
            ("max()", "max() takes at least 1 argument, not 0".to_owned()),
            ("event.get()", "get() takes 1 to 2 arguments, not 0".to_owned()),
            ("event.get('a', default=1)", "get() takes no arguments by name".to_owned()),
            ("event.x.upper('a')", "upper() takes 0 arguments, not 1".to_owned()),
            ("event.x.replace('a')", "replace() takes 2 arguments, not 1".to_owned()),
            ("event.x.split(',', 1)", "split() takes 0 to 1 arguments, not 2".to_owned()),
            ("event.x | same_id", "the filter same_id takes 1 argument, not 0".to_owned()),
            ("event.x | same_id()", "the filter same_id takes 1 argument, not 0".to_owned()),
            ("event.x | same_id(1, 2)", "the filter same_id takes 1 argument, not 2".to_owned()),
            ("event.x | slug(3)", "the filter slug takes 0 arguments, not 1".to_owned()),
            ("event | without", "the filter without takes at least 1 argument, not 0".to_owned()),
            ("{'at': now}", "now is a function; write `now()`".to_owned()),
            ("event.a ~ now", "now is a function; write `now()`".to_owned()),
            ("max | length", "max is a function; write `max()`".to_owned()),
            ("dict == event.a", "dict is a function; write `dict()`".to_owned()),
            ("now().isoformat()", "now() is text already; write `now('isoformat')`".to_owned()),
            ("{'at': now( ).isoformat()}", "now() is text already; write `now('isoformat')`".to_owned()),
            ("'user %s' % event.x", "text has no %; write `'text ' ~ x`".to_owned()),
        ] {
            let error = Expression::compile(source, Allowed { names: &[Var::Event], at: "here" }).unwrap_err();
            assert_eq!(error, wanted, "{source}");
        }
        for source in [
            "now()",
            "now('iso')",
            "now(event.form)",
            "now('iso' if event.x else 'epoch')",
            "max(event.a == event.b, event.c)",
            "max(*event.rows)",
            "min([1, 2], [3])",
            "event.get('a', {'b': [1, 2]})",
            "event.x | replace('a', 'b')",
            "dict(event.a, event.b, x=1)",
            "dict()",
            "event.get(event['x'], (1))",
            "event.x | same_id(event.y) or event.x | without(*event.names)",
            "dict(event, now=1, max=event.now, present=event.present)",
            "{'now': event['now'], 'max': 'present'}",
            "event.x.isoformat() ~ now('iso') ~ event.n % 2",
            "event.dict | length",
            "event.range",
        ] {
            let compiled = Expression::compile(source, Allowed { names: &[Var::Event], at: "here" });
            assert!(compiled.is_ok(), "{source}: {compiled:?}");
        }
    }
}
