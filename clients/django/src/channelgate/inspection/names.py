"""W009: names of groups that can hold a character which Channels refuses.

In: the trees of the project's modules. Out: names with their places. A constant part with such a character always does;
a value does if it is known for them: an e-mail address, a name that people choose, a URL.
"""

import ast
import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

#: The calls whose first argument is the name of a group.
CALLS = frozenset({"group_add", "group_send", "group_discard", "publish", "apublish"})
#: Channels' rule for the characters of a name.
ALLOWED = re.compile(r"[A-Za-z0-9\-_.]*")
#: The last words of attributes and variables whose text people choose or that has `@`, `:`, `/`, `+` or a space.
_FREE = """
    email mail username name nickname title label subject url uri path phone address ip host query search text
    timestamp datetime isoformat"""
FREE = frozenset(_FREE.split())
#: Methods that leave such characters in.
KEEPING = frozenset({"lower", "upper", "strip", "title", "casefold", "get_username", "get_full_name", "isoformat"})


@dataclasses.dataclass(frozen=True, slots=True)
class Wrong:
    """A name with its place."""

    path: Path
    line: int
    name: str


def find(modules: Mapping[Path, ast.Module]) -> Iterator[Wrong]:
    """Every such name, where it is built."""
    for path, tree in modules.items():
        found: dict[tuple[int, str], Wrong] = {}
        for call, built in _calls(tree, {}):
            argument = _first_argument(call)
            if argument is None:
                continue
            for one in built.get(ast.unparse(argument), [argument]):
                parts = _parts(one)
                if parts is not None and any(map(_can_be_refused, parts)):
                    name = "".join(part if isinstance(part, str) else f"{{{ast.unparse(part)}}}" for part in parts)
                    found[one.lineno, name] = Wrong(path, one.lineno, name)
        yield from found.values()


#: What a variable, or an attribute of `self`, is built from.
Built = Mapping[str, list[ast.expr]]


def _calls(node: ast.AST, built: Built) -> Iterator[tuple[ast.Call, Built]]:
    """Every call with what is known where it stands: the variables of its function, and what its class keeps."""
    match node:
        case ast.ClassDef():
            built = {**built, **_assigned(node, ast.Attribute)}
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Module():
            built = {**built, **_assigned(node, ast.Name)}
        case ast.Call():
            yield node, built
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, built)


def _assigned(scope: ast.AST, kind: type) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    nodes = ast.walk(scope) if not isinstance(scope, ast.Module) else iter(scope.body)
    for node in nodes:
        match node:
            case ast.Assign(targets=[target], value=value) if isinstance(target, kind) and _parts(value):
                found.setdefault(ast.unparse(target), []).append(value)
    return found


def _first_argument(call: ast.Call) -> ast.expr | None:
    """The name of the group in `group_send(…)`, `async_to_sync(layer.group_send)(…)` or `publish(…)`."""
    func = call.func
    if isinstance(func, ast.Call) and func.args:
        func = func.args[0]
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if name not in CALLS:
        return None
    named = next((one.value for one in call.keywords if one.arg == "group"), None)
    return call.args[0] if call.args else named


def _parts(node: ast.expr) -> list[str | ast.expr] | None:
    """A name as constants and values; None if it is built in another way."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            return [
                str(one.value) if isinstance(one, ast.Constant) else one.value
                for one in values
                if isinstance(one, ast.Constant | ast.FormattedValue)
            ]
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod(), right=right):
            values = list(right.elts) if isinstance(right, ast.Tuple) else [right]
            return _filled(re.split(r"%[sdr]", text), values)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format"), args=values, keywords=[]):
            return _filled(re.split(r"\{[^{}]*\}", text), list(values))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            before, after = _parts(left), _parts(right)
            if before is None and after is None:
                return None
            return [*(before if before is not None else [left]), *(after if after is not None else [right])]
    return None


def _filled(texts: list[str], values: list[ast.expr]) -> list[str | ast.expr] | None:
    if len(texts) != len(values) + 1:
        return None
    parts: list[str | ast.expr] = [texts[0]]
    for value, text in zip(values, texts[1:], strict=True):
        parts += [value, text]
    return parts


def _can_be_refused(part: str | ast.expr) -> bool:
    if isinstance(part, str):
        return ALLOWED.fullmatch(part) is None
    match part:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _is_free(name)
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return _is_free(name)
        case ast.Call(func=ast.Name(id="str"), args=[one]):
            return _can_be_refused(one)
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(name)), *_]):
            return _is_free(name)
        case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in KEEPING:
            return _is_free(name) or _can_be_refused(value) or name.startswith("get_")
    return False


def _is_free(name: str) -> bool:
    return name.lower().rpartition("_")[2] in FREE
