"""Paths, subprotocols and hashed names, as Django's routes, Channels' accept() and Python's hashlib have them."""

import asyncio
import base64
import hashlib
import json
import re
import sys
import urllib.parse

import pytest
import stack
import websockets
from rig.client import Client, until
from rig.demo import mint_access
from rig.http import Http

sys.path.insert(0, str(stack.ROOT / "tests" / "django"))
from routes.asgi import ROUTES, SUBPROTOCOLS

#: Requests below the path of a route.
REQUESTS = [
    "7/",
    "007/",
    "-7/",
    "18446744073709551615/",
    "a/",
    "a b/",
    "caf%C3%A9/",
    "%D8%B9/",
    "a%2Fb/",
    "a/b/",
    "a//b/",
    "a.b/",
    "a_b-c/",
    "01234567-89ab-cdef-0123-456789abcdef/",
    "01234567-89AB-CDEF-0123-456789ABCDEF/",
    "1-2/",
    "1-2-3/",
    "a/b/x/",
    "a/b/c/x/",
    "a/x/",
    "a/x/x/x/",
    "xa.b/",
    "xa.b.c/",
    "x.b/",
    "",
    "%F0%9F%98%80/",
    "%61/",
    "a%25b/",
]
OFFERS = [
    [],
    ["chat.v1"],
    ["chat.v2"],
    ["chat.v1", "chat.v2"],
    ["chat.v3", "chat.v1"],
    ["chat.v3"],
    ["CHAT.V1"],
    ["chat.v1x", "xchat.v2"],
]
#: What names and values are made of.
TEXTS = ["", "a", "a b", "a/b?c&d=e#f", "é→日", "😀", "\x00\n", "~_.-/!*'()", "+%20", "bob@example.com", "x" * 1000]
FILTERS = {
    "md5": lambda raw: hashlib.md5(raw).hexdigest(),
    "sha1": lambda raw: hashlib.sha1(raw).hexdigest(),
    "sha256": lambda raw: hashlib.sha256(raw).hexdigest(),
    "sha512": lambda raw: hashlib.sha512(raw).hexdigest(),
    "hex": lambda raw: raw.hex(),
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "base64url": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "urlencode": urllib.parse.quote,
}
CODED = ", ".join(f"'{name}': VALUE | {name}" for name in FILTERS)

CONFIG = f"""
[auth.jwt]
sources = ["subprotocol"]
{
    "".join(
        f'''
[[consumer]]
path = "/r{index}/{route}"
subprotocols = {SUBPROTOCOLS}
on_connect = {{ reply = "route" }}
'''
        for index, route in enumerate(ROUTES)
    )
}

[[consumer]]
path = ["/a/", "/b/<int:id>/"]
groups = ["both", "b_{{{{ route.id | default('none') }}}}"]
subprotocols = {SUBPROTOCOLS}
on_connect = {{ reply = "route" }}
[consumer.on_event.told]
send = "event.what"

[[consumer]]
path = "/token/"
auth = ["jwt"]
subprotocols = {SUBPROTOCOLS}
on_connect = {{ reply = "user.id" }}

[[consumer]]
path = "/closed/"
auth = ["jwt"]
subprotocols = {SUBPROTOCOLS}
reject = {{ close = 4001 }}

[[consumer]]
path = "/coded/<str:cart>/"
groups = ["cart_{{{{ route.cart | sha256 }}}}", "mail-{{{{ (route.cart ~ ':' ~ route.cart) | md5 }}}}",
          "b64.{{{{ route.cart | base64 }}}}", "url.{{{{ route.cart | urlencode }}}}", "raw.{{{{ route.cart | hex }}}}"]
on_connect = {{ reply = "'ready'" }}
[consumer.on_message.code]
reply = "{{{CODED.replace("VALUE", "message.value")}}}"
[consumer.on_message.number]
reply = "[message.value | sha256, message.value | urlencode, message.value | base64, (message.value | md5)[:8]]"
[consumer.on_failed]
reply = "'not possible'"
[consumer.on_event.coded]
send = "{{{CODED.replace("VALUE", "event.value")}}}"
[consumer.on_event.told]
send = "event.what"

[[consumer]]
path = "/"
on_connect = {{ reply = "'the root'" }}

[[consumer]]
path = "/own/"
groups = ["connection.{{{{ id }}}}"]
on_connect = {{ reply = "id" }}
[consumer.on_event.told]
send = "event.what"
"""


@pytest.fixture(scope="module")
def node(module_system):
    return module_system.start_node(config=CONFIG, CHANNELGATE__PAGE__ENABLED="true")


@pytest.fixture(scope="module")
def daphne(module_system):
    port = stack.free_port()
    env = stack.django_env(module_system.directory, module_system.redis_url)
    argv = [stack.PYTHON, "-m", "daphne", "-b", stack.LOOPBACK, "-p", str(port), "routes.asgi:application"]
    part = stack.Part("routes", argv, module_system.directory, lambda: stack.listening(port), env, port)
    part.start().wait()
    yield part
    part.stop()


async def first(port: int, path: str, **options):
    """The subprotocol and the first message of a client, or that it is refused."""
    try:
        client = await Client.open(port, path, **options)
    except websockets.InvalidStatus:
        return "refused"
    frames = await client.wait(lambda client: client.frames or client.closed, "the first message")
    chosen = client.connection.subprotocol
    await client.close()
    return chosen, json.loads(frames[0])


async def test_paths_have_the_parameters_of_django(node, daphne):
    for index, route in enumerate(ROUTES):
        paths = [f"/r{index}/{request}" for request in REQUESTS]
        theirs, ours = [
            dict(zip(paths, await asyncio.gather(*(first(port, path) for path in paths)), strict=True))
            for port in (daphne.port, node.port)
        ]
        assert {answer == "refused" for answer in theirs.values()} == {True, False}
        assert ours == theirs, route


async def test_subprotocols_are_chosen_as_channels_accept_does(node, daphne):
    for path in ("/r0/7/", "/a/", "/b/3/"):
        for offered in OFFERS:
            options = {"subprotocols": offered} if offered else {}
            theirs = await first(daphne.port, path, **options)
            assert theirs != "refused"
            assert await first(node.port, path, **options) == theirs, (path, offered)


async def test_a_token_among_the_subprotocols_leaves_the_application_its_own(node):
    token = mint_access(7)
    for offered, chosen in [
        (["access_token", token], "access_token"),
        (["access_token", token, "chat.v1"], "chat.v1"),
        (["chat.v1", "chat.v2", "access_token", token], "chat.v2"),
        (["chat.v1", token], "chat.v1"),
        (["access_token", token, "other"], "access_token"),
    ]:
        assert await first(node.port, "/token/", subprotocols=offered) == (chosen, 7), offered
    refused = await Client.open(node.port, "/closed/", subprotocols=["other", "chat.v1"])
    assert refused.connection.subprotocol == "chat.v1"
    assert (await refused.gone())[0] == 4001


async def test_a_consumer_may_have_the_path_of_the_page(node):
    assert await first(node.port, "/") == (None, "the root")
    assert await first(node.port, "/page/consumers") == "refused"
    reply = await Http(node.port).get("/")
    assert reply.status == 200 and b"<html" in reply.body.lower(), reply


async def test_one_consumer_serves_several_paths(module_system, node):
    clients = {path: await Client.open(node.port, path) for path in ("/a/", "/b/3/", "/b/4")}
    routes = [(await client.count(1))[0] for client in clients.values()]
    assert routes == [{}, {"id": 3}, {"id": 4}]
    async with module_system.publisher() as layer:
        await layer.group_send("b_3", {"type": "told", "what": "three"})
        await layer.group_send("b_none", {"type": "told", "what": "none"})
        await layer.group_send("both", {"type": "told", "what": "all"})
    seen = {path: (await client.count(n))[1:] for (path, client), n in zip(clients.items(), (3, 3, 2), strict=True)}
    assert seen == {"/a/": ["none", "all"], "/b/3/": ["three", "all"], "/b/4": ["all"]}
    # One consumer has one series, whichever path was taken.
    is_open = lambda: module_system.metric(node, "channelgate_connections", consumer="/a/")  # noqa: E731
    await until(lambda: is_open() == 3, "those of other tests to be gone")
    for client in clients.values():
        await client.close()


async def test_values_are_hashed_and_encoded_as_python_does(module_system, node):
    client = await Client.open(node.port, "/coded/x/")
    await client.count(1)
    for value in TEXTS:
        await client.send({"type": "code", "value": value})
    frames = (await client.count(1 + len(TEXTS)))[1:]
    for value, frame in zip(TEXTS, frames, strict=True):
        assert frame == {name: code(value.encode()) for name, code in FILTERS.items()}, value
    # Half a character has no UTF-8, and what is no text has no bytes: as in Python, that is an error.
    for value in ("\ud83d", ["a"], {"a": 1}, None, True, 1.5, 7):
        await client.send(json.dumps({"type": "code", "value": value}))
    known = 1 + len(TEXTS) + 7
    assert (await client.count(known))[1 + len(TEXTS) :] == ["not possible"] * 7
    await client.send({"type": "number", "value": 12})
    raw = b"12"
    assert (await client.count(known + 1))[-1] == [
        hashlib.sha256(raw).hexdigest(),
        "12",
        base64.b64encode(raw).decode(),
        hashlib.md5(raw).hexdigest()[:8],
    ]
    every = bytes(range(256))
    async with module_system.publisher() as layer:
        await layer.group_send("cart_" + hashlib.sha256(b"x").hexdigest(), {"type": "coded", "value": every})
    assert (await client.count(known + 2))[-1] == {name: code(every) for name, code in FILTERS.items()}
    await client.close()


#: The line of docs/GROUPS.md.
def written(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]|-(?=x[0-9a-f]{2})", lambda m: "".join(f"-x{b:02x}" for b in m[0].encode()), value)


async def test_groups_are_named_by_hashes_that_django_computes(module_system, node):
    name = "bob+1@example.com"
    client = await Client.open(node.port, f"/coded/{urllib.parse.quote(name)}/")
    await client.count(1)
    raw = name.encode()
    groups = [
        "cart_" + hashlib.sha256(raw).hexdigest(),
        "mail-" + hashlib.md5(raw + b":" + raw).hexdigest(),
        "b64." + written(base64.b64encode(raw).decode()),
        "url." + written(urllib.parse.quote(name)),
        "raw." + raw.hex(),
    ]
    async with module_system.publisher() as layer:
        for number, group in enumerate(groups):
            await layer.group_send(group, {"type": "told", "what": number})
    assert (await client.count(6))[1:] == [0, 1, 2, 3, 4]
    await client.close()


async def test_a_connection_has_a_group_of_its_own_by_its_id(module_system, node):
    clients = [await Client.open(node.port, "/own/") for _ in range(3)]
    ids = [(await client.count(1))[0] for client in clients]
    assert len(set(ids)) == 3 and all(ids)
    async with module_system.publisher() as layer:
        for number, one in enumerate(ids):
            await layer.group_send(f"connection.{one}", {"type": "told", "what": number})
    for number, client in enumerate(clients):
        assert (await client.count(2))[1] == number
    assert module_system.metric(node, "channelgate_connections", consumer="/own/") == 3
    for client in clients:
        assert len(client.frames) == 2
        await client.close()
