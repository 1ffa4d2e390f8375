"""The project's own layer: what consumers get, over connections that stay open, from every kind of code."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db import transaction
from django.test import AsyncRequestFactory
from harness.server import Consumer, Server

from channelgate import apublish, apublish_many, ato_user, publish, publish_many, to_user

from .conftest import CORE, PUBSUB, layer_of

KEYS = {"symmetric_encryption_keys": ["a key", "an old one"]}
LAYERS = {
    "core": (CORE, {}),
    "core-encrypted": (CORE, KEYS),
    "core-json": (CORE, {"serializer_format": "json", "prefix": "shop"}),
    "pubsub": (PUBSUB, {}),
    "pubsub-encrypted": (PUBSUB, KEYS),
}


def note(name):
    return {"type": "note", "name": name, "inner": {"ü": [1, None, 2.5]}}


@pytest.fixture(params=LAYERS)
def layer(request, server, use):
    backend, config = LAYERS[request.param]
    return use(layer_of(server, backend, **config))


def test_a_consumer_gets_what_was_published(layer, consumer_of):
    consumer = consumer_of(layer, "g", "user_7")
    publish("g", note("one"))
    with transaction.atomic():
        publish_many([("g", note(number)) for number in range(20)])
    to_user(7, note("last"))
    assert consumer.all(22) == [note("one"), *map(note, range(20)), note("last")]


async def test_from_asynchronous_code(layer, consumer_of):
    consumer = await asyncio.to_thread(consumer_of, layer, "g", "user_7")
    await apublish("g", note("one"))
    await apublish_many([("g", note(number)) for number in range(20)])
    await ato_user(7, note("last"))
    assert consumer.all(22) == [note("one"), *map(note, range(20)), note("last")]


@pytest.mark.parametrize("backend", [CORE, PUBSUB])
def test_messages_need_no_connection_of_their_own(backend, server, use, consumer_of):
    consumer = consumer_of(use(layer_of(server, backend)), "g")
    publish("g", note("first"))
    before = server.accepted
    for number in range(100):
        publish("g", note(number))
    assert server.accepted == before
    assert len(consumer.all(101)) == 101


@pytest.mark.parametrize("backend", [CORE, PUBSUB])
async def test_a_hundred_at_once_use_as_many_connections_as_allowed(backend, server, use):
    use(layer_of(server, backend), PUBLISH={"CONNECTIONS": 3})
    before = server.accepted
    await asyncio.gather(*[apublish("g", note(number)) for number in range(100)])
    assert 1 <= server.accepted - before <= 3


@pytest.mark.parametrize("backend", [CORE, PUBSUB])
def test_threads_publish_beside_each_other(backend, server, use, consumer_of):
    layer = use(layer_of(server, backend, capacity=1000))
    consumer = consumer_of(layer, "g")
    threads = [
        threading.Thread(target=lambda own=own: [publish("g", note([own, number])) for number in range(20)])
        for own in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = [one["name"] for one in consumer.all(16 * 20)]
    # Each thread's own order holds.
    assert [[number for name, number in got if name == own] for own in range(16)] == [list(range(20))] * 16


@pytest.mark.parametrize("backend", [CORE, PUBSUB, None])
def test_threads_share_the_connections(backend, server, use):
    # Time enough on a busy machine: what was given up closes its connection.
    use(layer_of(server, backend) if backend else None, REDIS_URL=server.url, PUBLISH={"TIMEOUT": 30})
    before = server.accepted
    many = [("g", note(1))] * (20 if backend else 1000)
    threads = [threading.Thread(target=publish_many, args=(many,)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= server.accepted - before <= 4


def test_a_group_is_on_the_host_that_the_layer_chooses(server, use):
    other = Server()
    try:
        for backend in (CORE, PUBSUB):
            layer = use({"BACKEND": backend, "CONFIG": {"hosts": [server.url, other.url]}})
            groups = [f"group.{number}" for number in range(0, 600, 50)]
            consumer = Consumer(layer, *groups)
            before = [one.client.info("stats")["total_commands_processed"] for one in (server, other)]
            for group in groups:
                publish(group, note(group))
            assert sorted(one["name"] for one in consumer.all(12)) == sorted(groups)
            after = [one.client.info("stats")["total_commands_processed"] for one in (server, other)]
            assert all(new > old + 3 for new, old in zip(after, before, strict=True)), "one host had all groups"
            consumer.close()
    finally:
        other.stop()


async def test_a_loop_is_not_blocked(use, server):
    use(layer_of(server))
    for function, arguments in ((publish, ("g", note(1))), (publish_many, ([],)), (to_user, (7, note(1)))):
        with pytest.raises(RuntimeError) as raised:
            function(*arguments)
        name = function.__name__
        assert str(raised.value) == f"{name}() would block this event loop: await a{name}()"


async def test_an_asynchronous_view_publishes(layer, consumer_of):
    from django.http import HttpResponse

    consumer = await asyncio.to_thread(consumer_of, layer, "g")

    async def view(request):
        await apublish("g", note(request.path))
        return HttpResponse()

    for number in range(3):
        await view(AsyncRequestFactory().get(f"/{number}/"))
    assert [one["name"] for one in consumer.all(3)] == ["/0/", "/1/", "/2/"]


def test_another_layer_is_used_where_its_consumers_are(settings, use):
    """As the one in memory, in a test of the project: its queues belong to the loop of the test."""
    from channels.layers import get_channel_layer

    async def test():
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add("g", channel)
        await apublish("g", note("one"))
        await asyncio.to_thread(publish, "g", note("two"))
        return [await layer.receive(channel) for _ in range(2)]

    use({"BACKEND": "channels.layers.InMemoryChannelLayer"})
    assert asyncio.run(test()) == [note("one"), note("two")]


def run(script, environment, *arguments):
    program = [sys.executable, Path(__file__).parent / "scripts" / script, *arguments]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("backend", [CORE, PUBSUB])
def test_children_of_a_fork_publish_and_leave_the_parent_alone(backend, server, consumer_of, script_environment):
    """As workers of gunicorn with `preload`: they end as processes do, with all destructors."""
    consumer = Consumer(layer_of(server, backend, capacity=1000), "g")
    done = run("forking.py", {**script_environment, "PUBLISHING_LAYER": backend})
    got = [one["name"] for one in consumer.all(2 + 3 * 30 + 60)]
    consumer.close()
    assert got[0] == "before" and got[-1] == "after"
    for own in ("child 0", "child 1", "child 2", "parent"):
        numbers = [int(name.rpartition(" ")[2]) for name in got if name.startswith(own)]
        assert numbers == list(range(60 if own == "parent" else 30)), own
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr


def test_with_gevent_messages_take_the_way_of_redis(server, script_environment):
    pytest.importorskip("gevent")
    from harness.server import Node

    node = Node(server, "g")
    run("greenlets.py", {**script_environment, "PUBLISHING_LAYER": CORE})
    got = [one["name"] for one in node.all(8 * 25)]
    node.close()
    assert sorted(got) == sorted([own, number] for own in range(8) for number in range(25))
    assert [number for own, number in got if own == 3] == list(range(25))
