"""The consumers of an application: routers and middleware are walked down to what `as_asgi()` made."""

from collections.abc import Iterator
from typing import Any

#: Attributes under which routers and middleware keep what they wrap.
INNER = ("inner", "application", "app", "asgi_app", "get_response", "callback", "__wrapped__")


class Tree:
    """The application's consumers, by class, in the order of its routes."""

    def __init__(self, application: Any) -> None:
        self.apps = list(consumer_apps(application))
        self._apps: dict[str, list[Any]] = {}
        self._indexes: dict[int, int] = {}
        for app in self.apps:
            same = self._apps.setdefault(dotted(app.consumer_class), [])
            self._indexes[id(app.consumer_initkwargs)] = len(same)
            same.append(app)

    def index(self, initkwargs: Any) -> int | None:
        """Which of the class's routes has these arguments (the dictionary that `as_asgi` keeps)."""
        return self._indexes.get(id(initkwargs))

    def alike(self, kind: type, initkwargs: Any) -> int:
        """The first of the class's routes with equal arguments."""
        apps = self._apps.get(dotted(kind), ())
        return next((number for number, app in enumerate(apps) if app.consumer_initkwargs == initkwargs), 0)

    def make(self, name: str, index: int) -> Any:
        """A new consumer, or None if the application has no such route any more."""
        apps = self._apps.get(name, ())
        if index >= len(apps):
            return None
        app = apps[index]
        return app.consumer_class(**app.consumer_initkwargs)


def dotted(kind: type) -> str:
    """A class by its name."""
    return f"{kind.__module__}:{kind.__qualname__}"


def consumer_apps(application: Any) -> Iterator[Any]:
    """Every `as_asgi()` application below an application."""
    seen: set[int] = set()
    waiting = [application]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen or isinstance(one, str | bytes | int):
            continue
        seen.add(id(one))
        if isinstance(getattr(one, "consumer_class", None), type):
            yield one
            continue
        waiting.extend(reversed(list(children(one))))


def children(one: Any) -> Iterator[Any]:
    """What a router or a middleware wraps."""
    mapping = getattr(one, "application_mapping", None)
    if isinstance(mapping, dict):
        yield from mapping.values()
    routes = getattr(one, "routes", None)
    if isinstance(routes, list | tuple):
        yield from routes
    for name in INNER:
        inner = getattr(one, name, None)
        if inner is not None and not isinstance(inner, type):
            yield inner
    for cell in getattr(one, "__closure__", None) or ():
        try:
            content = cell.cell_contents
        except ValueError:
            continue
        if callable(content) and not isinstance(content, type):
            yield content
