"""Checks of the routes: those of `ASGI_APPLICATION` beside those of channelgate.toml."""

from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from channelgate.bridge import tree
from channelgate.doctor import web
from channelgate.doctor.context import Context
from channelgate.doctor.result import Result, fail, ok, skip, warn
from channelgate.nodefile.paths import fill, made_up, path_of_expression, shape

INIT = "python manage.py channelgate init"


def counted(context: Context) -> Iterator[Result]:
    """How many there are of each, and which are on one side only."""
    if context.node_file_error is not None:
        yield fail(context.node_file_error, "Correct it; `channelgate check` names each mistake.")
        return
    if context.node_file is None:
        yield warn(f"{context.node_file_name} does not exist: the node serves its presets", INIT)
        return
    routes = websocket_routes()
    if routes is None:
        yield skip("The routes: ASGI_APPLICATION cannot be imported, or has no websocket routes")
        return
    moved = [path for one in context.node_file.consumers if one.protocol == "websocket" for path in one.paths]
    known = {shape(route) for route in routes}
    lost = [path for path in moved if shape(path) not in known]
    text = f"{_number(len(moved), 'consumer')} in channelgate.toml, {len(routes)} in routing.py"
    # A consumer without Django needs no route there.
    needed = {path for one in context.node_file.consumers if one.is_in_django for path in one.paths if path in lost}
    if needed:
        yield fail(f"{text}: {', '.join(sorted(needed))} has no consumer in Django", f"{INIT} --check")
    elif lost:
        yield warn(f"{text}: {', '.join(lost)} is not in routing.py", f"{INIT} --check, if that is not intended.")
    else:
        yield ok(text)


def stay_with_daphne(context: Context) -> Iterator[Result]:
    """Routes that no consumer of channelgate.toml has."""
    routes = websocket_routes() if context.node_file is not None else None
    if routes is None or context.node_file is None:
        return
    moved = {shape(path) for path in context.node_file.paths}
    for route in routes:
        if shape(route) in moved:
            continue
        text = f"Daphne still serves {route}"
        if context.site is None:
            yield ok(text)
            continue
        try:
            # Without an upgrade no consumer is asked; only a node answers in this form.
            answer = web.ask(context.site, fill(route, made_up))
        except web.NoAnswer:
            yield ok(text)
            continue
        if answer.status == 404 and answer.detail.startswith("nothing is served at"):
            yield fail(
                f"nginx at {context.site} sends {route} to the node, which has no consumer for it",
                f"Send it to Daphne, or move it: {INIT}.",
            )
        else:
            yield ok(text)


def websocket_routes() -> list[str] | None:
    """The project's routes as paths, also those that are regular expressions: `/ws/orders/<id>/`."""
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted:
        return None
    try:
        application = import_string(dotted)
    except Exception:
        return None
    websocket = _websocket(application)
    if websocket is None:
        return None
    found = dict.fromkeys(_routes(websocket, "", 0))
    return [path_of_expression(route) if route.startswith("^") else route for route in found]


def _websocket(application: Any, depth: int = 0) -> Any:
    """What serves WebSockets, below the bridge and other wrappers."""
    mapping = getattr(application, "application_mapping", None)
    if isinstance(mapping, dict):
        return mapping.get("websocket")
    for inner in _inner(application) if depth < 8 else ():
        found = _websocket(inner, depth + 1)
        if found is not None:
            return found
    return None


def _inner(application: Any) -> Iterator[Any]:
    # `children`, where `init` is part of the package.
    walk: Callable[[Any], Iterator[Any]] = getattr(tree, "children", None) or tree.children
    return walk(application)


def _routes(application: Any, before: str, depth: int) -> Iterator[str]:
    routes = getattr(application, "routes", None)
    if isinstance(routes, list | tuple):
        for route in routes:
            pattern = getattr(route, "pattern", None)
            if pattern is None:
                continue
            text = _joined(before, pattern)
            callback = getattr(route, "callback", None)
            nested = list(_routes(callback, text, depth + 1)) if depth < 8 and callback is not None else []
            yield from nested or [text]
        return
    if depth < 8 and not isinstance(getattr(application, "consumer_class", None), type):
        for inner in _inner(application):
            found = list(_routes(inner, before, depth + 1))
            if found:
                yield from found
                return


def _joined(before: str, pattern: Any) -> str:
    """The route so far and one more pattern; a regular expression stays one."""
    text = str(pattern)
    is_expression = hasattr(pattern, "_regex") and not hasattr(pattern, "_route")
    if is_expression:
        text = text.removeprefix("^")
        return f"^{before.lstrip('^/')}{text}"
    if before.startswith("^"):
        return f"{before}{text}"
    return f"/{before.lstrip('/')}{text}".replace("//", "/")


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
