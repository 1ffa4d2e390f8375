"""`channelgate tail`: what happens to events, live."""

import asyncio
import json
import time

import pytest
import redis.asyncio as redis
import stack
from rig.client import DEADLINE, Client, until
from rig.config import ROOMS
from rig.deadline import in_time
from rig.http import Http
from rig.raw import Raw
from rig.system import API_KEY
from rig.tail import Tail, watchers


def publish_body(data, group: str = "broadcast", kind: str = "send_event") -> dict:
    return {"group": group, "event": {"type": kind, "event": "n", "data": data}}


async def publish(node: stack.Part, *bodies: dict) -> None:
    reply = await Http(node.port).post("/api/publish", data=list(bodies), token=API_KEY)
    assert reply.status == 200, reply


async def test_an_event_is_followed_from_its_source_to_the_last_member(system):
    node = system.start_node()
    clients = [await Client.open(node.port, "/ws/") for _ in range(3)]
    tail = await Tail.start(system, node)
    began = time.monotonic()
    async with system.publisher() as publisher:
        await publisher.group_send("broadcast", publish_body("x")["event"])
    await tail.wait(lambda tail: sum(line["members"] for line in tail.json("delivered")) == 3, "all deliveries")
    took = time.monotonic() - began
    [event] = tail.json("event")
    size = len(json.dumps(publish_body("x")["event"], separators=(",", ":")))
    assert event == {
        "groups": ["broadcast"],
        "kind": "event",
        "source": "core",
        "type": "send_event",
        "bytes": size,
    }
    [mapped] = tail.json("mapped")
    assert mapped == {
        "groups": ["broadcast"],
        "kind": "mapped",
        "consumer": "feed",
        "type": "send_event",
        "frames": 1,
    }
    frame = len((await clients[0].count(1)) and clients[0].frames[0]) + 2
    for line in tail.json("delivered"):
        assert (line["groups"], line["consumer"], line["events"]) == (["broadcast"], "feed", 1)
        assert line["bytes"] == line["members"] * frame and 0 < line["us"] < took * 1_000_000
    assert {line["worker"] for line in tail.json("delivered")} <= {0, 1, 2, 3}
    await tail.stop()
    await until(lambda: watchers(system, node) == 0, "the watcher to be gone")
    for client in clients:
        await client.close()


async def test_every_drop_has_its_reason_and_details(system):
    node = system.start_node()
    client = await Client.open(node.port, "/ws/attendance/")
    other = await Client.open(node.port, "/ws/")
    tail = await Tail.start(system, node)
    async with redis.from_url(system.redis_url) as bus:
        await bus.publish("channelgate:broadcast", b"no json")
        await bus.publish("channelgate:broadcast", b'{"type": "send_event"}')
        await bus.publish("channelgate:attendance_updates", b'{"type": "nobody.knows"}')
        await bus.publish("channelgate:broadcast", b"[1]")
    await tail.wait(lambda tail: len(tail.json("dropped")) == 4, "four drops")
    drops = tail.json("dropped")
    assert [(line["reason"], line["groups"], line.get("consumer")) for line in drops] == [
        ("decode", ["broadcast"], None),
        ("mapping", ["broadcast"], "feed"),
        ("no_handler", ["attendance_updates"], "attendance"),
        ("decode", ["broadcast"], None),
    ]
    assert all(line["count"] == 1 and line["detail"] for line in drops)
    assert "object, not a list" in drops[3]["detail"] and "nobody.knows" in drops[2]["detail"]
    await tail.stop()
    await client.close()
    await other.close()


async def test_a_gap_is_shown(system):
    node = system.start_node()
    tail = await Tail.start(system, node)
    async with redis.from_url(system.redis_url) as bus:
        await bus.client_kill_filter(_type="pubsub")
    await tail.wait(lambda tail: tail.json("gap") == [{"kind": "gap", "reason": "reconnected"}], "the gap")
    await tail.stop()


async def test_only_requested_groups_are_shown_and_payloads_only_on_demand(system):
    node = system.start_node(config=ROOMS)
    clients = [await Client.open(node.port, f"/room/{name}/") for name in ("a", "b")]
    plain = await Tail.start(system, node, arguments=("--json", "--group", "room_a"))
    payloads = await Tail.start(
        system, node, arguments=("--json", "--payload", "--group", "room_a", "--group", "room_b")
    )
    bodies = [publish_body({"text": f"for {name}"}, f"room_{name}") for name in ("b", "a")]
    await publish(node, *bodies)
    await payloads.wait(lambda tail: len(tail.json("delivered")) == 2, "both deliveries")
    await plain.wait(lambda tail: len(tail.json("delivered")) == 1, "its delivery")
    assert {tuple(line["groups"]) for line in plain.json()} == {("room_a",)}
    assert "for a" not in "".join(plain.lines)
    shown = {line["groups"][0]: json.loads(line["payload"]) for line in payloads.json("event")}
    assert shown == {body["group"]: body["event"] for body in bodies}
    for tail in (plain, payloads):
        await tail.stop()
    for client in clients:
        await client.close()


async def test_people_get_aligned_lines_and_the_names_of_nodes(system):
    nodes = [system.start_node(wait=False) for _ in range(2)]
    system.wait()
    clients = [await Client.open(node.port, "/ws/") for node in nodes]
    tail = await Tail.start(system, *nodes, arguments=())
    await publish(nodes[0], publish_body("\x1b[2J forged"))
    await tail.wait(lambda tail: sum("delivered" in line for line in tail.lines) == 2, "both deliveries")
    events = [line for line in tail.lines if "  event  " in line]
    assert len(events) == 2 and len({line.index("broadcast") for line in tail.lines}) == 1
    for node in nodes:
        assert sum(f"http://{stack.LOOPBACK}:{node.port}" in line for line in tail.lines) == 3
    assert not any("\x1b" in line for line in tail.lines), "colours are for terminals"
    await tail.stop()
    for client in clients:
        await client.close()


async def test_a_whole_cluster_is_watched(system):
    nodes = [system.start_node(wait=False) for _ in range(3)]
    system.wait()
    clients = [await Client.open(node.port, "/ws/") for node in nodes]
    tail = await Tail.start(system, *nodes, arguments=("--json", "--cluster"), urls=False)
    await publish(nodes[0], publish_body(1))
    await tail.wait(lambda tail: len(tail.json("delivered")) == 3, "a delivery on every node")
    addresses = {f"http://{stack.LOOPBACK}:{node.port}" for node in nodes}
    assert {line["node"] for line in tail.json("delivered")} == addresses
    await tail.stop()
    for client in clients:
        await client.close()


async def test_watching_needs_the_publish_key(system):
    node = system.start_node()
    web = Http(node.port)
    for token in (None, "wrong"):
        reply = await web.get("/api/tail", token=token)
        assert reply.status == 401 and API_KEY not in reply.body.decode()
    assert (await web.get("/api/tail?room=x", token=API_KEY)).json()["field"] == "room"
    process = await asyncio.create_subprocess_exec(
        *(stack.binary(), "tail", "--url", f"http://{stack.LOOPBACK}:{node.port}", "--key", "wrong"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await in_time(DEADLINE, process.communicate())
    assert process.returncode == 1 and out == b"" and b"401" in error, error


@pytest.mark.timeout(300)
@pytest.mark.alone("needs the cores for 25,000 events")
async def test_a_watcher_that_does_not_read_delays_no_other_and_learns_what_it_missed(system):
    # The kernel does not cut the watcher on a machine that needs long for all of them.
    patient = {"CHANNELGATE__SOCKET__OUTBOX": "67108864", "CHANNELGATE__SOCKET__TCP_USER_TIMEOUT": "10m"}
    node = system.start_node(**patient)
    client = await Client.open(node.port, "/ws/")
    raw = await Raw.tcp(node.port, limit=1024)
    await raw.write(f"GET /api/tail HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n\r\n".encode())
    assert (await raw.head())[0] == 200
    # Three lines each: twice as much as the kernel's buffers and the node hold for the watcher.
    number = 25_000
    async with redis.from_url(system.redis_url) as bus:
        for start in range(0, number, 1000):
            async with bus.pipeline(transaction=False) as pipe:
                for data in range(start, start + 1000):
                    pipe.publish("channelgate:broadcast", json.dumps(publish_body(data)["event"]))
                await pipe.execute()
    # In parts: a slow machine has its time, and a client that waited for the watcher would come no further.
    for part in range(1000, number + 1, 1000):
        await client.count_of(part)
    frames = client.json()
    assert [frame["data"] for frame in frames] == list(range(number))
    text = b""
    while b'"missed"' not in text:
        piece = await in_time(DEADLINE, raw.reader.read(1 << 20))
        assert piece, "the node has ended the stream"
        # The word may come in two pieces. All of the stream is several megabytes, in pieces of two kilobytes.
        text = text[-16:] + piece
    raw.abort()
    await until(lambda: watchers(system, node) == 0, "the watcher to be gone", deadline=30)
    await client.close()


async def test_a_draining_node_lets_its_watchers_go(system):
    node = system.start_node()
    tail = await Tail.start(system, node)
    node.ask()
    assert await asyncio.to_thread(node.join, DEADLINE) == 0
    # Not cut: the answer has an end.
    assert b"the node ended the stream" in await in_time(DEADLINE, tail.process.stderr.readline())
    await tail.stop()


async def test_the_number_of_watchers_is_limited(system):
    node = system.start_node()
    request = f"GET /api/tail HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n\r\n".encode()
    watching = [await Raw.tcp(node.port) for _ in range(17)]
    for raw in watching[:16]:
        await raw.write(request)
        assert (await raw.head())[0] == 200
    await watching[16].write(request)
    assert (await watching[16].head())[0] == 429
    assert watchers(system, node) == 16
    for raw in watching:
        raw.abort()
    await until(lambda: watchers(system, node) == 0, "all to be gone", deadline=30)
