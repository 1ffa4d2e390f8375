"""`auth = ["django"]`: Django says who a client is, as it says it to Daphne, and no more often than it must."""

import asyncio
import contextlib
import json
import time

import pytest
from rig.check import run
from rig.client import Client, refusal, until
from rig.demo import mint_access
from rig.http import Http
from rig.log import whole_log
from rig.logins import Logins
from rig.raw import Raw, request
from rig.system import API_KEY

EVERYBODY = {"is_staff": False, "is_superuser": False}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    logins = Logins(tmp_path_factory.mktemp("logins"))
    try:
        logins.django.start()
        # The second one has forgotten soon what Django said, the first one not while a test needs it.
        for cache in ("60s", "200ms"):
            logins.node(cache)
        yield logins.wait()
    finally:
        logins.stop()


async def first(client: Client):
    """What a client gets first; then it goes."""
    frame = (await client.count(1))[0]
    await client.close()
    return frame


async def status(world: Logins, path: str, session: str | None = None, node: int = 0, **options) -> int:
    headers = {"Cookie": f"sessionid={session}"} if session else {}
    headers |= options.pop("headers", {})
    return await refusal(world.nodes[node].port, path, additional_headers=headers, **options)


async def metric(world: Logins, name: str, node: int = 0, **labels: str) -> float:
    total = 0.0
    for line in (await Http(world.nodes[node].port).get("/metrics")).body.decode().splitlines():
        series, _, value = line.rpartition(" ")
        if series.partition("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
            total += float(value)
    return total


async def disconnect(world: Logins, order: dict, node: int = 0) -> None:
    reply = await Http(world.nodes[node].port).post("/api/websocket/disconnect", data=order, token=API_KEY)
    assert reply.status == 200, reply.body


@pytest.mark.parametrize("how", ["", "?badge=1"], ids=["password", "badge"])
async def test_a_session_is_the_same_user_as_under_daphne(world, how):
    ada = await world.login(f"ada{len(how)}", how)
    expected = {"id": ada["id"], "name": f"ada{len(how)}", **EVERYBODY}
    assert await first(await world.open("/ws/who/", ada["session"])) == expected
    assert await first(await world.under_daphne(ada["session"])) == {"name": expected["name"]}
    # A consumer that Django runs is asked for whom the node knows.
    assert await first(await world.open("/ws/bridged/", ada["session"])) == {"name": expected["name"]}


async def test_a_login_ends_as_under_daphne_when_its_user_changes(world):
    for name, change, how, stays in [
        ("bea", "password=new", "", False),
        ("ben", "active=0", "", False),
        # This backend takes users who are not active, as Django lets it.
        ("bob", "active=0", "?badge=1", True),
    ]:
        session = (await world.login(name, how))["session"]
        assert await status(world, "/ws/who/", session, node=1) == 101, name
        await world.change(name, change)
        await world.asks_again(session, node=1)
        expected = 101 if stays else 403
        assert [await status(world, "/ws/who/", session, node) for node in (0, 1)] == [expected] * 2, name
        daphne = await first(await world.under_daphne(session))
        assert daphne == {"name": name if stays else None}, name


async def test_a_logout_ends_its_connections_on_every_node_and_no_others(world):
    here, there = await world.login("cleo"), await world.login("cleo")
    mine = [await world.open("/ws/who/", here["session"], node) for node in (0, 1)]
    mine.append(await world.open("/ws/bridged/", here["session"]))
    # The browser sends other cookies that are passed on, too.
    cookies = f"csrftoken=x; sessionid={here['session']}"
    mine.append(await world.open("/ws/who/", headers={"Cookie": cookies}))
    other = await world.open("/ws/who/", there["session"])
    for client in (*mine, other):
        await client.count(1)
    await world.logout(here["session"])
    for client in mine:
        assert await client.gone() == (4403, "logged out")
    # At once, although the answer would still count.
    for node in (0, 1):
        assert await status(world, "/ws/who/", here["session"], node) == 403
        assert await status(world, "/ws/who/", there["session"], node) == 101
    assert other.closed is None
    await other.close()


async def test_a_disconnect_drops_what_every_node_knows_about_the_user(world):
    dan = await world.login("dan")
    clients = [await world.open("/ws/who/", dan["session"], node) for node in (0, 1)]
    for client in clients:
        await client.count(1)
    asked = await world.asked(dan["session"])
    await world.change("dan", "active=0")
    await disconnect(world, {"user": dan["id"]})
    for client in clients:
        assert (await client.gone())[0] == 4403
    for node in (0, 1):
        assert await status(world, "/ws/who/", dan["session"], node) == 403
    assert await world.asked(dan["session"]) == asked + 2


async def test_an_order_about_no_user_leaves_a_question_under_way_as_it_is(world):
    """Such as a socket's end; a node that has just started learns in the same way that it missed no order."""
    fay = await world.login("fay")
    await world.mood(delay=8)
    try:
        opening = asyncio.create_task(world.open("/ws/who/", fay["session"]))
        await until(lambda: world.asked(fay["session"]), "the question")
        await disconnect(world, {"socket": "another"})
    finally:
        await world.mood()
    assert await first(await opening) == {"id": fay["id"], "name": "fay", **EVERYBODY}
    assert await status(world, "/ws/who/", fay["session"]) == 101
    assert await world.asked(fay["session"]) == 1


async def test_handshakes_at_the_same_time_ask_once_and_later_ones_not_at_all(world):
    eve = await world.login("eve")
    name = "channelgate_django_logins_total"
    before = {outcome: await metric(world, name, outcome=outcome) for outcome in ("asked", "shared", "cached")}

    async def all_wait() -> bool:
        return await metric(world, name, outcome="shared") == before["shared"] + 19

    # Django answers when all of them wait for it.
    await world.mood(delay=8)
    try:
        opening = [asyncio.create_task(world.open("/ws/who/", eve["session"])) for _ in range(20)]
        await until(all_wait, "the others to share the question")
    finally:
        await world.mood()
    clients = await asyncio.gather(*opening)
    for client in clients:
        assert (await client.count(1))[0]["name"] == "eve"
    assert await world.asked(eve["session"]) == 1
    again = await world.open("/ws/who/", eve["session"])
    assert (await again.count(1))[0]["name"] == "eve"
    assert await world.asked(eve["session"]) == 1
    after = {outcome: await metric(world, name, outcome=outcome) for outcome in before}
    assert {outcome: after[outcome] - before[outcome] for outcome in before} == {"asked": 1, "shared": 19, "cached": 1}
    for client in (*clients, again):
        await client.close()


async def test_a_client_without_a_credential_is_not_asked_about(world):
    before = await world.asked()
    assert await status(world, "/ws/who/") == 403
    assert await status(world, "/ws/who/", headers={"Cookie": "theme=1"}) == 403
    assert await first(await world.open("/ws/others/")) is None
    assert await world.asked() == before


async def test_what_is_not_a_login_goes_to_the_next_method(world):
    fay = await world.login("fay")
    visitor = (await world.site.post("/visit/")).json()["session"]
    token = mint_access(99)
    bearer = {"Authorization": f"Bearer {token}"}
    for path, session, headers, expected in [
        ("/ws/others/", fay["session"], bearer, fay["id"]),
        ("/ws/others/", "gone", bearer, 99),
        ("/ws/others/", None, bearer, 99),
        # A visitor's session is no credential; one that is not valid is one.
        ("/ws/others/", visitor, {}, None),
        ("/ws/stale/", "gone", {}, None),
    ]:
        user = await first(await world.open(path, session, headers=headers))
        assert (user and user["id"]) == expected, (path, session)
    assert await status(world, "/ws/others/", "gone") == 403
    assert await status(world, "/ws/who/", visitor) == 403


async def named(port: int, path: str, cookie: str) -> str | None:
    """The user whom a server sees behind a header of cookies, in any bytes."""
    raw = await Raw.tcp(port)
    await raw.write(request(port, path, Cookie=cookie))
    assert (await raw.head())[0] == 101, cookie
    _, told = await raw.read()
    raw.abort()
    return (json.loads(told) or {}).get("name")


async def test_cookies_are_read_as_under_daphne(world):
    key = (await world.login("liz"))["session"]
    quoted = f'"\\{ord(key[0]):03o}{key[1:]}"'
    for cookie, is_liz in [
        (f"sessionid={key}", True),
        (f";; sessionid = {key} ;a", True),
        (f"a=b;sessionid={key}", True),
        (f'sessionid="{key}"', True),
        (f"sessionid={quoted}", True),
        (f"sessionid=gone; sessionid={key}", True),
        # One cookie of the page, in characters of its own, hides none of the others.
        (f"name=Jürgen; sessionid={key}; €=1", True),
        (f"sessionid={key}; sessionid=gone", False),
        (f"sessionid={key}; sessionid=", False),
        (f"sessionid={key}é", False),
        (f"sessionid={key},a=b", False),
        (f"sessionid=%{ord(key[0]):02x}{key[1:]}", False),
        (f"Sessionid={key}; xsessionid={key}; sessionidx={key}; session={key}", False),
    ]:
        for port, path in ((world.port, "/ws/who/"), (world.nodes[0].port, "/ws/stale/")):
            assert await named(port, path, cookie) == ("liz" if is_liz else None), (path, cookie)


async def test_what_no_token_can_be_is_not_valid(world):
    for token in ("%E2%82%AC", "%00", "a%20b", "a%09", "x" * 8000):
        assert await status(world, f"/ws/who/?token={token}") == 403, token
    assert "Traceback" not in world.django.log.read_text(errors="replace")


async def test_a_token_of_rest_framework_counts_wherever_it_is_listed(world):
    gil = await world.login("gil")
    key = gil["token"]
    for place in [
        {"headers": {"Authorization": f"Token {key}"}},
        {"path": f"/ws/who/?token={key}"},
        {"subprotocols": ["Token", key]},
    ]:
        path = place.pop("path", "/ws/who/")
        client = await world.open(path, **place)
        assert client.connection.subprotocol == ("Token" if "subprotocols" in place else None)
        assert (await first(client))["name"] == "gil", place
    assert await status(world, "/ws/who/", headers={"Authorization": "Token wrong"}) == 403
    # It is asked for first, and a browser's session after it.
    hal = await world.login("hal")
    client = await world.open(f"/ws/who/?token={key}", hal["session"])
    assert (await client.count(1))[0]["name"] == "gil"
    fallen = await world.open("/ws/who/?token=wrong", hal["session"])
    assert (await fallen.count(1))[0]["name"] == "hal"
    # Each connection is known by the credential that counted.
    await disconnect(world, {"token": key})
    assert (await client.gone())[0] == 4403
    await disconnect(world, {"token": hal["session"]})
    assert (await fallen.gone())[0] == 4403


async def test_a_token_of_knox_is_a_login_until_it_ends_or_is_logged_out(world):
    one, other, third = [await world.knox("ray", 600) for _ in range(3)]
    header = {"Authorization": f"Token {one}"}
    for path, options in [
        ("/ws/who/", {"headers": header}),
        (f"/ws/who/?token={one}", {}),
        ("/ws/who/", {"subprotocols": ["Token", one]}),
    ]:
        assert (await first(await world.open(path, **options)))["name"] == "ray", options
    for wrong in (f"{one[:-1]}x", one[:20], "x" * 64):
        assert await status(world, "/ws/who/", headers={"Authorization": f"Token {wrong}"}) == 403
    short = await world.knox("ray", 12)
    ends = await world.open(f"/ws/ends/?token={short}")
    stays = await world.open(f"/ws/who/?token={other}")
    mine = [await world.open(f"/ws/who/?token={one}", node=node) for node in (0, 1)]
    for client in (ends, stays, *mine):
        await client.count(1)
    assert (await world.site.post("/knox/logout/", headers=header)).status == 204
    for client in mine:
        assert await client.gone() == (4403, "logged out")
    for node in (0, 1):
        assert await status(world, "/ws/who/", headers=header, node=node) == 403
        assert await status(world, f"/ws/who/?token={other}", node=node) == 101
    assert stays.closed is None
    assert await ends.gone() == (4401, "token expired")
    assert await status(world, f"/ws/who/?token={short}") == 403
    # The logout of all tokens says only with which one it was asked for.
    last = await world.open(f"/ws/who/?token={third}")
    assert (await world.site.post("/knox/logoutall/", headers={"Authorization": f"Token {other}"})).status == 204
    assert await stays.gone() == (4403, "logged out")
    assert (await last.count(1))[0]["name"] == "ray" and last.closed is None
    await disconnect(world, {"user": (await world.login("ray"))["id"]})
    assert (await last.gone())[0] == 4403
    assert await status(world, f"/ws/who/?token={third}") == 403


async def test_django_that_is_away_or_refuses_is_not_a_wrong_login(world):
    ian = await world.login("ian")
    try:
        for answer, plain, closed in [
            (500, 503, (1013, "Service unavailable")),
            (404, 503, (1013, "Service unavailable")),
            (302, 503, (1013, "Service unavailable")),
            (403, 403, (4403, "")),
            (401, 403, (4003, "")),
            # A page is not what the package answers, but a proxy, or a site that sends everybody to its login.
            ((200, "<html>"), 503, (1013, "Service unavailable")),
            ((200, ""), 503, (1013, "Service unavailable")),
            ((401, "<html>"), 503, (1013, "Service unavailable")),
            ((403, "<html>"), 503, (1013, "Service unavailable")),
        ]:
            code, page = answer if isinstance(answer, tuple) else (answer, None)
            await world.mood(status=code, page=page)
            session = f"{ian['session']}{code}{page and len(page)}"
            assert await status(world, "/ws/who/", session) == plain, answer
            await disconnect(world, {"token": "of nobody"})
            client = await world.open("/ws/closes/", session)
            assert await client.gone() == closed, answer
        await world.mood(status=200, delay=30)
        begun = time.monotonic()
        assert await status(world, "/ws/others/", ian["session"]) == 503
        assert time.monotonic() - begun < 25
    finally:
        await world.mood()
    assert await status(world, "/ws/who/", ian["session"]) == 101


async def test_a_secret_that_differs_is_the_nodes_fault(world, tmp_path):
    ivy = await world.login("ivy")
    node = world.node(CHANNELGATE_BACKEND_SECRET="another secret than Django's").wait()
    try:
        headers = {"Cookie": f"sessionid={ivy['session']}"}
        assert await refusal(node.port, "/ws/who/", additional_headers=headers) == 503
        await until(lambda: "compare backend.secret" in node.log.read_text(), "the line of the log")
    finally:
        node.stop(grace=3)
        world.nodes.remove(node)


async def test_a_connection_ends_with_its_login(world):
    jan = await world.login("jan")
    await world.site.post(f"/end/jan/?session={jan['session']}&seconds=10")
    begun = time.time()
    client = await world.open("/ws/ends/", jan["session"])
    assert "exp" not in (await client.count(1))[0]
    assert await client.gone() == (4401, "token expired")
    assert time.time() >= begun + 2
    assert await status(world, "/ws/who/", jan["session"]) == 403


@pytest.mark.parametrize("kind", ["js-polling", "js-websocket"])
async def test_socketio_has_the_same_users(world, sockets, kind):
    kim, lea = await world.login("kim"), await world.login("lea")
    port, cookie = world.nodes[0].port, {"extraHeaders": {"Cookie": f"sessionid={kim['session']}"}}
    one = await sockets.open(port, kind=kind, **cookie)
    assert (await one.data("user"))["name"] == "kim"
    # The token of CONNECT stands alone.
    two = await (await sockets.start(port, lea["token"], kind=kind, **cookie)).opened()
    assert (await two.data("user"))["name"] == "lea"
    three = await sockets.start(port, "wrong", kind=kind, **cookie)
    assert (await three.refused())["message"] == "Authentication error"
    await world.logout(kim["session"])
    await one.wait(lambda: one.disconnects, "the socket to be ended")
    assert two.connected


async def test_engineio_has_the_same_users(world):
    mia = await world.login("mia")
    client = await world.open("/engine.io/?EIO=4&transport=websocket", mia["session"])
    await client.wait(lambda one: "4mia" in one.frames, "the name")
    await client.close()
    assert await status(world, "/engine.io/?EIO=4&transport=websocket", "gone") == 403


async def test_a_client_that_does_not_log_in_by_a_message_is_closed(world):
    ned = await world.login("ned")
    late, free = await world.open("/ws/first/?n=7"), await world.open("/ws/free/")
    # Each at once: it has some seconds.
    named = await world.open("/ws/first/")
    await named.send({"type": "login", "token": ned["token"]})
    wrong = await world.open("/ws/first/?n=8")
    await wrong.send({"type": "login", "token": "wrong"})
    logs_in = await world.open("/ws/free/")
    await logs_in.send({"login": "ned"})
    for client in (late, wrong):
        assert await client.gone() == (4008, "log in first")
    assert late.json() == [{"bye": "7"}] and wrong.json() == ["no", {"bye": "8"}]
    assert await free.gone() == (4001, "no login in time")
    await named.send({"type": "who"})
    assert (await named.count(2))[1]["id"] == ned["id"]
    await logs_in.send({})
    assert (await logs_in.count(3))[2] == {"name": "ned"}
    assert await metric(world, "channelgate_closes_total", reason="no_login") == 3
    for client in (named, logs_in):
        await client.close()


async def test_a_logout_in_a_consumer_ends_nothing_of_its_connection(world):
    """As under Daphne, where the consumer goes on as a visitor."""
    await world.login("ola")
    for client in (await world.open("/ws/free/"), await Client.open(world.port, "/ws/who/")):
        await client.send({"login": "ola"})
        await client.send({"logout": True})
        await client.send({})
        names = [frame["name"] for frame in await client.count(4)]
        assert names == [None, "ola", None, None]
        with contextlib.suppress(TimeoutError):
            await client.close()


async def test_no_credential_is_in_a_log(world):
    pam = await world.login("pam")
    shown = [pam["session"], pam["token"]]
    for options in [{"session": pam["session"]}, {"headers": {"Authorization": f"Token {pam['token']}"}}]:
        await status(world, "/ws/who/", **options)
    await status(world, f"/ws/who/?token={pam['token']}x", pam["session"])
    await world.mood(status=500)
    await disconnect(world, {"user": pam["id"]})
    assert await status(world, "/ws/who/", pam["session"]) == 503
    await world.mood()
    await world.logout(pam["session"])
    logs = {part.name: whole_log(part) for part in world.nodes}
    logs[world.django.name] = world.django.log.read_text(errors="replace")
    for name, log in logs.items():
        assert log and not [secret for secret in shown if secret in log], name


def test_check_says_what_contradicts_it(tmp_path):
    hint = """
[backend]
url = "http://127.0.0.1:1/gate"
secret = "s"
[[consumer]]
path = "/a/"
[consumer.on_admit.call]
action = "who"
ok.user = "result.body"
"""
    verdict = run(tmp_path, hint)
    assert verdict.code == 0
    assert "hint: channelgate.toml:7: consumer[0].on_admit: only fetches the user" in verdict.output
    assert "hint" not in run(tmp_path, hint.replace('ok.user = "result.body"', "error.refuse = 'no'")).output
