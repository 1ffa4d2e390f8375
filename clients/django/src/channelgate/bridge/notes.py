"""A warning that does not refuse: containers of the process that handlers change."""

import ast
import inspect
import sys
import threading
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

CHANGES = {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft"}
CHANGES |= {"remove", "setdefault", "update"}
CONTAINERS = {"dict", "list", "set", "defaultdict", "deque", "Counter", "OrderedDict", "WeakSet", "WeakValueDictionary"}

_noted: set[type] = set()
#: Python 3.11 may fail with SystemError where two threads make trees of source at once, as under WSGI.
_parsing = threading.Lock()


def shared_note(kind: type) -> dict[str, Any] | None:
    """A line about the class, the first time in this process that it connects."""
    if kind in _noted:
        return None
    _noted.add(kind)
    names = [name for one in own_classes(kind) for name in changed_containers(one)]
    if not names:
        return None
    text = (
        f"{kind.__module__}.{kind.__qualname__} changes {', '.join(dict.fromkeys(names))}, which every process has for"
        " itself: that is right in one process only, as with Daphne"
    )
    return {"do": "note", "kind": "shared", "text": text}


def own_classes(kind: type) -> list[type]:
    """The class and its bases, without those of Channels and other libraries that it builds on."""
    return [one for one in kind.__mro__ if one is not object and one.__module__.split(".")[0] not in ("channels",)]


def changed_containers(kind: type) -> list[str]:
    """Containers of the module or of the class that the methods change, as `ROOMS (consumers.py:12)`."""
    module = sys.modules.get(kind.__module__)
    try:
        with _parsing:
            tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
        path = PurePath(inspect.getfile(module)).name  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError, ValueError, SystemError, RecursionError):
        # A warning is not worth a connection.
        return []
    found = next(
        (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == kind.__name__), None
    )
    if found is None:
        return []
    of_module, of_class = _containers(tree.body), _containers(found.body)
    methods = [node for node in found.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    own = {name for method in methods for name in _assigned_attributes(method)}
    names: list[str] = []
    for method in methods:
        for holder, name in _changed(method):
            if holder is None and name in of_module:
                names.append(f"{name} ({path}:{of_module[name]})")
            elif (
                holder in ("self", "cls", kind.__name__) and name in of_class and (holder != "self" or name not in own)
            ):
                names.append(f"{kind.__name__}.{name} ({path}:{of_class[name]})")
    return names


def _containers(body: list[ast.stmt]) -> dict[str, int]:
    """Names that are bound to a container in a module or a class, and their lines."""
    out: dict[str, int] = {}
    for node in body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not _is_container(node.value):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        out.update((target.id, node.lineno) for target in targets if isinstance(target, ast.Name))
    return out


def _is_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp):
        return True
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    return name in CONTAINERS


def _assigned_attributes(method: ast.AST) -> Iterator[str]:
    """`self.NAME = …`: an attribute of the instance hides that of the class."""
    for node in ast.walk(method):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                yield target.attr


def _changed(method: ast.AST) -> Iterator[tuple[str | None, str]]:
    """What the method changes in place: `(None, "ROOMS")`, `("self", "rooms")`."""
    for node in ast.walk(method):
        changed: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            changed = [node.func.value]
        elif isinstance(node, ast.Assign | ast.Delete):
            changed = [target.value for target in node.targets if isinstance(target, ast.Subscript)]
        elif isinstance(node, ast.AugAssign):
            changed = [node.target.value if isinstance(node.target, ast.Subscript) else node.target]
        for one in changed:
            while isinstance(one, ast.Subscript):
                one = one.value
            if isinstance(one, ast.Name):
                yield None, one.id
            elif isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
                yield one.value.id, one.attr
