"""The Redis of a cache of `CACHES`, where ws-tokens are."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from channelgate.conf import written as of_channelgate
from channelgate.derive import hosts
from channelgate.derive.hosts import Host
from channelgate.derive.values import Derived, Problem, json_text, plain, text_of

DEFAULT_PREFIX = ":1:"
HINT = 'Use django.core.cache.backends.redis.RedisCache, or name another cache: CHANNELGATE["WS_TOKEN"]["CACHE"].'
ELSEWHERE = 'Give ws-tokens a cache of their own: CHANNELGATE["WS_TOKEN"] = {"CACHE": "…"}.'
#: Options of Django's cache and of django-redis that say how values are written, which a node finds out, or that
#: concern only the client.
_HARMLESS = """
    serializer pool_class parser_class SERIALIZER COMPRESSOR COMPRESS_COMPRESSOR COMPRESS_MIN_LENGTH PICKLE_VERSION
    PARSER_CLASS CONNECTION_POOL_CLASS CONNECTION_FACTORY REDIS_CLIENT_CLASS REDIS_CLIENT_KWARGS IGNORE_EXCEPTIONS
    LOG_IGNORED_EXCEPTIONS SOCKET_TIMEOUT MAX_ENTRIES CULL_FREQUENCY CLOSE_CONNECTION REVERSE_KEY_FUNCTION
    max_entries cull_frequency"""
HARMLESS = frozenset(_HARMLESS.split())
#: Clients of django-redis that keep a key where a node would not look.
SPREAD = ("ShardClient", "HerdClient", "ClusterClient")


def alias() -> str:
    """The cache that has ws-tokens: `CHANNELGATE["WS_TOKEN"]["CACHE"]`, else the default."""
    given = of_channelgate("WS_TOKEN")
    return str(given.get("CACHE", "default")) if isinstance(given, Mapping) else "default"


def uses_tokens() -> bool:
    """Whether the project says anything about ws-tokens."""
    return bool(of_channelgate("WS_TOKEN"))


def unseen(name: str) -> str:
    """What is wrong with a cache that is not in Redis."""
    return f'WS_TOKEN uses the cache "{name}", which is {kind(name)}: nodes cannot see its tokens.'


def kind(name: str) -> str:
    """The class of a cache, by its last name; empty if it cannot be made."""
    cache = _cache(name)
    return type(cache).__name__ if cache is not None else ""


def is_redis(name: str) -> bool:
    """Whether the cache is Django's of Redis, or that of django-redis."""
    return _library(name) is not None


def prefix(name: str) -> str | None:
    """What stands before a key in Redis; None if the project's function changes keys otherwise."""
    cache = _cache(name)
    if cache is None:
        return None
    try:
        short, long = str(cache.make_key("k")), str(cache.make_key("another_key"))
    except Exception:
        # A function of the project's, or a prefix that is not text.
        return None
    before = short[: -len("k")]
    return before if short.endswith("k") and long == before + "another_key" else None


def problems() -> list[Problem]:
    """What is wrong with the address of a cache in Redis."""
    library = _library(alias())
    return [] if library is None else _host(alias(), library)[1]


def add(derived: Derived) -> None:
    """Adds the variables of the cache."""
    name = alias()
    library = _library(name)
    if library is None:
        if uses_tokens():
            derived.problem(unseen(name), HINT)
        return
    where = f'CACHES["{name}"]'
    host, problems = _host(name, library)
    derived.problems += problems
    if host is None:
        return
    found = prefix(name)
    if found is None:
        text = f'{where}["KEY_FUNCTION"] does more than put a prefix before a key: nodes cannot find ws-tokens.'
        derived.problem(text, ELSEWHERE)
        return
    text = host.value if isinstance(host.value, str) else json_text(host.value)
    source = f'{where}["LOCATION"]'
    derived.put("cache.url", text, source, name="CHANNELGATE_CACHE_URL", secret=host.secret)
    source = f'{where}["KEY_PREFIX"] and ["VERSION"]'
    derived.put("cache.prefix", found, source, name="CHANNELGATE_CACHE_PREFIX")


def _cache(name: str) -> BaseCache | None:
    try:
        return caches[name]
    except Exception:
        return None


def _library(name: str) -> str | None:
    for one in type(_cache(name)).__mro__:
        if one.__name__ == "RedisCache" and one.__module__ in (
            "django.core.cache.backends.redis",
            "django_redis.cache",
        ):
            return one.__module__.partition(".")[0]
    return None


def _host(name: str, library: str) -> tuple[Host | None, list[Problem]]:
    """The first server, which is written to."""
    where = f'CACHES["{name}"]'
    given = settings.CACHES[name]
    written = plain(given.get("OPTIONS")) or {}
    options = dict(written) if isinstance(written, Mapping) else {}
    location = plain(given.get("LOCATION"))
    first = _first(location)
    if first is None:
        return None, [Problem(f'{where}["LOCATION"] is not an address of Redis.', 'Write "redis://127.0.0.1:6379/1".')]
    if library == "django":
        keywords = {key: value for key, value in options.items() if key not in HARMLESS}
        return hosts.read({"address": first, **keywords} if keywords else first, f'{where}["OPTIONS"]')
    return _django_redis(first, options, where)


def _first(location: Any) -> str | None:
    # Django and django-redis split text at commas and semicolons; the first server is the one that is written to.
    if isinstance(location, list | tuple):
        location = plain(location[0]) if location else None
    text = text_of(location)
    if not text:
        return None
    return text.replace(";", ",").split(",")[0].strip()


def _django_redis(first: str, options: dict[str, Any], where: str) -> tuple[Host | None, list[Problem]]:
    client = str(options.pop("CLIENT_CLASS", ""))
    if client.rpartition(".")[2] in SPREAD:
        text = f'{where}["OPTIONS"]["CLIENT_CLASS"] is {client}: nodes cannot find ws-tokens in this cache.'
        return None, [Problem(text, ELSEWHERE)]
    keywords: dict[str, Any] = {}
    for theirs, ours in (("USERNAME", "username"), ("PASSWORD", "password")):
        if options.get(theirs):
            keywords[ours] = options.pop(theirs)
    timeout = options.pop("SOCKET_CONNECT_TIMEOUT", None)
    if timeout is not None:
        keywords["socket_connect_timeout"] = timeout
    keywords |= dict(plain(options.pop("CONNECTION_POOL_KWARGS", None)) or {})
    sentinels = plain(options.pop("SENTINELS", None))
    of_sentinels = plain(options.pop("SENTINEL_KWARGS", None))
    unknown = sorted(options.keys() - HARMLESS)
    problems = [
        Problem(f'{where}["OPTIONS"]["{one}"] is not known to nodes.', "Leave it if it does not move keys.", "note")
        for one in unknown
    ]
    if sentinels:
        table = _of_master(first, sentinels, of_sentinels, keywords)
        host, more = hosts.read(table, f'{where}["OPTIONS"]')
    else:
        host, more = hosts.read({"address": first, **keywords} if keywords else first, f'{where}["OPTIONS"]')
    return host, problems + more


def _of_master(url: str, sentinels: Any, of_sentinels: Any, keywords: dict[str, Any]) -> dict[str, Any]:
    """`redis://mymaster/0`: the host of the URL is the name of the master."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    # The name as it is written: `hostname` is in small letters.
    name = parts.netloc.rpartition("@")[2].partition(":")[0]
    table: dict[str, Any] = {"sentinels": sentinels, "master_name": unquote(name), **keywords}
    if parts.path.strip("/").isdigit():
        table["db"] = int(parts.path.strip("/"))
    if parts.password:
        table["password"] = unquote(parts.password)
    if parts.username:
        table["username"] = unquote(parts.username)
    if parts.scheme in ("rediss", "valkeys"):
        table["ssl"] = True
    if of_sentinels:
        table["sentinel_kwargs"] = of_sentinels
    return table
