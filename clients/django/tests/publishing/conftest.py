"""A Redis for each process of the tests, and the project's settings for it."""

import os

import pytest
from harness.server import Consumer, Node, Server

from channelgate.publishing import attempts, background

CORE, PUBSUB = "channels_redis.core.RedisChannelLayer", "channels_redis.pubsub.RedisPubSubChannelLayer"


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def victim():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def own_server(victim):
    """One that the test may kill and freeze; it is empty and well at the begin."""
    if victim.process.poll() is not None:
        victim.start()
    victim.thaw()
    victim.client.flushall()
    return victim


@pytest.fixture(autouse=True)
def fresh():
    """No loop, connection or outage of another test."""
    attempts._until.clear()
    attempts._once.clear()
    yield
    background.close()


def layer_of(server, backend=CORE, **config):
    return {"BACKEND": backend, "CONFIG": {"hosts": [server.url], **config}}


@pytest.fixture
def use(settings):
    """Sets the project's layer and `CHANNELGATE`; unless a test says so, a call has time on a busy machine, too."""

    def use(layer, **channelgate):
        settings.CHANNEL_LAYERS = {"default": layer} if layer else {}
        settings.CHANNELGATE = {**channelgate, "PUBLISH": {"TIMEOUT": 30, **channelgate.get("PUBLISH", {})}}
        return layer

    return use


@pytest.fixture
def node(server, use):
    """A node that hears the group `g`, and settings with which messages take its way."""
    use(None, REDIS_URL=server.url)
    node = Node(server, "g")
    yield node
    node.close()


@pytest.fixture
def consumer_of():
    """Consumers that end with the test."""
    started = []

    def consumer_of(layer, *groups):
        started.append(Consumer(layer, *groups))
        return started[-1]

    yield consumer_of
    for one in started:
        one.close()


@pytest.fixture
def script_environment(server):
    """The environment of a process with the same settings as the tests."""
    return {**os.environ, "PUBLISHING_REDIS": server.url}
