"""Secrets of the settings do not leave the process: in a state each is a reference to its setting.

What counts as a secret is what Django hides in its error reports: settings whose names say so, at any depth.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

from django.conf import settings
from django.views.debug import SafeExceptionReporterFilter

from .tree import Decoder, Unkept, Unreadable, reads

# Shorter values are words that a text may well contain.
SHORTEST = 12
DEPTH = 4
# What makes a longer text a secret by being in it.
TELLING = 16

# The settings object as it was when the table was made, and the table: by value, the path of the setting.
_known: tuple[Any, dict[str, list[Any]], list[tuple[str, str]]] | None = None


def _table() -> tuple[dict[str, list[Any]], list[tuple[str, str]]]:
    global _known
    current = settings._wrapped
    if _known is None or _known[0] is not current:
        table: dict[str, list[Any]] = {}
        with warnings.catch_warnings():
            # A setting that Django gives up warns when it is read: here nobody uses it.
            warnings.simplefilter("ignore")
            for name in filter(str.isupper, dir(settings)):
                _collect(table, getattr(settings, name), [name], _hidden(name))
        # As the value reads within JSON.
        _known = (current, table, [(json.dumps(value, ensure_ascii=False)[1:-1], value) for value in table])
    return _known[1], _known[2]


def _hidden(name: Any) -> bool:
    return type(name) is str and SafeExceptionReporterFilter.hidden_settings.search(name) is not None


def _collect(table: dict[str, list[Any]], value: Any, path: list[Any], hidden: bool) -> None:
    kind = type(value)
    if kind is str:
        # A dotted name of a class is a secret of nobody, whatever its setting is called.
        if hidden and len(value) >= SHORTEST and not ("." in value and value.replace(".", "_").isidentifier()):
            table.setdefault(value, path)
    elif len(path) > DEPTH:
        return
    elif kind is dict:
        for key, part in value.items():
            _collect(table, part, [*path, key], hidden or _hidden(key))
    elif kind in (list, tuple):
        for number, part in enumerate(value):
            _collect(table, part, [*path, number], hidden)


def holds(raw: str) -> bool:
    """Whether a payload's text contains a secret."""
    return any(shown in raw for shown, _ in _table()[1])


def withhold(payload: dict[str, Any]) -> None:
    """Writes references for the secrets of a payload. A secret within a longer text cannot be: Unkept."""
    table, _ = _table()
    given = payload.get("d") or {}
    for group, shown in ((given, "scope[{!r}]"), (payload.get("s", {}), "scope[{!r}]"), (payload["a"], "self.{}")):
        for name, tree in group.items():
            try:
                group[name] = _replaced(tree, table)
            except Unkept as unkept:
                unkept.path.append(shown.format(name))
                raise


def _replaced(tree: Any, table: dict[str, list[Any]]) -> Any:
    kind = type(tree)
    if kind is str:
        path = table.get(tree)
        if path is not None:
            return {"$st": path}
        for value, path in table.items():
            if value in tree and len(value) >= TELLING:
                raise Unkept(f"contains settings.{_shown(path)}, which does not leave the process")
        return tree
    if kind is list:
        return [_replaced(part, table) for part in tree]
    if kind is dict:
        # A key, or a text that its tag reads as it is.
        raw = [*tree, *(part for key, part in tree.items() if key[:1] == "$" and type(part) is str)]
        if any(value in part for part in raw for value in table):
            raise Unkept("contains a secret of the settings, which does not leave the process")
        return {key: _replaced(part, table) for key, part in tree.items()}
    return tree


def _shown(path: list[Any]) -> str:
    return str(path[0]) + "".join(f"[{step!r}]" for step in path[1:])


@reads("$st")
def _setting(_: Decoder, x: list[Any]) -> Any:
    try:
        found = getattr(settings, x[0])
        for step in x[1:]:
            found = found[step]
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise Unreadable(f"settings.{_shown(x)} is not there any more") from error
    return found
