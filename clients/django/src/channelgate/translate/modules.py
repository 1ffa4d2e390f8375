"""Modules as they are written, each read and parsed once: where their classes begin, and what their statements assign.

Every question about a class or a constant would parse its whole module otherwise, so that twice as many consumers in a
module would take four times as long.
"""

import ast
import dataclasses
import functools
import inspect
import os
import re
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

_MOST = 4096
IN_PLACE = r"append|add|remove|discard|pop|update|clear|extend|insert|setdefault|popitem"
#: `rooms["x"] = …`, `rooms.append(…)` and `del rooms`. Nothing behind a name is consumed: it may hold other names.
_CHANGED = re.compile(rf"\b(\w+)(?=\[[^]\n]*\]\s*[-+|]?=(?!=)|\.(?:{IN_PLACE})\()|\bdel\s+(\w+)\b")
_GLOBAL = re.compile(r"^\s*global\b(.*)", re.MULTILINE)


@dataclasses.dataclass(frozen=True, eq=False)
class Module:
    """The source of a module."""

    text: str

    @functools.cached_property
    def tree(self) -> ast.Module | None:
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError):
            return None

    @functools.cached_property
    def changed(self) -> frozenset[str]:
        """The names that a statement of the module changes in place, deletes, or declares as global."""
        found = {name for names in _CHANGED.findall(self.text) for name in names if name}
        found.update(name for names in _GLOBAL.findall(self.text) for name in re.findall(r"\w+", names))
        return frozenset(found)

    @functools.cached_property
    def classes(self) -> Mapping[str, list[ast.ClassDef]]:
        """Its classes by their qualified names. In an `if` there may be two of one name."""
        found: dict[str, list[ast.ClassDef]] = {}
        waiting: list[tuple[ast.AST, str]] = [(self.tree, "")] if self.tree is not None else []
        while waiting:
            node, within = waiting.pop()
            if isinstance(node, ast.ClassDef):
                found.setdefault(f"{within}{node.name}", []).append(node)
                within = f"{within}{node.name}."
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                within = f"{within}{node.name}.<locals>."
            waiting.extend((child, within) for child in reversed(list(ast.iter_child_nodes(node))))
        return found

    @functools.cached_property
    def _assigned(self) -> dict[int, Mapping[str, list[ast.stmt]]]:
        return {}

    def assigned(self, scope: ast.Module | ast.ClassDef) -> Mapping[str, list[ast.stmt]]:
        """The statements of a module or class by the names that they assign, without those of its functions."""
        known = self._assigned.get(id(scope))
        if known is None:
            known = self._assigned[id(scope)] = _by_name(scope)
        return known


def of(module: types.ModuleType) -> Module | None:
    """The source of a module, as it is now; None if it cannot be read."""
    file = getattr(module, "__file__", None)
    if not file:
        return None
    try:
        found = os.stat(file)  # noqa: PTH116  (once for each question)
    except OSError:
        return None
    return _read(module, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=_MOST)
def _read(module: types.ModuleType, _changed: int, _size: int) -> Module | None:
    try:
        return Module(inspect.getsource(module))
    except (OSError, TypeError):
        return None


def line_of(cls: type) -> int | None:
    """The line at which a class begins, with its decorators."""
    nodes = _nodes_of(cls)
    return _first_line(nodes[0]) if nodes else None


def statements(of_: Any, name: str) -> Sequence[ast.stmt]:
    """The statements that assign a name in a module, or in the body of a class that is written once."""
    if isinstance(of_, types.ModuleType):
        module = of(of_)
        return module.assigned(module.tree).get(name, ()) if module is not None and module.tree is not None else ()
    module, nodes = _module_of(of_), _nodes_of(of_)
    return module.assigned(nodes[0]).get(name, ()) if module is not None and len(nodes) == 1 else ()


def _module_of(cls: type) -> Module | None:
    module = sys.modules.get(cls.__module__)
    return of(module) if module is not None else None


def _nodes_of(cls: type) -> list[ast.ClassDef]:
    module = _module_of(cls)
    nodes = module.classes.get(cls.__qualname__, []) if module is not None else []
    # From Python 3.13 on a class says which of several it is.
    first = cls.__dict__.get("__firstlineno__")
    return [one for one in nodes if _first_line(one) == first] or nodes


def _first_line(node: ast.ClassDef) -> int:
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])


def _by_name(scope: ast.Module | ast.ClassDef) -> Mapping[str, list[ast.stmt]]:
    found: dict[str, list[ast.stmt]] = {}
    waiting: list[Any] = list(scope.body)
    while waiting:
        one = waiting.pop()
        for name in dict.fromkeys(_names(one)):
            found.setdefault(name, []).append(one)
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            waiting.extend(ast.iter_child_nodes(one))
    return found


def _names(statement: ast.AST) -> list[str]:
    match statement:
        case ast.Assign(targets=targets):
            return [one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)]
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return [one.id for one in ast.walk(target) if isinstance(one, ast.Name)]
        case ast.ImportFrom(names=names):
            return [one.asname or one.name for one in names]
    return []
