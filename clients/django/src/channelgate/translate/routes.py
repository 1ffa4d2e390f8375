"""The routes of the real `ASGI_APPLICATION`: routers and middleware are walked down to the consumers."""

import dataclasses
import enum
import importlib
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls.resolvers import RegexPattern

from channelgate.translate.expressions import constant
from channelgate.translate.patterns import NoPath, Parameter, Part, convert
from channelgate.translate.source import Class, of_class
from channelgate.translate.values import Unknown

#: Attributes under which middleware keeps what it wraps.
_INNER = ("inner", "application", "app", "asgi_app", "get_response", "__wrapped__")


@dataclasses.dataclass(slots=True)
class Route:
    """One way to a consumer."""

    #: The pattern as the project has it.
    shown: str
    #: The path of the node; None if there is none.
    path: str | None
    parameters: dict[str, Any]
    typed: tuple[Parameter, ...]
    #: What the path admits that the route does not.
    wider: tuple[str, ...]
    notes: tuple[str, ...]
    cls: Class | None
    initkwargs: dict[str, Any]
    #: The middleware, from the outside in.
    chain: tuple[Any, ...]
    reason: str = ""
    #: Of a route without a path: Django's pattern, and the path before it.
    pattern: Any = None
    under: str = "/"

    @property
    def label(self) -> str:
        return self.cls.label if self.cls else "an ASGI application"


def application() -> Any:
    """`ASGI_APPLICATION`."""
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted:
        raise ImproperlyConfigured("ASGI_APPLICATION is not set: there are no routes to read")
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def routes(app: Any) -> list[Route]:
    """All routes of WebSockets, in their order."""
    return list(_walk(app, (), Part("/"), {}, "", ()))


def _walk(
    app: Any,
    chain: tuple[Any, ...],
    prefix: Part,
    extra: dict[str, Any],
    shown: str,
    seen: tuple[int, ...],
    ends: bool = False,
) -> Iterator[Route]:
    """`ends`: the route above takes whole paths only, and leaves nothing to routers below it."""
    if id(app) in seen or len(seen) > 40:
        return
    seen = (*seen, id(app))
    mapping = getattr(app, "application_mapping", None)
    if isinstance(mapping, dict):
        if "websocket" in mapping:
            yield from _walk(mapping["websocket"], chain, prefix, extra, shown, seen, ends)
        return
    if isinstance(getattr(app, "consumer_class", None), type):
        yield _route(app, chain, prefix, extra, shown)
        return
    listed = getattr(app, "routes", None)
    if isinstance(listed, list | tuple):
        for route in listed:
            yield from _of_url(route, chain, prefix, extra, shown, seen, ends)
        return
    if type(app).__module__ == "channelgate.bridge.entry":
        yield from _walk(app.application, chain, prefix, extra, shown, seen, ends)
        return
    inner = _inner(app)
    if inner is not None and len(_applications(app)) > 1:
        reason = f"{_name(app)} chooses between several applications"
        yield Route(shown or "/", prefix.text if shown else None, {}, (), (), (), None, {}, chain, reason)
        return
    if inner is not None:
        yield from _walk(inner, (*chain, app), prefix, extra, shown, seen, ends)
        return
    yield Route(
        shown or "/",
        prefix.text if shown else None,
        {},
        (),
        (),
        (),
        None,
        {},
        chain,
        f"{_name(app)} is a plain ASGI application, not a consumer of Channels",
    )


def _of_url(
    route: Any,
    chain: tuple[Any, ...],
    prefix: Part,
    extra: dict[str, Any],
    shown: str,
    seen: tuple[int, ...],
    ends: bool,
) -> Iterator[Route]:
    pattern, callback = getattr(route, "pattern", None), getattr(route, "callback", None)
    text = shown + str(pattern)
    if ends and not _matches_nothing(pattern):
        reason = (
            f"Channels never reaches it: {shown} is a whole path, because what it leads to is not a URLRouter itself; "
            "put the middleware around the outer URLRouter, or around the consumer"
        )
        yield Route(text, None, {}, (), (), (), _class(callback), {}, chain, reason, pattern, prefix.text)
        return
    more = {**extra, **(getattr(route, "default_args", None) or {})}
    try:
        part = convert(pattern)
        if {one.name for one in part.parameters} & {one.name for one in prefix.parameters}:
            raise NoPath("a parameter that is there twice")
    except NoPath as error:
        reason = f"{error} has no form in the node's paths"
        yield Route(text, None, {}, (), (), (), _class(callback), {}, chain, reason, pattern, prefix.text)
        return
    joined = Part(
        (prefix.text + part.text).replace("//", "/"),
        prefix.parameters + part.parameters,
        prefix.wider + part.wider,
        tuple(note for note in prefix.notes if "$" not in note) + part.notes,
    )
    yield from _walk(callback, chain, joined, more, text, seen, _is_whole(pattern))


def _is_whole(pattern: Any) -> bool:
    """Whether it matches whole paths only. Channels opens the end of a `path()` that leads to a `URLRouter` itself."""
    if isinstance(pattern, RegexPattern):
        text = str(pattern._regex)
        return text.endswith((r"\Z", "$")) and not text.endswith(r"\$")
    return bool(getattr(pattern, "_is_endpoint", False))


def _matches_nothing(pattern: Any) -> bool:
    """Whether a pattern matches the empty rest that a whole path leaves."""
    try:
        return pattern.match("") is not None
    except Exception:
        return False


def _route(app: Any, chain: tuple[Any, ...], path: Part, extra: dict[str, Any], shown: str) -> Route:
    parameters: dict[str, Any] = {
        one.name: one.expr if one.kind != "unknown" else Unknown(f"the parameter {one.name}, which only Python reads")
        for one in path.parameters
    }
    for name, value in extra.items():
        plain = isinstance(value, str | int | bool | None) and not isinstance(value, enum.Enum)
        parameters[name] = constant(value) if plain else Unknown(f"the argument {name} of the route")
    return Route(
        shown,
        path.text,
        parameters,
        path.parameters,
        path.wider,
        path.notes,
        of_class(app.consumer_class),
        dict(app.consumer_initkwargs),
        chain,
    )


def _class(callback: Any) -> Class | None:
    for _ in range(20):
        found = getattr(callback, "consumer_class", None)
        if isinstance(found, type):
            return of_class(found)
        callback = _inner(callback)
        if callback is None:
            return None
    return None


def _inner(app: Any) -> Any:
    """What a middleware wraps."""
    for name in _INNER:
        inner = getattr(app, name, None)
        if inner is not None and callable(inner) and not isinstance(inner, type):
            return inner
    for cell in getattr(app, "__closure__", None) or ():
        try:
            content = cell.cell_contents
        except ValueError:
            continue
        if callable(content) and not isinstance(content, type) and _is_asgi(content):
            return content
    return None


def _applications(app: Any) -> set[int]:
    """The applications that a middleware has, by their identity."""
    found = [content for content in vars(app).values() if callable(content)] if hasattr(app, "__dict__") else []
    for cell in getattr(app, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    return {id(one) for one in found if not isinstance(one, type) and callable(one) and _is_asgi(one)}


def _is_asgi(content: Any) -> bool:
    names = ("consumer_class", "application_mapping", "routes", "inner", "application", "app")
    return any(hasattr(content, name) for name in names)


def _name(app: Any) -> str:
    return getattr(app, "__qualname__", None) or type(app).__qualname__
