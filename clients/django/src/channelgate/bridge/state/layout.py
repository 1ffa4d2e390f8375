"""What an instance of a class consists of: content of a built-in type, attributes, slots; and whose class it is."""

from __future__ import annotations

import collections
import copyreg
import datetime
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from .names import dotted

# Built-in types whose subclasses carry content of their own, with what makes an empty or a whole one.
CONTENT: dict[type, Callable[..., Any]] = {
    base: base.__new__
    for base in (
        collections.OrderedDict, collections.defaultdict, collections.Counter, collections.deque, dict, list, set,
        frozenset, tuple, str, int, float, bytes, bytearray, datetime.datetime, datetime.date, datetime.timedelta,
        BaseException,
    )
}  # fmt: skip

# Packages whose objects hold connections, threads or caches: they are resources, never data. What they change inside
# themselves while they are used is theirs.
_CLIENTS = """
redis aioredis valkey httpx httpcore aiohttp requests urllib3 openai anthropic groq cohere mistralai ollama boto3
botocore aiobotocore s3transfer pymongo motor psycopg psycopg2 psycopg_pool asyncpg aiopg MySQLdb pymysql docker
kubernetes paramiko asyncssh celery kombu kafka aiokafka confluent_kafka pika aio_pika nats elasticsearch
opensearchpy elastic_transport google azure stripe twilio sendgrid grpc websockets websocket socketio engineio
sentry_sdk opentelemetry prometheus_client structlog torch transformers tensorflow whisper vosk livekit deepgram
elevenlabs qdrant_client chromadb pinecone weaviate firebase_admin minio zmq serial bleak paho asyncio_mqtt gmqtt
aiomqtt influxdb influxdb_client cassandra neo4j ldap3 fakeredis
"""
CLIENTS = frozenset(_CLIENTS.split())

# Modules of the standard library and of the frameworks whose objects are resources, too.
_RESOURCES = """
asyncio concurrent threading _thread socket _socket ssl _ssl select selectors subprocess multiprocessing logging
sqlite3 _sqlite3 http urllib smtplib ftplib imaplib tempfile contextvars _contextvars weakref _weakref mmap signal
sched channels channels_redis asgiref uvloop
"""
RESOURCES = frozenset(_RESOURCES.split())

# Packages of the standard library and of the frameworks: their objects are kept where a module here knows them.
FRAMEWORKS = frozenset({"django", "channels", "channels_redis", "asgiref", "rest_framework", "channelgate", "daphne"})

_OURS: dict[str, bool] = {}


def top(kind: type) -> str:
    return (kind.__module__ or "").partition(".")[0]


def of_project(module: str) -> bool:
    """Whether a top-level module is the project's own, not an installed package or the standard library."""
    known = _OURS.get(module)
    if known is None:
        known = _OURS[module] = _look(module)
    return known


def adopt(kind: type) -> None:
    """A consumer's own module is the project's, wherever it is installed."""
    module = top(kind)
    if not _OURS.get(module):
        _OURS[module] = module not in FRAMEWORKS


def _look(module: str) -> bool:
    if module in sys.stdlib_module_names or module in FRAMEWORKS or module in CLIENTS:
        return False
    # A project that is installed like a package: the modules that its settings start from.
    for start in ("ROOT_URLCONF", "ASGI_APPLICATION", "SETTINGS_MODULE"):
        if (getattr(settings, start, None) or "").partition(".")[0] == module:
            return True
    found = sys.modules.get(module)
    places = [getattr(found, "__file__", None) or "", *(getattr(found, "__path__", None) or ())]
    parts = {part for place in places for part in Path(place).parts}
    return not parts & {"site-packages", "dist-packages"}


class Layout:
    """How to take an object apart and to put it together. `None` from `layout_of`: the class does not allow it."""

    __slots__ = ("base", "kind", "name", "ours", "shape", "slots", "states")

    def __init__(self, kind: type, base: type, name: str, slots: tuple[str, ...], states: bool) -> None:
        self.kind = kind
        self.base = base
        self.name = name
        self.slots = slots
        # The class has a __getstate__ of its own, as pydantic's have.
        self.states = states
        self.ours = of_project(top(kind))
        self.shape = shape_of(kind)


def _own(kind: type, base: type, method: str) -> bool:
    """Whether a class replaces a method of copying and pickling."""
    mine, theirs = getattr(kind, method, None), getattr(base, method, None)
    if mine is theirs or mine is None:
        return False
    # Classes with slots get these from dataclasses and attrs; they do what is done here.
    return getattr(mine, "__module__", None) not in ("dataclasses", "attr._make")


def layout_of(kind: type) -> Layout | None:
    module = top(kind)
    if module in sys.stdlib_module_names or module in FRAMEWORKS or module in CLIENTS:
        return None
    base = next((c for c in kind.__mro__ if c in CONTENT), object)
    if base is BaseException:
        # The built-in exception that the class is made of: OSError and others have fields of their own.
        base = next(c for c in kind.__mro__ if c.__module__ == "builtins")
    elif base is object:
        try:
            # Refused by Python where a type below has a layout of its own.
            object.__new__(kind)
        except TypeError:
            return None
        if any(top(c) in RESOURCES or top(c) in CLIENTS for c in kind.__mro__):
            return None
    if _own(kind, base, "__reduce_ex__") or _own(kind, base, "__reduce__") or _own(kind, base, "__getnewargs_ex__"):
        return None
    if _own(kind, base, "__getnewargs__") and not hasattr(kind, "_fields"):
        return None
    states = _own(kind, base, "__getstate__") or _own(kind, base, "__setstate__")
    slots = tuple(copyreg._slotnames(kind))  # type: ignore[attr-defined]
    return Layout(kind, base, dotted(kind), slots, states)


_LAYOUTS: dict[type, Layout | None] = {}


def layout(kind: type) -> Layout | None:
    if kind in _LAYOUTS:
        return _LAYOUTS[kind]
    found = layout_of(kind)
    _LAYOUTS[kind] = found
    return found


def shape_of(kind: type) -> str | None:
    """The declared fields of a class, in one short text: other fields after a deployment are another shape."""
    fields: Any = getattr(kind, "__dataclass_fields__", None) or getattr(kind, "_fields", None)
    if fields is None:
        declared = getattr(kind, "__attrs_attrs__", None)
        fields = [a.name for a in declared] if declared is not None else getattr(kind, "__pydantic_fields__", None)
    if fields is None:
        return None
    return digest(",".join(fields))


def digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
