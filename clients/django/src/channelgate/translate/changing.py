"""What may have another value elsewhere or later than when `init` runs: settings, and what the project assigns."""

import ast
import enum
import functools
import importlib
import inspect
import re
import textwrap
import types
from pathlib import Path
from typing import Any

from django.conf import LazySettings, settings

_SKIPPED = frozenset({"node_modules", "site-packages", ".git", ".venv", "venv", "env", "__pycache__", "static"})
_MOST_FILES = 4000
_IN_PLACE = r"append|add|remove|discard|pop|update|clear|extend|insert|setdefault|popitem"
#: `Chat.is_open = …`, `state.rooms["x"] = …`, `setattr(Chat, "is_open", …)`; `self.x = …` is the consumer's own.
_ASSIGNED = re.compile(
    r"(?<!\bself)\.(\w+)\s*(?://|\*\*|[-+*/|&^%])?=(?!=)"
    rf"|\.(\w+)(?:\[[^]\n]*\]\s*[-+|]?=(?!=)|\.(?:{_IN_PLACE})\()"
    r"""|setattr\([^,\n]+,\s*["'](\w+)"""
)
#: What a constant may be made of, besides names of constants.
_FIXED = (
    ast.Constant,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Dict,
    ast.UnaryOp,
    ast.BinOp,
    ast.JoinedStr,
    ast.FormattedValue,
    ast.operator,
    ast.unaryop,
    ast.expr_context,
)
_MAKERS = frozenset({"frozenset", "set", "tuple", "list", "dict", "str", "int"})


def files(base: Path) -> list[Path]:
    """The project's Python files."""
    found: list[Path] = []
    waiting = [base]
    while waiting and len(found) < _MOST_FILES:
        folder = waiting.pop()
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir() and entry.name not in _SKIPPED and not entry.is_symlink():
                waiting.append(entry)
            elif entry.suffix == ".py":
                found.append(entry)
    return found


def assigned() -> frozenset[str]:
    """The attributes that a statement of the project assigns on something else than `self`."""
    return _assigned(str(getattr(settings, "BASE_DIR", None) or Path.cwd()))


@functools.lru_cache(maxsize=8)
def _assigned(base: str) -> frozenset[str]:
    found: set[str] = set()
    for file in files(Path(base)):
        try:
            text = file.read_text(encoding="utf-8", errors="ignore")
        except OSError:
            continue
        found.update(name for names in _ASSIGNED.findall(text) for name in names if name)
    return frozenset(found)


def varies(name: str, of: Any) -> str:
    """Why a value may differ where the node runs: it comes from the environment. Empty for a constant."""
    if isinstance(of, enum.Enum):
        return ""
    if isinstance(of, LazySettings):
        return f"settings.{name} decides, which may differ where the node runs"
    module, body = _place(of)
    if module is None or not _is_of_project(module) or _is_fixed(name, body, module, 0):
        return ""
    return f"{name} decides, which is not a constant of the source"


def _place(of: Any) -> tuple[types.ModuleType | None, Any]:
    """The module of a namespace, and the namespace."""
    if isinstance(of, types.ModuleType):
        return of, of
    name = of.get("__name__", "") if isinstance(of, dict) else getattr(of, "__module__", "")
    try:
        module = importlib.import_module(name)
    except (ImportError, ValueError):
        return None, None
    return module, of if isinstance(of, type) else module


def _is_of_project(module: types.ModuleType) -> bool:
    from channelgate.translate.source import is_of_project

    return is_of_project(module)


def _is_fixed(name: str, of: Any, module: types.ModuleType, depth: int) -> bool:
    classes = of.__mro__ if isinstance(of, type) else (of,)
    for one in classes:
        if name in vars(one):
            return _is_literal(name, one, importlib.import_module(one.__module__) if one is not module else one, depth)
    return False


def _is_literal(name: str, of: Any, module: types.ModuleType, depth: int) -> bool:
    values: list[ast.expr | None] = []
    for statement in _statements(of):
        match statement:
            case ast.Assign(targets=targets, value=value) if any(_names(one, name) for one in targets):
                values.append(value)
            case ast.AnnAssign(target=target, value=value) if _names(target, name):
                values.append(value)
            case ast.AugAssign(target=target) if _names(target, name):
                values.append(None)
            case ast.ImportFrom() if any((one.asname or one.name) == name for one in statement.names):
                imported = next(one.name for one in statement.names if (one.asname or one.name) == name)
                return depth < 5 and _imported(statement, imported, module, depth)
    return len(values) == 1 and values[0] is not None and _is_constant(values[0], module, depth)


def _imported(statement: ast.ImportFrom, name: str, module: types.ModuleType, depth: int) -> bool:
    package = vars(module).get("__package__") or ""
    try:
        origin = importlib.import_module("." * statement.level + (statement.module or ""), package)
    except (ImportError, ValueError):
        return False
    return not _is_of_project(origin) or _is_fixed(name, origin, origin, depth + 1)


def _is_constant(value: ast.expr, module: types.ModuleType, depth: int) -> bool:
    for node in ast.walk(value):
        if isinstance(node, _FIXED):
            continue
        if isinstance(node, ast.Name) and (node.id in _MAKERS or _is_fixed(node.id, module, module, depth + 1)):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MAKERS:
            continue
        return False
    return True


def _names(target: ast.expr, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(target))


def _statements(of: Any) -> list[ast.stmt]:
    """The statements of a module or class, without those of its functions and classes."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(of)))
    except (OSError, TypeError, SyntaxError):
        return []
    found: list[ast.stmt] = []
    waiting: list[Any] = list(tree.body[0].body if isinstance(of, type) and tree.body else tree.body)  # type: ignore[attr-defined]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.stmt):
            found.append(one)
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(one))
    return found
