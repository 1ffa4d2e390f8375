"""What a connection has beside its consumer: the language, the time zone, and the context variables that middleware or
a handler set. Under Daphne all handlers of a connection run in one context, so they hold until its end.

A variable is kept under its name in the project's modules or in those of an installed package. What a package keeps in
one and cannot be taken apart (a span, a scope of error reports) is left out: it is of the call.
"""

from __future__ import annotations

import contextvars
import sys
from typing import Any

from asgiref.local import Local
from django.utils import timezone, translation
from django.utils.translation import trans_real

from .layout import CLIENTS, FRAMEWORKS, of_project
from .names import resolve, spoken
from .sharing import ROOTS
from .tree import Encoder, Unkept, Unreadable, is_a

_ABSENT = object()
#: Where a variable is: its name, and whether the project's own code has it. Others are None.
_places: dict[contextvars.ContextVar[Any], tuple[str, bool] | None] = {}
#: How many modules there were, and their objects of asgiref.
_found: list[Any] = [0, []]
#: Variables of structlog, by key: it makes them as they are bound.
_STRUCTLOG = "structlog:"


def encode(encoder: Encoder, before: contextvars.Context, after: contextvars.Context) -> dict[str, Any]:
    """What has changed since the call began, by name."""
    changed = {var: value for var, value in after.items() if before.get(var, _ABSENT) is not value}
    out: dict[str, Any] = {}
    if not changed:
        return out
    if _differs(trans_real._active, changed, before, after):
        out["language"] = after.run(translation.get_language)
    if _differs(timezone._active, changed, before, after):
        _keep(encoder, out, "zone", after.run(timezone.get_current_timezone), True)
    unknown = False
    for var, value in changed.items():
        place = _place(var)
        if place is None:
            unknown = True
        else:
            _keep(encoder, out, place[0], value, place[1])
    for name, local in _locals() if unknown else ():
        old, new = _items(local, before), _items(local, after)
        for key, value in new.items():
            if old.get(key, _ABSENT) is not value:
                _keep(encoder, out, f"{name}!{key}", value, True)
    return out


def _keep(encoder: Encoder, out: dict[str, Any], name: str, value: Any, ours: bool) -> None:
    number, alive = len(encoder.kept), len(encoder.alive)
    try:
        out[name] = encoder.encode(value)
    except Unkept as unkept:
        if ours:
            unkept.path.append(f"the context variable {spoken(name).replace('!', '.')}")
            raise
        encoder.back_to(number, alive)


def _place(var: contextvars.ContextVar[Any]) -> tuple[str, bool] | None:
    if var not in _places:
        _learn()
        _places.setdefault(var, None)
    return _places[var]


def _learn() -> None:
    """Takes in the variables of all modules that are imported by now."""
    for module, holder in list(sys.modules.items()):
        package = module.partition(".")[0]
        if package in sys.stdlib_module_names or package in FRAMEWORKS or package in CLIENTS:
            continue
        ours = of_project(package)
        for name, value in list(getattr(holder, "__dict__", {}).items()):
            if type(value) is contextvars.ContextVar:
                known = _places.get(value)
                if known is None or (ours and not known[1]):
                    _places[value] = (f"{module}:{name}", ours)
    ROOTS.refresh()
    for module in ROOTS.spaces:
        for value, name, _ in ROOTS.names(module):
            if type(value) is contextvars.ContextVar and _places.get(value) is None:
                _places[value] = (name, True)
    logs = sys.modules.get("structlog.contextvars")
    for name, value in list(getattr(logs, "_CONTEXT_VARS", {}).items()):
        _places[value] = (_STRUCTLOG + name, False)


def _locals() -> list[tuple[str, Any]]:
    """The project's own `asgiref.local.Local` objects; looked for when modules have been imported since."""
    number = len(ROOTS.modules)
    if _found[0] != number:
        names = (entry for module in ROOTS.spaces for entry in ROOTS.names(module))
        _found[:] = [number, [(name, value) for value, name, _ in names if is_a(value, Local)]]
    found: list[tuple[str, Any]] = _found[1]
    return found


def _differs(local: Any, changed: Any, before: contextvars.Context, after: contextvars.Context) -> bool:
    """Whether an object of asgiref has other attributes. Its variable is looked at first: most handlers leave it."""
    data = _data(local)
    if isinstance(data, contextvars.ContextVar) and data not in changed:
        return False
    return _items(local, before) != _items(local, after)


def _data(local: Any) -> Any:
    """Where an object of asgiref keeps its attributes: in one variable, or in one for each."""
    return getattr(vars(local).get("_storage"), "_data", None)


def _items(local: Any, context: contextvars.Context) -> dict[str, Any]:
    """The attributes that an object of asgiref has in a context."""
    data = _data(local)
    if isinstance(data, contextvars.ContextVar):
        stored = context.get(data)
        found = getattr(stored, "data", stored)
        return found if isinstance(found, dict) else {}
    if isinstance(data, dict):
        return {key: context[var] for key, var in data.items() if var in context}
    return {}


def give(kept: dict[str, Any], before: contextvars.Context) -> None:
    """Sets what the last call left, except what has been set anew in this one."""
    now = contextvars.copy_context()
    for name, value in kept.items():
        if name == "language":
            if translation.get_language() == before.run(translation.get_language):
                _activate(value)
        elif name == "zone":
            if timezone.get_current_timezone() is before.run(timezone.get_current_timezone):
                timezone.activate(value)
        elif name.startswith(_STRUCTLOG):
            logs = sys.modules.get("structlog.contextvars")
            key = name.removeprefix(_STRUCTLOG)
            if logs is not None and key not in logs.get_contextvars():
                logs.bind_contextvars(**{key: value})
        elif "!" in name:
            name, _, key = name.partition("!")
            local = resolve(name)
            if not isinstance(local, Local):
                raise Unreadable(f"{spoken(name)} is not a Local any more")
            if _items(local, now).get(key, _ABSENT) is _items(local, before).get(key, _ABSENT):
                setattr(local, key, value)
        else:
            var = resolve(name)
            if type(var) is not contextvars.ContextVar:
                raise Unreadable(f"{spoken(name)} is not a context variable any more")
            if now.get(var, _ABSENT) is before.get(var, _ABSENT):
                var.set(value)


def _activate(language: str | None) -> None:
    if language is None:
        translation.deactivate_all()
    else:
        translation.activate(language)
