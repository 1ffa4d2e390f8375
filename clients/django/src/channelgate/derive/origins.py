"""Which pages may open sockets: what the project's own validators of origins allow, and never more.

Channels checks an origin only where a project wraps its consumers in `OriginValidator` or
`AllowedHostsOriginValidator`. A node always checks it, for all consumers alike.
"""

import dataclasses
import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from channelgate.derive.values import Derived

#: What Django and Channels allow with DEBUG and without ALLOWED_HOSTS.
OF_DEVELOPMENT = ("localhost", "127.0.0.1", "[::1]")
HINT = "Write server.allowed_origins in channelgate.toml, or set CHANNELGATE_ALLOWED_ORIGINS."
KEY, NAME = "server.allowed_origins", "CHANNELGATE_ALLOWED_ORIGINS"
_LABELS = re.compile(r"\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")


@dataclasses.dataclass(frozen=True, slots=True)
class Validators:
    """The validators of an application."""

    #: The lists of Channels' own class, each once.
    lists: tuple[tuple[str, ...], ...] = ()
    #: The names of classes of the project's own.
    others: tuple[str, ...] = ()


def add(derived: Derived) -> None:
    """Adds the list of origins, where there is one."""
    found = validators(application(derived))
    if found.others:
        text = f"{', '.join(found.others)} checks origins by rules of its own, which a node cannot follow."
        derived.problem(text, HINT)
    narrow = [one for one in found.lists if "*" not in one]
    if narrow:
        _of_validators(derived, narrow)
        return
    if found.others:
        return
    _without_validator(derived)


def application(derived: Derived | None = None) -> Any:
    """`ASGI_APPLICATION`, or None if it cannot be imported."""
    dotted = getattr(settings, "ASGI_APPLICATION", None)
    if not dotted:
        return None
    try:
        return import_string(dotted)
    except Exception as error:
        if derived is not None:
            derived.problem(
                f"ASGI_APPLICATION cannot be imported, so which origins its consumers allow is unknown: {error}", HINT
            )
        return None


def validators(application: Any) -> Validators:
    """What the validators in the application allow."""
    lists: dict[tuple[str, ...], None] = {}
    others: dict[str, None] = {}
    for one in _walk(application):
        allowed = getattr(one, "allowed_origins", None)
        if allowed is None:
            continue
        if _is_channels(type(one)) and all(isinstance(item, str) for item in allowed):
            lists[tuple(allowed)] = None
        else:
            others[f"{type(one).__module__}.{type(one).__qualname__}"] = None
    return Validators(tuple(lists), tuple(others))


def _walk(application: Any) -> Iterator[Any]:
    from channelgate.bridge.tree import children

    seen: set[int] = set()
    waiting = [application]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen or isinstance(one, str | bytes | int):
            continue
        seen.add(id(one))
        yield one
        waiting.extend(children(one))


def _is_channels(kind: type) -> bool:
    """Whether the class judges as Channels does: it is its own, or one that changes nothing of the judgement."""
    judging = ("valid_origin", "validate_origin", "match_allowed_origin", "get_origin_port")
    for one in kind.__mro__:
        if one.__module__ == "channels.security.websocket" and one.__name__ == "OriginValidator":
            return True
        if "__call__" in vars(one) or any(name in vars(one) for name in judging):
            return False
    return False


def _of_validators(derived: Derived, lists: list[tuple[str, ...]]) -> None:
    """The node has one list for all consumers: what every validator allows."""
    allowed = [one for one in lists[0] if all(one in other for other in lists[1:])]
    if len({frozenset(one) for one in lists}) > 1:
        derived.problem(
            "The consumers' validators allow different origins; a node has one list, and gets what all of them allow: "
            f"{', '.join(allowed) or 'nothing'}.",
            HINT,
        )
    kept = _usable(derived, allowed, "the validator's list")
    hosts = list(settings.ALLOWED_HOSTS) or list(OF_DEVELOPMENT)
    source = "ALLOWED_HOSTS" if list(lists[0]) == hosts else "OriginValidator in ASGI_APPLICATION"
    derived.put(KEY, kept, source, name=NAME)


def _without_validator(derived: Derived) -> None:
    """Consumers that check no origin. Without a list a node admits pages of its own host, and programs.

    Pages of other hosts are known by `CSRF_TRUSTED_ORIGINS`, and in development those of another port: there a list
    is better, and it is still less than the project allows.
    """
    hosts = [str(one) for one in settings.ALLOWED_HOSTS]
    if "*" in hosts:
        derived.problem(
            'ALLOWED_HOSTS is ["*"]: a node does not follow it, and admits pages of its own host and those of '
            "CSRF_TRUSTED_ORIGINS.",
            f"Name the hosts. {HINT}",
            "note",
        )
        hosts.remove("*")
    trusted = [str(one) for one in getattr(settings, "CSRF_TRUSTED_ORIGINS", ())]
    if not settings.DEBUG and not trusted:
        return
    if settings.DEBUG:
        hosts += [one for one in OF_DEVELOPMENT if one not in hosts]
    wanted = [*hosts, *(_origin(one) for one in trusted)]
    allowed = _usable(derived, list(dict.fromkeys(wanted)), "ALLOWED_HOSTS and CSRF_TRUSTED_ORIGINS")
    if allowed:
        derived.put(KEY, allowed, "ALLOWED_HOSTS and CSRF_TRUSTED_ORIGINS", name=NAME)


def _origin(trusted: str) -> str:
    """An entry of `CSRF_TRUSTED_ORIGINS` as an origin: `https://*.example.com` is written with a dot alone."""
    return trusted.replace("://*.", "://.")


def _usable(derived: Derived, entries: list[str], source: str) -> list[str]:
    """The entries that can match an origin. A node refuses to start with others."""
    useless = [one for one in entries if not _matches_something(one)]
    if useless:
        derived.problem(
            f"{', '.join(map(repr, useless))} in {source} can match no origin, and is left out.",
            'Write a host such as "example.com", ".example.com" with its subdomains, or "https://example.com:8443".',
            "note",
        )
    return [one for one in entries if one not in useless]


def _matches_something(entry: str) -> bool:
    scheme, mark, rest = entry.lower().partition("://")
    if not mark:
        # Channels ignores the port here; "localhost:3000" is read as a scheme.
        rest = scheme
        host, _, port = rest.rpartition(":") if rest[-1:].isdigit() and not rest.endswith("]") else (rest, "", "")
        if port and host and not _is_address(host) and re.fullmatch(r"[a-z][a-z0-9+.-]*", host):
            return False
        return _is_host(host or rest)
    host, _, port = rest.rstrip("/").rpartition(":") if re.search(r":\d+/?$", rest) else (rest.rstrip("/"), "", "")
    return bool(re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme)) and _is_host(host)


def _is_host(text: str) -> bool:
    return bool(_LABELS.fullmatch(text)) or _is_address(text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
