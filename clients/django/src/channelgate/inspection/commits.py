"""W008: where `group_send` runs inside a transaction, and not after its commit.

In: the trees of the project's modules. Out: places. A function that sends counts at each of its calls inside a
transaction, also from another module of the project. A function or lambda that is handed to `on_commit` does not, and a
call that is (`on_commit(send())`) does: it runs at once.
"""

import ast
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

SEND = "group_send"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass(frozen=True, slots=True)
class Early:
    """A send that does not wait for the commit."""

    path: Path
    line: int
    #: The function through which it sends, if it is not `group_send` itself.
    through: str = ""


def find(modules: Mapping[Path, ast.Module]) -> Iterator[Early]:
    """Every such place."""
    project = _Project([_Module(path, tree) for path, tree in modules.items()])
    for module in project.modules:
        yield from project.early(module)


class _Module:
    """A module, with the names that lead to other modules."""

    def __init__(self, path: Path, tree: ast.Module) -> None:
        self.path = path
        self.tree = tree
        #: A local name, and the module and name that it was imported from.
        self.imported: dict[str, tuple[str, str]] = {}
        #: Names of `async_to_sync(layer.group_send)`.
        self.sends: set[str] = set()
        self.functions: dict[str, Function] = {}
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module=module, names=names):
                    for one in names:
                        self.imported[one.asname or one.name] = (module or "", one.name)
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_send(value):
                    self.sends.add(name)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self.functions.setdefault(node.name, node)

    def is_at(self, dotted: str) -> bool:
        """Whether an import means this module, by the end of its path."""
        parts = [part for part in dotted.split(".") if part]
        own = [*self.path.parts[:-1], self.path.stem] if self.path.stem != "__init__" else list(self.path.parts[:-1])
        return bool(parts) and own[-len(parts) :] == parts


class _Project:
    """All modules, and the functions that send when they are called, directly or through others."""

    def __init__(self, modules: list[_Module]) -> None:
        self.modules = modules
        self.senders: set[tuple[Path, str]] = set()
        while True:
            new = {
                (module.path, name)
                for module in modules
                for name, function in module.functions.items()
                if (module.path, name) not in self.senders
                and any(self.sends(call, module) is not None for call in _calls_of(function.body))
            }
            if not new:
                break
            self.senders |= new

    def sends(self, call: ast.Call, module: _Module) -> str | None:
        """The function through which a call sends, empty for `group_send` itself; None if it does not send."""
        if _is_send(call.func):
            return ""
        match call.func:
            case ast.Name(id=name) if name in module.sends:
                return ""
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                if (module.path, name) in self.senders:
                    return name
                dotted, original = module.imported.get(name, ("", ""))
                return name if self._is_sender(dotted, original) else None
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in module.imported:
                dotted, original = module.imported[owner]
                return f"{owner}.{name}" if self._is_sender(f"{dotted}.{original}", name) else None
        return None

    def _is_sender(self, dotted: str, name: str) -> bool:
        return any((other.path, name) in self.senders and other.is_at(dotted) for other in self.modules)

    def early(self, module: _Module) -> Iterator[Early]:
        """The sends of a module that are inside a transaction."""
        found: dict[tuple[int, str], Early] = {}
        for block in _transactions(module.tree):
            for call in _calls_of(block):
                through = self.sends(call, module)
                if through is not None:
                    found[call.lineno, through] = Early(module.path, call.lineno, through)
        yield from found.values()


def _transactions(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """The bodies of `with atomic()`, of functions with the decorator, and of the methods of such classes."""
    for node in ast.walk(tree):
        match node:
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                if any(_is_atomic(item.context_expr) for item in items):
                    yield body
            case ast.FunctionDef(decorator_list=decorators, body=body):
                if any(map(_is_atomic, decorators)):
                    yield body
            case ast.ClassDef(decorator_list=decorators, body=body):
                if any(map(_is_atomic, decorators)):
                    for one in body:
                        if isinstance(one, ast.FunctionDef):
                            yield one.body


def _is_atomic(node: ast.expr) -> bool:
    """`atomic`, `transaction.atomic(…)`, `method_decorator(transaction.atomic)`."""
    match node:
        case ast.Call(func=func, args=arguments):
            return _is_atomic(func) or (_name(func) == "method_decorator" and any(map(_is_atomic, arguments[:1])))
    return _name(node) == "atomic"


def _is_send(node: ast.expr) -> bool:
    """`layer.group_send`, or `async_to_sync` around it."""
    match node:
        case ast.Attribute(attr=name):
            return name == SEND
        case ast.Call(func=func, args=[one, *_]) if _name(func) in ("async_to_sync", "AsyncToSync"):
            return _is_send(one)
    return False


def _name(node: ast.expr) -> str:
    """The last name of a dotted one."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _calls_of(body: list[ast.stmt]) -> Iterator[ast.Call]:
    """The calls that run with a body: not those of functions and lambdas in it, as `on_commit` takes them."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting.extend(ast.iter_child_nodes(node))
