"""Tokens: keys, claims, sources, and the ws-tokens of Django's cache."""

import pickle
import time

import jwt
import stack
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rig.client import Client, until
from rig.demo import access_claims, mint
from rig.jwks import KeyServer, as_jwk, sign

from . import OfNode
from .world import Site, is_closed

MINE = '[[consumer]]\npath = "/ws/"\nauth = ["jwt"]\n'
OF_KIND = '[auth.jwt.kinds.device]\ntoken_type_claim = ""\n[[consumer]]\npath = "/ws/"\nauth = ["jwt:device"]\n'
NOTED = '[[consumer]]\npath = "/ws/"\nauth = ["ws_token"]\n'
BY_DJANGO = '[[consumer]]\npath = "/ws/"\nauth = ["django"]\n'
SIGNED = {"backend.secret": stack.BACKEND_SECRET}
LONG = "a key that is as long as HS512 wants keys to be, which is sixty-four bytes at the least"
OTHER = "another key, as long as keys of the tests should be"


def opens(where: str = "query", key: str = stack.SECRET_KEY, algorithm: str = "HS256", without: str = "", **claims):
    """The status of a handshake with a token that has these claims."""

    async def look(site: Site):
        base = {"exp": int(time.time()) + 600, **access_claims(7), "user_id": "7", **claims}
        shown = jwt.encode({k: v for k, v in base.items() if k != without}, key, algorithm=algorithm)
        if where == "cookie":
            return await site.status(additional_headers={"Cookie": f"t={shown}"})
        return await site.status(f"/ws/?token={shown}")

    return look


def rsa_pair() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode().replace("\n", "\\n")


PRIVATE, PUBLIC = rsa_pair()
_, ANOTHER = rsa_pair()


def key_server(public: str) -> KeyServer:
    """A server with this public key, called "k"."""
    server = KeyServer()
    server.keys = [as_jwk("k", serialization.load_pem_public_key(public.replace("\\n", "\n").encode()))]
    return server


JWKS, OTHER_JWKS, ASKED_JWKS = key_server(PUBLIC), key_server(ANOTHER), key_server(PUBLIC)


async def opens_with_kid(site: Site, servers: tuple[KeyServer, ...] = (JWKS, OTHER_JWKS)) -> int:
    """The status of a handshake with a token that names its key."""
    for server in servers:
        if server.server is None:
            server.start()

    async def decided() -> int | None:
        status = await site.status(f"/ws/?token={sign('k', PRIVATE)}")
        return None if status == 503 else status

    # The servers are in this process, and answer late if it stands still: then the node asks again.
    return await until(decided, "the keys to be known")


async def asks_again(site: Site) -> bool:
    """Whether the keys are fetched once more for a token some time later."""
    await opens_with_kid(site, (ASKED_JWKS,))
    before, begun = ASKED_JWKS.asked, time.monotonic()
    # A fetch is at least a second after the one before; until then the known keys count.
    await until(lambda: time.monotonic() > begun + 1.2, "the shorter lifetime to end, and the pause")
    status = await opens_with_kid(site, (ASKED_JWKS,))
    assert status == 101
    return ASKED_JWKS.asked > before


def cached(value=7, key: str = ":1:ws_token_opaque", parameter: str = "token", times: int = 1):
    """The status of the last of several handshakes with a token of the cache."""

    async def look(site: Site):
        async with site.bus() as cache:
            await cache.set(key, value if isinstance(value, int) else pickle.dumps(value, protocol=5), ex=600)
        for _ in range(times):
            status = await site.status(f"/ws/?{parameter}=opaque")
        return status

    return look


async def issued_key(site: Site):
    """The key under which an issued token is cached."""
    reply = await site.get("/api/user/ws-token/", token=mint(**access_claims(7), user_id="7"))
    assert reply.status == 200, reply
    async with site.bus() as cache:
        return [key.decode() for key in await cache.keys(":1:*")]


async def issued_lifetime(site: Site):
    reply = await site.get("/api/user/ws-token/", token=mint(**access_claims(7), user_id="7"))
    async with site.bus() as cache:
        left = await cache.ttl(":1:ws_token_7")
    return reply.json()["expires_in"], left > 100


async def ends_with_its_token(site: Site):
    async with site.bus() as cache:
        await cache.set(":1:ws_token_opaque", 7, ex=600)
        client = await Client.open(site.port, "/ws/?token=opaque")
        ended = await is_closed(client, 0.8)
        assert not ended
        await cache.delete(":1:ws_token_opaque")
    # Longer than it takes by default.
    ended = await is_closed(client, site.patience(7))
    if not ended:
        await client.close()
    return ended


def known_by(**shown):
    """The status of a handshake that shows this to Django, which knows everybody."""

    async def look(site: Site):
        options = dict(shown)
        return await site.status(options.pop("path", "/ws/"), **options)

    return look


async def asked_twice(site: Site):
    """How often Django is asked about two handshakes, one after the other."""
    for _ in range(2):
        assert await site.status(additional_headers={"Cookie": f"sessionid={site.name}"}) == 101
    return sum(site.name in str(call["data"]) for call in site.backend.calls("who_am_i"))


def text(value: str) -> str:
    return f'"{value}"'


TABLE: dict[str, OfNode] = {
    "auth.secret_key": OfNode(text(stack.SECRET_KEY), text(OTHER), opens(), (101, 403), MINE),
    "auth.secret_key_fallbacks": OfNode("[]", f'["{OTHER}"]', opens(key=OTHER), (403, 101), MINE),
    "auth.jwt.algorithm": OfNode(
        '"HS256"', '"HS512"', opens(algorithm="HS512", key=LONG), (403, 101), MINE, {"auth.jwt.signing_key": text(LONG)}
    ),
    "auth.jwt.signing_key": OfNode(None, text(OTHER), opens(key=OTHER), (403, 101), MINE),
    "auth.jwt.verifying_key": OfNode(
        text(PUBLIC),
        text(ANOTHER),
        opens(key=PRIVATE, algorithm="RS256"),
        (101, 403),
        MINE,
        {"auth.jwt.algorithm": '"RS256"'},
    ),
    "auth.jwt.jwk_url": OfNode(
        text(JWKS.url), text(OTHER_JWKS.url), opens_with_kid, (101, 403), MINE, {"auth.jwt.algorithm": '"RS256"'}
    ),
    "auth.jwt.jwk_lifetime": OfNode(
        '"200ms"',
        '"1h"',
        asks_again,
        (True, False),
        MINE,
        {"auth.jwt.algorithm": '"RS256"', "auth.jwt.jwk_url": text(ASKED_JWKS.url)},
    ),
    "auth.jwt.previous_keys": OfNode("[]", f'["{OTHER}"]', opens(key=OTHER), (403, 101), MINE),
    "auth.jwt.leeway": OfNode('"0s"', '"1h"', opens(exp=int(time.time()) - 60), (403, 101), MINE),
    "auth.jwt.audience": OfNode(None, '"shop"', opens(), (101, 403), MINE),
    "auth.jwt.issuer": OfNode(None, '"shop"', opens(), (101, 403), MINE),
    "auth.jwt.user_id_claims": OfNode('["user_id"]', '["uid"]', opens(without="user_id", uid="7"), (403, 101), MINE),
    "auth.jwt.token_type_claim": OfNode(
        '"token_type"', '"kind"', opens(without="token_type", kind="access"), (403, 101), MINE
    ),
    "auth.jwt.token_type": OfNode('"access"', '"sliding"', opens(token_type="sliding"), (403, 101), MINE),
    "auth.jwt.jti_claim": OfNode('"jti"', '""', opens(without="jti"), (403, 101), MINE),
    "auth.jwt.require_exp": OfNode("true", "false", opens(without="exp"), (403, 101), MINE),
    "auth.jwt.kinds.<name>": OfNode(
        text(stack.SECRET_KEY),
        text(OTHER),
        opens(key=OTHER),
        (403, 101),
        OF_KIND,
        variable="auth.jwt.kinds.device.signing_key",
    ),
    "auth.jwt.sources": OfNode('["query:token"]', '["cookie:t"]', opens("cookie"), (403, 101), MINE),
    "auth.django.cookies": OfNode(
        '["sessionid"]',
        '["other"]',
        known_by(additional_headers={"Cookie": "other=1"}),
        (403, 101),
        BY_DJANGO,
        SIGNED,
    ),
    "auth.django.headers": OfNode(
        "[]",
        '["Authorization"]',
        known_by(additional_headers={"Authorization": "Token 1"}),
        (403, 101),
        BY_DJANGO,
        SIGNED,
    ),
    "auth.django.query": OfNode("[]", '["key"]', known_by(path="/ws/?key=1"), (403, 101), BY_DJANGO, SIGNED),
    "auth.django.subprotocols": OfNode(
        "[]", '["Token"]', known_by(subprotocols=["Token", "1"]), (403, 101), BY_DJANGO, SIGNED
    ),
    "auth.django.cache": OfNode('"0s"', '"60s"', asked_twice, (2, 1), BY_DJANGO, SIGNED),
    "auth.ws_token.form": OfNode('"jwt"', '"any"', cached(), (403, 101), NOTED),
    "auth.ws_token.jwt_key": OfNode(
        '"ws_token_{user_id}"', '"mine_{user_id}"', issued_key, ([":1:ws_token_7"], [":1:mine_7"]), NOTED
    ),
    "auth.ws_token.opaque_key": OfNode(
        '"ws_token_{token}"', '"ticket:{token}"', cached(key=":1:ticket:opaque"), (403, 101), NOTED
    ),
    "auth.ws_token.user_id_keys": OfNode('["user_id"]', '["owner"]', cached({"owner": 7}), (403, 101), NOTED),
    "auth.ws_token.single_use": OfNode("false", "true", cached(times=2), (101, 403), NOTED),
    "auth.ws_token.recheck": OfNode('"200ms"', '"0s"', ends_with_its_token, (True, False), NOTED),
    "auth.ws_token.lifetime": OfNode('"60s"', '"600s"', issued_lifetime, ((60, False), (600, True)), NOTED),
    "auth.ws_token.sources": OfNode(
        '["query:token"]', '["query:ticket"]', cached(parameter="ticket"), (403, 101), NOTED
    ),
}
