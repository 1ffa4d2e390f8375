//! Functions for expressions besides MiniJinja's own: `now`, `dict`, `slug`, `without`, `same_id`, `prefix`, and common
//! Python methods; `encodings` has the hashes.

use std::{borrow::Cow, cell::Cell, collections::HashSet};

use indexmap::IndexMap;
use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value as Jinja,
    value::{Kwargs, Rest, StringInput, ValueKind, from_args},
};

use super::{
    clock::Form,
    fact::Fact,
    frame,
    view::{as_text, is_integer},
};
use crate::{event::surrogate, limited::WriteError};

/// Functions that may be called; MiniJinja's others are of no use in a single expression.
pub const FUNCTIONS: &[&str] = &["now", "dict", "range", "min", "max"];

/// Methods that may be called on values.
pub const METHODS: &[&str] = &[
    "get",
    "keys",
    "values",
    "items",
    "upper",
    "lower",
    "strip",
    "split",
    "startswith",
    "endswith",
    "replace",
    "isoformat",
];

/// The filter that `product` puts on the operands of `*`; it passes numbers only.
pub const FACTOR: &str = "factor";

/// Filters of MiniJinja that are not offered: what they make can be much larger than what they are given, or takes
/// quadratic time, and nothing sent to a browser needs them.
const REMOVED: [&str; 6] = ["batch", "format", "indent", "pprint", "slice", "unique"];

thread_local! {
    /// The limit on text that the functions of the running evaluation make, and what is left of it.
    static TEXT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Begins an evaluation whose functions may make so many bytes of text.
pub fn allow_text(limit: usize) {
    TEXT.set((limit, limit));
}

/// Takes bytes from the limit before they are made.
pub fn take(bytes: usize) -> Result<(), Error> {
    let (limit, left) = TEXT.get();
    let left = left.checked_sub(bytes).ok_or_else(|| too_large(limit))?;
    TEXT.set((limit, left));
    Ok(())
}

fn too_large(limit: usize) -> Error {
    Error::new(ErrorKind::InvalidOperation, "the result is too large").with_source(WriteError::TooLarge(limit))
}

/// The environment in which every expression is compiled and evaluated.
pub fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_debug(true);
    environment.remove_global("debug");
    environment.remove_global("namespace");
    environment.add_function("now", now);
    environment.add_function("dict", |maps: Rest<Jinja>, named: Kwargs| dict(&maps.0, &named));
    environment.add_function("min", |args: Rest<Jinja>| extreme(args.0, std::cmp::Ordering::Less));
    environment.add_function("max", |args: Rest<Jinja>| extreme(args.0, std::cmp::Ordering::Greater));
    environment.add_filter("slug", |text: &str| slug(text));
    environment.add_filter("without", without);
    environment.add_filter("intersects", intersects);
    environment.add_filter("same_id", same_id);
    environment.add_filter("prefix", prefix);
    environment.add_filter("tojson", tojson);
    environment.add_filter("replace", |text: StringInput<'_>, old: StringInput<'_>, new: StringInput<'_>| {
        replace(text.as_str(), old.as_str(), new.as_str())
    });
    environment.add_filter(
        "join",
        |list: &Jinja, joiner: Option<StringInput<'_>>, attribute: Option<&str>, options: Kwargs| {
            join(list, joiner, attribute, &options)
        },
    );
    environment.add_filter(FACTOR, factor);
    REMOVED.iter().for_each(|name| environment.remove_filter(name));
    environment.set_unknown_method_callback(method);
    environment
}

/// `now()`, `now('iso')`, `now('isoformat')`, …
fn now(format: Option<&str>) -> Result<Jinja, Error> {
    let form = Form::parse(format.unwrap_or("iso"));
    let form = form.map_err(|reason| Error::new(ErrorKind::InvalidOperation, reason))?;
    Ok(form.write(jiff::Timestamp::now()))
}

/// Why `now` does not know this form, if so.
pub fn unknown_form(name: &str) -> Option<String> {
    Form::parse(name).err()
}

/// `dict(a, b, x=1)`, Python's `{**a, **b, 'x': 1}`: a later value wins, and keeps the place of the first. As in
/// MiniJinja's own, an undefined map counts as empty.
fn dict(maps: &[Jinja], named: &Kwargs) -> Result<Jinja, Error> {
    let mut all: IndexMap<Jinja, Jinja> = IndexMap::new();
    for map in maps.iter().filter(|map| !map.is_undefined()) {
        let Some(pairs) = map.as_object().filter(|_| map.kind() == ValueKind::Map).and_then(|map| map.try_iter_pairs())
        else {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("dict takes objects, not {}", map.kind())));
        };
        all.extend(pairs);
    }
    for name in named.args() {
        all.insert(name.into(), named.get(name)?);
    }
    Ok(Jinja::from_pairs(all))
}

/// Python's `min` and `max`: of the arguments, or of a single list.
fn extreme(arguments: Vec<Jinja>, wanted: std::cmp::Ordering) -> Result<Jinja, Error> {
    let of: Vec<Jinja> = match arguments.as_slice() {
        [list] => list.try_iter()?.collect(),
        _ => arguments,
    };
    if of.iter().any(Jinja::is_undefined) {
        return Err(ErrorKind::UndefinedError.into());
    }
    of.into_iter()
        .reduce(|best, next| if next.cmp(&best) == wanted { next } else { best })
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "nothing to choose from"))
}

/// Text as part of a group name: each run of characters outside `[A-Za-z0-9-_.]` becomes one `-`; at most 80
/// characters.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || "-_.".contains(character) {
            slug.push(character);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.truncate(80);
    slug.trim_end_matches('-').to_owned()
}

/// `event | without('type')`, `event | without(['type', 'group'])`: an object without some keys.
fn without(object: &Jinja, names: Rest<Jinja>) -> Result<Jinja, Error> {
    let mut gone = HashSet::new();
    for name in names.0 {
        match name.kind() {
            ValueKind::Seq | ValueKind::Iterable => {
                for name in name.try_iter()? {
                    take(size_of::<Jinja>())?;
                    gone.insert(name);
                }
            }
            _ => drop(gone.insert(name)),
        }
    }
    let Some(pairs) = object.as_object().and_then(|object| object.try_iter_pairs()) else {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("without needs an object, not {}", object.kind())));
    };
    Ok(Jinja::from_pairs(pairs.filter(|(key, _)| !gone.contains(key))))
}

/// `query.orders.split(',') | prefix('order_')`: the items of a list, each with this text before it.
fn prefix(list: &Jinja, before: &str) -> Result<Jinja, Error> {
    if !matches!(list.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("prefix needs a list, not {}", list.kind())));
    }
    let with_text = |item: Jinja| {
        let text = digits(&item).filter(|text| !text.is_empty()).ok_or_else(|| {
            let reason = format!("prefix needs items that are integers or text that is not empty, not {}", item.kind());
            Error::new(ErrorKind::InvalidOperation, reason)
        })?;
        take(before.len() + text.len())?;
        Ok(Jinja::from(format!("{before}{text}")))
    };
    list.try_iter()?.map(with_text).collect::<Result<Vec<_>, Error>>().map(Jinja::from)
}

/// `event.groups | intersects(user.groups)`: whether two lists have an item in common.
fn intersects(one: &Jinja, other: &Jinja) -> Result<bool, Error> {
    if one.is_undefined() || other.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let not_lists = || format!("intersects needs two lists, not {} and {}", one.kind(), other.kind());
    Fact::of(one).intersects(&Fact::of(other)).map_err(|_| Error::new(ErrorKind::InvalidOperation, not_lists()))
}

/// Whether two values are the same id: the same text, where an integer counts as its digits. `7` is `'7'`, and neither
/// `'07'` nor `7.0` nor true. Null and undefined are the same id as nothing else.
pub fn same_id(one: &Jinja, other: &Jinja) -> bool {
    match (digits(one), digits(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn digits(value: &Jinja) -> Option<Cow<'_, str>> {
    match as_text(value) {
        Some(text) => Some(text.into()),
        None => is_integer(value).then(|| value.to_string().into()),
    }
}

/// JSON as text inside a value; unlike Jinja's own filter it escapes nothing for HTML.
fn tojson(value: &Jinja) -> Result<String, Error> {
    let (limit, left) = TEXT.get();
    let text = frame::json(value, left).map_err(|error| match error {
        WriteError::TooLarge(_) => too_large(limit),
        WriteError::Invalid(reason) => Error::new(ErrorKind::BadSerialization, reason),
    })?;
    take(text.len())?;
    Ok(surrogate::loosen_real(&String::from_utf8_lossy(&text)).into_owned())
}

/// Python's `replace`; the size of the result is known before it is made.
fn replace(text: &str, old: &str, new: &str) -> Result<Jinja, Error> {
    if new.len() > old.len() {
        let more = text.matches(old).count().saturating_mul(new.len() - old.len());
        take(text.len().saturating_add(more))?;
    }
    Ok(Jinja::from(text.replace(old, new)))
}

/// The items of a list as one text.
fn join(
    list: &Jinja,
    joiner: Option<StringInput<'_>>,
    attribute: Option<&str>,
    options: &Kwargs,
) -> Result<String, Error> {
    let joiner = match joiner {
        Some(joiner) => Some(joiner),
        None => options.get("d")?,
    };
    let attribute = match attribute {
        Some(attribute) => Some(attribute),
        None => options.get::<Option<&str>>("attribute")?,
    };
    options.assert_all_used()?;
    let joiner = joiner.as_ref().map_or("", StringInput::as_str);
    let mut joined = String::new();
    for (index, mut item) in list.try_iter()?.enumerate() {
        for key in attribute.iter().flat_map(|path| path.split('.')) {
            item = item.get_attr(key)?;
        }
        if item.is_undefined() {
            return Err(ErrorKind::UndefinedError.into());
        }
        let written = item.as_str().is_none().then(|| item.to_string());
        let text = written.as_deref().or(item.as_str()).unwrap_or_default();
        let joiner = if index == 0 { "" } else { joiner };
        take(joiner.len() + text.len())?;
        joined.push_str(joiner);
        joined.push_str(text);
    }
    Ok(joined)
}

/// Passes what may be multiplied.
fn factor(value: &Jinja) -> Result<Jinja, Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Bool => Ok(value.clone()),
        ValueKind::Undefined => Err(ErrorKind::UndefinedError.into()),
        kind => Err(Error::new(ErrorKind::InvalidOperation, format!("only numbers can be multiplied, not {kind}"))),
    }
}

/// The methods of Python's str and dict that consumers use.
fn method(_: &mut State<'_, '_>, value: &Jinja, name: &str, args: &[Jinja]) -> Result<Jinja, Error> {
    if let Some(text) = value.as_str() {
        return match name {
            "upper" => from_args::<()>(args).map(|()| Jinja::from(text.to_uppercase())),
            "lower" => from_args::<()>(args).map(|()| Jinja::from(text.to_lowercase())),
            "strip" => from_args::<()>(args).map(|()| Jinja::from(text.trim())),
            "startswith" => from_args::<(&str,)>(args).map(|(part,)| Jinja::from(text.starts_with(part))),
            "endswith" => from_args::<(&str,)>(args).map(|(part,)| Jinja::from(text.ends_with(part))),
            "replace" => from_args::<(&str, &str)>(args).and_then(|(old, new)| replace(text, old, new)),
            "split" => from_args::<(Option<&str>,)>(args).map(|(by,)| match by {
                Some(by) if !by.is_empty() => text.split(by).map(Jinja::from).collect(),
                _ => text.split_whitespace().map(Jinja::from).collect(),
            }),
            // `event.created_at.isoformat()` where the value is that text already.
            "isoformat" => from_args::<()>(args).map(|()| value.clone()),
            _ => Err(ErrorKind::UnknownMethod.into()),
        };
    }
    if value.kind() == ValueKind::Map {
        return match name {
            "get" => {
                let (key, default): (Jinja, Option<Jinja>) = from_args(args)?;
                let found = value.get_item(&key).ok().filter(|found| !found.is_undefined());
                Ok(found.or(default).unwrap_or_else(|| Jinja::from(())))
            }
            "keys" => Ok(value.try_iter()?.collect()),
            "values" => {
                value.try_iter()?.map(|key| value.get_item(&key)).collect::<Result<Vec<_>, _>>().map(Jinja::from)
            }
            "items" => {
                let pair = |key: Jinja| value.get_item(&key).map(|item| Jinja::from(vec![key, item]));
                value.try_iter()?.map(pair).collect::<Result<Vec<_>, _>>().map(Jinja::from)
            }
            _ => Err(ErrorKind::UnknownMethod.into()),
        };
    }
    Err(ErrorKind::UnknownMethod.into())
}
