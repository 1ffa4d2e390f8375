"""What may have another value elsewhere or later than when `init` runs: settings, and what the project assigns."""

import ast
import dataclasses
import enum
import functools
import importlib
import re
import types
from pathlib import Path
from typing import Any

from django.conf import LazySettings, settings

from channelgate.translate import modules
from channelgate.translate.modules import IN_PLACE

_SKIPPED = frozenset({"node_modules", "site-packages", ".git", ".venv", "venv", "env", "__pycache__", "static"})
_MOST_FILES = 4000
#: `Chat.is_open = …`, `state.rooms["x"] = …`, `setattr(Chat, "is_open", …)`; `self.x = …` is the consumer's own.
_ASSIGNED = re.compile(
    r"(?<!\bself)\.(\w+)\s*(?://|\*\*|[-+*/|&^%])?=(?!=)"
    rf"|\.(\w+)(?:\[[^]\n]*\]\s*[-+|]?=(?!=)|\.(?:{IN_PLACE})\()"
    r"""|setattr\([^,\n]+,\s*["'](\w+)"""
)
_TYPE = re.compile(r"""["']type["']\s*:\s*["']([A-Za-z][\w.]*)["']|\btype\s*=\s*["']([A-Za-z][\w.]*)["']""")
#: What sends an event; its dictionary is near, before or after it.
_SENDS = re.compile(r"\b(?:group_send|channel_layer\.send|publish|notify|broadcast)\b")
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


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """What the texts of the project's files name."""

    #: The attributes that a statement assigns on something else than `self`.
    assigned: frozenset[str]
    #: The types of the events that are sent, as methods.
    sent: frozenset[str]


@functools.lru_cache(maxsize=8)
def _named(base: str) -> Named:
    assigned: set[str] = set()
    sent: set[str] = set()
    for file in files(Path(base)):
        try:
            text = file.read_text(encoding="utf-8", errors="ignore")
        except OSError:
            continue
        assigned.update(name for names in _ASSIGNED.findall(text) for name in names if name)
        for call in _SENDS.finditer(text):
            near = text[max(0, call.start() - 500) : call.end() + 500]
            sent.update((one or other).replace(".", "_") for one, other in _TYPE.findall(near))
    return Named(frozenset(assigned), frozenset(sent))


def named() -> Named:
    """The same for the project, whose files are read once until `forget()`."""
    return _named(str(getattr(settings, "BASE_DIR", None) or Path.cwd()))


def forget() -> None:
    """The files may have changed: they are read again."""
    _named.cache_clear()


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
    for statement in modules.statements(of, name):
        match statement:
            case ast.ImportFrom():
                imported = next(one.name for one in statement.names if (one.asname or one.name) == name)
                return depth < 5 and _imported(statement, imported, module, depth)
            case ast.Assign(value=value) | ast.AnnAssign(value=value):
                values.append(value)
            case _:
                values.append(None)
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
