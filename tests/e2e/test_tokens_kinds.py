"""Several kinds of JWT: keys from a URL, headers of simplejwt, other systems' tokens, and why a token is refused."""

import asyncio
import json
import pickle
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time

import jwt
import pytest
import redis.asyncio as redis
import stack
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from rig.certificates import HERE, Certificates
from rig.client import Client, refusal, until
from rig.demo import access_claims, mint, mint_access
from rig.http import Http
from rig.jwks import KeyServer, as_jwk, sign
from rig.log import whole_log
from rig.system import API_KEY

ONE, TWO, FORGED = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3))
CURVE = ec.generate_private_key(ec.SECP521R1())

IDP = """
[auth.jwt.kinds.idp]
algorithm = "RS256"
jwk_url = "{url}"
jwk_lifetime = "{lifetime}"
[auth.jwt.kinds.curve]
algorithm = "ES512"
jwk_url = "{url}"
[[consumer]]
path = "/ws/idp/"
auth = ["jwt", "jwt:idp"]
[[consumer]]
path = "/ws/curve/"
auth = ["jwt:curve"]
"""


@pytest.fixture
def keys():
    server = KeyServer().start()
    server.keys = [
        {"kty": "oct", "kid": "noise"},
        as_jwk("one", ONE.public_key()),
        as_jwk("curve", CURVE.public_key()),
        as_jwk("for encryption", TWO.public_key()) | {"use": "enc"},
    ]
    yield server
    server.stop()


async def test_keys_of_a_url_are_rotated_without_a_restart(system, keys):
    node = system.start_node(config=IDP.format(url=keys.url, lifetime="1s"))

    async def status(token: str, path: str = "idp") -> int:
        return await refusal(node.port, f"/ws/{path}/?token={token}")

    assert keys.asked == 0
    begun = time.monotonic()
    assert await asyncio.gather(*(status(sign("one", ONE)) for _ in range(20))) == [101] * 20
    # One for all, and one for each jwk_lifetime of a second that is over meanwhile.
    assert 1 <= keys.asked <= 1 + (time.monotonic() - begun)
    assert await status(sign("curve", CURVE, "ES512"), "curve") == 101
    assert await status(mint_access(7)) == 101, "tokens of Django go on"
    for token in (sign("one", FORGED), sign("for encryption", TWO), sign(None, ONE)):
        assert await status(token) == 403
    # The provider changes its key: the new one counts at once, the old one until the set is fetched again.
    keys.keys = [as_jwk("two", TWO.public_key())]
    assert await status(sign("two", TWO)) == 101
    assert await status(sign("one", ONE)) == 403
    # Without a restart of the node, and within jwk_lifetime if nobody shows the new one.
    keys.keys = [as_jwk("one", ONE.public_key())]
    await until(lambda: _is(status, sign("two", TWO), 403), "the old key to end")


async def _is(status, token: str, expected: int) -> bool:
    return await status(token) == expected


async def test_an_issuer_that_is_away_refuses_nobody_and_made_up_keys_do_not_storm_it(system, keys):
    node = system.start_node(config=IDP.format(url=keys.url, lifetime="1s"))
    keys.stop()
    reply = await Http(node.port).get("/ws/idp/", headers=_upgrade(sign("one", ONE)))
    assert (reply.status, int(reply.headers["retry-after"]) > 0) == (503, True), reply
    await until(lambda: "key set at http://" in node.log.read_text(), "a line in the log")
    await until(lambda: "see jwk_url" in node.log.read_text(), "what to change")
    assert "REDIS_URL" not in whole_log(node)
    keys.start()
    await until(lambda: _is(lambda token: refusal(node.port, f"/ws/idp/?token={token}"), sign("one", ONE), 101), "keys")
    # Many made-up keys: few requests, and a client with a known key is not kept waiting.
    before, begun = keys.asked, time.monotonic()
    forged = [refusal(node.port, f"/ws/idp/?token={sign(f'made-up {n}', FORGED)}") for n in range(60)]
    known = [refusal(node.port, f"/ws/idp/?token={sign('one', ONE)}") for _ in range(10)]
    statuses = await asyncio.gather(*forged, *known)
    assert statuses[60:] == [101] * 10 and set(statuses[:60]) <= {403, 503}, statuses
    assert keys.asked - before <= 3 + (time.monotonic() - begun), keys.asked - before
    # Away again: known keys count on, also after jwk_lifetime; others are not known to be wrong.
    keys.stop()
    await until(lambda: time.monotonic() - begun > 2.5, "jwk_lifetime to end")
    assert await refusal(node.port, f"/ws/idp/?token={sign('one', ONE)}") == 101
    assert await refusal(node.port, f"/ws/idp/?token={sign('two', TWO)}") == 503


async def test_a_key_that_its_issuer_has_removed_counts_no_more(system, keys):
    node = system.start_node(config=IDP.format(url=keys.url, lifetime="1s"))
    assert await refusal(node.port, f"/ws/idp/?token={sign('one', ONE)}") == 101
    keys.keys, begun = [as_jwk("two", TWO.public_key())], time.monotonic()
    await until(lambda: time.monotonic() - begun > 1.2, "jwk_lifetime to end")
    # Not even for the first client whose token makes the node look.
    assert await refusal(node.port, f"/ws/idp/?token={sign('one', ONE)}") == 403


async def test_an_issuer_may_be_slower_than_the_lifetime_of_its_keys(system, keys):
    node = system.start_node(config=IDP.format(url=keys.url, lifetime="50ms"))
    keys.delay = 0.3
    for _ in range(2):
        assert await refusal(node.port, f"/ws/idp/?token={sign('one', ONE)}") == 101


async def test_known_keys_survive_a_reload_while_their_issuer_is_away(system, keys):
    text = IDP.format(url=keys.url, lifetime="300s")
    node = system.start_node(config=text)
    assert await refusal(node.port, f"/ws/idp/?token={sign('one', ONE)}") == 101
    keys.stop()
    (system.directory / f"{node.name}.toml").write_text(text + 'on_connect = { reply = "{}" }\n')
    node.signal(signal.SIGHUP)
    await until(lambda: "keys applied" in node.log.read_text(), "the reload")
    assert await refusal(node.port, f"/ws/idp/?token={sign('one', ONE)}") == 101


SEVERAL = """
[auth.jwt.kinds.first]
algorithm = "RS256"
jwk_url = "{first}"
[auth.jwt.kinds.second]
algorithm = "RS256"
jwk_url = "{second}"
[[consumer]]
path = "/ws/"
auth = ["jwt:first", "jwt:second"]
[[consumer]]
path = "/socket.io/"
protocol = "socket.io"
auth = ["jwt:first", "jwt:second"]
"""


async def test_a_token_of_one_issuer_asks_no_other_and_depends_on_none(system, keys, sockets):
    other = KeyServer().start()
    other.keys = [as_jwk("other", TWO.public_key())]
    try:
        node = system.start_node(config=SEVERAL.format(first=keys.url, second=other.url))

        async def status(token: str) -> int:
            return await refusal(node.port, f"/ws/?token={token}")

        assert await status(sign("other", TWO)) == 101
        asked = keys.asked
        ended = sign("other", TWO, exp=int(time.time()) - 5)
        assert [await status(ended) for _ in range(6)] == [403] * 6, "wrong, not away"
        assert [await status(sign("other", TWO)) for _ in range(6)] == [101] * 6
        await (await sockets.start(node.port, sign("other", TWO))).opened()
        assert keys.asked == asked
        assert await status(sign("one", ONE)) == 101
        # The first issuer changes its key, which is found in spite of all those tokens; then it is away.
        keys.keys = [as_jwk("new", FORGED.public_key())]
        assert await status(sign("new", FORGED)) == 101
        keys.stop()
        assert await status(sign("other", TWO)) == 101
        assert await status(ended) == 403
    finally:
        other.stop()


async def test_an_issuer_is_verified_by_the_authorities_of_the_system(system, tmp_path):
    made = Certificates(tmp_path / "certificates")
    made.self_signed("company", "company")
    made.signed("issuer", "company", "issuer", HERE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.path("issuer.crt"), made.path("issuer.key"))
    server = KeyServer(context).start()
    server.keys = [as_jwk("one", ONE.public_key())]
    try:
        stranger = system.start_node(config=IDP.format(url=server.url, lifetime="300s"))
        assert await refusal(stranger.port, f"/ws/idp/?token={sign('one', ONE)}") == 503
        # As for Python, and so for PyJWT.
        node = system.start_node(
            config=IDP.format(url=server.url, lifetime="300s"), SSL_CERT_FILE=made.path("company.crt")
        )
        assert await refusal(node.port, f"/ws/idp/?token={sign('one', ONE)}") == 101
    finally:
        server.stop()


#: What an issuer may answer, and the reason in the log.
ANSWERS = [
    ({"status": 302}, "status 302; write the address to which it leads"),
    ({"status": 500}, "status 500"),
    ({"body": b"<html>"}, "not JSON"),
    ({"body": b"[" * 200_000}, "not JSON"),
    ({"body": b"{}"}, 'no list "keys"'),
    ({"body": b'{"keys": []}'}, "no key for RS256"),
    ({"body": b" " * (2 << 20)}, "too large"),
]


async def test_an_answer_that_is_no_key_set_is_said_and_refuses_as_away(system, keys):
    config = "".join(
        f'[auth.jwt.kinds.k{n}]\nalgorithm = "RS256"\njwk_url = "{keys.url}?{n}"\n'
        f'[[consumer]]\npath = "/ws/{n}/"\nauth = ["jwt:k{n}"]\n'
        for n in range(len(ANSWERS))
    )
    node = system.start_node(config=config)
    for n, (answer, reason) in enumerate(ANSWERS):
        keys.status, keys.body = answer.get("status", 200), answer.get("body")
        assert await refusal(node.port, f"/ws/{n}/?token={sign('one', ONE)}") == 503, answer
        log = whole_log(node)
        assert n or reason in log, log


async def test_of_keys_with_one_id_the_first_counts_as_in_pyjwt(system, keys):
    node = system.start_node(config=IDP.format(url=keys.url, lifetime="300s"))
    keys.keys = [as_jwk("one", ONE.public_key()), as_jwk("one", TWO.public_key())]
    assert await refusal(node.port, f"/ws/idp/?token={sign('one', ONE)}") == 101
    assert await refusal(node.port, f"/ws/idp/?token={sign('one', TWO)}") == 403


def _upgrade(token: str) -> dict:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        "Authorization": f"Bearer {token}",
    }


HEADERS = """
[auth.jwt]
sources = ["header:JWT", "header:X-Access-Token"]
[auth.jwt.kinds.device]
signing_key = "the key of devices, as long as a key of HS256 should be"
token_type = "device"
jti_claim = "tid"
sources = ["query:token"]
[[consumer]]
path = "/ws/"
auth = ["jwt", "jwt:device"]
[[consumer]]
path = "/socket.io/"
protocol = "socket.io"
auth = ["jwt"]
[[consumer]]
path = "/ws/open/"
auth = ["jwt", "jwt:device", "anonymous"]
invalid = "anonymous"
on_connect = { reply = "{'user': user, 'told': query.token | default(none)}" }
[[consumer]]
path = "/ws/closed/"
auth = ["jwt", "jwt:device", "anonymous"]
"""
DEVICE = "the key of devices, as long as a key of HS256 should be"


def device(key: str = DEVICE, **claims) -> str:
    return mint(key, **{"token_type": "device", "tid": f"d-{time.monotonic_ns()}", "user_id": "9", **claims})


@pytest.fixture(scope="module")
def headed(module_system):
    return module_system.start_node(config=HEADERS)


async def test_headers_of_simplejwt_are_read_on_every_route(headed, sockets):
    token = mint_access(7, role="admin")
    for headers, taken in [
        ({"Authorization": f"JWT {token}"}, True),
        ({"Authorization": f"jwt {token}"}, True),
        ({"X-Access-Token": token}, True),
        ({"X-Access-Token": f"bearer {token}"}, True),
        ({"Authorization": f"Bearer {token}"}, False),
        ({"X-Other": token}, False),
    ]:
        shown = next(iter(headers.items()))
        assert await refusal(headed.port, "/ws/", additional_headers=headers) == (101 if taken else 403), shown
        web = Http(headed.port)
        issued = await web.get("/api/user/ws-token/", headers=headers)
        assert issued.status == (200 if taken else 401), shown
        assert taken or issued.headers["www-authenticate"] == 'JWT realm="api"'
        admin = await web.get("/api/websocket/stats", headers=headers)
        assert admin.status == (200 if taken else 401), shown
        # Socket.IO reads them when the client connects to its namespace, after the request.
        for kind in ("js-websocket", "js-polling"):
            client = await sockets.start(headed.port, kind=kind, extraHeaders=headers)
            await (client.opened() if taken else client.refused())


async def test_a_kind_has_its_own_key_and_opens_nothing_else(headed):
    assert await refusal(headed.port, f"/ws/?token={device()}") == 101
    token = mint_access(7)
    wrong = {
        "Django's key": device(stack.SECRET_KEY),
        "another type": device(token_type="access"),
        "an access token in the place of the device's": token,
        "no id": mint(DEVICE, token_type="device", user_id="9"),
    }
    for what, shown in wrong.items():
        assert await refusal(headed.port, f"/ws/?token={shown}") == 403, what
    headers = {"Authorization": f"JWT {device()}"}
    for path in ("/api/user/ws-token/", "/api/websocket/stats"):
        assert (await Http(headed.port).get(path, headers=headers)).status == 401, path


async def test_a_token_of_a_kind_is_revoked_by_its_own_id(headed, module_system):
    shown = device()
    client = await Client.open(headed.port, f"/ws/?token={shown}")
    # The same token, spelled differently: padding changes no token, so only its id identifies it.
    reply = await Http(headed.port).post("/api/websocket/disconnect", data={"token": f"{shown}="}, token=API_KEY)
    assert reply.status == 200, reply
    assert (await client.gone())[0] == 4403
    assert await refusal(headed.port, f"/ws/?token={shown}") == 403


async def test_an_invalid_token_is_refused_or_makes_its_client_anonymous(headed, module_system):
    ended = device(exp=int(time.time()) - 5)
    cases = {"": None, f"token={device()}": {"id": 9}, f"token={ended}": None, "token=noise": None}
    counted = module_system.metric(headed, "channelgate_tokens_total", outcome="invalid")
    for query, user in cases.items():
        client = await Client.open(headed.port, f"/ws/open/?{query}")
        await client.count(1)
        assert client.json()[0]["user"] == user, query
        await client.close()
        assert await refusal(headed.port, f"/ws/closed/?{query}") == (403 if query and user is None else 101), query
    assert module_system.metric(headed, "channelgate_tokens_total", outcome="invalid") == counted + 4


async def test_of_a_repeated_query_name_the_last_counts_everywhere(headed):
    good = device()
    for query, status in ((f"token=noise&token={good}", 101), (f"token={good}&token=noise", 403)):
        assert await refusal(headed.port, f"/ws/?{query}") == status, query
    client = await Client.open(headed.port, f"/ws/open/?token=noise&token={good}")
    await client.count(1)
    assert client.json() == [{"user": {"id": 9}, "told": good}]
    await client.close()


async def test_a_test_token_of_a_kind_is_printed(headed, module_system):
    config = module_system.directory / "kinds.toml"
    config.write_text(HEADERS)
    command = [stack.binary(), "token", "--config", config, "--user", "9", "--kind", "jwt:device"]
    made = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True, timeout=20)
    assert jwt.decode(made.stdout.strip(), DEVICE, algorithms=["HS256"])["token_type"] == "device"
    assert await refusal(headed.port, f"/ws/?token={made.stdout.strip()}") == 101


#: Reason, claims or token, and what the line in the log says.
REASONS = [
    ("expired", {"exp": -5}, r"it ended ([5-9]|\d\d) s ago"),
    ("not_yet_valid", {"iat": 600}, r'"iat" is (5\d\d|600) s ahead .*; see auth.jwt.leeway'),
    ("no_expiry", {"exp": None}, "auth.jwt.require_exp = false admits such tokens"),
    ("no_type", {"token_type": None}, r'auth.jwt.token_type_claim = "" admits such tokens'),
    ("no_id", {"jti": None}, r'no claim "jti"; auth.jwt.jti_claim = "" admits such tokens'),
    ("wrong_type", {"token_type": "reset"}, r'"token_type" is "reset", not "access"; see auth.jwt.token_type'),
    ("no_user", {"user_id": None}, "in any of the claims user_id, id, sub; see auth.jwt.user_id_claims"),
    ("bad_claim", {"nbf": "soon"}, 'its claim "nbf" is not a number'),
    ("audience", {"aud": "wiki"}, "see auth.jwt.audience"),
    ("issuer", {"iss": "https://x.example"}, "see auth.jwt.issuer"),
    ("signature", jwt.encode(access_claims(7), "k" * 40), "DJANGO_SECRET_KEY must be the SECRET_KEY"),
    ("algorithm", jwt.encode(access_claims(7), "k" * 64, algorithm="HS512"), "HS512, not with HS256; see auth.jwt.alg"),
    ("malformed", "e30.e30", "it is not a JWT"),
]
STRICT = """
[auth.jwt]
audience = ["shop"]
issuer = ["https://one.example"]
[[consumer]]
path = "/ws/"
auth = ["jwt"]
"""


async def test_every_refused_token_is_counted_with_its_reason_and_logged_without_the_token(module_system):
    node = module_system.start_node(config=STRICT)
    shown, began = [], time.monotonic()
    for reason, token, _ in REASONS:
        if isinstance(token, dict):
            now = int(time.time())
            times = {name: now + value for name, value in token.items() if isinstance(value, int)}
            base = {**access_claims(7), "exp": now + 60, "user_id": "7", "aud": "shop", "iss": "https://one.example"}
            claims = {name: value for name, value in {**base, **token, **times}.items() if value is not None}
            token = jwt.api_jws.encode(json.dumps(claims).encode(), stack.SECRET_KEY, algorithm="HS256")
        shown.append(token)
        assert await refusal(node.port, f"/ws/?token={token}") == 403, reason
        assert module_system.metric(node, "channelgate_token_refusals_total", reason=reason) == 1, reason
    for reason, _, text in REASONS:
        pattern = re.compile(rf"/ws/: a token is not valid \({reason}\): .*({text})")
        await until(lambda pattern=pattern: pattern.search(node.log.read_text()), f"a line about {reason}")
    log = whole_log(node)
    assert not [token for token in shown if token.rsplit(".", 1)[-1] in log and len(token) > 20]
    # A storm of one reason is one line in ten seconds.
    for _ in range(50):
        await refusal(node.port, "/ws/?token=e30.e30")
    lines = whole_log(node).count("a token is not valid (malformed)")
    assert 1 <= lines <= 1 + (time.monotonic() - began) // 10


async def test_a_cached_value_that_cannot_be_read_is_reported_with_its_key_and_type(module_system):
    node = module_system.start_node(config='[[consumer]]\npath = "/ws/"\nauth = ["ws_token"]\n')
    # What Django's cache holds of a member of a TextChoices: the class by its name, and its value.
    role = b"\x80\x05\x95\x2a\x00\x00\x00\x00\x00\x00\x00\x8c\x0faccounts.models\x94\x8c\x04Role\x94\x93\x94"
    role += b"\x8c\x05admin\x94\x85\x94R\x94."
    connection = redis.Redis.from_url(module_system.redis_url)
    await connection.set(":1:ws_token_secret-of-a-client", role, ex=60)
    assert await refusal(node.port, "/ws/?token=secret-of-a-client") == 403
    assert module_system.metric(node, "channelgate_tokens_total", outcome="unreadable") == 1
    assert module_system.metric(node, "channelgate_token_refusals_total", reason="unreadable") == 1
    for value in ({"role": 1}, [7], None):
        await connection.set(":1:ws_token_other", pickle.dumps(value), ex=60)
        assert await refusal(node.port, "/ws/?token=other") == 403
    await connection.aclose()
    pattern = r'"ws_token_\{token\}" cannot be read: .*accounts\.models\.Role'
    await until(lambda: re.search(pattern, node.log.read_text()), "a line with key and type")
    assert "secret-of-a-client" not in whole_log(node)
    assert module_system.metric(node, "channelgate_tokens_total", outcome="unreadable") == 4


#: Signed by jsonwebtoken 9.0.3 with the demonstration's key: jwt.sign({ id: 7, role: "admin", name: "Ada", iat }, key).
#: Without expiresIn such a token never ends.
OF_NODE = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6Nywicm9sZSI6ImFkbWluIiwibmFtZSI6IkFkYSIsImlhdCI6MTc2MDAwMDAwMH0."
    "B4wPcIuLBBpmrh2vyXUcFnaFmp34pGuF63mV8uc3KiY"
)
WHO = {"id": 7, "role": "admin", "name": "Ada"}
OWN_KEY = "the JWT_SECRET of a Node server, as long as a key should be"


@pytest.fixture(scope="module")
def presets(module_system):
    """A node per preset; the tracker's tokens have a key of their own besides."""
    key = {"CHANNELGATE__AUTH__JWT__KINDS__REPAIR_SHOP__SIGNING_KEY": OWN_KEY, "CHANNELGATE_BACKEND_URL": ""}
    tracker = module_system.start_node(False, config='presets = ["tracker"]\n', CHANNELGATE_BACKEND_URL="")
    shop = module_system.start_node(False, config='presets = ["repair-shop"]\n', **key)
    module_system.wait()
    return {"tracker": (tracker, stack.SECRET_KEY), "repair-shop": (shop, OWN_KEY)}


@pytest.mark.parametrize("name", ["tracker", "repair-shop"])
async def test_presets_take_the_tokens_of_the_systems_that_they_stand_for(presets, name, sockets):
    node, key = presets[name]
    now = int(time.time())
    if name == "tracker":
        await (await sockets.start(node.port, OF_NODE)).opened()
    django = {**access_claims(7), "user_id": "7", "role": "admin", "name": "Ada"}
    good = [{**WHO, "iat": now}, {**WHO, "exp": now + 60}, {"sub": "7"}, {"user_id": 7}, {**django, "exp": now + 60}]
    for claims in good:
        await (await sockets.start(node.port, jwt.encode(claims, key))).opened()
    bad = [
        {**WHO, "exp": now - 5},
        {"role": "admin", "name": "Ada"},
        {**WHO, "type": "ws_token"},
        {**WHO, "token_type": "refresh"},
        {**WHO, "type": "refresh_token"},
        {**WHO, "typ": "Refresh"},
        {**WHO, "tokenType": "refreshToken"},
        {**django, "token_type": "password_reset"},
    ]
    text = {"tracker": "Authentication error", "repair-shop": "Invalid authentication token"}[name]
    for claims in bad:
        refused = await (await sockets.start(node.port, jwt.encode(claims, key))).refused()
        assert refused["message"] == text, claims
    refused = await (await sockets.start(node.port, jwt.encode(WHO, "k" * 40))).refused()
    assert refused["message"] == text
    await until(lambda: "a token is not valid (signature)" in node.log.read_text(), "a line in the log")


async def test_a_client_of_an_old_protocol_is_counted_and_named(presets, module_system):
    node, _ = presets["tracker"]
    reply = await Http(node.port).get("/socket.io/?EIO=3&transport=polling")
    assert (reply.status, reply.json()["code"]) == (400, 5)
    assert module_system.metric(node, "channelgate_handshakes_total", outcome="protocol_version") == 1
    await until(lambda: "socket.io-client 1 and 2 need an update" in node.log.read_text(), "a line in the log")


CLOCK = """
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The wall clock is ahead by the seconds in the file WALL_CLOCK. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    long result = syscall(SYS_clock_gettime, clock, time), ahead = 0;
    if (result == 0 && clock == CLOCK_REALTIME) {
        FILE *file = fopen(getenv("WALL_CLOCK"), "r");
        if (file && fscanf(file, "%ld", &ahead) == 1) time->tv_sec += ahead;
        if (file) fclose(file);
    }
    return (int)result;
}
"""
ENDING = '[[consumer]]\npath = "/ws/"\nauth = ["jwt"]\nat_expiry = "close"\n'


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs a C compiler")
async def test_a_connection_ends_with_its_token_when_the_wall_clock_is_set(system, tmp_path):
    clock, source, library = tmp_path / "clock", tmp_path / "clock.c", tmp_path / "clock.so"
    clock.write_text("0")
    source.write_text(CLOCK)
    compiler = ["cc", "-shared", "-fPIC", "-o", library, source]
    await asyncio.to_thread(subprocess.run, compiler, check=True, timeout=60)
    node = system.start_node(config=ENDING, LD_PRELOAD=str(library), WALL_CLOCK=str(clock))
    token = mint_access(7, exp=int(time.time()) + 3600)
    client = await Client.open(node.port, f"/ws/?token={token}")
    # As after a night in which the machine slept: no timer of the node has run, but the wall clock has gone on.
    clock.write_text("3601")
    assert (await client.gone())[0] == 4401
    assert await refusal(node.port, f"/ws/?token={token}") == 403
