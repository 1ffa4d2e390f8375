"""Consumers that Django runs: their own keys, and those of their calls."""

import time

import stack
import websockets
from rig.bridged import Faults
from rig.client import until
from rig.proxy import Proxy

from . import OfNode
from .world import Site, becomes, is_closed

#: Django for all rows; a test starts it.
PROJECT: list[Faults] = []
#: Ways to it, by the name of the row's site.
DOORS: dict[str, Proxy] = {}
CONSUMER = '[[consumer]]\npath = "/ws/<str:room>/<str:who>/"\n'
ALL = CONSUMER + "django = true\n"
BESIDE = {"backend.url": "{bridge}", "backend.secret": stack.BACKEND_SECRET}


async def open_as(site: Site, who: str):
    """A client of Django, which may be busy for longer than a row gives it: then it comes again."""

    async def opened():
        try:
            return await site.open(f"/ws/{site.name}/{who}/")
        except websockets.InvalidStatus as error:
            assert error.response.status_code == 503, error
            return None

    return await until(opened, "Django to let a client in")


async def slow_answer(site: Site):
    client = await open_as(site, "slow")
    await client.send({"do": "sleep", "seconds": 2.5})
    await client.wait(lambda one: one.frames or one.closed, "an answer, or the end")
    found = client.closed[0] if client.closed else client.json()
    await client.close()
    return found


def door(site: Site) -> str:
    """A way to Django that the row can close."""
    proxy = DOORS[site.name] = Proxy(PROJECT[0].port)
    return f"http://{stack.LOOPBACK}:{proxy.port}/channelgate"


async def waits(site: Site):
    """Whether a message still waits after some seconds in which Django refuses connections."""
    proxy = DOORS[site.name]
    await proxy.mend()
    client = await open_as(site, "waits")
    await proxy.shut_down()
    await client.send({"do": "echo", "n": 1})
    # Sooner than by default.
    found = client.closed[0] if await is_closed(client, site.patience(4, 20, of=1013)) else None
    client.connection.transport.abort()
    return found


async def streams_at_once(site: Site):
    """How many of three streams have begun after a while, if one call has a turn at a time."""
    clients = [await open_as(site, f"s{number}") for number in range(3)]
    for client in clients:
        await client.send({"do": "stream", "frames": 4000})
    # A call leaves its turn after five seconds: another one would have begun after five more.
    found = await site.settled(lambda: sum(bool(client.frames) for client in clients), 9)
    for client in clients:
        client.connection.transport.abort()
    return found


async def disconnects(site: Site):
    """How long Django waits for the last of twelve disconnects, each after the one before: no batch."""
    clients = [await open_as(site, f"{site.name}-{number}") for number in range(12)]
    heard = lambda: len(PROJECT[0].rows("disconnect", f"{site.name}-%"))  # noqa: E731
    began = time.monotonic()
    for number, client in enumerate(clients, 1):
        await client.close()
        await until(lambda number=number: heard() == number, f"disconnect {number}", 20)
    return time.monotonic() - began


async def members_called(site: Site):
    """How many of two members get an event that is a call for each of them."""
    clients = [await open_as(site, f"m{number}") for number in range(2)]
    layer = PROJECT[0].publisher(site.redis_url)
    await layer.group_send(site.name, {"type": "told", "n": 1})
    await layer.close_pools()
    found = await site.settled(lambda: sum(bool(client.frames) for client in clients), 3)
    for client in clients:
        await client.close()
    return found


def shared(per: str) -> str:
    return f'{ALL}[consumer.on_event.told]\npython_per = "{per}"\n'


async def hears_disconnect(site: Site):
    client = await open_as(site, f"{site.name}-d")
    await client.close()
    return await becomes(lambda: PROJECT[0].rows("disconnect", f"{site.name}-d"), site.patience(3))


async def exported(site: Site):
    client = await open_as(site, "e")
    await client.send({"type": "v"})
    found = await client.count(1)
    await client.close()
    return found


def with_export(name: str) -> str:
    reply = '[consumer.on_message.v]\nreply = "vars"\n'
    return f'{ALL}export = ["self.{name}"]\n{reply}'


TABLE: dict[str, OfNode] = {
    "bridge.timeout": OfNode('"1s"', '"60s"', slow_answer, (1011, [{"slept": True}]), ALL, BESIDE),
    "bridge.wait": OfNode('"500ms"', '"60s"', waits, (1013, None), ALL, {**BESIDE, "backend.url": "{door}"}),
    "bridge.streams": OfNode("1", "10", streams_at_once, (2, 3), ALL, {**BESIDE, "backend.concurrency": "1"}),
    "bridge.disconnects_per_second": OfNode("1", "1000", disconnects, lambda one, two: two < 10 < one, ALL, BESIDE),
    "bridge.max_calls_per_event": OfNode("1", "10", members_called, (1, 2), ALL, BESIDE),
    "consumer.on_event.<name>.python_per": OfNode(
        shared("event"),
        shared("connection"),
        members_called,
        (2, 1),
        "",
        {**BESIDE, "bridge.max_calls_per_event": "1"},
        in_file=True,
    ),
    "consumer.django": OfNode(
        f'{CONSUMER}django = ["connect", "receive"]\n', ALL, hears_disconnect, (False, True), "", BESIDE, in_file=True
    ),
    "consumer.export": OfNode(
        with_export("who"),
        with_export("count"),
        exported,
        ([{"who": "e"}], [{"count": 0}]),
        "",
        BESIDE,
        in_file=True,
    ),
}
