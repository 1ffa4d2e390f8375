"""Methods of texts and dictionaries."""

import ast
from typing import TYPE_CHECKING, Any

from channelgate.translate import conditions
from channelgate.translate.expressions import (
    attribute,
    constant,
    from_python,
    in_text,
    joined,
    keyed,
    spread,
    text_of,
    to_expr,
)
from channelgate.translate.values import ATOM, DictV, Expr, ListV, NotUnderstood, Spread

if TYPE_CHECKING:
    from channelgate.translate.run import Run


#: Methods of text, with how many arguments, that the node has with the same meaning.
_TEXT_METHODS = {"upper": (0,), "lower": (0,), "strip": (0,), "startswith": (1,), "endswith": (1,), "replace": (2,)}


def of_dict(run: "Run", base: DictV, name: str, arguments: list[Any], node: ast.AST) -> Any:
    if name == "copy" and not arguments:
        return base.copy()
    if name == "update" and len(arguments) == 1:
        other = arguments[0]
        if not isinstance(other, DictV):
            base.entries.append(Spread(spread(run, to_expr(other, node))))
            return constant(None)
        for entry in other.copy().entries:
            if isinstance(entry, Spread):
                base.entries.append(entry)
            else:
                base.set(*entry)
        return constant(None)
    if name not in ("get", "pop", "setdefault") or not arguments:
        return of_text(run, to_expr(base, node), name, arguments, node)
    key = to_expr(arguments[0], node)
    default = arguments[1] if len(arguments) > 1 else constant(None)
    if not isinstance(key.const, str):
        if name == "get" and key.key and not any(isinstance(entry, Spread) for entry in base.entries):
            for text, one in base.entries:
                if run.decide(conditions.equal(run, key, constant(text), node)):
                    return one
            return default
        raise NotUnderstood(f"{name}() with a key that is not a constant", node)
    found = base.find(key.const)
    if name == "setdefault":
        raise NotUnderstood("setdefault()", node)
    if name == "pop":
        result = found if len(arguments) == 1 and found is not None else _got(run, base, key.const, default, node)
        if isinstance(found, Spread) and len(arguments) == 1:
            result = keyed(run.evaluates(attribute(found.of, key.const), node), found.of, key.const)
        base.remove(key.const)
        return result
    return _got(run, base, key.const, default, node)


def _got(run: "Run", base: DictV, key: str, default: Any, node: ast.AST) -> Any:
    """`base.get(key, default)`."""
    if base.is_event and "message" in to_expr(base.entries[0].of).sides:
        # The message may be JSON of another kind.
        run.may_fail(AttributeError, node)
    found = base.find(key)
    if found is None:
        return default
    if not isinstance(found, Spread):
        return found
    of = found.of if len(base.entries) == 1 or base.is_event else to_expr(base, node)
    if isinstance(default, Expr) and default.const is None:
        return keyed(Expr(f"{of.within(ATOM)}.get({to_expr(constant(key)).text})", "any", ATOM, of.sides), of, key)
    other = to_expr(default, node)
    return joined([of, other], f"{of.within(ATOM)}.get({to_expr(constant(key)).text}, {other.text})")


def of_text(run: "Run", base: Expr, name: str, arguments: list[Any], node: ast.AST) -> Any:
    """A method of text, of an object of the event, or of a constant."""
    given = [to_expr(one, node) for one in arguments]
    if base.is_known and all(one.is_known for one in given) and isinstance(base.const, str):
        if name == "format":
            return constant(base.const.format(*[one.const for one in given]), node)
        return from_python(getattr(base.const, name)(*[one.const for one in given]), node)
    if name == "format" and base.is_known:
        return formatted(run, base.const, given, {}, node)
    inside = base.within(ATOM)
    listed = ", ".join(one.text for one in given)
    if name == "get" and len(given) in (1, 2):
        return run.evaluates(joined([base, *given], f"{inside}.get({listed})"), node, AttributeError)
    if name in _TEXT_METHODS and len(given) in _TEXT_METHODS[name]:
        kind = "bool" if name in ("startswith", "endswith") else "str"
        return run.evaluates(joined([base, *given], f"{inside}.{name}({listed})", kind), node, AttributeError)
    if name == "split" and len(given) <= 1:
        return run.evaluates(joined([base, *given], f"{inside}.split({listed})", "list"), node, AttributeError)
    if name in ("keys", "values") and not given:
        return run.evaluates(joined([base], f"{inside}.{name}()", "list"), node, AttributeError)
    if name == "join" and isinstance(base.const, str) and len(given) == 1:
        raise NotUnderstood("join(), whose items are text in Python", node)
    if name == "copy" and not given and base.kind in ("any", "dict"):
        return DictV([Spread(base)])
    raise NotUnderstood(f".{name}()", node)


def formatted(run: "Run", text: str, given: list[Expr], named: dict[str, Expr], node: ast.AST) -> Expr:
    """`"{} {name}".format(…)`."""
    import string

    parts: list[Expr] = []
    automatic = 0
    for literal, field, spec, conversion in string.Formatter().parse(text):
        parts.append(constant(literal))
        if field is None:
            continue
        if spec or conversion not in (None, "s"):
            raise NotUnderstood("a format", node)
        if field == "":
            field, automatic = str(automatic), automatic + 1
        one = given[int(field)] if field.isdigit() and int(field) < len(given) else named.get(field)
        if one is None:
            raise NotUnderstood("a format", node)
        parts.append(in_text(run, one, node))
    return text_of(parts)


def percent(run: "Run", text: str, right: Any, node: ast.AST) -> Expr:
    """`"… %s …" % values`."""
    import re

    values = right.items if isinstance(right, ListV) else [right]
    parts: list[Expr] = []
    index = 0
    for piece in re.split(r"(%[a-zA-Z%])", text):
        if piece == "%%":
            parts.append(constant("%"))
        elif re.fullmatch(r"%[a-zA-Z]", piece):
            if index >= len(values):
                raise NotUnderstood("the values of %", node)
            one = in_text(run, to_expr(values[index], node), node)
            index += 1
            if piece != "%s" and not (piece == "%d" and one.kind == "int"):
                raise NotUnderstood(f"the format {piece}", node)
            parts.append(one)
        elif "%" in piece:
            raise NotUnderstood("a format of %", node)
        else:
            parts.append(constant(piece))
    if index != len(values):
        raise NotUnderstood("the values of %", node)
    return text_of(parts)
