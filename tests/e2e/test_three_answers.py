"""Away, wrong and forbidden are three different answers, for every protocol: status, close code, text, count, log.

One node, whose consumers are the same for each protocol; a Django that answers as it is asked to; a Redis that stops.
"""

import asyncio
import contextlib
import dataclasses
import json
import re
import time

import pytest
import stack
from rig.client import DEADLINE, until
from rig.deadline import in_time
from rig.demo import access_claims, mint, mint_person
from rig.door import Knock, connect, knock
from rig.engine import BASE
from rig.http import Http
from rig.log import whole_log
from rig.raw import CLOSE, TEXT
from rig.system import API_KEY

#: Names of consumers, and what each asks for.
RULES = {
    "jwt": 'auth = ["jwt"]',
    "ticket": 'auth = ["ws_token"]',
    "grouped": 'groups = ["news"]',
    "unnamed": 'groups = ["room_{{ query.room }}"]',
    "chosen": 'groups = ["{{ query.room }}"]\nallow = "room_<int>"',
    "large": """[consumer.on_admit.call]
action = "admit"
data = "query.mood"
ok.set = { text = "result.body.text" }
""",
    "waits": """[consumer.on_admit.call]
action = "admit"
data = "query.mood"
timeout = "200ms"
error.refuse = "log in again"
""",
    "required": "[consumer.on_admit]\nrequire = \"query.room == 'mine'\"",
    "refused": '[consumer.on_admit]\nrefuse = "not today"',
    # As the tracker preset: an `error` says that the token is bad.
    "asks": """[consumer.on_admit.call]
action = "admit"
data = "query.mood"
timeout = "20s"
ok.user = "{'id': result.body.id}"
status.404.refuse = "no such user"
status.507.refuse = "full"
error.refuse = "log in again"
""",
    "asks_bare": '[consumer.on_admit]\ncall = { action = "admit", data = "query.mood", timeout = "20s" }',
    "handles": """[consumer.on_admit.call]
action = "admit"
data = "query.mood"
timeout = "20s"
unavailable.refuse = "come back"
error.refuse = "log in again"
""",
}

SPOKEN = """
[[consumer]]
path = "/plain/{name}/"
{rules}
[[consumer]]
path = "/one/{name}/"
reject = {{ close = 4401, reason = "log in", send = "{{'refused': query.room | default(none)}}" }}
{rules}
[[consumer]]
path = "/table/{name}/<str:who>/"
reject = {{ close = {{ missing = 4002 }}, when = "route.who == 'page' or query.cg == '1'" }}
{rules}
[[consumer]]
protocol = "engine.io"
path = "/raw/{name}/"
{rules}
[[consumer]]
name = "{name}"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/{name}"
reject = {{ missing = "show a token", invalid = "a bad token", message = "no" }}
{rules}
"""

OTHERS = """
[[consumer]]
name = "needs a token"
path = "/socket.io/"
protocol = "socket.io"
namespace = "/both"
auth = ["jwt"]
[[consumer]]
name = "asks, too"
path = "/socket.io/"
protocol = "socket.io"
namespace = "/both"
[consumer.on_admit]
call = { action = "admit", data = "query.mood" }
[[consumer]]
path = "/maintained/"
reject.close = { unavailable = 4013 }
reject.when = "query.cg == '1'"
[consumer.on_admit]
refuse = { text = "maintenance", status = 503 }
[[consumer]]
path = "/own/"
[consumer.on_admit]
refuse = { text = "no such board", code = 4404, status = 404 }
[[consumer]]
path = "/code/"
reject.close = 4001
[consumer.on_admit]
refuse = { text = "gone", code = 4410 }
[[consumer]]
path = "/chosen_by/"
reject = { close = 4001, when = "query.cg == '1'" }
[consumer.on_admit]
refuse = { text = "no such board", code = 4404, status = 404 }
[[consumer]]
path = "/status/"
[consumer.on_admit]
refuse = { text = "gone", status = 410 }
[[consumer]]
path = "/raw_status/"
protocol = "engine.io"
[consumer.on_admit]
refuse = { text = "pay first", status = 402 }
[[consumer]]
path = "/framed/<int:id>/"
auth = ["jwt"]
reject = { close = 4001, send = "{'board': route.id, 'page': query.page}" }
[[consumer]]
path = "/silent/"
auth = ["jwt"]
reject.close = 4001
[[consumer]]
path = "/closes/"
[consumer.on_message.bye]
close = { code = 4000, reason = "bye {{ message.who }}" }
[consumer.on_message.long]
close = { code = 4000, reason = "{{ message.text }}" }
[consumer.on_message.bare]
close = 4000
[[consumer]]
path = "/messages/"
on_bad_json = { reply = "'no JSON'" }
on_failed = { reply = "'failed'" }
[consumer.on_message.needs]
reply = "message.missing"
[consumer.on_message.asks.call]
action = "admit"
data = "message.mood"
timeout = "20s"
ok.reply = "result.body.id"
unavailable.reply = "'away'"
error.reply = "'error ' ~ result.status"
[consumer.on_message.asks_briefly.call]
action = "admit"
data = "message.mood"
timeout = "700ms"
ok.reply = "result.body.id"
unavailable.reply = "'away'"
error.reply = "'error ' ~ result.status"
[consumer.on_message.falls_back.call]
action = "admit"
data = "message.mood"
timeout = "20s"
error.reply = "'error ' ~ result.status"
[consumer.on_message.falls_back_briefly.call]
action = "admit"
data = "message.mood"
timeout = "700ms"
error.reply = "'error ' ~ result.status"
[consumer.on_message.handles_nothing.call]
action = "admit"
data = "message.mood"
"""

CONFIG = OTHERS + "".join(SPOKEN.format(name=name, rules=rules) for name, rules in RULES.items())
PERSON = mint_person(7)
AWAY = "Service unavailable"


@dataclasses.dataclass(frozen=True)
class Why:
    """A cause: the consumer, what the client sends, and the answer."""

    rule: str
    query: str = ""
    token: str | None = None
    #: "missing", "invalid", "forbidden" or "away".
    kind: str = "away"
    outcome: str = "backend_unavailable"
    #: In the body of the HTTP answer.
    detail: str = "the backend is not available"
    #: The text of connect_error.
    told: str = AWAY
    #: The reason of a close whose consumer has none.
    reason: str = ""
    status: int = 403
    retry_after: int = 1
    #: In the log.
    logged: str = "see the line about its call"

    @property
    def closed(self) -> str:
        """The reason of a close whose consumer has none."""
        return self.reason or (AWAY if self.kind == "away" else "")

    @property
    def http(self) -> int:
        return 503 if self.kind == "away" else self.status


def mood(name: str, **more) -> Why:
    return Why("asks", f"mood={name}", **more)


def forbidden(rule: str, query: str = "", **more) -> Why:
    return Why(rule, query, **{"kind": "forbidden", "outcome": "denied", "told": "no", "logged": "", **more})


def told(rule: str, query: str, text: str) -> Why:
    return forbidden(rule, query, detail=text, told=text, reason=text, logged="refused by on_admit: ")


def later(rule: str, query: str, text: str, **more) -> Why:
    """Away, with a text of `refuse`."""
    return Why(rule, query, detail=text, told=text, reason=text, logged="refused by on_admit: ", **more)


CAUSES = {
    "no token": Why(
        "jwt",
        kind="missing",
        outcome="missing",
        detail="no credential was given",
        told="show a token",
        logged='add "anonymous" to auth',
    ),
    "a bad token": Why(
        "jwt",
        token="a.b.c",
        kind="invalid",
        outcome="invalid",
        detail="",
        told="a bad token",
        logged="a token is not valid",
    ),
    "an expired token": Why(
        "jwt",
        token=mint(**{**access_claims(7), "exp": int(time.time()) - 60}),
        kind="invalid",
        outcome="invalid",
        detail="",
        told="a bad token",
        logged="a token is not valid",
    ),
    "on_admit refuses": forbidden(
        "refused", detail="not today", told="not today", reason="not today", logged="refused by on_admit: not today"
    ),
    "on_admit requires": forbidden("required", detail="not allowed", reason="not allowed", logged="on_admit"),
    "no name of a group": forbidden("unnamed", detail="`query.room`", logged="no group for it"),
    "a group that is not allowed": forbidden("chosen", "room=user_7", detail="is not a name", logged='widen "allow"'),
    "too large": forbidden(
        "large",
        "mood=large",
        outcome="state_too_large",
        status=431,
        detail="too large",
        told="query, token and auth data together are too large",
        logged="limits.connection_state",
    ),
    "Django: 404": told("asks", "mood=404", "no such user"),
    "Django: 403": told("asks", "mood=403", "log in again"),
    "Django hangs": Why("waits", "mood=hangs"),
    "Django raises": mood("raises"),
    "Django: 503": mood("503%207", retry_after=7),
    "Django: 503 until a date that is over": mood("a%20date"),
    "Django: 503 until tomorrow": mood("tomorrow", retry_after=3600),
    "Django: 429": mood("429%203", retry_after=3),
    "Django: 502": mood("502"),
    "Django: 501": mood("501"),
    "Django redirects": mood("redirects"),
    "Django answers nonsense": mood("nonsense"),
    "Django: 500, no error": Why("asks_bare", "mood=500"),
    "Django: 400, no error": forbidden(
        "asks_bare", "mood=400", detail="not allowed", reason="not allowed", logged="on_admit"
    ),
    # `refuse` changes the text, and not what is true.
    "Django: 507 has steps": later("asks", "mood=507", "full"),
    "Django: 503, its own steps": later("handles", "mood=503%207", "come back", retry_after=7),
    "Django raises, its own steps": later("handles", "mood=raises", "come back"),
    "Django: 403, its own steps": told("handles", "mood=403", "log in again"),
}

#: Once Django is gone, and once Redis is.
WITHOUT_DJANGO = {"Django is gone": mood("fine"), "Django is gone, no error": Why("asks_bare", "mood=fine")}
REDIS = {"outcome": "unavailable", "logged": "/health/ready", "retry_after": 0}
WITHOUT_REDIS = {
    "no cache": Why("ticket", token=PERSON.token, detail="the token store is not reachable", **REDIS),
    "no count of a user": Why(
        "jwt",
        token=PERSON.token,
        detail="the connections of this user cannot be counted now",
        reason="the connections of this user cannot be counted now",
        outcome="unavailable",
        retry_after=0,
        logged="limits.connections_per_user needs Redis",
    ),
    "no layer": Why("grouped", detail="the channel layer is not ready", **REDIS),
}


async def ask(port: int, path: str, token: str | None = None, **headers: str) -> Knock:
    """A handshake; by polling it is an ordinary request."""
    if "polling" not in path:
        return await knock(port, path, token=token, **headers)
    reply = await Http(port).request("GET", path, token=token, headers=headers)
    return Knock(None, reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.json())


class Place:
    """A node, its Django, and how clients are refused there."""

    def __init__(self, system):
        self.system = system
        self.django = self.moods()
        self.node = system.start_node(
            config=CONFIG,
            CHANNELGATE_BACKEND_URL=f"http://{stack.LOOPBACK}:{self.django.port}/channelgate",
            CHANNELGATE__LIMITS__CONNECTION_STATE="16384",
            # More than Django has for an answer.
            CHANNELGATE__LIMITS__ADMISSION_TIMEOUT="25s",
            CHANNELGATE__LIMITS__CONNECTIONS_PER_USER="1000",
            # The sessions of the last test are opened while Redis is there, and asked when it is seen to be away.
            CHANNELGATE__SOCKETIO__POLL_TIMEOUT="60s",
        )

    def moods(self) -> stack.Part:
        """Django under Daphne."""
        port = stack.free_port()
        argv = [stack.PYTHON, "-m", "daphne", "-b", stack.LOOPBACK, "-p", str(port), "rig.moods:application"]
        env = {"PYTHONPATH": str(stack.ROOT / "tests" / "e2e"), "PYTHONDONTWRITEBYTECODE": "1"}
        return self.system._start(
            stack.Part("moods", argv, self.system.directory, lambda: stack.listening(port), env, port)
        )

    @contextlib.contextmanager
    def at(self, node: stack.Part):
        """Asks another node meanwhile."""
        before, self.node = self.node, node
        try:
            yield
        finally:
            self.node = before

    def counted(self, outcome: str) -> float:
        return self.system.metric(self.node, "channelgate_handshakes_total", outcome=outcome)

    async def ask(self, path: str, token: str | None = None, **headers: str) -> Knock:
        return await ask(self.node.port, path, token, **headers)

    async def http(self, why: Why, path: str) -> None:
        """An HTTP answer."""
        before = self.counted(why.outcome)
        answer = await self.ask(path, why.token)
        assert answer.status == why.http, (path, answer.body)
        assert self.counted(why.outcome) == before + 1, path
        text = answer.body["message" if path.startswith("/raw") else "detail"]
        # Without the layer no session of Engine.IO begins, whatever else is missing.
        early = path.startswith("/raw") and why.outcome == "unavailable" and "layer is not ready" in text
        assert why.detail in text or why.told in text or early, answer.body
        assert ("code" in answer.body) == path.startswith("/raw"), answer.body
        if why.kind == "away":
            assert answer.retry_after == (why.retry_after or answer.retry_after) >= 1, path
        else:
            assert "retry-after" not in answer.headers, path

    async def closes(self, why: Why, path: str, code: int, reason: str, frame: bytes | None = None) -> None:
        """Accepts and closes."""
        before = self.counted(why.outcome)
        answer = await knock(self.node.port, path, token=why.token)
        assert answer.status == 101, (path, answer.body)
        if frame:
            assert await answer.raw.read() == (TEXT, frame)
        assert await answer.raw.read() == (CLOSE, code.to_bytes(2) + reason.encode()), path
        assert self.counted(why.outcome) == before + 1, path
        answer.close()

    async def socketio(self, why: Why, raw=None) -> None:
        """A CONNECT by WebSocket; `raw` is an open session."""
        before = self.counted(why.outcome)
        raw = raw or await self.socket(why.query)
        raw, packet = await connect(self.node.port, why.token, f"/{why.rule}", raw)
        assert json.loads(packet.removeprefix("44")) == {"message": why.told}
        assert self.counted(why.outcome) == before + 1
        raw.abort()

    async def polling(self, why: Why, sid: str | None = None) -> None:
        """The same by polling."""
        before = self.counted(why.outcome)
        http = Http(self.node.port)
        place = f"{BASE}polling&sid={sid or await self.session(why.query)}"
        auth = json.dumps({"token": why.token}) if why.token else ""
        posted = await http.request("POST", place, body=f"40/{why.rule},{auth}".encode())
        assert posted.status == 200, posted
        answer = (await http.get(place)).body.decode()
        assert json.loads(answer.removeprefix(f"44/{why.rule},")) == {"message": why.told}, answer
        assert self.counted(why.outcome) == before + 1

    async def socket(self, query: str = ""):
        raw = (await knock(self.node.port, f"{BASE}websocket&{query}")).raw
        assert (await raw.read())[1].startswith(b"0{")
        return raw

    async def session(self, query: str = "") -> str:
        opened = await Http(self.node.port).get(f"{BASE}polling&{query}")
        return json.loads(opened.body[1:])["sid"]

    async def refuses(self, why: Why, socket=None, sid: str | None = None) -> None:
        """By every protocol."""
        query = f"?{why.query}"
        await self.http(why, f"/plain/{why.rule}/{query}")
        await self.http(why, f"/table/{why.rule}/script/{query}")
        await self.http(why, f"/raw/{why.rule}/?EIO=4&transport=polling&{why.query}")
        await self.http(why, f"/raw/{why.rule}/?EIO=4&transport=websocket&{why.query}")
        away = why.kind == "away"
        room = dict(part.split("=") for part in why.query.split("&") if part).get("room")
        frame = json.dumps({"refused": room}, separators=(",", ":")).encode()
        await self.closes(why, f"/one/{why.rule}/{query}", *((1013, why.closed) if away else (4401, "log in", frame)))
        code = {"missing": 4002, "invalid": 4003, "forbidden": 4403, "away": 1013}[why.kind]
        await self.closes(why, f"/table/{why.rule}/page/{query}", code, why.closed)
        await self.closes(why, f"/table/{why.rule}/script/{query}&cg=1", code, why.closed)
        await self.socketio(why, socket)
        await self.polling(why, sid)
        log = self.node.log.read_text
        await until(lambda: why.logged in log(), f"the log to say {why.logged!r}")
        assert not why.token or why.token not in log()


@pytest.fixture(scope="module")
def place(module_system):
    return Place(module_system)


@pytest.mark.parametrize("why", CAUSES)
async def test_a_cause_has_one_answer_for_every_protocol(place, why):
    await place.refuses(CAUSES[why])


async def test_a_revoked_token_is_wrong(place):
    token = mint_person(70).token
    reply = await Http(place.node.port).post("/api/websocket/disconnect", data={"token": token}, token=API_KEY)
    assert reply.status == 200, reply
    revoked = {"outcome": "revoked", "detail": "the token was revoked", "told": "a bad token"}
    await place.refuses(Why("jwt", token=token, kind="invalid", logged="it needs a new one", **revoked))


async def test_what_a_client_sends_is_shown_up_to_a_limit(place):
    answer = await knock(place.node.port, f"/plain/chosen/?room={'x' * 6000}")
    assert answer.status == 403 and "xxx" in answer.body["detail"] and len(answer.body["detail"]) < 400
    assert max(map(len, whole_log(place.node).splitlines())) < 700


async def test_a_namespace_with_one_consumer_away_is_away(place):
    """The other one would admit the client with a token; but this one may admit it without, later."""
    for mood, text in (("503", AWAY), ("500", AWAY), ("403", "Authentication error")):
        raw, packet = await connect(place.node.port, None, "/both", await place.socket(f"mood={mood}"))
        assert json.loads(packet.removeprefix("44")) == {"message": text}, mood
        raw.abort()


async def test_a_node_without_its_key_and_one_that_takes_too_long(place):
    """A worker that does not run, behind a deadline for all of an admission."""
    node = place.system.start_node(
        config=CONFIG,
        DJANGO_SECRET_KEY="",
        CHANNELGATE__BACKEND__WORKER="nobody",
        CHANNELGATE__LIMITS__ADMISSION_TIMEOUT="200ms",
    )
    late = {"outcome": "timeout", "detail": "admission took too long", "logged": "limits.admission_timeout"}
    lacking = {"outcome": "unconfigured", "detail": "DJANGO_SECRET_KEY", "logged": "DJANGO_SECRET_KEY"}
    with place.at(node):
        await place.refuses(Why("asks", "mood=fine", **late))
        await place.refuses(Why("jwt", token=PERSON.token, retry_after=60, **lacking))


async def test_a_worker_is_a_backend_like_any_other(place):
    """The tracker preset, whose `error` says *Authentication error*: without a worker, and with one."""
    system = place.system
    worker = {"CHANNELGATE__BACKEND__WORKER": "moody", "CHANNELGATE__BACKEND__TIMEOUT": "8s"}
    node = system.start_node(config='presets = ["tracker"]', **worker)

    async def asked() -> str:
        raw, packet = await connect(node.port, PERSON.token)
        raw.abort()
        return json.loads(packet.removeprefix("44"))["message"]

    assert await asked() == AWAY
    async with system.publisher() as layer:
        await layer.receive("moody")
        for answer, text in (
            ({"status": 503, "retry_after": 9}, AWAY),
            ({"status": 500}, AWAY),
            ({"status": 404}, "User not found"),
            ({"status": 403}, "Authentication error"),
        ):
            asking = asyncio.create_task(asked())
            call = await in_time(DEADLINE, layer.receive("moody"))
            reply = {"type": "channelgate.answer", "id": call["id"], "body": {}, **answer}
            await layer.send(call["reply_channel"], reply)
            assert await asking == text, answer


async def test_a_refusal_has_a_code_and_a_status_of_its_own(place):
    port = place.node.port
    for path, code, reason in (
        ("/own/", 4404, "no such board"),
        ("/own/?cg=1", 4404, "no such board"),
        ("/code/", 4410, "gone"),
        ("/chosen_by/?cg=1", 4404, "no such board"),
        ("/maintained/?cg=1", 4013, "maintenance"),
    ):
        answer = await knock(port, path)
        assert answer.status == 101, path
        assert await answer.raw.read() == (CLOSE, code.to_bytes(2) + reason.encode()), path
        answer.close()
    framed = await knock(port, "/framed/7/?page=3")
    assert await framed.raw.read() == (TEXT, b'{"board":7,"page":"3"}'), "a frame knows the route, too"
    framed.close()
    for path, status, detail in (
        ("/chosen_by/", 404, "no such board"),
        ("/status/", 410, "gone"),
        ("/maintained/", 503, "maintenance"),
        ("/raw_status/?EIO=4&transport=polling", 402, "pay first"),
    ):
        answer = await ask(port, path)
        assert (answer.status, *answer.body.values()) in ((status, detail), (status, 4, detail)), (path, answer.body)
        assert ("retry-after" in answer.headers) == (status == 503), path


async def test_a_close_of_a_handler_has_a_reason(place):
    for message, reason in (
        ({"type": "bye", "who": "you"}, b"bye you"),
        ({"type": "long", "text": "x" * 500}, b"x" * 123),
        ({"type": "bare"}, b""),
    ):
        answer = await knock(place.node.port, "/closes/")
        await answer.raw.frame(TEXT, json.dumps(message).encode())
        assert await answer.raw.read() == (CLOSE, (4000).to_bytes(2) + reason)
        answer.close()


async def test_daphne_gives_the_same_answers(place):
    """What Channels can say, with the same status and code. Daphne sends no reason, whatever a consumer gives."""
    django, node = place.django.port, place.node.port
    refused = await knock(django, "/oracle/closes/")
    assert refused.status == (await knock(node, "/plain/refused/")).status == 403

    async def ends(port: int, path: str, message: bytes | None = None) -> tuple[int, int]:
        answer = await knock(port, path)
        assert answer.status == 101, path
        if message:
            await answer.raw.frame(TEXT, message)
        opcode, payload = await answer.raw.read()
        answer.close()
        return opcode, int.from_bytes(payload[:2])

    assert await ends(django, "/oracle/accepts/") == await ends(node, "/silent/") == (CLOSE, 4001)
    assert await ends(django, "/oracle/says%20why/") == await ends(node, "/own/") == (CLOSE, 4404)
    bye = b'{"type": "bye", "who": "you"}'
    assert await ends(django, "/oracle/stays/", bye) == await ends(node, "/closes/", bye) == (CLOSE, 4000)


async def test_a_message_that_is_no_json_and_a_handler_that_fails_are_two_things(place):
    answer = await knock(place.node.port, "/messages/?mood=500")
    raw = answer.raw
    for sent, got in (
        (b"{", b'"no JSON"'),
        (b'{"type": "needs"}', b'"failed"'),
        (b'{"type": "asks", "mood": "fine"}', b"7"),
        (b'{"type": "asks", "mood": "503"}', b'"away"'),
        (b'{"type": "asks_briefly", "mood": "hangs"}', b'"away"'),
        (b'{"type": "asks", "mood": "500"}', b'"error 500"'),
        (b'{"type": "asks", "mood": "nonsense"}', b'"failed"'),
        (b'{"type": "falls_back", "mood": "503"}', b'"error 503"'),
        (b'{"type": "falls_back_briefly", "mood": "hangs"}', b'"error None"'),
        (b'{"type": "handles_nothing", "mood": "503"}', b'"failed"'),
    ):
        await raw.frame(TEXT, sent)
        assert await raw.read() == (TEXT, got), sent
    raw.abort()


@pytest.mark.parametrize("listed", [False, True])
async def test_an_origin_is_refused_with_what_to_change(system, listed):
    """`Host $host` behind nginx on port 8080 loses the port."""
    env = {"CHANNELGATE_ALLOWED_ORIGINS": "a.example"} if listed else {}
    node = system.start_node(config=CONFIG, **env)
    pass_on = "nginx: proxy_set_header Host $http_host"
    advice = "add the origin to server.allowed_origins" if listed else "a proxy has removed the port from Host"
    origin = "http://page.example:8080"
    polling = (f"{BASE}polling", "/raw/refused/?EIO=4&transport=polling")
    began = time.monotonic()
    for path in ("/plain/refused/", "/one/refused/", f"{BASE}websocket", *polling):
        answer = await ask(node.port, path, Origin=origin, Host="page.example")
        assert answer.status == 403, path
        text = answer.body.get("detail") or answer.body["message"]
        assert f'Origin "{origin}", Host "page.example"' in text and advice in text, text
        assert (pass_on in text) != listed, text
    assert system.metric(node, "channelgate_handshakes_total", outcome="origin") == 5
    log = whole_log(node)
    assert advice in log and 'Host "page.example"' in log
    lines = len(re.findall("the origin is not allowed", log))
    assert 1 <= lines <= 1 + (time.monotonic() - began) // 10, "one line in ten seconds"
    # Long and hostile headers are cut and escaped.
    long = await ask(node.port, "/plain/refused/", Origin="http://" + "o" * 3000, Host="h" * 3000)
    assert long.status == 403 and len(json.dumps(long.body)) < 700


async def test_a_new_token_that_is_wrong_and_one_that_cannot_be_checked(system):
    """On an open connection: `denied`, and, once Redis is gone, `failed`."""
    config = """
[[consumer]]
path = "/refreshes/"
auth = ["ws_token", "jwt"]
[consumer.on_message.m]
refresh = "message.token"
denied = "'denied'"
failed = "'failed'"
reply = "'renewed'"
"""
    node = system.start_node(config=config)
    http = Http(node.port)
    issued = (await http.get("/api/user/ws-token/", token=PERSON.token)).json()["ws_token"]
    raw = (await knock(node.port, f"/refreshes/?token={PERSON.token}")).raw

    async def says(token: str) -> bytes:
        await raw.frame(TEXT, json.dumps({"type": "m", "token": token}).encode())
        return (await raw.read())[1]

    assert await says(issued) == b'"renewed"'
    assert await says("a.b.c") == await says("") == await says(mint_person(8).token) == b'"denied"'
    # The HTTP route: wrong credentials are 401, also a token that was revoked.
    for token in (None, "a.b.c"):
        reply = await http.get("/api/user/ws-token/", token=token)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="api"')
    other = mint_person(9).token
    done = await http.post("/api/websocket/disconnect", data={"token": other}, token=API_KEY)
    assert done.status == 200, done
    reply = await http.get("/api/user/ws-token/", token=other)
    assert reply.status == 401, reply
    system.redis.kill()
    assert await says(issued) == b'"failed"'
    reply = await http.get("/api/user/ws-token/", token=PERSON.token)
    assert reply.status == 503 and int(reply.headers["retry-after"]) >= 1
    assert system.metric(node, "channelgate_refused_messages_total", reason="refresh_denied") == 3
    assert system.metric(node, "channelgate_refused_messages_total", reason="refresh_failed") == 1
    log = whole_log(node)
    assert "a new token of an open connection is refused" in log
    assert "cannot be checked now" in log and issued not in log and PERSON.token not in log
    raw.abort()


async def test_what_goes_away_is_away(place):
    """Last: Django ends in the middle of an answer, then Redis does."""
    asking = asyncio.create_task(knock(place.node.port, "/plain/asks/?mood=hangs"))
    before = place.django.log.read_text()
    await until(lambda: "hangs" in place.django.log.read_text().removeprefix(before), "Django to be asked")
    place.django.kill()
    broken = await asking
    assert (broken.status, broken.retry_after, broken.body["detail"]) == (503, 1, "the backend is not available")
    for why in WITHOUT_DJANGO.values():
        await place.refuses(why)
    issued = (await Http(place.node.port).get("/api/user/ws-token/", token=PERSON.token)).json()["ws_token"]
    WITHOUT_REDIS["no cache"] = dataclasses.replace(WITHOUT_REDIS["no cache"], token=issued)
    sockets = [await place.socket() for _ in WITHOUT_REDIS]
    sessions = [await place.session() for _ in WITHOUT_REDIS]
    place.system.redis.kill()

    async def is_away() -> bool:
        return (await Http(place.node.port).get("/health/ready")).status == 503

    await until(is_away, "the node to notice")
    for why, socket, sid in zip(WITHOUT_REDIS.values(), sockets, sessions, strict=True):
        await place.refuses(why, socket, sid)
    # A session cannot begin, either.
    answer = await place.ask(f"{BASE}polling")
    assert answer.status == 503 and answer.retry_after == 1 and answer.body["code"] == 4
    assert (await knock(place.node.port, "/plain/refused/")).status == 403, "what needs no Redis is decided"
