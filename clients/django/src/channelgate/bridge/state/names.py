"""Names of classes, functions and modules: `module:Qualified.name`, read only where capture would have written it."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

from .tree import Unkept, Unreadable, article


def spoken(name: str) -> str:
    """A name as an operator reads it."""
    return name.replace(":", ".")


def look(name: str) -> Any:
    """What a dotted name stands for, without a call: attributes of modules and classes only."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    if found is None:
        found = importlib.import_module(module)
    for part in path.split("."):
        found = found.__dict__[part] if isinstance(found, type) and part in found.__dict__ else getattr(found, part)
        if isinstance(found, (staticmethod, classmethod)):
            found = found.__func__
    return found


def dotted(named: Any) -> str:
    """The name of a class or a function, if the name leads back to it."""
    module, path = named.__module__, named.__qualname__
    name = f"{module}:{path}"
    try:
        if module is not None and look(name) is named:
            return name
    except Exception:  # a module's __getattr__ may raise anything: the name does not lead back
        pass
    what = "class" if isinstance(named, type) else "function"
    if isinstance(named, type):
        raise Unkept(f"is {article(named)}, a {what} that its module does not have under this name, "
                     "which cannot be kept from one call to the next")  # fmt: skip
    raise Unkept(f"is the {what} {module}.{path}, which its module does not have under this name: "
                 "it cannot be kept from one call to the next")  # fmt: skip


def resolve(name: str) -> Any:
    try:
        return look(name)
    except (ImportError, AttributeError, KeyError) as error:
        raise Unreadable(f"{spoken(name)} is not there any more") from error


def module_of(v: types.ModuleType) -> str:
    if sys.modules.get(v.__name__) is not v:
        raise Unkept(f"is the module {v.__name__}, which is not imported under this name")
    return v.__name__
