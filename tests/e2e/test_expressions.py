"""Expressions beside Python: times as it prints them, dicts merged, ids compared; and the host as Django reads it."""

import json
import random
import re
from datetime import UTC, datetime

import pytest
from django.http.request import split_domain_port
from rig.client import Client
from rig.http import Http
from rig.raw import TEXT, Raw, request

TIMES = ["iso", "isoformat", "isoformat_naive", "str", "str_naive", "epoch", "epoch_ms", "timestamp"]
CONFIG = f"""
[[consumer]]
path = "/ws/values/"
[consumer.on_message.time]
reply = "{{{", ".join(f"'{name}': now('{name}')" for name in TIMES)}, 'text': 'at ' ~ now('str')}}"
[consumer.on_message.merge]
reply = "dict(message.a, message.b, message.c, x=message.x)"
[consumer.on_message.same]
reply = "[message.a | same_id(message.b), message.b | same_id(message.a)]"

[[consumer]]
name = "tenants"
path = "/ws/tenant/"
groups = ["{{{{ ['tenant_' ~ host] if host else [] }}}}"]
allow = "tenant_<str>"
[consumer.on_connect]
reply = "[host]"
[consumer.on_event.told]
send = "event.what"

[[consumer]]
name = "tenants of socket.io"
path = "/socket.io/"
protocol = "socket.io"
auth = ["anonymous"]
[consumer.on_connect]
reply = {{ event = "host", data = "host" }}
[consumer.on_message.ask]
reply = {{ event = "host", data = "host" }}
"""
#: Hosts as clients and proxies write them.
HOSTS = [
    "example.com",
    "ACME.Example.com",
    "acme.example.com:8443",
    "example.com.",
    "example.com.:80",
    "127.0.0.1:8000",
    "[::1]:8000",
    "[2001:DB8::1]",
    "under_score.example",
    "user@example.com",
    "example.com:80a",
    "example.com:",
    "a.example, b.example",
]


@pytest.fixture(scope="module")
def node(module_system):
    return module_system.start_node(config=CONFIG)


async def test_the_time_is_spelled_as_python_prints_it(node):
    client = await Client.open(node.port, "/ws/values/")
    for number in range(1, 31):
        before = datetime.now(UTC)
        await client.send({"type": "time"})
        (*_, said) = await client.count(number)
        after = datetime.now(UTC)
        aware = datetime.fromisoformat(said["isoformat"])
        assert before <= aware <= after
        assert aware.isoformat() == said["isoformat"] and str(datetime.fromisoformat(said["str"])) == said["str"]
        naive = datetime.fromisoformat(said["isoformat_naive"])
        assert naive.tzinfo is None and naive.isoformat() == said["isoformat_naive"]
        assert str(datetime.fromisoformat(said["str_naive"])) == said["str_naive"]
        assert isinstance(said["timestamp"], float) and before.timestamp() <= said["timestamp"] <= after.timestamp()
        stamp = datetime.fromtimestamp(said["timestamp"], UTC).timestamp()
        assert json.dumps(stamp) in client.frames[-1], "the digits of Python's float"
        assert int(before.timestamp()) <= said["epoch"] <= after.timestamp()
        assert int(before.timestamp() * 1000) <= said["epoch_ms"] <= after.timestamp() * 1000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["iso"])
        assert str(datetime.fromisoformat(said["text"].removeprefix("at "))) == said["text"].removeprefix("at ")
    await client.close()


def some_dict(chance: random.Random) -> dict:
    keys = ["a", "b", "c", "x", "é", "", "a.b", "0"]
    return {key: chance.choice([1, "1", None, [1], {"a": 2}]) for key in chance.sample(keys, chance.randrange(6))}


async def test_dicts_are_merged_as_in_python(node):
    client = await Client.open(node.port, "/ws/values/")
    chance = random.Random(15)
    for number in range(1, 201):
        a, b, c = some_dict(chance), some_dict(chance), some_dict(chance)
        await client.send({"type": "merge", "a": a, "b": b, "c": c, "x": number})
        await client.count_of(number)
        wanted = {**a, **b, **c, "x": number}
        assert list(json.loads(client.frames[-1], object_pairs_hook=list)) == [
            (key, list(value.items()) if isinstance(value, dict) else value) for key, value in wanted.items()
        ], (a, b, c)
    await client.close()


def is_same(a, b) -> bool:
    """Python's rule for ids that come as an integer here and as text there."""
    ids = [str(one) if isinstance(one, int | str) and not isinstance(one, bool) else None for one in (a, b)]
    return None not in ids and ids[0] == ids[1]


async def test_ids_are_compared_as_their_decimal_text(node):
    values = [7, "7", "07", 7.0, "7.0", True, "True", 1, 0, "0", "-0", -7, "-7", "+7", " 7", "", None, "None", [7], {}]
    values += [2**63, str(2**63), 2**200, str(2**200), "a7", "A7", 10**30, str(10**30), "٧"]
    client = await Client.open(node.port, "/ws/values/")
    number = 0
    for a in values:
        for b in values:
            number += 1
            await client.send({"type": "same", "a": a, "b": b})
    answers = await client.count(number)
    pairs = [(a, b) for a in values for b in values]
    assert [is_same(a, b) for a, b in pairs].count(True) > len(values) - 8
    for (a, b), answer in zip(pairs, answers, strict=True):
        assert answer == [is_same(a, b)] * 2, (a, b)
    await client.close()


async def greeting(raw: Raw) -> bytes:
    opcode, payload = await raw.read()
    assert opcode == TEXT, payload
    return payload


async def test_the_host_is_the_one_that_django_reads(module_system, node):
    async with module_system.publisher() as layer:
        for header in HOSTS:
            wanted = split_domain_port(header)[0] or None
            raw = await Raw.tcp(node.port)
            await raw.write(request(node.port, "/ws/tenant/", Host=header))
            assert (await raw.head())[0] == 101, header
            assert json.loads(await greeting(raw)) == [wanted], header
            if wanted and ":" not in wanted:
                await layer.group_send(f"tenant_{wanted}", {"type": "told", "what": header})
                assert json.loads(await greeting(raw)) == header
            raw.writer.close()
    twice = await Raw.tcp(node.port)
    head = request(node.port, "/ws/tenant/").replace(b"Upgrade:", b"Host: evil.example\r\nUpgrade:", 1)
    await twice.write(head)
    status, _ = await twice.head()
    assert status == 400 or json.loads(await greeting(twice)) == [None], "of two hosts neither is trusted"
    twice.writer.close()


async def test_a_socketio_client_keeps_the_host_of_its_handshake(node):
    web, host = Http(node.port), {"Host": "ACME.example.com:8443"}
    said = '42["host","acme.example.com"]'
    opened = await web.get("/socket.io/?EIO=4&transport=polling", headers=host)
    path = f"/socket.io/?EIO=4&sid={json.loads(opened.body[1:])['sid']}&transport="
    assert (await web.post(f"{path}polling", body=b"40")).status == 200
    packets = ""
    while said not in packets:
        packets += (await web.get(f"{path}polling")).body.decode()
    # The upgrade names another host: the client is still the one of its handshake.
    raw = await Raw.tcp(node.port)
    await raw.write(request(node.port, f"{path}websocket", Host="evil.example"))
    assert (await raw.head())[0] == 101
    await raw.frame(TEXT, b"2probe")
    assert await greeting(raw) == b"3probe"
    await raw.frame(TEXT, b"5")
    await raw.frame(TEXT, b'42["ask"]')
    assert (await greeting(raw)).decode() == said
    raw.writer.close()
    alone = await Raw.tcp(node.port)
    await alone.write(request(node.port, "/socket.io/?EIO=4&transport=websocket", Host=host["Host"]))
    assert (await alone.head())[0] == 101
    assert (await greeting(alone)).startswith(b"0{")
    await alone.frame(TEXT, b"40")
    assert (await greeting(alone)).startswith(b"40{")
    assert (await greeting(alone)).decode() == said
    alone.writer.close()
