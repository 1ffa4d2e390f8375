import dataclasses
import datetime
import decimal
import enum
import functools
import json
import logging
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer
from django.contrib.auth import get_user_model
from django.utils.functional import cached_property

from .game import Game
from .models import Company, Employee, Task

User = get_user_model()
Point = namedtuple("Point", "x y")


class Mood(enum.Enum):
    CALM = "calm"
    LOUD = "loud"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Settings:
    volume: int = 3
    tags: list = dataclasses.field(default_factory=list)
    inner: "Settings | None" = None


@dataclasses.dataclass(frozen=True, slots=True)
class Cursor:
    line: int
    column: int = 0


class TypesConsumer(AsyncJsonWebsocketConsumer):
    """An attribute of every type that projects keep, looked at and changed at each message."""

    async def connect(self):
        self.number, self.ratio, self.nothing, self.yes = 7, 0.5, None, True
        self.infinite = float("inf")
        self.text = "naïve ☕ \u2028"
        self.pair, self.nested = (1, "a"), {"list": [1, (2, {3})], 5: "five", ("k", 1): "tuple"}
        self.names, self.frozen = {"b", "a"}, frozenset({1, 2})
        self.recent = deque([1, 2, 3], maxlen=3)
        self.raw, self.buffer = b"\x00\xff", bytearray(b"ab")
        self.moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=datetime.UTC)
        self.naive = datetime.datetime(2026, 1, 2)
        self.day, self.hour = datetime.date(2026, 2, 3), datetime.time(4, 5)
        self.span, self.price = datetime.timedelta(days=1, seconds=2), decimal.Decimal("1.50")
        self.key = uuid.UUID(int=5)
        self.mood, self.level, self.rights = Mood.CALM, Level.LOW, Rights.READ | Rights.WRITE
        self.point, self.settings, self.cursor = Point(1, 2), Settings(inner=Settings(tags=["x"])), Cursor(3)
        self.counts, self.groups_of, self.ordered = Counter("aab"), defaultdict(list, a=[1]), OrderedDict(z=1, a=2)
        self.shared = self.recent
        self.range = range(3)
        self.big = 2**80
        await self.accept()

    async def receive_json(self, content):
        self.number += 1
        self.recent.append(content)
        self.names.add(content)
        self.counts.update(content)
        self.groups_of[content].append(self.number)
        self.settings.volume += 1
        self.settings.inner.tags.append(content)
        self.buffer += b"c"
        self.point = self.point._replace(x=self.point.x + 1)
        self.mood = Mood.LOUD
        self.cursor = dataclasses.replace(self.cursor, column=self.cursor.column + 1)
        self.moment += self.span
        self.price += decimal.Decimal("0.1")
        await self.send_json({key: repr(value) for key, value in sorted(vars(self).items()) if self.own(key)})
        await self.send_json({"same": self.shared is self.recent, "sorted": sorted(self.names)})

    def own(self, key):
        return key not in ("names", "scope", "channel_name", "channel_layer", "channel_receive", "base_send", "groups")


class ModelsConsumer(AsyncJsonWebsocketConsumer):
    """Rows in attributes: with their relations, unsaved ones, and lists; changed and saved later."""

    async def connect(self):
        await self.load()
        await self.accept()

    @database_sync_to_async
    def load(self):
        self.employee = Employee.objects.select_related("company", "user").get(user__username="ben")
        self.company = self.employee.company
        self.tasks = list(self.company.tasks.order_by("pk"))
        self.draft = Task(company=self.company, title="draft")
        self.names = list(User.objects.order_by("pk").values_list("username", flat=True)[:2])

    async def receive_json(self, content):
        if "rename" in content:
            self.company.name = content["rename"]
            await self.company.asave()
        if "draft" in content:
            self.draft.title = content["draft"]
            await self.draft.asave()
        if "done" in content:
            task = self.tasks[content["done"]]
            task.done = True
            await task.asave(update_fields=["done"])
        if "fresh" in content:
            await self.employee.arefresh_from_db(fields=["salary"])
        await self.send_json(
            {
                "company": self.employee.company.name,
                "same": self.company is self.employee.company,
                "salary": str(self.employee.salary),
                "hired": self.employee.hired.isoformat(),
                "badge": str(self.employee.badge),
                "tags": self.employee.tags,
                "user": self.employee.user.get_full_name(),
                "tasks": [(t.title, t.done) for t in self.tasks],
                "draft": [self.draft.title, self.draft.pk],
                "adding": self.draft._state.adding,
                "names": self.names,
            }
        )


class GameConsumer(JsonWebsocketConsumer):
    """An object of the project's own, with a cycle."""

    def connect(self):
        self.game = Game()
        self.accept()

    def receive_json(self, content):
        try:
            winner = self.game.move(content["cell"])
        except ValueError as e:
            self.send_json({"error": str(e)})
            return
        self.send_json(
            {
                "board": "".join(c or "." for c in self.game.board),
                "turn": self.game.turn.mark,
                "moves": [p.moves for p in self.game.players],
                "cycle": self.game.turn.game is self.game,
            }
        )
        if winner:
            self.send_json({"winner": winner})
            self.close(code=4200)


class TableConsumer(AsyncJsonWebsocketConsumer):
    """Methods, functions, classes, loggers and the layer in attributes, made in `__init__` and in `connect`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.handlers = {"ping": self.on_ping, "sum": self.on_sum}
        self.log = logging.getLogger("corpus.table")
        self.twice = lambda value: value * 2

    async def connect(self):
        self.layer = get_channel_layer()
        self.fallback = self.on_unknown
        self.model = User
        self.parse = json.loads
        self.more = {"users": functools.partial(self.count, User)}
        await self.accept()

    async def receive_json(self, content):
        kind = content["type"]
        await (self.handlers.get(kind) or self.more.get(kind) or self.fallback)(content)

    async def on_ping(self, content):
        await self.send_json({"pong": self.twice(content["n"]), "layer": self.layer is self.channel_layer})

    async def on_sum(self, content):
        self.log.debug("sum")
        await self.send_json({"sum": sum(self.parse(content["text"])), "model": self.model.__name__})

    async def on_unknown(self, content):
        await self.send_json({"unknown": content["type"]})

    async def count(self, model, content):
        await self.send_json({"users": await model.objects.filter(pk__lte=2).acount()})


class ConfiguredConsumer(WebsocketConsumer):
    """Arguments of `as_asgi`, one class at several paths."""

    prefix = ">"

    def __init__(self, *args, **kwargs):
        self.limit = kwargs.pop("limit", 2)
        self.label = kwargs.pop("label", "default")
        super().__init__(*args, **kwargs)
        self.seen = []

    def connect(self):
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        self.seen.append(text_data)
        self.send(text_data=f"{self.prefix}{self.label}:{len(self.seen)}/{self.limit}")
        if len(self.seen) >= self.limit:
            self.close()


class LoudConfiguredConsumer(ConfiguredConsumer):
    prefix = "!"


class AuthMixin:
    """Refuses those who are not logged in, then goes on."""

    async def connect(self):
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            await self.close(code=4001)
            return
        await super().connect()


class GroupMixin:
    """Joins what `get_group_name` says."""

    async def connect(self):
        self.group_name = self.get_group_name()
        await self.channel_layer.group_add(self.group_name, self.channel_name)
        await super().connect()

    async def disconnect(self, code):
        if hasattr(self, "group_name"):
            await self.channel_layer.group_discard(self.group_name, self.channel_name)
        await super().disconnect(code)

    async def publish(self, **event):
        await self.channel_layer.group_send(self.group_name, {"type": "broadcast", **event})

    async def broadcast(self, event):
        await self.send_json({key: value for key, value in event.items() if key != "type"})


class BaseConsumer(AuthMixin, GroupMixin, AsyncJsonWebsocketConsumer):
    """The project's base: hello at the end of connect, unknown actions answered."""

    async def connect(self):
        await super().connect()
        if hasattr(self, "group_name"):
            await self.send_json({"hello": self.user.username, "kind": type(self).__name__})

    async def receive_json(self, content, **kwargs):
        method = getattr(self, "do_" + content.get("do", ""), None)
        if method is None:
            await self.send_json({"error": "unknown"})
        else:
            await method(content)


class TeamConsumer(BaseConsumer):
    def get_group_name(self):
        return "team_" + self.scope["url_route"]["kwargs"]["team"]

    async def do_say(self, content):
        await self.publish(text=content["text"], by=self.user.username)


class TeamChannelConsumer(TeamConsumer):
    """Further down: another group, a cached property, a counter in the class's own style."""

    sent = 0

    def get_group_name(self):
        return super().get_group_name() + "." + self.scope["url_route"]["kwargs"]["channel"]

    @cached_property
    def members(self):
        return {"computed_for": self.user.username}

    async def do_say(self, content):
        self.sent += 1
        await super().do_say(content)
        await self.send_json({"sent": self.sent, "members": self.members})


class DispatchConsumer(AsyncJsonWebsocketConsumer):
    """Overrides `dispatch` to count and translate, and `websocket_connect` to look at the scope first."""

    async def websocket_connect(self, message):
        self.dispatched = Counter()
        self.dispatched["websocket.connect"] += 1
        if self.scope["query_string"] == b"closed":
            await self.close()
            return
        await self.channel_layer.group_add("dispatched", self.channel_name)
        await super().websocket_connect(message)

    async def dispatch(self, message):
        if hasattr(self, "dispatched"):
            self.dispatched[message["type"]] += 1
        if message["type"] == "legacy:event":
            message = {**message, "type": "modern.event"}
        await super().dispatch(message)

    async def receive_json(self, content):
        await self.send_json(dict(sorted(self.dispatched.items())))

    async def modern_event(self, event):
        await self.send_json({"modern": event["n"]})


class WatchConsumer(JsonWebsocketConsumer):
    """Its own `__init__`, `__call__`-time attributes and properties; a set of rows by id."""

    watching = frozenset()

    @property
    def user(self):
        return self.scope["user"]

    @property
    def can_watch(self):
        return self.user.is_authenticated

    def connect(self):
        if not self.can_watch:
            return self.close(4003)
        return self.accept()

    def receive_json(self, content):
        company = Company.objects.get(pk=content["watch"])
        self.watching = self.watching | {company.pk}
        async_to_sync(self.channel_layer.group_add)(f"company_{company.pk}", self.channel_name)
        self.send_json({"watching": sorted(self.watching), "name": company.name})

    def company_changed(self, event):
        if event["pk"] in self.watching:
            self.send_json({"changed": Company.objects.filter(pk=event["pk"]).values("name").get()})


ROOM_SIZES = {}


class ModuleDictConsumer(AsyncJsonWebsocketConsumer):
    """A dictionary of the module: right in one process only, under Daphne as well."""

    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["room"]
        ROOM_SIZES[self.room] = ROOM_SIZES.get(self.room, 0) + 1
        await self.accept()
        await self.send_json({"size": ROOM_SIZES[self.room]})

    async def receive_json(self, content):
        await self.send_json({"size": ROOM_SIZES[self.room]})

    async def disconnect(self, code):
        ROOM_SIZES[self.room] -= 1
