"""Which way a message takes: the setting, what is configured, and where the code runs."""

import http.server
import json
import threading

import pytest

from channelgate import adisconnect, apublish, publish, publish_many
from channelgate.publishing import via

from .conftest import CORE, layer_of

EVENT = {"type": "note", "name": "x"}
MEMORY = {"BACKEND": "channels.layers.InMemoryChannelLayer"}


@pytest.mark.parametrize(
    ("layer", "channelgate", "name"),
    [
        ({"BACKEND": CORE}, {}, "Shared"),
        ({"BACKEND": CORE}, {"REDIS_URL": "redis://x", "API_KEY": "k"}, "Shared"),
        ({"BACKEND": CORE}, {"PUBLISH": {"VIA": "redis"}}, "Redis"),
        ({"BACKEND": "project.layers.OwnLayer"}, {}, "Shared"),
        (MEMORY, {"REDIS_URL": "redis://x", "API_KEY": "k"}, "Redis"),
        (MEMORY, {"API_KEY": "k"}, "Http"),
        (MEMORY, {}, "Local"),
        (MEMORY, {"REDIS_URL": "redis://x", "PUBLISH": {"VIA": "layer"}}, "Local"),
        (None, {"API_KEY": "k", "REDIS_URL": "redis://x", "PUBLISH": {"VIA": "http"}}, "Http"),
    ],
)
def test_the_way(layer, channelgate, name, use):
    use(layer, **channelgate)
    assert type(via.chosen(None)).__name__ == name


def test_a_call_names_its_own_way(server, use, node):
    use(layer_of(server))
    publish("g", EVENT, via="redis")
    publish_many([("g", EVENT)], via="redis")
    assert node.all(2) == [EVENT, EVENT]


def test_the_prefix_is_that_of_the_setting(server, use):
    use(None, REDIS_URL=server.url, PREFIX="shop:")
    pubsub = server.client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("shop:g")
    pubsub.get_message(ignore_subscribe_messages=True, timeout=30)
    publish("g", {**EVENT, "name": "ü"})
    assert json.loads(pubsub.get_message(timeout=30)["data"]) == {**EVENT, "name": "ü"}
    pubsub.close()


@pytest.fixture
def api(use):
    """What a node's API would get; tests/e2e has the real one."""
    got, answers = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Authorization"], json.loads(body)))
            status = answers.pop(0) if answers else 200
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b'{"detail": "why"}')

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    use(
        None,
        URL=f"http://127.0.0.1:{server.server_address[1]}/",
        API_KEY="key",
        PUBLISH={"ON_ERROR": "raise", "TIMEOUT": 30},
    )
    yield got, answers
    server.shutdown()
    server.server_close()


async def test_over_http(api):
    got, answers = api
    await apublish("g", EVENT)
    answers.append(503)
    await apublish("g", EVENT)
    assert got == [("/api/publish", "Bearer key", [{"group": "g", "event": EVENT}])] * 3
    answers += [401, 401]
    with pytest.raises(Exception, match=r"answered 401: .*why") as raised:
        await apublish("g", EVENT)
    assert "key" not in str(raised.value).replace("could", "")


async def test_an_order_without_a_redis_takes_the_api(api):
    got, answers = api
    assert await adisconnect(user=7, reason="over") == 1
    assert got == [("/api/websocket/disconnect", "Bearer key", {"user": "7", "reason": "over"})]
    answers.append(403)
    with pytest.raises(Exception, match=r"answered 403: .*why"):
        await adisconnect(jti="one")


def test_many_over_http_are_few_requests(api):
    got, _ = api
    publish_many([("g", {**EVENT, "name": number}) for number in range(250)])
    assert [len(one[2]) for one in got] == [100, 100, 50]
    assert [one["event"]["name"] for request in got for one in request[2]] == list(range(250))


def test_large_messages_over_http_are_more_requests(api):
    got, _ = api
    publish_many([("g", {**EVENT, "name": str(number) * 200_000}) for number in range(5)])
    assert [len(one[2]) for one in got] == [2, 2, 1]
    publish("g", {**EVENT, "name": "x" * 600_000})
    assert len(got) == 4
