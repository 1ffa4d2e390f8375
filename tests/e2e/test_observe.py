"""The metrics of a node at work."""

import re
import time
from pathlib import Path

import stack
from rig.client import Client, refusal, until
from rig.demo import mint_person
from rig.engine import Polling
from rig.http import Http
from rig.sio import Sockets
from rig.system import API_KEY

FEED = {"consumer": "feed", "protocol": "websocket"}
DOOR = {"consumer": "tracker,repair-shop,dashboard", "protocol": "socket.io"}


async def metrics(node: stack.Part) -> dict[str, float]:
    """Every series of a node."""
    text = (await Http(node.port).get("/metrics")).body.decode()
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, value in lines}


async def delivered(node: stack.Part, number: int) -> dict[str, float]:
    """Every series, once so many deliveries are counted: that is after the frames are written."""

    async def seen() -> dict[str, float] | None:
        found = await metrics(node)
        return found if found["channelgate_deliveries_total"] >= number else None

    return await until(seen, f"{number} deliveries to be counted")


async def test_connections_are_counted_by_consumer_and_protocol_and_return_to_zero(system, driver):
    node = system.start_node()
    connections = "channelgate_connections"
    # Exported before the first client.
    everywhere = [series for series in await metrics(node) if series.startswith(connections)]
    assert len(everywhere) == 4, everywhere
    clients = [await Client.open(node.port, "/ws/") for _ in range(5)]
    other = await Client.open(node.port, "/ws/attendance/")
    sockets = Sockets(driver, "js-upgrade")
    for _ in range(2):
        socket = await sockets.open(node.port)
        await socket.wait(lambda socket=socket: socket.transports[-1:] == ["websocket"], "the upgrade")
    polling = await Polling.open(node.port)
    assert system.metric(node, connections, **FEED) == 5
    assert system.metric(node, connections, consumer="attendance", protocol="websocket") == 1
    assert system.metric(node, connections, **DOOR) == 3
    # A client is upgraded when it has sent its packet, the node when it has read it.
    await until(lambda: system.metric(node, "channelgate_polling") == 1, "the upgrades")
    assert (await polling.post(b"1")).status == 200
    await sockets.close_all()
    for client in (*clients, other):
        await client.close()
    for labels in (FEED, DOOR, {"consumer": "attendance", "protocol": "websocket"}):
        await until(lambda labels=labels: system.metric(node, connections, **labels) == 0, "all to be given back")
    assert system.metric(node, "channelgate_polling") == 0


async def test_deliveries_bytes_and_their_times_are_counted(system):
    node = system.start_node()
    clients = [await Client.open(node.port, "/ws/") for _ in range(7)]
    number, began = 20, time.monotonic()
    for data in range(number):
        event = {"type": "send_event", "event": "n", "data": data}
        reply = await Http(node.port).post("/api/publish", data={"group": "broadcast", "event": event}, token=API_KEY)
        assert reply.status == 200
        for client in clients:
            await client.count(data + 1)
    seen = await delivered(node, number * len(clients))
    took = time.monotonic() - began
    assert seen['channelgate_events_total{source="publish"}'] == number
    assert seen["channelgate_deliveries_total"] == number * len(clients)
    # Two bytes of WebSocket header before each.
    frames = sum(len(frame) + 2 for client in clients for frame in client.frames)
    assert seen["channelgate_delivered_bytes_total"] == frames
    for name in ("first_write", "fanout"):
        count = seen[f"channelgate_event_{name}_seconds_count"]
        # One event at a time: each worker with members has timed the 1st, the 9th and the 17th.
        assert count > 0 and count % 3 == 0, (name, count)
        assert 0 < seen[f"channelgate_event_{name}_seconds_sum"] < count * took
    assert seen["channelgate_event_first_write_seconds_sum"] <= seen["channelgate_event_fanout_seconds_sum"]
    for client in clients:
        await client.close()


async def test_small_groups_do_not_pay_for_the_clock(system):
    config = """
[[consumer]]
path = "/room/<str:name>/"
groups = ["room_{{ route.name }}"]
[consumer.on_event."*"]
send = "event"
"""
    node = system.start_node(config=config, CHANNELGATE__SERVER__WORKERS="1")
    clients = [await Client.open(node.port, f"/room/{name}/") for name in range(50)]
    events = [
        {"group": f"room_{name}", "event": {"type": "t", "n": number}} for number in range(40) for name in range(50)
    ]
    assert (await Http(node.port).post("/api/publish", data=events, token=API_KEY)).status == 200
    for client in clients:
        await client.count(40)
    seen = await delivered(node, 2000)
    assert seen["channelgate_deliveries_total"] == 2000
    # Fewer, if several events were sent in one write.
    assert 0 < seen["channelgate_event_fanout_seconds_count"] <= 2000 / 8
    assert 0 < seen["channelgate_event_first_write_seconds_count"] <= 2000 / 8
    for client in clients:
        await client.close()


async def test_handshakes_and_tokens_are_counted_by_outcome(system):
    node = system.start_node()
    client = await Client.open(node.port, "/ws/")
    assert await refusal(node.port, "/ws/notifications/") == 403
    assert await refusal(node.port, "/ws/notifications/?token=x") == 403
    assert await refusal(node.port, "/ws/", origin="http://elsewhere.example") == 403
    assert (await Http(node.port).get("/ws/")).status == 426
    assert (await Http(node.port).get("/api/user/ws-token/", token=mint_person(7).token)).status == 200
    seen = await metrics(node)
    for outcome, count in {"accepted": 1, "missing": 1, "invalid": 1, "origin": 1, "bad_request": 1, "full": 0}.items():
        assert seen[f'channelgate_handshakes_total{{outcome="{outcome}"}}'] == count, outcome
    for outcome, count in {"valid": 1, "missing": 1, "invalid": 1, "issued": 1}.items():
        assert seen[f'channelgate_tokens_total{{outcome="{outcome}"}}'] == count, outcome
    await client.close()


async def test_the_way_through_redis_and_readiness_are_measured(system):
    began = time.monotonic()
    node = system.start_node(CHANNELGATE__LAYER__PROBE_INTERVAL="100ms")
    count = "channelgate_redis_round_trip_seconds_count"
    await until(lambda: system.metric(node, count) >= 5, "some probes")
    seen = await metrics(node)
    assert seen["channelgate_ready"] == 1
    assert 0 < seen["channelgate_redis_round_trip_seconds_sum"] / seen[count] < time.monotonic() - began
    system.redis.kill()
    await until(lambda: system.metric(node, "channelgate_ready") == 0, "the node not to be ready")
    probes = system.metric(node, count)
    system.restart_redis()
    await until(lambda: system.metric(node, "channelgate_ready") == 1, "the node to be ready")
    assert system.metric(node, count) > probes
    assert system.metric(node, "channelgate_gaps_total", reason="reconnected") == 1
    assert system.metric(node, "channelgate_redis_reconnects_total") >= 1


async def test_calls_to_the_backend_are_timed(system, database, driver):
    system.start_gate(1, database)
    node = system.nodes[0]
    sockets = Sockets(driver, "js-websocket")
    await sockets.open(node.port, system.demo.person("ann"))
    seen = await metrics(node)
    calls = {series for series in seen if series.startswith("channelgate_backend_calls_total")}
    assert calls, "the backend was not called"
    for series in calls:
        action = re.search('action="([^"]+)"', series)[1]
        count = seen[f'channelgate_backend_call_seconds_count{{action="{action}"}}']
        assert count == seen[series] and 0 < seen[f'channelgate_backend_call_seconds_sum{{action="{action}"}}'] < 20
    await sockets.close_all()


async def test_the_process_metrics_match_the_system(system):
    node = system.start_node()
    before = await metrics(node)
    lines = Path(f"/proc/{node.pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    resident = int(status["VmRSS"].split()[0]) * 1024
    assert abs(before["process_resident_memory_bytes"] - resident) < 8 << 20
    clients = [await Client.open(node.port, "/ws/") for _ in range(20)]
    after = await metrics(node)
    assert 18 <= after["process_open_fds"] - before["process_open_fds"] <= 24 and before["process_open_fds"] < 100
    assert after["process_max_fds"] >= 1024 and after["process_threads"] >= 3
    assert after["process_cpu_seconds_total"] > 0
    assert -2 < time.time() - after["process_start_time_seconds"] < 60
    [build] = [series for series in after if series.startswith("channelgate_build_info")]
    [info] = [series for series in after if series.startswith("channelgate_node_info")]
    assert re.search(r'version="\d+\.\d+\.\d+"', build) and re.search(r'node="[a-z0-9]{12}"', info)
    for client in clients:
        await client.close()


async def test_no_label_contains_client_data(system):
    node = system.start_node()
    before = set(await metrics(node))
    for path in ("/ws/attendance/", "/ws/"):
        client = await Client.open(node.port, path)
        for number in range(30):
            await client.send({"type": f"kind-{number}", "group": f"group-{number}"})
        await client.close()
    events = [{"group": f"group-{n}", "event": {"type": f"type-{n}"}} for n in range(30)]
    await Http(node.port).post("/api/publish", data=events, token=API_KEY)
    await until(lambda: system.metric(node, "channelgate_messages_total") == 60, "the messages")
    assert set(await metrics(node)) == before
