"""Access tokens as simplejwt reads them: one table of settings and tokens, judged by simplejwt and by the node."""

import asyncio
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from rig import simplejwt
from rig.client import refusal
from rig.simplejwt import AccessToken, SlidingToken

KEY = "a key of the tests, long enough for HS256 and for the others of its family, too"
OTHER = "another key of the tests, which is at least as long as the one that signs them"


def pair(key) -> tuple[str, str]:
    """A private key and its public key, PEM."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), key.public_key().public_bytes(*form).decode()


PAIRS = {
    "RS256": pair(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "ES256": pair(ec.generate_private_key(ec.SECP256R1())),
    "ES384": pair(ec.generate_private_key(ec.SECP384R1())),
    "ES512": pair(ec.generate_private_key(ec.SECP521R1())),
    "ES256K": pair(ec.generate_private_key(ec.SECP256K1())),
    "EdDSA": pair(ed25519.Ed25519PrivateKey.generate()),
}
PAIRS["ES521"] = PAIRS["ES512"]
SETTINGS = {
    "default": {},
    "audience": {"AUDIENCE": "shop"},
    "audiences": {"AUDIENCE": ["shop", "admin"]},
    "issuer": {"ISSUER": "https://one.example"},
    "issuers": {"ISSUER": ["https://one.example", "https://two.example"]},
    "leeway": {"LEEWAY": 1800},
    "sliding": {"AUTH_TOKEN_CLASSES": (SlidingToken,)},
    "both": {"AUTH_TOKEN_CLASSES": (AccessToken, SlidingToken)},
    "kind_claim": {"TOKEN_TYPE_CLAIM": "kind"},
    "no_type": {"TOKEN_TYPE_CLAIM": None},
    "no_jti": {"JTI_CLAIM": None},
    "own_jti": {"JTI_CLAIM": "tid"},
    "own_user": {"USER_ID_CLAIM": "sub"},
    "hs512": {"ALGORITHM": "HS512"},
    **{
        name.lower(): {"ALGORITHM": name, "VERIFYING_KEY": public, "SIGNING_KEY": None}
        for name, (_, public) in PAIRS.items()
    },
}
NAMES = {
    "ALGORITHM": "algorithm",
    "SIGNING_KEY": "signing_key",
    "VERIFYING_KEY": "verifying_key",
    "AUDIENCE": "audience",
    "ISSUER": "issuer",
    "LEEWAY": "leeway",
    "TOKEN_TYPE_CLAIM": "token_type_claim",
    "JTI_CLAIM": "jti_claim",
}


def as_toml(kind: str, simple_jwt: dict) -> str:
    """The same settings for the node, as a kind of JWT with a consumer of its own."""
    lines = {"user_id_claims": [simple_jwt.get("USER_ID_CLAIM", "user_id")]}
    for key, value in {"SIGNING_KEY": KEY, **simple_jwt}.items():
        if key == "AUTH_TOKEN_CLASSES":
            lines["token_type"] = [one.token_type for one in value]
        elif key in NAMES and not (key.endswith("_KEY") and value is None):
            lines[NAMES[key]] = "" if value is None else value
    body = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())
    return f'[auth.jwt.kinds.{kind}]\n{body}\n[[consumer]]\npath = "/ws/{kind}/"\nauth = ["jwt:{kind}"]\n'


def tokens(now: int) -> dict[str, dict]:
    """Claims over those of an ordinary access token; `None` removes one."""
    return {
        "plain": {},
        "number as user": {"user_id": 7},
        "no user": {"user_id": None},
        "expired": {"exp": now - 7200},
        "just expired": {"exp": now - 600},
        "exp is a float": {"exp": now + 3600.5},
        "exp is text": {"exp": str(now + 3600)},
        "exp is true": {"exp": True},
        "no exp": {"exp": None},
        "exp in milliseconds": {"exp": (now + 3600) * 1000},
        "nbf ahead": {"nbf": now + 7200},
        "nbf a little ahead": {"nbf": now + 900},
        "nbf is text": {"nbf": str(now - 5)},
        "nbf is a word": {"nbf": "now"},
        "iat ahead": {"iat": now + 7200},
        "iat is text with spaces": {"iat": f" {now - 5} "},
        "iat is a float": {"iat": now - 5.5},
        "iat is a list": {"iat": [now]},
        "aud is one": {"aud": "shop"},
        "aud is another": {"aud": "forum"},
        "aud is a list": {"aud": ["forum", "admin"]},
        "aud is a list of others": {"aud": ["forum", "wiki"]},
        "aud has a number": {"aud": ["shop", 7]},
        "aud is empty": {"aud": []},
        "iss is one": {"iss": "https://one.example"},
        "iss is two": {"iss": "https://two.example"},
        "iss is another": {"iss": "https://three.example"},
        "iss is a list": {"iss": ["https://one.example"]},
        "sliding": {"token_type": "sliding"},
        "refresh": {"token_type": "refresh"},
        "other type": {"token_type": "reset"},
        "no type": {"token_type": None},
        "type in another claim": {"token_type": None, "kind": "access"},
        "no jti": {"jti": None},
        "empty jti": {"jti": ""},
        "jti elsewhere": {"jti": None, "tid": "x"},
        "user in sub": {"user_id": None, "sub": "7"},
        "sub is a list": {"sub": ["7"]},
        "jti is a list": {"jti": ["7"]},
        "no claims at all": dict.fromkeys(["token_type", "exp", "jti", "user_id"]),
    }


def sign(claims: dict, simple_jwt: dict, key: str | None = None, algorithm: str | None = None, **options) -> str:
    now = int(time.time())
    algorithm = algorithm or simple_jwt.get("ALGORITHM", "HS256")
    key = key or (PAIRS[algorithm][0] if algorithm in PAIRS else KEY)
    whole = {"token_type": "access", "exp": now + 3600, "jti": "0" * 32, "user_id": "7", **claims}
    whole = {name: value for name, value in whole.items() if value is not None}
    # Without PyJWT's own checks of what it signs.
    return jwt.api_jws.encode(json.dumps(whole).encode(), key, algorithm=algorithm, **options)


@pytest.fixture(scope="module")
def node(module_system):
    return module_system.start_node(config="".join(as_toml(kind, one) for kind, one in SETTINGS.items()))


async def test_tokens_are_accepted_and_refused_as_by_simplejwt(node):
    asked = []
    for kind, simple_jwt in SETTINGS.items():
        # The claims are judged alike under every algorithm.
        few = 8 if "VERIFYING_KEY" in simple_jwt else None
        made = {name: sign(claims, simple_jwt) for name, claims in list(tokens(int(time.time())).items())[:few]}
        made["another key"] = sign({}, {}, key=OTHER)
        made["no kid is needed"] = sign({}, simple_jwt, headers={"kid": "x"})
        made |= {f"{name} under {kind}": sign({}, {}, algorithm=name) for name in ("HS256", "HS384", "RS256", "ES512")}
        made |= {"noise": "noise", "two parts": "a.b", "not signed": made["plain"].rsplit(".", 1)[0] + "."}
        asked += [(kind, name, token) for name, token in made.items()]
    turns = asyncio.Semaphore(20)

    async def judged(kind: str, token: str) -> bool:
        async with turns:
            return await refusal(node.port, f"/ws/{kind}/?token={token}") == 101

    judgements = await asyncio.gather(*(judged(kind, token) for kind, _, token in asked))
    wrong = []
    for (kind, name, token), accepted in zip(asked, judgements, strict=True):
        simple_jwt = {"SIGNING_KEY": KEY, **SETTINGS[kind]}
        user = simplejwt.user_of(token, **simple_jwt)
        # A token that simplejwt made for another use is never an access token here, though no type is checked.
        if kind == "no_type" and name in ("sliding", "refresh", "other type"):
            assert user == "7" and not accepted, name
        elif accepted != (user is not None):
            wrong.append((kind, name, "node" if accepted else "simplejwt"))
    assert not wrong, wrong
    assert len(asked) > 700 and 120 < sum(judgements) < 500, (len(asked), sum(judgements))


@pytest.mark.parametrize("name", ["sub", "jti"])
async def test_whole_numbers_in_sub_and_jti_are_taken_as_by_pyjwt_before_2_10(node, name):
    assert await refusal(node.port, f"/ws/default/?token={sign({name: 7}, {})}") == 101
    assert await refusal(node.port, f"/ws/own_user/?token={sign({'user_id': None, 'sub': 7}, {})}") == 101
