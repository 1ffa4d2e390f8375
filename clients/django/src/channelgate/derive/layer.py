"""`CHANNEL_LAYERS["default"]` as a node needs it."""

import dataclasses
import math
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Literal

from django.conf import settings
from django.utils.module_loading import import_string

from channelgate.conf import conf
from channelgate.derive import hosts
from channelgate.derive.hosts import Host
from channelgate.derive.values import Derived, Problem, json_text, plain, text_of

#: Where the values are in the settings.
WHERE = 'CHANNEL_LAYERS["default"]'
CONFIG = f'{WHERE}["CONFIG"]'
NODES_REDIS = 'CHANNELGATE["REDIS_URL"]'
#: The node's defaults, and channels_redis's.
DEFAULT_HOST = "redis://localhost:6379"
DEFAULT_PREFIX = "asgi"
#: Before this version the pub/sub layer ignores its keys.
ENCRYPTED_PUBSUB = (4, 2, 1)
IN_MEMORY = f"{WHERE} is InMemoryChannelLayer: messages stay inside one process."
OF_REDIS = (
    'Use channels_redis: {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": ["redis://…"]}}.'
)
IGNORED_KEYS = "symmetric_encryption_keys are set and channels_redis is below 4.2.1, whose pub/sub layer ignores them."
#: Settings of both layers that a node has under a name of its own: key, and whether it is a number of seconds.
NUMBERS = {
    "expiry": ("layer.expiry", True),
    "group_expiry": ("layer.group_expiry", True),
    "capacity": ("layer.capacity", False),
    "random_prefix_length": ("layer.random_prefix_length", False),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """The default layer, one of channels_redis."""

    hosts: tuple[Host, ...]
    kind: Literal["core", "pubsub"]
    prefix: str = DEFAULT_PREFIX
    keys: tuple[str, ...] = ()
    serializer: str | None = None
    #: What the project sets of `NUMBERS`.
    numbers: Mapping[str, int | float] = dataclasses.field(default_factory=dict)
    #: Globs, and regular expressions between slashes, as the node writes them.
    channel_capacity: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def label(self) -> str:
        """The layer in a sentence."""
        return f"{', '.join(host.label for host in self.hosts)} ({self.kind}, prefix {self.prefix})"


def layer() -> Layer | None:
    """The default layer, or None if it is not one of channels_redis or cannot be read."""
    return _read()[0]


def add(derived: Derived) -> None:
    """Adds the variables of the layer, and what cannot be carried over."""
    found, problems = _read()
    own, more = nodes_redis()
    problems += more
    if found is None and own is not None and not any(_is_about_hosts(one) for one in problems):
        # `publish()` goes there without a channel layer; what the layer sends itself does not.
        problems = [dataclasses.replace(one, level="warning") for one in problems]
        derived.put("layer.url", own.text, NODES_REDIS, name="REDIS_URL", secret=own.secret, beside=("layer.hosts",))
    derived.problems += problems
    if found is None:
        return
    if own is not None and own.label not in [host.label for host in found.hosts]:
        derived.problem(
            f"{NODES_REDIS} is {own.label}, which is not among the hosts of the channel layer: nodes listen to those.",
            "Orders such as disconnect() reach nodes if it is the same server and database under another name.",
            "note",
        )
    source = f'{CONFIG}["hosts"]'
    secret = any(host.secret for host in found.hosts)
    (first, *others) = found.hosts
    if others or isinstance(first.value, dict):
        text = json_text([host.value for host in found.hosts])
        derived.put("layer.hosts", text, source, name="CHANNELGATE__LAYER__HOSTS", secret=secret, beside=("layer.url",))
    else:
        derived.put("layer.url", first.value, source, name="REDIS_URL", secret=secret, beside=("layer.hosts",))
    derived.put("layer.kind", found.kind, f'{WHERE}["BACKEND"]', name="CHANNELGATE_LAYER")
    derived.put("layer.prefix", found.prefix, f'{CONFIG}["prefix"]', name="CHANNELGATE_LAYER_PREFIX")
    if found.keys:
        source = f'{CONFIG}["symmetric_encryption_keys"]'
        derived.put("layer.keys", list(found.keys), source, name="CHANNELGATE_LAYER_KEYS", secret=True)
    if found.serializer is not None:
        derived.put("layer.serializer", found.serializer, f'{CONFIG}["serializer_format"]')
    for name, number in found.numbers.items():
        derived.put(NUMBERS[name][0], number, f'{CONFIG}["{name}"]')
    if found.channel_capacity:
        derived.put("layer.channel_capacity", dict(found.channel_capacity), f'{CONFIG}["channel_capacity"]')


def nodes_redis() -> tuple[Host | None, list[Problem]]:
    """`CHANNELGATE["REDIS_URL"]`, where `publish()` and orders go without the layer."""
    given = conf().redis_url
    return (None, []) if not given else hosts.read(given, NODES_REDIS)


def _is_about_hosts(problem: Problem) -> bool:
    return problem.text.startswith((CONFIG, NODES_REDIS)) and problem.level == "error"


def written() -> Mapping[str, Any]:
    """`CHANNEL_LAYERS["default"]` as it is written; empty if it is not."""
    layers = plain(getattr(settings, "CHANNEL_LAYERS", None))
    found = plain(layers.get("default")) if isinstance(layers, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def misshapen() -> list[Problem]:
    """What is written where a dictionary or a name belongs: nothing in it can be read."""
    layers = plain(getattr(settings, "CHANNEL_LAYERS", None))
    default = plain(layers.get("default")) if isinstance(layers, Mapping) else None
    parts: list[tuple[str, Any, type]] = [("CHANNEL_LAYERS", layers, Mapping), (WHERE, default, Mapping)]
    parts += [
        (f'{WHERE}["BACKEND"]', plain(written().get("BACKEND")), str),
        (CONFIG, plain(written().get("CONFIG")), Mapping),
    ]
    return [
        Problem(
            f"{where} is not {'a dictionary' if kind is Mapping else 'a text'}, but {type(one).__name__}.",
            OF_REDIS,
            "error",
        )
        for where, one, kind in parts
        if one and not isinstance(one, kind)
    ]


def problems() -> list[Problem]:
    """What is wrong with the values of a layer of channels_redis."""
    wrong = misshapen()
    return wrong if wrong or kind_of(backend()[0]) is None else _read()[1]


def backend() -> tuple[type | None, str]:
    """The class of the default layer, or None with the reason."""
    dotted = written().get("BACKEND")
    if not dotted:
        return None, "CHANNEL_LAYERS has no default layer."
    try:
        kind = import_string(str(dotted))
    except Exception as error:
        return None, f'{WHERE}["BACKEND"] cannot be imported: {error}.'
    return (kind, "") if isinstance(kind, type) else (None, f'{WHERE}["BACKEND"] is not a class: {dotted}.')


def is_in_memory(kind: type | None) -> bool:
    """Whether the layer is Channels' own of one process."""
    return kind is not None and any(
        one.__name__ == "InMemoryChannelLayer" and one.__module__ == "channels.layers" for one in kind.__mro__
    )


def kind_of(kind: type | None) -> Literal["core", "pubsub"] | None:
    """Which of channels_redis's layers it is, itself or as the base of a project's own."""
    for one in kind.__mro__ if kind is not None else ():
        if one.__module__ == "channels_redis.core" and one.__name__ == "RedisChannelLayer":
            return "core"
        if one.__module__ == "channels_redis.pubsub" and one.__name__ == "RedisPubSubChannelLayer":
            return "pubsub"
    return None


def ignores_keys(kind: str | None, config: Mapping[str, Any]) -> bool:
    """Whether keys are set that the installed version does not use."""
    return kind == "pubsub" and bool(config.get("symmetric_encryption_keys")) and _channels_redis() < ENCRYPTED_PUBSUB


def _channels_redis() -> tuple[int, ...]:
    try:
        text = metadata.version("channels_redis")
    except metadata.PackageNotFoundError:
        return ENCRYPTED_PUBSUB
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _read() -> tuple[Layer | None, list[Problem]]:
    kind, reason = backend()
    if kind is None:
        return None, [Problem(reason, OF_REDIS, "error")]
    if is_in_memory(kind):
        return None, [Problem(IN_MEMORY, OF_REDIS, "error")]
    which = kind_of(kind)
    if which is None:
        text = f"{WHERE} is {kind.__module__}.{kind.__qualname__}, which a node cannot listen to."
        return None, [Problem(text, OF_REDIS, "error")]
    problems: list[Problem] = []
    for alias in settings.CHANNEL_LAYERS:
        if alias != "default":
            text = f'CHANNEL_LAYERS has "{alias}", too: a node listens to "default" only.'
            problems.append(Problem(text, "Events for clients go through the default layer.", "note"))
    config = plain(written().get("CONFIG")) or {}
    if wrong := misshapen():
        return None, [*problems, *wrong]
    reader = _Reader(config, problems)
    found = Layer(
        hosts=reader.hosts(),
        kind=which,
        prefix=reader.prefix(),
        keys=reader.keys(which),
        serializer=reader.serializer(),
        numbers=reader.numbers(),
        channel_capacity=reader.channel_capacity(),
    )
    return (found if found.hosts else None), problems


class _Reader:
    """Reads `CONFIG`, and notes what cannot be carried over."""

    def __init__(self, config: Mapping[str, Any], problems: list[Problem]) -> None:
        self.config = config
        self.problems = problems

    def _wrong(self, key: str, what: str, hint: str = "") -> None:
        self.problems.append(Problem(f'{CONFIG}["{key}"] {what}', hint, "error"))

    def hosts(self) -> tuple[Host, ...]:
        given = plain(self.config.get("hosts"))
        if not given:
            return (Host(DEFAULT_HOST),)
        if not isinstance(given, list | tuple):
            self._wrong("hosts", "is not a list.", "channels_redis needs a list of hosts, even if there is only one.")
            return ()
        found: list[Host] = []
        for index, entry in enumerate(given):
            host, problems = hosts.read(entry, f'{CONFIG}["hosts"][{index}]')
            self.problems += problems
            if host is None:
                return ()
            found.append(host)
        return tuple(found)

    def prefix(self) -> str:
        given = text_of(plain(self.config.get("prefix", DEFAULT_PREFIX)))
        if given is None:
            self._wrong("prefix", "is not text.")
            return DEFAULT_PREFIX
        return given

    def keys(self, kind: str) -> tuple[str, ...]:
        given = plain(self.config.get("symmetric_encryption_keys"))
        if not given:
            return ()
        if ignores_keys(kind, self.config):
            self.problems.append(Problem(IGNORED_KEYS, "Install channels_redis 4.2.1 or later."))
            return ()
        keys = [text_of(plain(one)) for one in given] if isinstance(given, list | tuple) else [None]
        known = tuple(one for one in keys if one is not None)
        if len(known) != len(keys):
            self._wrong("symmetric_encryption_keys", "is not a list of texts.", "A key is text, or bytes in UTF-8.")
            return ()
        return known

    def serializer(self) -> str | None:
        given = plain(self.config.get("serializer_format"))
        if given is None:
            return None
        if given not in ("msgpack", "json"):
            self._wrong("serializer_format", f"is {given!r}.", 'A node reads "msgpack" and "json".')
            return None
        return str(given)

    def numbers(self) -> dict[str, int | float]:
        found: dict[str, int | float] = {}
        for name, (_, is_time) in NUMBERS.items():
            given = plain(self.config.get(name))
            if given is None:
                continue
            if is_time and hasattr(given, "total_seconds"):
                given = given.total_seconds()
            is_number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
            if not is_number or (not is_time and given != int(given)):
                self._wrong(name, "is not a number.", "Write a number, or leave it out.")
                continue
            found[name] = given if is_time and given != int(given) else int(given)
        return found

    def channel_capacity(self) -> dict[str, int]:
        given = plain(self.config.get("channel_capacity"))
        if not given:
            return {}
        if not isinstance(given, Mapping):
            self._wrong("channel_capacity", "is not a dictionary.")
            return {}
        found: dict[str, int] = {}
        for pattern, capacity in given.items():
            text = _pattern(pattern)
            if text is None:
                self._wrong("channel_capacity", f"has the key {pattern!r}, which is neither text nor a pattern.")
            elif isinstance(capacity, bool) or not isinstance(capacity, int):
                self._wrong("channel_capacity", f"has {capacity!r} for {pattern!r}, which is not a number.")
            else:
                found[text] = capacity
        return found


#: Flags of `re` by their letters in a node's configuration.
_FLAGS = ((re.I, "i"), (re.M, "m"), (re.S, "s"), (re.X, "x"))


def _pattern(pattern: Any) -> str | None:
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
        return f"/{pattern.pattern}/" + "".join(letter for flag, letter in _FLAGS if pattern.flags & flag)
    return text_of(pattern)
