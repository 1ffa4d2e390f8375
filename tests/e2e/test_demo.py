"""`make demo`: events have numbers and are on record, and each button does what it says."""

import asyncio
import os
import signal
import subprocess

import pytest
import stack
from rig.client import Client, refusal, until
from rig.demonstration import CONTROL, Demonstration, Stream
from rig.http import Http

FEED, ATTENDANCE = "/ws/?cg=1", "/ws/attendance/"
#: Makes the tokens of a user expire, who gets another one just before the end; prints how many are on record then.
MEANWHILE = """
from activity import tokens
from activity.models import IssuedToken
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.tokens import AccessToken

cem = get_user_model().objects.get(username="cem")
disconnect = tokens.disconnect

def issue():
    tokens.issued(str(AccessToken.for_user(cem)))

def meanwhile(**connections):
    if "user" in connections:
        issue()
    return disconnect(**connections)

tokens.disconnect = meanwhile
issue()
tokens.expire(cem)
print(IssuedToken.objects.filter(user=cem).count())
"""


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """Two nodes, and four times as many events as in `make demo`."""
    demonstration = Demonstration(tmp_path_factory.mktemp("demo"), nodes=2)
    try:
        demonstration.wait()
        reply = demonstration.web.request_now("POST", f"{CONTROL}activity", data={"speed": 4}, headers={"X-Demo": "1"})
        assert reply.status == 200, reply
        yield demonstration
        # What a closed terminal sends.
        assert demonstration.stop(signal.SIGHUP) == 0, demonstration.log.read_text()
    finally:
        demonstration.stop()


def numbers(client: Client) -> list[int]:
    """The numbers of the events that a client of the feed, or of the attendance, has got."""
    return [frame["data"]["demo"]["n"] for frame in client.json() if "demo" in frame.get("data", {})]


def gaps(client: Client) -> list[dict]:
    return [frame for frame in client.json() if frame.get("event") == "gap"]


def of_group(demonstration: Demonstration, group: str, after: int = 0) -> list[dict]:
    """What Django has sent to a group."""
    return [line for line in demonstration.sent() if line["group"] == group and line["n"] > after]


async def live(client: Client, after: int, what: str = "an event") -> None:
    """Waits for an event with a higher number."""
    await client.wait(lambda client: any(number > after for number in numbers(client)), what)


async def recorded(demonstration: Demonstration, number: int) -> dict:
    """The line of an event; it is written when the event was sent, so it may come after the event itself."""
    return await until(lambda: next((one for one in demonstration.sent() if one["n"] == number), None), "the record")


async def ready(demonstration: Demonstration) -> None:
    """Both nodes have Redis again: the next test may open its connections."""
    first = demonstration.ports["NODE_PORT"]
    for port in (first, first + 1):
        await until(lambda port=port: stack.http_status(port, "/health/ready") == 200, "a node that is ready")


async def is_complete(demonstration: Demonstration, client: Client) -> None:
    """A client of the feed has got all from its first event to its last, or a gap was reported."""
    got = sorted(numbers(client))
    await until(lambda: {line["n"] for line in demonstration.sent()}.issuperset(got), "the record")
    # What processes send at once may come in another order.
    sent = [line["n"] for line in of_group(demonstration, "broadcast") if got[0] <= line["n"] <= got[-1]]
    assert got == sorted(sent) or gaps(client)


async def test_every_event_arrives_with_its_number_as_it_is_on_record(demonstration, sockets):
    port = demonstration.port
    tia = demonstration.demo.person("tia")
    feed, attendance = await Client.open(port, "/ws/"), await Client.open(port, ATTENDANCE)
    shop = await sockets.open(port, tia)
    token = (await demonstration.web.get("/api/user/ws-token/", token=tia.token)).json()["ws_token"]
    parking = await Client.open(port, f"/ws/notifications/?token={token}")
    await parking.send({"type": "subscribe", "notification_types": ["parking_lot"]})
    orders = (await demonstration.web.get("/api/repairs/work-orders/", token=tia.token)).json()
    for order in orders:
        await shop.emit("join_room", f"work_order_{order['id']}")
    await shop.emit("joinSession", "1")
    await until(lambda: len(numbers(feed)) > 3 and len(numbers(attendance)) > 1, "events of feed and attendance")
    await until(lambda: numbers(parking), "lots that fill")
    await shop.args("work_order_updated")
    await shop.args("session-stats-update")
    for client, group in ((feed, "broadcast"), (attendance, "attendance_updates"), (parking, "notifications")):
        got = numbers(client)
        await recorded(demonstration, got[-1])
        sent = [line for line in of_group(demonstration, group) if got[0] <= line["n"] <= got[-1]]
        assert got == [line["n"] for line in sent] and got == sorted(set(got))
        data = {frame["data"]["demo"]["n"]: frame["data"] for frame in client.json() if "demo" in frame.get("data", {})}
        assert all(line["message"]["data"] == data[line["n"]] for line in sent)
        assert all(line["at"] == data[line["n"]]["demo"]["at"] and "error" not in line for line in sent)
    for name, system in (("work_order_updated", "repair-shop"), ("session-stats-update", "tracker")):
        (event,) = await shop.args(name)
        assert (await recorded(demonstration, event["demo"]["n"]))["system"] == system
    lot = parking.json()[0]["data"]
    assert 0 <= lot["occupied"] <= lot["capacity"]
    assert (await recorded(demonstration, lot["demo"]["n"]))["topic"] == "parking_lot_changed"


async def test_what_django_sends_is_streamed_and_goes_on_after_the_last_event(demonstration):
    async with Stream(demonstration) as first:
        await first.until(lambda: len(first.sent()) > 3, "events")
        ids = {data["n"]: id for event, data, id in first.entries if event == "message"}
        assert all(ids.values()) and len(set(ids.values())) == len(ids)
        assert all(line["at"] <= line["done"] for line in first.sent())
        (run,) = first.of("run")
        assert first.of("activity") == [{"paused": False, "speed": 4}]
    last, known = max(ids), list(ids)[1]
    await until(lambda: demonstration.sent()[-1]["n"] > last + 2, "events that nobody hears")
    for is_anew in (False, True):
        async with Stream(demonstration, ids[known], is_anew) as second:
            await second.until(lambda it=second: it.sent()[-1:] and it.sent()[-1]["n"] > last + 2, "what was missed")
            lines = second.sent()
            assert second.of("run") == [run]
        record = demonstration.sent()
        begin = next(place for place, line in enumerate(record) if line["n"] == known)
        assert lines == record[begin + 1 :][: len(lines)]


@pytest.mark.parametrize(
    ("order", "state", "code"), [("kill-node", "killed", 1006), ("end-node", "ending", 1012)], ids=["kill", "end"]
)
async def test_a_node_ends_and_comes_back(demonstration, order, state, code):
    node = Client.open(demonstration.ports["NODE_PORT"], FEED)
    async with Stream(demonstration) as stream:
        client = await node
        assert (await client.count(1))[0]["node"] == "node1"
        await demonstration.order(order, node="node1")
        assert (await client.gone())[0] == code
        # The other one serves meanwhile.
        await live(await Client.open(demonstration.port, FEED), 0)
        await stream.until(lambda: "node1 is back" in stream.facts(), "the node", 60)
        assert stream.states("node1")[-4:] == ["running", state, "starting", "running"]
        assert stream.states("node2") == ["running"]
        again = await Client.open(demonstration.ports["NODE_PORT"], FEED)
        await live(again, 0)


async def change_employees(demonstration: Demonstration, employees: list[dict]) -> list[int]:
    """Changes all of them at once, each with an event for the feed; returns the statuses."""
    web = demonstration.web
    writes = (web.request("PATCH", f"/api/employees/{one['id']}/", data={"last_name": "Doe"}) for one in employees)
    return [reply.status for reply in await asyncio.gather(*writes)]


def changes(demonstration: Demonstration, after: int) -> list[dict]:
    """The events of that."""
    sent = of_group(demonstration, "broadcast", after)
    return [line for line in sent if line["message"]["event"] == "employee_update"]


async def test_a_frozen_redis_loses_nothing(demonstration):
    client = await Client.open(demonstration.port, FEED)
    await live(client, 0)
    employees = (await demonstration.web.get("/api/employees/")).json()[:4]
    # More than once, if this program stands still while Redis does.
    for _ in range(3):
        async with Stream(demonstration) as stream:
            before = demonstration.sent()[-1]["n"]
            await demonstration.order("freeze-redis")
            writes = asyncio.create_task(change_employees(demonstration, employees))
            again = await demonstration.post("freeze-redis", b"")
            answer = await asyncio.to_thread(stack.redis_command, demonstration.ports["REDIS_PORT"], "PING")
            # The second order freezes it anew, if the first freeze has ended.
            freezes = 2 if again.status == 200 else 1
            await stream.until(lambda: stream.facts().count("runs again") == freezes, "Redis to run again")  # noqa: B023
            assert set(await writes) == {200}
        assert len(changes(demonstration, before)) == len(employees) == 4
        if not answer and again.status == 409:
            break
    else:
        raise AssertionError(f"Redis was never frozen: {answer=} {again=}")
    last = demonstration.sent()[-1]["n"]
    await live(client, last, "an event after the freeze")
    await is_complete(demonstration, client)
    await ready(demonstration)


async def test_a_restarted_redis_is_empty_and_a_gap_is_reported(demonstration):
    client = await Client.open(demonstration.port, FEED)
    await live(client, 0)
    redis = demonstration.ports["REDIS_PORT"]
    await until(lambda: stack.redis_command(redis, "SET mark 1").startswith("+OK"), "the mark")
    employees = (await demonstration.web.get("/api/employees/")).json()[:1]
    # More than once, if Django stands still while Redis is away.
    for _ in range(3):
        async with Stream(demonstration) as stream:
            before = demonstration.sent()[-1]["n"]
            await demonstration.order("restart-redis")

            async def is_back(stream=stream) -> bool:
                await change_employees(demonstration, employees)
                return "Redis is back" in stream.facts()

            await stream.until(is_back, "Redis to be back")
        # What Django could not send is on record as well.
        if any("error" in line for line in changes(demonstration, before)):
            break
    else:
        raise AssertionError("Django sent nothing while Redis was away")
    exists = await until(lambda: stack.redis_command(redis, "EXISTS mark"), "an answer of Redis")
    assert exists.startswith(":0")
    await client.wait(gaps, "the gap")
    last = demonstration.sent()[-1]["n"]
    await live(client, last, "an event after the restart")
    await ready(demonstration)


async def quiet(demonstration: Demonstration) -> int:
    """Pauses the activity, which answers when the pause holds; returns the number of the last event."""
    assert (await demonstration.order("activity", paused=True))["paused"]
    return demonstration.sent()[-1]["n"]


async def test_five_hundred_events_at_once_all_arrive_or_a_gap_is_reported(demonstration):
    client = await Client.open(demonstration.port, FEED)
    await live(client, 0)
    before = await quiet(demonstration)
    assert await demonstration.order("burst") == {"sent": 500}
    burst = [line for line in demonstration.sent() if line["n"] > before]
    assert [line["n"] for line in burst] == list(range(before + 1, before + 501))
    assert {line["system"] for line in burst} == {"feed", "parking", "attendance"}
    await demonstration.order("activity", paused=False)
    await live(client, before + 500, "an event after the burst")
    await is_complete(demonstration, client)


async def test_expired_tokens_end_their_connections_and_new_ones_are_taken(demonstration, sockets):
    web, port = demonstration.web, demonstration.port

    async def tokens() -> tuple[str, str]:
        login = {"username": "tom", "password": "demonstration"}
        access = (await web.post("/api/token/", data=login)).json()["access"]
        return access, (await web.get("/api/user/ws-token/", token=access)).json()["ws_token"]

    access, ws_token = await tokens()
    shop = await sockets.start(port, access, reconnection=False)
    await shop.opened()
    other_tab = await Client.open(port, f"/ws/notifications/?token={ws_token}")
    ws_token = (await web.get("/api/user/ws-token/", token=access)).json()["ws_token"]
    path = f"/ws/notifications/?token={ws_token}"
    parking = await Client.open(port, path)
    await demonstration.order("expire-token", person="tom")
    assert await parking.gone() == await other_tab.gone() == (4401, "token expired")
    await shop.wait(lambda: shop.disconnects, "the end of the connection")
    assert shop.disconnects == ["io server disconnect"]
    assert await refusal(port, path) == 403
    assert (await (await sockets.start(port, access)).refused())["message"]
    access, ws_token = await tokens()
    await (await sockets.start(port, access)).opened()
    await (await Client.open(port, f"/ws/notifications/?token={ws_token}")).close()
    assert (await demonstration.post("expire-token", b'{"person": "nobody"}')).status == 409


def test_a_token_that_is_issued_while_tokens_expire_can_expire_later(demonstration):
    redis_url = f"redis://{stack.LOOPBACK}:{demonstration.ports['REDIS_PORT']}/0"
    env = {**os.environ, **stack.django_env(demonstration.run, redis_url, "numbered")}
    argv = [stack.PYTHON, stack.MANAGE, "shell", "--verbosity", "0", "-c", MEANWHILE]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=90)
    assert done.stdout == "1\n", done


async def test_a_revoked_user_is_disconnected_everywhere(demonstration, sockets):
    ann, ben = (demonstration.demo.person(name) for name in ("ann", "ben"))
    first = demonstration.ports["NODE_PORT"]
    mine = [await sockets.open(port, ann, reconnection=False) for port in (first, first + 1)]
    other = await sockets.open(demonstration.port, ben)

    async def is_heard_by_all() -> bool:
        """A node that has just lost Redis may not hear the first order."""
        return await demonstration.order("revoke", user=ann.id) == {"nodes": 2}

    await until(is_heard_by_all, "an order that both nodes hear")
    for socket in mine:
        await socket.wait(lambda socket=socket: socket.disconnects, "the end of the connection")
    assert other.connected


async def test_the_activity_can_be_paused_and_made_slower_and_faster(demonstration):
    last = await quiet(demonstration)
    assert (await demonstration.config())["activity"] == {"paused": True, "speed": 4}
    assert demonstration.sent()[-1]["n"] == last
    for speed in (0.5, 4):
        await demonstration.order("activity", paused=False, speed=speed)
        assert (await demonstration.config())["activity"] == {"paused": False, "speed": speed}
        await until(lambda last=last: demonstration.sent()[-1]["n"] > last, "an event")
        last = demonstration.sent()[-1]["n"]


async def test_the_control_process_refuses_all_others(demonstration):
    port = demonstration.port
    body = b'{"speed": 4}'
    site = f"127.0.0.1:{port}"
    for headers in (
        {"Host": f"evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": f"http://localhost:{port}"},
        {"Origin": "null"},
        {"X_Demo": "2"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert (await demonstration.post("activity", body, **headers)).status == 403, headers
    without = await demonstration.web.post(f"{CONTROL}activity", body=body)
    assert without.status == 403
    foreign = {"Origin": "http://evil.example"}
    assert (await demonstration.web.get(f"{CONTROL}config", headers=foreign)).status == 403
    # What nginx says of a client that is not on this machine.
    remote = {"X-Real-IP": "192.0.2.1"}
    assert (await Http(demonstration.ports["CONTROL_PORT"]).get(f"{CONTROL}config", headers=remote)).status == 403
    for name, wrong, status in (
        ("activity", b"{", 400),
        ("activity", b"[]", 400),
        ("activity", b"[" * 4000, 400),
        ("activity", b'{"speed": 5}', 400),
        ("activity", b'{"speed": NaN}', 400),
        ("activity", b'{"speed": true}', 400),
        ("activity", b'{"paused": "no"}', 400),
        ("activity", b" " * 5000, 413),
        ("kill-node", b"{}", 400),
        ("kill-node", b'{"node": "redis"}', 404),
        ("kill-node", b'{"node": ["node1"]}', 400),
        ("revoke", b'{"user": "6"}', 400),
        ("no-such-thing", b"{}", 404),
        ("config", b"{}", 404),
    ):
        reply = await demonstration.post(name, wrong)
        assert reply.status == status and reply.json()["error"], (name, wrong, reply)
    accepted = await demonstration.post("activity", body, Host=site, Origin=f"http://{site}")
    assert accepted.status == 200 and accepted.headers["x-content-type-options"] == "nosniff"
    assert {node["state"] for node in (await demonstration.config())["nodes"]} == {"running"}


async def test_the_application_is_served_with_a_strict_policy(demonstration):
    page = await demonstration.web.get("/")
    assert page.status == 200 and b"<title>Application</title>" in page.body
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy and "unsafe" not in policy
    assert f"connect-src 'self' ws://127.0.0.1:{demonstration.port} " in policy
    assert page.headers["x-content-type-options"] == "nosniff" and page.headers["cache-control"] == "no-cache"
    script = (await demonstration.web.get("/assets/index-1.js")).headers
    assert script["content-type"].startswith("text/javascript") and "immutable" in script["cache-control"]
    assert (await demonstration.web.get("/assets/none.js")).status == 404
    assert (await demonstration.web.get("/api/")).status == 200
    assert (await demonstration.web.get("/channelgate/")).status == 404
