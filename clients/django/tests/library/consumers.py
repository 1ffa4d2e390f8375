"""Consumers as projects write them, and what they keep."""

import asyncio
import collections
import dataclasses
import enum
import threading
import typing
import uuid

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

ROOMS: dict = {}
LIMITS = {"chat": {"size": 10}, "tags": ["a", "b"]}
SETTINGS = {"color": "red"}


class Keeper(AsyncWebsocketConsumer):
    """Sets nothing of its own."""

    async def hello(self, event): ...


class Syncer(WebsocketConsumer): ...


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"
    CRIMSON = "r"


class Right(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Level(enum.IntEnum):
    LOW = 1


class Point(typing.NamedTuple):
    x: int
    y: typing.Any = None


Pair = collections.namedtuple("Pair", "left right")


@dataclasses.dataclass
class Player:
    name: str
    scores: list = dataclasses.field(default_factory=list)
    friend: typing.Any = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: int
    b: tuple = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    a: int
    b: typing.Any = None


class Plain:
    """An ordinary class: attributes, a property, one that __init__ would count."""

    made = 0

    def __init__(self, **kw):
        type(self).made += 1
        self.__dict__.update(kw)

    @property
    def twice(self):
        return self.value * 2

    def act(self): ...


class Slots:
    __slots__ = ("__private", "left", "right")

    def __init__(self, left=None):
        self.left = left
        self.__private = 1

    def private(self):
        return self.__private


class MixedSlots(Slots):
    """Slots and attributes."""

    __slots__ = ("__dict__", "__weakref__")


class Attributes(dict):
    __getattr__ = dict.__getitem__


class Words(list): ...


class Name(str): ...


class Number(int): ...


class Trouble(Exception):
    def __init__(self, code, detail):
        super().__init__(f"{code}: {detail}")
        self.code = code


class Stateful:
    def __init__(self, value):
        self.value = value
        self.lock = threading.Lock()

    def __getstate__(self):
        return {"value": self.value}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.lock = threading.Lock()


class Pool:
    """A resource of the project: what it holds cannot be taken apart."""

    def __init__(self):
        self.queue = asyncio.Queue()
        self.connected = False
        self.names = []


class Maker(AsyncWebsocketConsumer):
    """Makes a lock, a client and a token in __init__."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.lock = asyncio.Lock()
        self.ready = asyncio.Event()
        self.pool = Pool()
        self.locks = {"a": asyncio.Condition()}
        self.token = uuid.uuid4()
        self.messages = []
        self.dropped = 1


class Game:
    rooms: typing.ClassVar[dict] = {}


class Manager:
    def __init__(self):
        self.games = {}


manager = Manager()


def helper(): ...
