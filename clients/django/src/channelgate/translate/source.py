"""The source of a consumer class: its methods along the MRO, mixins included, each with its tree, file and lines."""

import ast
import collections
import dataclasses
import functools
import inspect
import os
import re
import sysconfig
import textwrap
from pathlib import Path
from types import FunctionType
from typing import Any, TypeGuard

from django.conf import settings

from channelgate.translate import modules
from channelgate.translate.values import NotUnderstood

#: Packages whose classes are the frame that a consumer stands in, and not a part of it.
_LIBRARIES = ("channels", "builtins", "asgiref", "abc", "typing")
#: Of a statement with such a name, texts are not quoted: the file must not hold a secret.
SECRET = re.compile(
    r"(?:\b|_)(?:auth|authorization|tokens?|secrets?|pass|passwd|password|passphrase|pwd|pin|signature|credentials?"
    r"|(?:api|access|secret|private|auth|signing)_?keys?)(?:\b|_)",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A function of the project, as it is written."""

    name: str
    tree: ast.FunctionDef | ast.AsyncFunctionDef
    file: Path
    #: The line of the file that is line 1 of the tree.
    first: int
    function: Any
    #: The class whose body has it.
    owner: type | None = None

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the tree: all that is asked of the function reads this one walk."""
        return tuple(ast.walk(self.tree))

    @functools.cached_property
    def asked(self) -> frozenset[str]:
        """The names that it asks of `self`."""
        return frozenset(node.attr for node in self.nodes if isinstance(node, ast.Attribute) and _is_self(node.value))

    @property
    def parameters(self) -> list[str]:
        """Its positional parameters, without `self`."""
        names = [one.arg for one in (*self.tree.args.posonlyargs, *self.tree.args.args)]
        return names[1:] if self.owner is not None and not self.is_static else names

    @property
    def every_parameter(self) -> list[str]:
        """All its parameters, without `self`."""
        spec = self.tree.args
        more = [one.arg for one in (*spec.kwonlyargs, spec.vararg, spec.kwarg) if one is not None]
        return [*self.parameters, *more]

    @property
    def is_static(self) -> bool:
        return any(isinstance(one, ast.Name) and one.id == "staticmethod" for one in self.tree.decorator_list)

    @property
    def decorators(self) -> list[ast.expr]:
        return [one for one in self.tree.decorator_list if not (isinstance(one, ast.Name) and one.id == "staticmethod")]

    def place(self, node: ast.AST | None = None) -> str:
        """`chat/consumers.py:12` of a statement, or of the function."""
        line = getattr(node, "lineno", self.tree.lineno)
        return f"{shown(self.file)}:{self.first + line - 1}"

    def quote(self, node: ast.AST | None) -> str:
        """A statement as it is written, on one line, without texts that may be secret."""
        if node is None:
            return ""
        if isinstance(node, ast.If | ast.While):
            text = f"{'if' if isinstance(node, ast.If) else 'while'} {ast.unparse(_hidden(node.test))}:"
        elif isinstance(node, ast.For | ast.AsyncFor | ast.With | ast.AsyncWith | ast.Try | ast.Match):
            text = ast.unparse(_hidden(node)).split("\n", 1)[0]
        else:
            text = ast.unparse(_hidden(node))
        text = " ".join(text.split())
        return text if len(text) <= 100 else f"{text[:97]}..."


class _Hide(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return (
            ast.copy_location(ast.Constant("…"), node) if isinstance(node.value, str | bytes) and node.value else node
        )


def _hidden(node: ast.AST) -> ast.AST:
    """The same tree, without its texts if a name or key in it may be that of a secret."""
    words = [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
    words += [one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)]
    words += [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if not any(SECRET.search(word) for word in words):
        return node
    copy = ast.parse(ast.unparse(node)) if isinstance(node, ast.stmt) else ast.parse(ast.unparse(node), mode="eval")
    return _Hide().visit(copy)  # type: ignore[no-any-return]


def shown(file: Path) -> str:
    """A file as comments and reports name it: from the project's folder on."""
    base = Path(getattr(settings, "BASE_DIR", None) or Path.cwd())
    for root in (base, Path.cwd()):
        try:
            return file.resolve().relative_to(Path(root).resolve()).as_posix()
        except ValueError:
            continue
    return os.path.join(file.parent.name, file.name)  # noqa: PTH118  (a name for people, not a path)


_OUTSIDE = tuple(
    str(Path(path).resolve()) for path in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")} if path
)


def is_of_project(function: Any) -> bool:
    """Whether a function is the project's own, not Python's and not an installed package's."""
    try:
        file = Path(inspect.getsourcefile(function) or "").resolve()
    except (TypeError, OSError):
        return False
    parts = set(file.parts)
    return not parts & {"site-packages", "dist-packages"} and not str(file).startswith(_OUTSIDE)


@functools.lru_cache(maxsize=4096)
def of_function(function: Any, owner: type | None = None) -> Source:
    """The source of a function."""
    if hasattr(function, "__wrapped__"):
        raise NotUnderstood(f"{getattr(function, '__qualname__', function)} is wrapped by a decorator")
    if not isinstance(function, FunctionType):
        raise NotUnderstood(f"{getattr(function, '__name__', function)!s} has no source in Python")
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        raise NotUnderstood(f"the source of {function.__qualname__} cannot be read") from None
    if not isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef):
        raise NotUnderstood(f"{function.__qualname__} is not written as a function")
    return Source(function.__name__, tree, Path(inspect.getsourcefile(function) or "?"), max(first, 1), function, owner)


def is_library(cls: type) -> bool:
    """Whether a class is of Channels or Python."""
    return cls.__module__.partition(".")[0] in _LIBRARIES


def raw_function(value: Any) -> Any:
    """The function behind a member of a class: of a static method, of a decorator of asgiref, or itself."""
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    for name in ("func", "awaitable"):
        inner = getattr(value, name, None)
        if type(value).__module__.startswith(("asgiref", "channels")) and callable(inner):
            return inner
    return value


@dataclasses.dataclass(frozen=True, eq=False)
class Class:
    """A consumer class."""

    cls: type

    def find(self, name: str, after: type | None = None) -> tuple[type, Any] | None:
        """The class along the MRO that has this member in its body, and the member as it stands there."""
        mro = self.cls.__mro__
        start = mro.index(after) + 1 if after is not None else 0
        for one in mro[start:]:
            if name in one.__dict__:
                return one, one.__dict__[name]
        return None

    def method(self, name: str, after: type | None = None) -> Source | None:
        """A method of the project's own; None if Channels has it, or nothing."""
        found = self.find(name, after)
        if found is None or is_library(found[0]):
            return None
        owner, value = found
        function = raw_function(value)
        if not callable(function) or isinstance(function, type):
            raise NotUnderstood(f"{name} is not a function, but a {type(value).__name__}")
        return of_function(function, owner)

    @functools.cached_property
    def own(self) -> dict[str, Any]:
        """Every member of the project's own, by name: the first along the MRO."""
        members: dict[str, Any] = {}
        for one in self.cls.__mro__:
            if not is_library(one):
                for name, value in one.__dict__.items():
                    members.setdefault(name, value)
        return members

    @functools.cached_property
    def _written(self) -> list[tuple[type, str, Source]]:
        """Every method of the project's classes along the MRO with its class, as it is written: also of those that a
        decorator wraps."""
        found = []
        for one in self.cls.__mro__:
            if is_library(one):
                continue
            for name, value in one.__dict__.items():
                function = inspect.unwrap(raw_function(value)) if callable(raw_function(value)) else None
                if isinstance(function, FunctionType):
                    try:
                        found.append((one, name, of_function(function, one)))
                    except NotUnderstood:
                        continue
        return found

    @functools.cached_property
    def methods(self) -> dict[str, Source]:
        """Every method of the project's own by its name: the first along the MRO."""
        found: dict[str, Source] = {}
        for owner, name, source in self._written:
            if self.own[name] is owner.__dict__[name]:
                found.setdefault(name, source)
        return found

    @property
    def every(self) -> list[tuple[str, Source]]:
        """Every method of the project's classes along the MRO, replaced ones too: `super()` runs them."""
        return [(name, source) for _, name, source in self._written]

    @functools.cached_property
    def unread(self) -> list[str]:
        """Members that do something, and whose source cannot be read."""
        return [
            name
            for name, value in self.own.items()
            if name not in self.methods
            and not name.startswith("__")
            and (isinstance(value, property) or callable(raw_function(value)))
            and not isinstance(value, type)
            and not (isinstance(value, property) and self._reads_only(value))
        ]

    def _reads_only(self, value: property) -> bool:
        try:
            source = of_function(value.fget)
        except NotUnderstood:
            return False
        return value.fset is None and not any(_targets(node) for node in source.nodes)

    @functools.cached_property
    def stores(self) -> dict[str, set[str]]:
        """Which methods assign each attribute of `self`."""
        found: dict[str, set[str]] = {}
        for name, source in self.every:
            for node in source.nodes:
                for target in _targets(node):
                    found.setdefault(target, set()).add(name)
        return found

    @functools.cached_property
    def assigned(self) -> set[str]:
        """The attributes of `self` that a method replaces as a whole."""
        nodes = [node for _, source in self.every for node in source.nodes]
        return {node.attr for node in nodes if _is_stored(node)}

    @functools.cached_property
    def times_stored(self) -> collections.Counter[str]:
        """How many statements assign each attribute, of whatever it is."""
        nodes = [node for source in self.methods.values() for node in source.nodes]
        return collections.Counter(
            node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        )

    @functools.cached_property
    def open_to(self) -> str | None:
        """The method that may set any attribute: it makes the attribute's name, or asks for the dictionary."""
        for name, source in self.every:
            for node in source.nodes:
                if isinstance(node, ast.Call) and _sets_any(node):
                    return name
        return None

    @functools.cached_property
    def hands_out(self) -> str | None:
        """The method that gives the consumer to something else, or to another name."""
        for name, source in self.every:
            first = [*source.tree.args.posonlyargs, *source.tree.args.args][:1]
            if first and not source.is_static and first[0].arg != "self":
                return name
            asked = {id(node.value) for node in source.nodes if isinstance(node, ast.Attribute)}
            asked |= {
                id(one)
                for node in source.nodes
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ASKING
                for one in node.args[:2]
            }
            if any(_is_self(node) and id(node) not in asked for node in source.nodes):
                return name
        return None

    @functools.cached_property
    def calls(self) -> dict[str, set[str]]:
        """Which methods of `self` each method names."""
        found: dict[str, set[str]] = {name: set() for name in self.methods}
        for name, source in self.every:
            found.setdefault(name, set()).update(source.asked & self.methods.keys())
        return found

    def reachable(self, *names: str) -> set[str]:
        """These methods, and those that they run."""
        seen: set[str] = set()
        waiting = [name for name in names if name in self.methods]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(self.calls[name])
        return seen

    @property
    def label(self) -> str:
        return f"{self.cls.__module__}.{self.cls.__qualname__}"

    @functools.cached_property
    def place(self) -> str:
        return place_of(self.cls) or self.label


@functools.lru_cache(maxsize=4096)
def of_class(cls: type) -> Class:
    """A consumer class: the routes that lead to it share what is known of it."""
    return Class(cls)


def place_of(cls: type) -> str | None:
    """`chat/consumers.py:12`, where a class begins; None if its source cannot be read."""
    try:
        file = inspect.getsourcefile(cls)
    except (OSError, TypeError):
        return None
    line = modules.line_of(cls)
    return f"{shown(Path(file or '?'))}:{line}" if line is not None else None


#: Functions that only ask something of the consumer.
_ASKING = frozenset({"super", "isinstance", "hasattr", "getattr", "type", "id", "str", "repr"})


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _is_stored(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and _is_self(node.value) and isinstance(node.ctx, ast.Store | ast.Del)


def _sets_any(node: ast.Call) -> bool:
    """`setattr(self, name, …)` with a name that is made, and `vars(self)`."""
    if not (isinstance(node.func, ast.Name) and node.args and _is_self(node.args[0])):
        return False
    is_made = len(node.args) > 1 and not isinstance(node.args[1], ast.Constant)
    return node.func.id == "vars" or (node.func.id in ("setattr", "delattr") and is_made)


def _targets(node: ast.AST) -> list[str]:
    """The attributes of `self` that a statement assigns, deletes or changes in place."""
    match node:
        case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id="self"), attr=name), ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr=name), attr=method)):
            return [name] if method in _CHANGING else []
        case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id="self"), ast.Constant(value=str(name)), *_]):
            return [name]
    return []


_CHANGING = {
    "append",
    "add",
    "remove",
    "discard",
    "pop",
    "update",
    "clear",
    "extend",
    "insert",
    "setdefault",
    "popitem",
}
