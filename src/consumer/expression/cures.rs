//! Python, and some JavaScript, that expressions do not have: names what to write instead.
//!
//! In: the source of an expression that does not compile. Out: the cure, if its mistake is a common one.

use super::product::tokens;

/// Functions of Python, and what there is for each.
const FUNCTIONS: [(&str, &str); 23] = [
    ("abs", "`x | abs`"),
    ("any", "`x | select | list`, which is false if it is empty"),
    ("bool", "`x | bool`"),
    ("enumerate", "a step with \"each\""),
    ("filter", "`x | select` or `x | selectattr('name')`"),
    ("float", "`x | float`"),
    ("format", "`'text' ~ x`"),
    ("getattr", "`x.name | default(none)`"),
    ("hasattr", "`x.name is defined`"),
    ("int", "`x | int`"),
    ("isinstance", "`x is string`, `x is number`, `x is mapping` or `x is sequence`"),
    ("len", "`x | length`"),
    ("list", "`x | list`"),
    ("map", "`x | map(attribute='name')`"),
    ("repr", "`x | tojson`"),
    ("reversed", "`x | reverse`"),
    ("round", "`x | round(2)`"),
    ("set", "`x | list`"),
    ("sorted", "`x | sort`"),
    ("str", "`x | string`"),
    ("sum", "`x | sum`"),
    ("tuple", "`x | list`"),
    ("type", "`x is string`, `x is number`, `x is mapping` or `x is sequence`"),
];

/// Methods of Python and JavaScript, and what there is for each.
const METHODS: [(&str, &str); 14] = [
    ("append", "`x + [y]`"),
    ("capitalize", "`x | capitalize`"),
    ("copy", "`x` alone; nothing changes it"),
    ("count", "`x.split(y) | length - 1`"),
    ("encode", "`x | base64`, `x | hex` or `x | sha256`, which take text"),
    ("format", "`'text ' ~ x`"),
    ("includes", "`y in x`"),
    ("join", "`x | join(', ')`"),
    ("pop", "`x.name`, and `x | without('name')` for the rest"),
    ("strftime", "`now('isoformat')`, or a time that Django has formatted"),
    ("title", "`x | title`"),
    ("toLowerCase", "`x.lower()`"),
    ("toString", "`x | string`"),
    ("update", "`dict(x, y)`"),
];

/// Filters that are written like functions.
const FILTERS: [&str; 4] = ["intersects", "same_id", "slug", "without"];

/// Names of Python and JavaScript, and what there is for each.
const NAMES: [(&str, &str); 10] = [
    ("Date", "`now('iso')` or `now('epoch_ms')`"),
    ("JSON", "`x | tojson`"),
    ("datetime", "`now('isoformat')`"),
    ("json", "`x | tojson`"),
    ("lambda", "`x | map(attribute='name')` or `x | selectattr('name')`"),
    ("null", "`none`"),
    ("self", "`user`, `route`, `query`, `vars`, `channel_name` or `host`: the values of the connection"),
    ("time", "`now('timestamp')`"),
    ("timezone", "`now('isoformat')`"),
    ("undefined", "`x is undefined` or `x | default(none)`"),
];

/// What to write instead of the first construct that expressions do not have.
pub fn cure(source: &str) -> Option<String> {
    let all: Vec<(usize, &str)> = tokens(source).collect();
    let at = |index: usize| all.get(index).map_or("", |(_, token)| token);
    let mut open: Vec<&str> = Vec::new();
    for (index, (offset, token)) in all.iter().enumerate() {
        let before = index.checked_sub(1).map_or("", at);
        let after = at(index + 1);
        let begins_item = |bracket: &str| open.last() == Some(&bracket) && (before == bracket || before == ",");
        let is_called = after == "(" && !matches!(before, "." | "|" | "is");
        let of = |table: &[(&'static str, &'static str)]| {
            table.iter().find(|(name, _)| name == token).map(|(_, cure)| *cure)
        };
        let written = |cure: &str| Some(format!("expressions have no {token}(); write {cure}"));
        match *token {
            "{" if after == "{" && before != "{" && offset + 1 == all[index + 1].0 && open.is_empty() => {
                return Some("an expression stands without {{ }} around it; write `x`".to_owned());
            }
            "(" | "[" | "{" => open.push(token),
            ")" | "]" | "}" => drop(open.pop()),
            "**" if begins_item("{") => {
                return Some("expressions have no {**x, …}; write `dict(x, y, key=1)`".to_owned());
            }
            "*" if begins_item("[") => {
                return Some("expressions have no [*x, …]; write `x + y` or `x + [1]`".to_owned());
            }
            "for" if before != "." && !open.is_empty() => {
                let cure =
                    "`x | map(attribute='name') | list`, `x | selectattr('name') | list`, or a step with \"each\"";
                return Some(format!("expressions have no comprehensions; write {cure}"));
            }
            "&" if after == "&" => return Some("expressions have no &&; write `x and y`".to_owned()),
            "|" if after == "|" => return Some("expressions have no ||; write `x or y`".to_owned()),
            ":" if index > 1 && at(index - 2) == "|" => {
                return Some(format!("arguments of a filter are in parentheses; write `x | {before}(y)`"));
            }
            "!" if after != "=" => return Some("expressions have no !; write `not x`".to_owned()),
            "?" => return Some("expressions have no ? :; write `x if y else none`".to_owned()),
            "=" if matches!(before, "=" | "!") && after == "=" => {
                return Some("expressions have no ===; write `x == y`".to_owned());
            }
            "None" | "True" | "False" if before == "is" || before == "not" && is_test(&all, index) => {
                return Some(format!("expressions have no \"is {token}\"; write `x is {}`", token.to_lowercase()));
            }
            _ if is_prefix(token) && after.starts_with(['"', '\'']) && offset + token.len() == all[index + 1].0 => {
                let cure = match token.to_ascii_lowercase().contains('f') {
                    true => "`'text ' ~ x`",
                    false => "the text without the letter before it",
                };
                return Some(format!("expressions have no {token}-strings; write {cure}"));
            }
            _ if before == "." && after == "(" => {
                if let Some(cure) = of(&METHODS) {
                    return written(cure);
                }
            }
            _ if FILTERS.contains(token) && after == "(" && !matches!(before, "." | "|") => {
                let arguments = if *token == "slug" { "" } else { "(y)" };
                return Some(format!("{token} is a filter; write `x | {token}{arguments}`"));
            }
            _ if is_called => {
                if let Some(cure) = of(&FUNCTIONS) {
                    return written(cure);
                }
            }
            _ if before != "." && before != "|" => {
                if let Some(cure) = of(&NAMES) {
                    return Some(format!("expressions have no {token}; write {cure}"));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether the `not` before this token belongs to a test: `is not None`.
fn is_test(all: &[(usize, &str)], index: usize) -> bool {
    index.checked_sub(2).is_some_and(|index| all[index].1 == "is")
}

/// Whether it can be the letters before a literal of Python: `f'…'`.
fn is_prefix(token: &str) -> bool {
    (1..=2).contains(&token.len()) && token.chars().all(|c| matches!(c.to_ascii_lowercase(), 'f' | 'r' | 'b' | 'u'))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Allowed, Expression, Var},
        *,
    };

    const NAMES_THERE: Allowed<'static> = Allowed { names: &[Var::Event, Var::User], at: "here" };

    #[test]
    fn what_python_has_and_expressions_lack_is_named_with_its_cure() {
        for (source, cure) in [
            ("len(event.rows)", "len(); write `x | length`"),
            ("{'n': len(event.rows), 'x': 1}", "len(); write `x | length`"),
            ("'n' ~ str(event.n)", "str(); write `x | string`"),
            ("int(event.n) + 1", "int(); write `x | int`"),
            ("isinstance(event.n, str)", "isinstance(); write `x is string`"),
            ("{**event, 'x': 1}", "{**x, …}; write `dict(x, y, key=1)`"),
            ("{'x': 1, **event.data}", "{**x, …}; write `dict(x, y, key=1)`"),
            ("[{'a': 1, **event}]", "{**x, …}; write `dict(x, y, key=1)`"),
            ("[*event.a, 1]", "[*x, …]; write `x + y` or `x + [1]`"),
            ("[1, *event.a]", "[*x, …]; write `x + y` or `x + [1]`"),
            ("f\"user {event.id}\"", "f-strings; write `'text ' ~ x`"),
            ("{'x': f'user {event.id}'}", "f-strings; write `'text ' ~ x`"),
            ("rf'x{event.id}'", "rf-strings; write `'text ' ~ x`"),
            ("b'x'", "b-strings; write the text"),
            ("[x.id for x in event.rows]", "comprehensions; write `x | map(attribute='name') | list`"),
            ("{k: v for k, v in event.items()}", "comprehensions; write"),
            ("'{} has left'.format(event.name)", "format(); write `'text ' ~ x`"),
            ("', '.join(event.names)", "join(); write `x | join(', ')`"),
            ("event.pop('type')", "pop(); write `x.name`"),
            ("event.x is None", "\"is None\"; write `x is none`"),
            ("event.x is not None", "\"is None\"; write `x is none`"),
            ("event.x is True", "\"is True\"; write `x is true`"),
            ("json.dumps(event)", "json; write `x | tojson`"),
            ("datetime.now().isoformat()", "datetime; write `now('isoformat')`"),
            ("timezone.now()", "timezone; write `now('isoformat')`"),
            ("time.time()", "time; write `now('timestamp')`"),
            ("event.id != self.user.id", "self; write `user`"),
            ("event.a && event.b", "&&; write `x and y`"),
            ("event.a || event.b", "||; write `x or y`"),
            ("event.a == null", "null; write `none`"),
            ("sorted(event.rows, key=lambda x: x.id)", "sorted(); write `x | sort`"),
        ] {
            let error = Expression::compile(source, NAMES_THERE).unwrap_err();
            assert!(error.starts_with(&format!("expressions have no {cure}")), "{source}: {error}");
        }
        for (source, wanted) in [
            ("!event.a", "expressions have no !; write `not x`"),
            ("event.a ? 1 : 2", "expressions have no ? :; write `x if y else none`"),
            ("event.a === 'x'", "expressions have no ===; write `x == y`"),
            ("event.a !== 'x'", "expressions have no ===; write `x == y`"),
            ("event.a|default:'x'", "arguments of a filter are in parentheses; write `x | default(y)`"),
            ("{{ event.a }}", "an expression stands without {{ }} around it; write `x`"),
            ("same_id(event.a, user.id)", "same_id is a filter; write `x | same_id(y)`"),
            ("event.a is same_id(user.id)", "same_id is a filter; write `x | same_id(y)`"),
            ("slug(event.a)", "slug is a filter; write `x | slug`"),
        ] {
            assert_eq!(Expression::compile(source, NAMES_THERE).unwrap_err(), wanted, "{source}");
        }
    }

    #[test]
    fn every_cure_can_be_written() {
        let all = FUNCTIONS.iter().chain(&METHODS).chain(&NAMES);
        let sources = all.map(|(name, cure)| (*name, *cure)).chain([
            ("{**", "`dict(x, y, key=1)`"),
            ("[*", "`x + y` or `x + [1]`"),
            ("f", "`'text ' ~ x`"),
            ("for", "`x | map(attribute='name') | list`, `x | selectattr('name') | list`"),
            ("!", "`not x`, `x if y else none`, `x == y`"),
            (":", "`x | default(y)`, `x | same_id(y)`, `x | intersects(y)`, `x | without(y)`, `x | slug`"),
        ]);
        for (name, cure) in sources {
            let offered: Vec<&str> = cure.split('`').skip(1).step_by(2).collect();
            assert!(!offered.is_empty() || cure.contains("each"), "{name}");
            for source in offered {
                let replace = |word: &str, by: &str, text: &str| {
                    regex::Regex::new(&format!(r"(?-u:\b){word}(?-u:\b)")).unwrap().replace_all(text, by).into_owned()
                };
                let source = replace("x", "event.x", &replace("y", "event.y", source));
                let names = Allowed { names: &Var::ALL, at: "here" };
                Expression::compile(&source, names).unwrap_or_else(|error| panic!("{name}: {source}: {error}"));
            }
        }
    }

    #[test]
    fn what_only_looks_like_python_is_let_alone() {
        for source in [
            "event.len",
            "{'len(': event.x, 'str': 'self', 'f': '&&'}",
            "event.x == None and event.y != True or not False",
            "event.x is none or event.y is true",
            "dict(event, str=1, null=2)",
            "event.time ~ event.json ~ event['self']",
            "event.x | float + event.y | int",
            "max(*event.rows)",
            "dict(**event)",
            "event.n ** 2",
            "{'a': {'b': {}}, 'c': event.a != event.b, 'd': '{{ ! ? === }}'}",
            "event.x[1:2] if event.y | first else event.z[::2]",
        ] {
            Expression::compile(source, NAMES_THERE).unwrap_or_else(|error| panic!("{source}: {error}"));
        }
    }
}
