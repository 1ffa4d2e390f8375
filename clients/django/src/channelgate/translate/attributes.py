"""What `self` has after `connect()`, as far as every way through it agrees."""

from typing import Any

from channelgate.translate import changing
from channelgate.translate.paths import Context, Path
from channelgate.translate.source import Class
from channelgate.translate.values import DictV, ListV, Spread, Unknown


def attributes(context: Context, paths: list[Path]) -> dict[str, Any]:
    """What `self` has after `connect()`, as far as every way through it agrees."""
    found: dict[str, Any] = {}
    stale = stale_attributes(context.cls)
    names = {name for path in paths for name in path.attributes}
    for name in names:
        values = [path.attributes.get(name, Unknown(f"self.{name} may not be set")) for path in paths]
        value = values[0]
        if name in stale:
            value = Unknown(f"self.{name}, which {', '.join(sorted(stale[name]))}() may change")
        elif any(_shape(one) != _shape(value) for one in values):
            value = Unknown(f"self.{name}, which depends on the way through connect()")
        elif isinstance(value, DictV | ListV):
            value = Unknown(f"self.{name}, which can change")
        found[name] = value
    return found


def _shape(value: Any) -> Any:
    if isinstance(value, DictV):
        return [
            (one.of.text, tuple(one.without)) if isinstance(one, Spread) else (one[0], _shape(one[1]))
            for one in value.entries
        ]
    return repr(value)


def stale_attributes(cls: Class) -> dict[str, set[str]]:
    """Attributes that other methods than `connect()` assign, and which."""
    only = {"connect", "__init__", "disconnect"}
    others = cls.reachable(*(name for name in cls.methods if name not in only | cls.reachable("connect")))
    others |= cls.reachable("receive", "receive_json")
    for name in cls.methods:
        if name not in cls.reachable("connect") and name not in only:
            others.add(name)
    found = {name: methods & others for name, methods in cls.stores.items() if methods & others}
    if cls.hands_out is not None:
        # Another function may have the consumer, and assign what the project assigns somewhere.
        for name in changing.named().assigned & cls.stores.keys():
            found.setdefault(name, {cls.hands_out})
    return found
