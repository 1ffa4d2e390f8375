"""`export = ["self.user.id"]`: values of a consumer that conditions of the node read as `vars.user.id`."""

from collections.abc import Mapping
from typing import Any

from channelgate.bridge.refusals import Refused


def exported(consumer: Any, paths: tuple[str, ...], who: str) -> dict[str, Any]:
    """The values, nested by their names. What the consumer does not have is null."""
    out: dict[str, Any] = {}
    for path in paths:
        names = path.split(".")
        if names[0] == "self":
            names = names[1:]
        value: Any = consumer
        for name in names:
            value = _step(value, name)
        level = out
        for name in names[:-1]:
            inner = level.setdefault(name, {})
            if not isinstance(inner, dict):
                inner = level[name] = {}
            level = inner
        if names:
            level[names[-1]] = _plain(value, path, who)
    return out


def _step(value: Any, name: str) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


def _plain(value: Any, path: str, who: str) -> Any:
    from channelgate.bridge.ends import plain

    try:
        return plain(value)
    except (TypeError, ValueError):
        kind = type(value)
        raise Refused(
            "export",
            f"{who}: {path} is a {kind.__module__}.{kind.__qualname__}, which is not a JSON value: name a field of it,"
            f" such as {path}.id",
        ) from None
