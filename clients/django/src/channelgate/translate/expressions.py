"""Expressions of the node, made of constants, of parts, and of what a method has built."""

import ast
import dataclasses
import enum
import json
import re
from typing import TYPE_CHECKING, Any

from django.db.models import Choices

from channelgate.translate.values import (
    AND,
    ATOM,
    COMPARE,
    CONCAT,
    CONNECTION,
    FILTER,
    NOT,
    NOTHING,
    OR,
    PRODUCT,
    DictV,
    Expr,
    Known,
    ListV,
    NotUnderstood,
    Spread,
    Thing,
    Unknown,
)

if TYPE_CHECKING:
    from channelgate.translate.run import Run


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


_WORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"})


def quoted(text: str) -> str:
    """A literal text of the node's expressions."""
    escaped = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{escaped}'"


def constant(value: Any, node: Any = None) -> Expr:
    """The expression of a plain value of Python."""
    if isinstance(value, Choices):
        value = value.value
    if isinstance(value, enum.Enum):
        raise NotUnderstood(f"{value!r} is a member of an Enum", node)
    match value:
        case None:
            return Expr("none", "none", const=None)
        case bool():
            return Expr(str(value).lower(), "bool", const=value)
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise NotUnderstood("the text has half a character", node) from None
            return Expr(quoted(str(value)), "str", const=str(value))
        case int():
            return Expr(repr(value), "int", const=value, rank=ATOM if value >= 0 else PRODUCT)
        case float() if value == value and abs(value) != float("inf"):
            return Expr(repr(value), "number", const=value, rank=ATOM if value >= 0 else PRODUCT)
    raise NotUnderstood(f"a constant of the type {type(value).__name__}", node)


def from_python(value: Any, node: Any = None) -> Any:
    """A value of Python as constants, as far as it is made of them."""
    match value:
        case list() | tuple():
            return ListV([from_python(one, node) for one in value])
        case dict():
            entries = []
            for key, one in value.items():
                if not isinstance(key, str):
                    raise NotUnderstood("a key that is not text", node)
                entries.append((str(key), from_python(one, node)))
            return DictV(entries)
        case set() | frozenset():
            return ListV([from_python(one, node) for one in sorted(value, key=repr)])
    return constant(value, node)


def attribute(base: Expr, key: str, kind: str = "any") -> Expr:
    """`base.key`, for any text as key."""
    inside = base.within(ATOM)
    plain = _IDENTIFIER.match(key) and key not in _WORDS
    text = f"{inside}.{key}" if plain else f"{inside}[{quoted(key)}]"
    return Expr(text, kind, sides=base.sides, always=base.always)


def json_keys(entries: list[Any]) -> str:
    return "{" + ", ".join(f"{quoted(key)}: {to_expr(one).text}" for key, one in entries) + "}"


def to_expr(value: Any, node: Any = None) -> Expr:
    """A value as one expression."""
    match value:
        case Expr():
            if value.special and value.special.what == "login":
                raise NotUnderstood("whether somebody is logged in, as a value", node)
            return value
        case Known():
            return to_expr(from_python(value.value, node))
        case ListV():
            items = [to_expr(one, node) for one in value.items]
            consts = [one.const for one in items]
            known = NOTHING if NOTHING in consts else consts
            return joined(items, "[" + ", ".join(one.text for one in items) + "]", "list", const=known)
        case DictV():
            return _of_dict(value, node)
        case Unknown():
            raise NotUnderstood(value.reason, value.node or node)
        case Thing():
            raise NotUnderstood(f"{value.value} as a whole is not known to the node", node)
    raise NotUnderstood("a value that only Python has", node)


def _of_dict(value: DictV, node: Any) -> Expr:
    parts: list[tuple[bool, Expr | list[Any]]] = []
    used: list[Expr] = []
    for entry in value.entries:
        if isinstance(entry, Spread):
            one = entry.of
            if entry.without:
                names = ", ".join(quoted(name) for name in entry.without)
                text = f"{one.within(FILTER)} | without({names})"
                one = Expr(text, "dict", FILTER, one.sides, always=one.always)
            parts.append((True, one))
            used.append(one)
        else:
            used.append(to_expr(entry[1], node))
            if parts and not parts[-1][0]:
                parts[-1][1].append(entry)  # type: ignore[union-attr]
            else:
                parts.append((False, [entry]))
    if not parts:
        return Expr("{}", "dict")
    if len(parts) == 1:
        only = parts[0][1]
        if isinstance(only, Expr):
            return only
        return joined(used, json_keys(only), "dict")
    written = [one.text if isinstance(one, Expr) else json_keys(one) for _, one in parts]
    last = parts[-1][1]
    if len(parts) == 2 and isinstance(last, list) and all(_is_name(key) for key, _ in last):
        written[-1] = ", ".join(f"{key}={to_expr(one, node).text}" for key, one in last)
    return joined(used, "dict(" + ", ".join(written) + ")", "dict")


def _is_name(key: str) -> bool:
    return bool(_IDENTIFIER.match(key)) and key not in _WORDS


def joined(of: list[Expr], text: str, kind: str = "any", rank: int = ATOM, **more: Any) -> Expr:
    """An expression made of others."""
    sides = frozenset().union(*(one.sides for one in of)) if of else frozenset()
    plain = more.pop("is_plain", all(one.is_plain for one in of))
    divisible = more.pop("divisible", _is_one_sided(sides))
    always = more.pop("always", frozenset().union(*(one.always for one in of)) if of else frozenset())
    return Expr(text, kind, rank, sides, is_plain=plain, divisible=divisible, always=always, **more)


def _is_one_sided(sides: frozenset[str]) -> bool:
    return not (sides & CONNECTION and sides & {"event", "group"})


def negated(of: Expr) -> Expr:
    """`not x`, in the shortest form."""
    if of.is_known:
        return constant(not of.const)
    text, rank = of.negative or (f"not {of.within(NOT)}", NOT)
    source, positive = of.canon or (of.text, True)
    # What is true now was false before.
    return dataclasses.replace(
        of,
        text=text,
        rank=rank,
        kind="bool",
        negative=(of.text, of.rank),
        canon=(source, not positive),
        if_true=frozenset(),
        is_negated=not of.is_negated if of.special else False,
        parts=(),
    )


def text_of(parts: list[Expr]) -> Expr:
    """A text made of texts and values, as an f-string makes it."""
    flat: list[Expr] = []
    for part in parts:
        for one in part.parts or (part,):
            if one.is_known:
                one = constant(str(one.const) if not isinstance(one.const, str) else one.const)
                if flat and flat[-1].is_known:
                    flat[-1] = constant(flat[-1].const + one.const)
                    continue
                if one.const == "":
                    continue
            flat.append(one)
    if not flat:
        return constant("")
    if len(flat) == 1:
        only = flat[0]
        if only.is_known or only.kind in ("str", "digits", "slug", "word"):
            return only
        text = f"{only.within(FILTER)} | string"
        return joined([only], text, "str", FILTER, parts=(only,), is_plain=True)
    text = " ~ ".join(one.within(ATOM) for one in flat)
    return joined(flat, text, "str", CONCAT, parts=tuple(flat), is_plain=True)


def combined_sides(of: Expr) -> frozenset[str]:
    """The names that an expression uses, its parts included."""
    return of.sides.union(*(one.sides for one in of.parts)) if of.parts else of.sides


def combined(is_and: bool, of: list[Expr]) -> Expr:
    """Conditions joined by `and` or `or`."""
    if len(of) == 1:
        return of[0]
    level = AND if is_and else OR
    word = " and " if is_and else " or "
    kind = of[0].kind if len({one.kind for one in of}) == 1 else "any"
    text = word.join(one.within(level if one.rank == level else level - 1) for one in of)
    asked = {"always": of[0].always, "if_true": of[0].if_true}
    if is_and:
        asked["if_true"] = frozenset().union(*(one.always | one.if_true for one in of))
    return joined(of, text, kind, level, divisible=all(one.divisible for one in of), **asked)


def keyed(expr: Expr, of: Expr, key: str) -> Expr:
    """Notes that an expression is a key of the client's message."""
    import dataclasses

    return dataclasses.replace(expr, key=key) if of.text == "message" else expr


def spread(run: "Run", of: Expr) -> Expr:
    """An object whose keys become keys of another. Where it is missing the node would go on without; Python fails."""
    if of.sides & {"event", "message"} and of.rank == ATOM and not of.text.endswith(")"):
        run.needs(Expr(f"{of.text} is defined", "bool", COMPARE, of.sides), of.text, is_asked=True)
    return of


def fresh(value: Any) -> Any:
    """A value that a run may change."""
    if isinstance(value, DictV):
        copy = value.copy()
        copy.is_event = value.is_event
        return copy
    return value


def event() -> DictV:
    """The parameter of a group's handler."""
    return DictV([Spread(Expr("event", "dict", sides=frozenset({"event"})))], is_event=True)


def message() -> DictV:
    """The JSON of a client."""
    return DictV([Spread(Expr("message", "dict", sides=frozenset({"message"})))], is_event=True)


def in_text(run: "Run", expr: Expr, node: ast.AST) -> Expr:
    """A value as a part of a text."""
    if expr.kind in ("bool", "none", "number", "list", "dict", "bytes") and not expr.is_known:
        raise NotUnderstood(f"a {expr.kind} as text, which Python writes differently", node)
    if expr.kind == "any":
        run.note(f"{expr.text} as text: a bool, None, a float or a list reads differently in Python")
    return expr
