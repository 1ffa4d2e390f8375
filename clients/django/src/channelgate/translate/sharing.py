"""Handlers in Python whose call several connections may share: what they read of the connection is known."""

import ast

from django.db import models

from channelgate.translate.source import Class, Source

#: Steps of a query that read and change nothing.
_READS = frozenset(
    [
        "filter",
        "exclude",
        "get",
        "aget",
        "all",
        "count",
        "acount",
        "first",
        "afirst",
        "last",
        "alast",
        "exists",
        "aexists",
        "values",
        "values_list",
        "order_by",
        "only",
        "select_related",
        "prefetch_related",
        "distinct",
        "aggregate",
        "aaggregate",
        "annotate",
        "in_bulk",
    ]
)
_FREE = frozenset(
    {"str", "int", "len", "list", "dict", "sorted", "min", "max", "sum", "round", "bool", "float", "tuple"}
)
_SENDS = frozenset({"send", "send_json"})


def per(cls: Class, source: Source) -> str:
    """ "event", "user" or "room"; empty if it is not sure."""
    if source.decorators:
        return ""
    seen = _Reads(source)
    seen.visit(source.tree)
    if not seen.is_sure:
        return ""
    if seen.reads == {"user"}:
        return "user"
    if seen.reads == {"room"}:
        return "room"
    return "event" if not seen.reads else ""


class _Reads(ast.NodeVisitor):
    """What a handler reads of the connection, and whether all that it does is known."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.reads: set[str] = set()
        self.is_sure = True
        self.globals = source.function.__globals__

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            if node.attr == "scope" or node.attr not in _SENDS:
                self.is_sure = False
            if isinstance(node.ctx, ast.Store):
                self.is_sure = False
            return
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        match node:
            case ast.Subscript(
                value=ast.Attribute(value=ast.Name(id="self"), attr="scope"), slice=ast.Constant(value="user")
            ):
                self.reads.add("user")
                return
            case ast.Subscript(
                value=ast.Attribute(value=ast.Name(id="self"), attr="scope"), slice=ast.Constant(value="url_route")
            ):
                self.reads.add("room")
                return
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not self._is_known(node.func):
            self.is_sure = False
        self.generic_visit(node)

    def _is_known(self, func: ast.expr) -> bool:
        match func:
            case ast.Name(id=name):
                found = self.globals.get(name)
                return (name in _FREE and found is None) or getattr(found, "__module__", "") == "django.template.loader"
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return name in _SENDS
            case ast.Attribute(value=ast.Name(id="json"), attr="dumps"):
                return True
            case ast.Attribute(attr="get") if not self._is_query(func.value):
                return True
            case ast.Attribute(attr=name, value=value):
                return name in _READS and self._is_query(value)
        return False

    def _is_query(self, node: ast.expr) -> bool:
        """Whether it is `Model.objects`, or a query made of it."""
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="objects"):
                found = self.globals.get(name)
                return isinstance(found, type) and issubclass(found, models.Model)
            case ast.Call(func=ast.Attribute(value=value, attr=name)):
                return name in _READS and self._is_query(value)
        return False

    def _unsure(self, node: ast.AST) -> None:
        self.is_sure = False

    visit_Global = visit_Nonlocal = visit_Lambda = visit_Yield = _unsure
