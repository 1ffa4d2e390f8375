"""What happens to consumers in Django when something fails: Django, a node, a deployment, or the consumer itself."""

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path

import pytest
import stack
import websockets
from rig.bridged import Faults, log_of
from rig.client import Client, refusal, until
from rig.http import Http
from rig.raw import TEXT, Raw

LOST = (1011, "the state of this connection is lost")
#: Clients that reconnect at once; `make soak` has 2000.
CLIENTS = int(os.environ.get("RECONNECTING", "300"))
#: Longer than Django takes to start on a busy machine.
PATIENT = {"timeout": "60s", "wait": "60s"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Django, a node that waits for it in any case, and one that soon gives up."""
    faults = Faults(tmp_path_factory.mktemp("faults"))
    try:
        faults.django.start()
        faults.patient = faults.node(admission="60s", **PATIENT)
        # Not so soon that Django on a busy machine is late.
        faults.hasty = faults.node(admission="6s", timeout="6s", wait="2s")
        faults.wait()
        yield faults
    finally:
        faults.stop()


@pytest.fixture
def django(world):
    """Django of the world; what a test has killed runs again."""
    if not world.django.running:
        world.restart()
    world.django.wait()
    return world.django


# Django killed, and back.


async def test_a_connect_waits_for_django_and_is_refused_as_away_after_its_time(world, django):
    django.kill()
    reply = await Http(world.hasty.port).get("/ws/r/a/", headers=upgrade(world.hasty.port))
    assert (reply.status, "retry-after" in reply.headers) == (503, True), reply.body
    waiting = [asyncio.create_task(world.open(world.patient, "away", f"w{n}")) for n in range(5)]
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in waiting)
    world.restart()
    clients = await asyncio.gather(*waiting)
    for client in clients:
        await client.send({"do": "echo", "n": 1})
        assert await client.count(1) == [{"echo": 1, "count": 1}]
        await client.close()


async def serves(node: stack.Part, room: str) -> bool:
    return await refusal(node.port, f"/ws/{room}/again/") == 101


def upgrade(port: int) -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": f"http://{stack.LOOPBACK}:{port}",
    }


@contextlib.asynccontextmanager
async def heard(world, node: stack.Part):
    """What is published in the block has come to the node."""
    before = await world.metric(node, "channelgate_events_total")
    yield

    async def more() -> bool:
        return await world.metric(node, "channelgate_events_total") > before

    await until(more, "the event at the node")


async def test_messages_and_events_wait_for_django_in_their_order(world, django):
    client = await world.open(world.patient, "order", "a")
    await client.send({"do": "echo", "n": 0})
    await client.count(1)
    django.kill()
    for n in (1, 2):
        await client.send({"do": "echo", "n": n})
    # The node has read both, and the first of them waits.
    await (await client.connection.ping())
    layer = world.publisher()
    async with heard(world, world.patient):
        await layer.group_send("order", {"type": "told", "n": 9})
    await layer.close_pools()
    await client.send({"do": "echo", "n": 3})
    world.restart()
    # As from Channels: an event that waits behind a message comes before the next message.
    assert (await client.count(5))[1:] == [
        {"echo": 1, "count": 2},
        {"told": 9},
        {"echo": 2, "count": 3},
        {"echo": 3, "count": 4},
    ]
    await client.close()


async def test_what_waits_behind_a_slow_handler_comes_in_the_order_of_channels(world, django):
    seen = []
    for port in (world.port, world.patient.port):
        client = await Client.open(port, f"/ws/behind{port}/a/")
        await client.send({"do": "wait"})
        for n in (1, 2):
            await client.send({"do": "echo", "n": n})
        is_node = port == world.patient.port
        if is_node:
            # The node has read all; uvicorn reads nothing behind a message that its application has not taken.
            await (await client.connection.ping())
        layer = world.publisher()
        # Of several, Channels mixes those that its layer has received by chance.
        async with heard(world, world.patient) if is_node else contextlib.nullcontext():
            await layer.group_send(f"behind{port}", {"type": "told", "n": 1})
        await layer.close_pools()
        await until(world.layer_is_empty, "the event to be received")
        world.add_row("go", f"behind{port}")
        seen.append(await client.count(4))
        await client.close()
    assert seen[1] == seen[0]


async def test_a_consumer_that_leaves_its_group_still_hears_what_was_sent_before(world, django):
    layer = world.publisher()
    for port in (world.port, world.patient.port):
        room = f"leave{port}"
        client = await Client.open(port, f"/ws/{room}/a/")
        await client.send({"do": "leave", "n": 1})
        assert await client.count(2) == [{"left": True}, {"told": 1}]
        await layer.group_send(room, {"type": "told", "n": 2})
        await client.send({"do": "echo", "n": 3})
        assert (await client.count(3))[2] == {"echo": 3, "count": 2}
        await client.close()
    await layer.close_pools()


async def test_a_message_that_waits_too_long_for_django_closes_with_1013(world, django):
    clients = [await world.open(world.hasty, "late", f"l{n}") for n in range(3)]
    django.kill()
    began = time.monotonic()
    for client in clients[:2]:
        await client.send({"do": "echo", "n": 1})
    for client in clients[:2]:
        assert (await client.gone()) == (1013, "Service unavailable")
    assert time.monotonic() - began < 25
    world.restart()
    world.django.wait()
    # The node tries again after a pause.
    await until(lambda: serves(world.hasty, "late"), "the node to call again")
    # One that asked for nothing meanwhile has noticed nothing.
    await clients[2].send({"do": "echo", "n": 1})
    assert await clients[2].count(1) == [{"echo": 1, "count": 1}]
    await clients[2].close()


async def test_a_stream_that_django_does_not_end_closes_with_1011_and_an_idle_connection_stays(world, django):
    streaming = await world.open(world.patient, "stream", "s")
    idle = await world.open(world.patient, "stream", "i")
    await streaming.send({"do": "stream", "frames": 10_000})
    await streaming.count(3)
    django.kill()
    assert await streaming.gone() == LOST
    frames = streaming.json()
    assert frames == [{"frame": n} for n in range(len(frames))]
    world.restart()
    await idle.send({"do": "echo", "n": 1})
    assert await idle.count(1) == [{"echo": 1, "count": 1}]
    await idle.close()


async def test_a_message_that_django_may_have_handled_is_not_sent_again(world, django):
    client = await world.open(world.patient, "once", "once")
    await client.send({"do": "write_and_hang"})
    assert await client.count(1) == [{"written": True}]
    django.kill()
    assert await client.gone() == LOST
    world.restart()
    world.django.wait()
    other = await world.open(world.patient, "once", "other")
    await other.send({"do": "echo", "n": 1})
    await other.count(1)
    await other.close()
    assert world.rows("written", "once") == [("once", 0)]
    assert await world.metric(world.patient, "channelgate_closes_total", reason="state_unknown") >= 1


async def test_disconnects_wait_for_django_and_each_runs_with_its_code(world, django):
    clients = [await world.open(world.patient, "gone", f"gone{n}") for n in range(20)]
    django.kill()
    for number, client in enumerate(clients):
        await client.connection.close(3000 + number)
    world.restart()
    expected = [(f"gone{n}", 3000 + n) for n in range(20)]
    await until(lambda: set(world.rows("disconnect", "gone%")) >= set(expected), "each disconnect")
    assert sorted(world.rows("disconnect", "gone%")) == sorted(expected), "once each"


# A node killed, stopped, and clients that go.


async def test_what_a_consumer_publishes_after_its_node_was_killed_arrives(world, django):
    doomed = world.node()
    await asyncio.to_thread(doomed.wait)
    hearer = await world.open(world.patient, "killed", "hearer")
    client = await world.open(doomed, "killed", "killed")
    await client.send({"do": "tell_later", "n": 7})
    assert await client.count(1) == [{"begun": True}]
    doomed.kill()
    await client.gone()
    world.add_row("go", "killed")
    assert await hearer.count(1) == [{"told": 7}]
    await until(lambda: world.rows("disconnect", "killed"), "the disconnect")
    assert world.rows("disconnect", "killed") == [("killed", 1006)]
    await hearer.close()


async def test_a_call_whose_client_goes_is_carried_out_and_its_disconnect_has_the_code(world, django):
    hearer = await world.open(world.patient, "left", "hearer")
    client = await world.open(world.patient, "left", "left")
    await client.send({"do": "tell_later", "n": 3})
    assert await client.count(1) == [{"begun": True}]
    await client.connection.close(3001)
    await asyncio.sleep(0.3)
    assert world.rows("disconnect", "left") == [], "while the call runs"
    world.add_row("go", "left")
    assert await hearer.count(1) == [{"told": 3}]
    await until(lambda: world.rows("disconnect", "left"), "the disconnect")
    assert world.rows("disconnect", "left") == [("left", 3001)]
    await hearer.close()


async def test_a_drain_calls_disconnect_for_every_connection(world, django):
    node = world.node(CHANNELGATE__SERVER__DRAIN_GRACE="10s")
    await asyncio.to_thread(node.wait)
    clients = [await world.open(node, "drained", f"drained{n}") for n in range(30)]
    hearer = await world.open(world.patient, "drained", "hearer")
    # One handles a message meanwhile, and then another; the node has read both.
    await clients[0].send({"do": "sleep", "seconds": 2})
    await clients[0].send({"do": "tell", "n": 5})
    await (await clients[0].connection.ping())
    assert await asyncio.to_thread(node.stop, 20) == 0
    assert await hearer.count(1) == [{"told": 5}]
    await hearer.close()
    assert {(await client.gone())[0] for client in clients} == {1012}
    assert sorted(world.rows("disconnect", "drained%")) == sorted((f"drained{n}", 1012) for n in range(30))


async def test_what_the_configuration_says_beside_django_runs_in_the_node(world, django):
    told = (
        "[consumer.{on}.publish]\ngroup = \"watch_{{{{ route.who }}}}\"\nevent = \"{{'type': 'told', 'n': '{on}'}}\"\n"
    )
    more = 'presence = { member = "route.who" }\n' + "".join(
        told.format(on=on) for on in ("on_online", "on_disconnect")
    )
    node = world.node(django='["connect", "receive"]', more=f"{more}[consumer.on_raw.ping]\nreply_raw = \"'pong'\"\n")
    await asyncio.to_thread(node.wait)
    watcher = await world.open(world.patient, "watch_beside", "watcher")
    client = await world.open(node, "beside", "beside")
    await client.send("ping")
    await client.send({"do": "echo", "n": 1})
    await client.count_of(2)
    assert client.frames[0] == "pong"
    assert json.loads(client.frames[1]) == {"echo": 1, "count": 1}
    await watcher.count(1)
    await client.close()
    assert await watcher.count(2) == [{"told": "on_online"}, {"told": "on_disconnect"}]
    assert world.rows("disconnect", "beside") == [], "not a part that Django runs"
    await watcher.close()
    node.stop()


# Deployments.


@pytest.fixture
def deployed(tmp_path):
    """A project of its own, whose files change."""
    faults = Faults(tmp_path)
    try:
        faults.django.start()
        faults.patient = faults.node(**PATIENT)
        faults.wait()
        yield faults
    finally:
        faults.stop()


async def deploy(world: Faults, *changes: tuple[str, str, str], sql: str = "") -> None:
    """Django ends as a deployment ends it, and starts with other files."""
    world.django.asked = False
    await asyncio.to_thread(world.django.stop)
    for change in changes:
        world.change(*change)
    if sql:
        with world.database() as database:
            database.execute(sql)
    world.restart()


async def test_a_deployment_keeps_connections_whose_state_the_new_code_can_read(deployed):
    client = await deployed.open(deployed.patient, "room", "a")
    await client.send({"do": "echo", "n": 1})
    await client.count(1)
    # The same code, then another handler, then a model with another field.
    await deploy(deployed)
    await client.send({"do": "echo", "n": 2})
    await client.count(2)
    await deploy(deployed, ("consumers.py", '"echo": content["n"]', '"new": content["n"]'))
    await client.send({"do": "echo", "n": 3})
    await client.count(3)
    field = "name = models.CharField(max_length=100)\n"
    await deploy(
        deployed,
        (
            "models.py",
            f'"""A consumer keeps one."""\n\n    {field}',
            f'"""A."""\n\n    {field}    colour = models.TextField(default="red")\n',
        ),
        sql="ALTER TABLE faults_board ADD COLUMN colour text NOT NULL DEFAULT 'red'",
    )
    await client.send({"do": "board"})
    assert await client.count(4) == [
        {"echo": 1, "count": 1},
        {"echo": 2, "count": 2},
        {"new": 3, "count": 3},
        {"board": "room", "fields": ["colour", "id", "name"]},
    ]
    await client.close()


async def test_a_deployment_that_cannot_read_the_state_closes_with_1012(deployed):
    of_class = await deployed.open(deployed.patient, "class", "a")
    field = "name = models.CharField(max_length=100)\n"
    model = (
        "models.py",
        f'"""A consumer keeps one."""\n\n    {field}',
        f'"""A."""\n\n    {field}    size = models.IntegerField(default=0)\n',
    )
    of_model = await deployed.open(deployed.patient, "model", "a")
    await deploy(
        deployed,
        ("consumers.py", "class FaultConsumer", "class OtherConsumer"),
        ("asgi.py", "FaultConsumer", "OtherConsumer"),
    )
    await of_class.send({"do": "echo", "n": 1})
    assert await of_class.gone() == (1012, "service restart")
    # The row of the other is gone, so that it cannot be read anew.
    await deploy(
        deployed,
        ("consumers.py", "class OtherConsumer", "class FaultConsumer"),
        ("asgi.py", "OtherConsumer", "FaultConsumer"),
        model,
        sql="ALTER TABLE faults_board ADD COLUMN size integer NOT NULL DEFAULT 0",
    )
    with deployed.database() as database:
        database.execute("DELETE FROM faults_board WHERE name = 'model'")
    await of_model.send({"do": "board"})
    assert await of_model.gone() == (1012, "service restart")
    closes = await deployed.metric(deployed.patient, "channelgate_closes_total", reason="state_outdated")
    assert closes == 2
    again = await deployed.open(deployed.patient, "class", "a")
    await again.send({"do": "echo", "n": 1})
    assert await again.count(1) == [{"echo": 1, "count": 1}]
    await again.close()


async def test_gunicorn_that_reloads_loses_no_message_in_silence(deployed):
    deployed.django.asked = False
    await asyncio.to_thread(deployed.django.stop)
    gunicorn = ("-m", "gunicorn", "faults.wsgi:application", "--threads", "8", "--reload", "--no-control-socket")
    deployed.django = deployed.server(*gunicorn, "--bind", f"{stack.LOOPBACK}:{deployed.port}")
    deployed.django.start()
    await asyncio.to_thread(deployed.django.wait)
    ends: list[tuple[int, str]] = []
    processes: set[int] = set()
    stop = asyncio.Event()

    async def talks(who: str) -> int:
        """Sends one message after the other, each of which is answered, or the connection is closed."""
        sent = 0
        client = None
        while not stop.is_set():
            if client is None:
                try:
                    client = await deployed.open(deployed.patient, "reload", who)
                except websockets.InvalidStatus as error:
                    assert error.response.status_code == 503
                    await asyncio.sleep(0.1)
                    continue
            known = len(client.frames)
            with contextlib.suppress(websockets.ConnectionClosed):
                await client.send({"do": "process"})
            sent += 1
            await client.wait(lambda one, known=known: len(one.frames) > known or one.closed, "an answer, or the end")
            if client.closed:
                ends.append(client.closed)
                client = None
            else:
                processes.add(client.json()[-1]["pid"])
        if client is not None:
            await client.close()
        return sent

    talking = [asyncio.create_task(talks(f"t{n}")) for n in range(4)]
    await until(lambda: processes, "a process that answers")
    source = deployed.folder / "faults" / "consumers.py"
    for _ in range(3):
        known = set(processes)

        def is_replaced(known=known) -> bool:
            # gunicorn looks at the files once a second, and knows a file from its second look on.
            source.touch()
            return bool(processes - known)

        await until(is_replaced, "the new process", pause=0.5)
    stop.set()
    assert sum(await asyncio.gather(*talking)) > 20
    assert {code for code, _ in ends} <= {1011, 1012, 1013}, ends


# States that are forged, of others, or too large.


async def test_a_state_is_accepted_of_this_project_for_this_connection_and_call_only(world, django):
    def scope(who):
        return {"path": f"/ws/forged/{who}/", "query_string": "", "headers": [], "client": ["127.0.0.1", 5],
                "server": ["127.0.0.1", 80], "scheme": "ws", "subprotocols": [], "extensions": {}}  # fmt: skip

    async def connect(connection):
        call = {"connection": connection, "seq": 0, "channel_name": f"specific.n!c.{connection}", "state": None}
        status, lines = await world.call({**call, "scope": scope(connection), "event": {"type": "websocket.connect"}})
        assert status == 200 and {"do": "accept"} in lines, lines
        return lines[-1]["state"]

    async def hear(connection, seq, state):
        call = {"connection": connection, "seq": seq, "channel_name": f"specific.n!c.{connection}", "state": state}
        event = {"type": "websocket.receive", "text": json.dumps({"do": "echo", "n": 1})}
        status, lines = await world.call({**call, "event": event})
        assert status == 200, lines
        return lines

    mine, other = await connect("mine"), await connect("other")
    answer = await hear("mine", 1, mine)
    assert json.loads(answer[0]["text"]) == {"echo": 1, "count": 1}
    middle = len(mine) // 2
    forged = mine[:middle] + ("A" if mine[middle] != "A" else "B") + mine[middle + 1 :]
    pickled = "gASVCAAAAAAAAACMBHNlbGaULg=="
    for wrong in (forged, other, pickled, "", "x", mine[:-1], mine + mine, mine[:middle]):
        lines = await hear("mine", 1, wrong)
        assert lines == [lines[-1]] and lines[-1]["end"] == "refused", (wrong[:20], lines)
    for seq in (0, 2, 7):
        lines = await hear("mine", seq, mine)
        assert lines[-1]["end"] == "refused", (seq, lines)
    event = {"type": "websocket.receive", "text": "{}"}
    body = {"connection": "mine", "seq": 1, "channel_name": "specific.n!c.mine", "state": mine, "event": event}
    assert (await world.call(body, signed=False))[0] == 401
    assert (await world.call(body, secret="another"))[0] == 403
    assert (await world.call(body, at=time.time() - 3600))[0] == 403


async def test_a_state_that_is_too_large_is_refused_and_the_log_names_the_attribute(world, django):
    client = await world.open(world.patient, "large", "a")
    await client.send({"do": "grow", "size": 100_000})
    assert await client.gone() == (1011, "")
    await until(lambda: "self.blob" in log_of(world.patient), "the reason in the log")
    assert await world.metric(world.patient, "channelgate_closes_total", reason="consumer_refused") >= 1


# Consumers that never return, flood, fail, or answer with rubbish.


async def test_a_consumer_that_never_returns_ends_after_its_time_and_delays_nobody(world, django):
    client = await world.open(world.hasty, "never", "hangs")
    other = await world.open(world.hasty, "never", "other")
    await client.send({"do": "write_and_hang"})
    await client.count(1)
    began = time.monotonic()
    await other.send({"do": "echo", "n": 1})
    assert await other.count(1) == [{"echo": 1, "count": 1}]
    assert client.closed is None, "the answer comes while the first one hangs"
    assert await client.gone() == LOST
    assert time.monotonic() - began < 25
    assert await refusal(world.hasty.port, "/ws/never/never1/") == 503
    # Python has cancelled the handler, and tells the consumer.
    await until(lambda: world.rows("disconnect", "hangs"), "the disconnect", 40)
    assert world.rows("disconnect", "hangs") == [("hangs", 1006)]
    await other.close()


async def test_a_consumer_that_floods_reaches_a_client_that_reads_whole_and_one_that_does_not_is_closed(world, django):
    total, size = 5000, 1000
    client = await world.open(world.patient, "flood", "reads")
    await client.send({"do": "flood", "frames": total, "size": size})
    await client.count_of(total, 60)
    assert [int(frame.partition(":")[0]) for frame in client.frames] == list(range(total))
    # Reads nothing: its outbox is bounded.
    stalled = await Raw.stalled(world.patient.port, "/ws/flood/stalled/")
    before = memory(world.patient)
    await stalled.frame(TEXT, json.dumps({"do": "flood", "frames": 30_000, "size": size}).encode())

    async def is_closed() -> bool:
        return await world.metric(world.patient, "channelgate_closes_total", reason="slow_client") >= 1

    await until(is_closed, "the close of the slow client", 60)
    assert memory(world.patient) - before < 100 * 1024 * 1024
    stalled.abort()
    await client.send({"do": "echo", "n": 5})
    await client.wait(lambda one: '{"echo"' in one.frames[-1], "an answer after the flood")
    await client.close()


async def test_a_consumer_sends_no_faster_than_its_client_reads(world, django):
    """The frames are five times as much as may wait; under Daphne all of them would."""
    total, size = 5000, 1000
    slow = await Raw.stalled(world.patient.port, "/ws/flood/slow/")
    await slow.frame(TEXT, json.dumps({"do": "flood", "frames": total, "size": size}).encode())

    async def waits() -> bool:
        return await world.metric(world.patient, "channelgate_outbox_bytes") > 400_000

    await until(waits, "more frames than the client reads", 60)
    other = await world.open(world.patient, "flood", "other")
    await other.send({"do": "echo", "n": 1})
    assert await other.count(1) == [{"echo": 1, "count": 1}], "nobody else waits"
    for number in range(total):
        opcode, payload = await slow.read(60)
        assert opcode == TEXT and payload.startswith(f"{number}:".encode()), (number, opcode, payload[:40])
    slow.abort()
    await other.close()


async def test_what_a_consumer_sends_at_once_may_be_more_than_may_wait(world, django):
    """Three megabytes behind `accept()`, before the socket has its handshake's answer."""
    opening = (world.open(world.patient, "welcome", f"welcome{number}") for number in range(20))
    for client in await asyncio.gather(*opening):
        await client.count_of(30, 60)
        assert [frame.partition(":")[0] for frame in client.frames] == [str(n) for n in range(30)]
        await client.close()


def memory(part: stack.Part) -> int:
    return int(Path(f"/proc/{part.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_consumer_that_raises_closes_with_1011_and_tells_the_log_alone(world, django):
    client = await world.open(world.patient, "raises", "raises")
    await client.send({"do": "fail"})
    assert await client.gone() == (1011, "")
    assert client.frames == []
    # In one line, also of a text that has two.
    said = "ValueError: a secret of the server"
    lines = await until(lambda: [one for one in log_of(world.patient).splitlines() if said in one], "the line")
    assert "in two lines" in lines[0]
    assert world.rows("disconnect", "raises") == [], "as under Daphne"


#: What may be another server: Django has refused the call, and the node says what to look at.
ELSEWHERE = dict.fromkeys(("a page", "a status of 418", "a redirect"), (1013, "Service unavailable"))
ENDS = ELSEWHERE | dict.fromkeys(
    (
        "nothing",
        "no end",
        "half a line",
        "cut off",
        "no object",
        "an unknown command",
        "an unknown end",
        "no state",
        "a number for a text",
        "a wrong close code",
        "no base64",
        "no group",
        "no UTF-8",
        "a status of 500",
        "a status of 503",
        "an endless line",
    ),
    LOST,
)


async def test_an_answer_of_rubbish_closes_its_connection_and_no_other(world, django):
    idle = await world.open(world.patient, "rubbish", "idle")
    clients = {kind: await world.open(world.patient, "rubbish", "r") for kind in ENDS}
    for kind, client in clients.items():
        await client.send({"do": "rubbish", "kind": kind})
    ends = {kind: await client.gone() for kind, client in clients.items()}
    assert ends == ENDS
    # What was right before it has left already.
    kept = {kind: client.frames for kind, client in clients.items() if client.frames}
    assert kept == {kind: ["1"] for kind in ("no end", "half a line", "cut off")}
    await idle.send({"do": "echo", "n": 1})
    assert await idle.count(1) == [{"echo": 1, "count": 1}]
    await idle.close()
    assert await Http(world.patient.port).get("/health/live")


# Many at once.


@pytest.mark.alone("bounds how long messages take while many clients reconnect")
@pytest.mark.timeout(300)
async def test_messages_go_on_while_many_clients_reconnect_at_once(deployed):
    first = deployed.node()
    await asyncio.to_thread(first.wait)
    opening = asyncio.Semaphore(50)

    async def connect(node: stack.Part, who: str) -> Client:
        """A client as it should be: it waits for as long as Retry-After says."""
        while True:
            try:
                async with opening:
                    return await deployed.open(node, "many", who, open_timeout=60)
            except websockets.InvalidStatus as error:
                assert error.response.status_code == 503, error.response
                await asyncio.sleep(float(error.response.headers["Retry-After"]))

    many = await asyncio.gather(*(connect(first, f"m{n}") for n in range(CLIENTS)))
    talkers = [await connect(deployed.patient, f"t{n}") for n in range(10)]
    opening = asyncio.Semaphore(CLIENTS)
    slowest, over = 0.0, asyncio.Event()

    async def talks(client: Client) -> int:
        nonlocal slowest
        n = 0
        while not over.is_set():
            began = time.monotonic()
            await client.send({"do": "echo", "n": n})
            n += 1
            await client.count_of(n, 60)
            slowest = max(slowest, time.monotonic() - began)
        assert client.json() == [{"echo": i, "count": i + 1} for i in range(n)]
        return n

    talking = [asyncio.create_task(talks(client)) for client in talkers]
    first.signal(signal.SIGKILL)
    for client in many:
        await client.gone()
    again = await asyncio.gather(*(connect(deployed.patient, f"m{n}") for n in range(CLIENTS)))
    over.set()
    sent = sum(await asyncio.gather(*talking))
    print(f"{CLIENTS} clients reconnected; {sent} messages meanwhile, the slowest took {slowest:.2f} s")
    assert slowest < 10
    assert all(client.closed is None for client in talkers)
    for client in (*again, *talkers):
        client.connection.transport.abort()
