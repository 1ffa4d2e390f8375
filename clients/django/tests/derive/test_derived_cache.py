"""The cache with ws-tokens becomes the address and prefix under which a node looks for them."""

import json

import pytest
from django.core.cache import caches

from channelgate.derive import cache, derived

REDIS = "django.core.cache.backends.redis.RedisCache"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"


def longer_key(key, key_prefix, version):
    """A function that only puts a prefix before the key."""
    return f"site:{key_prefix}/{version}/{key}"


def hashed_key(key, key_prefix, version):
    """A function that changes the key itself."""
    return f"{key_prefix}:{version}:{hash(key)}"


def of(**options):
    return {"default": {"BACKEND": REDIS, "LOCATION": "redis://h:1/2", **options}}


def address(found):
    return found.environment()["CHANNELGATE_CACHE_URL"]


@pytest.mark.parametrize(
    ("given", "prefix"),
    [
        ({}, ":1:"),
        ({"KEY_PREFIX": "x", "VERSION": 2}, "x:2:"),
        ({"KEY_FUNCTION": "test_derived_cache.longer_key", "KEY_PREFIX": "p"}, "site:p/1/"),
    ],
)
def test_the_prefix_is_the_one_under_which_django_keeps_a_key(settings, given, prefix):
    settings.CACHES = of(**given)
    found = derived()
    assert found.environment()["CHANNELGATE_CACHE_PREFIX"] == prefix
    assert caches["default"].make_key("ws_token_7") == f"{prefix}ws_token_7"
    assert address(found) == "redis://h:1/2"


def test_keys_that_are_changed_otherwise_are_a_problem(settings):
    settings.CACHES = of(KEY_FUNCTION="test_derived_cache.hashed_key")
    found = derived()
    assert found.get("cache.prefix") is None and found.get("cache.url") is None
    assert any('CACHES["default"]["KEY_FUNCTION"] does more than' in one.text for one in found.problems)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"LOCATION": "redis://a,redis://b"}, "redis://a"),
        ({"LOCATION": ["redis://a/1", "redis://b"]}, "redis://a/1"),
        ({"OPTIONS": {"db": 5}}, {"address": "redis://h:1/2", "db": 5}),
        (
            {"OPTIONS": {"pool_class": "redis.BlockingConnectionPool", "max_connections": 3}},
            {"address": "redis://h:1/2"},
        ),
        ({"OPTIONS": {"serializer": "x.Y"}}, "redis://h:1/2"),
        (
            {"LOCATION": "rediss://h", "OPTIONS": {"ssl_cert_reqs": None}},
            {"address": "rediss://h", "ssl_cert_reqs": None},
        ),
    ],
)
def test_the_server_that_is_written_to(settings, given, expected):
    settings.CACHES = of(**given)
    found = address(derived())
    assert (json.loads(found) if isinstance(expected, dict) else found) == expected


def test_a_cache_of_its_own_for_ws_tokens(settings):
    settings.CACHES = {"default": {"BACKEND": LOCMEM}, "tokens": {"BACKEND": REDIS, "LOCATION": "redis://t"}}
    settings.CHANNELGATE = {"SECRET": "s", "WS_TOKEN": {"CACHE": "tokens"}}
    assert address(derived()) == "redis://t"
    settings.CHANNELGATE = {"SECRET": "s", "WS_TOKEN": {"FORM": "opaque"}}
    found = derived()
    assert found.get("cache.url") is None
    text = 'WS_TOKEN uses the cache "default", which is LocMemCache: nodes cannot see its tokens.'
    assert text in [one.text for one in found.problems]
    # A project that says nothing about ws-tokens is not bothered.
    settings.CHANNELGATE = {"SECRET": "s"}
    assert text not in [one.text for one in derived().problems]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "redis://h:1/2"),
        ({"OPTIONS": {"PASSWORD": "p", "COMPRESSOR": "x"}}, {"address": "redis://h:1/2", "password": "p"}),
        (
            {
                "LOCATION": "redis://Master/3",
                "OPTIONS": {
                    "CLIENT_CLASS": "django_redis.client.SentinelClient",
                    "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
                    "SENTINELS": [("s", 26379)],
                    "SENTINEL_KWARGS": {"password": "q"},
                },
            },
            {"sentinels": [["s", 26379]], "master_name": "Master", "db": 3, "sentinel_kwargs": {"password": "q"}},
        ),
        ({"OPTIONS": {"CLIENT_CLASS": "django_redis.client.ShardClient"}}, None),
    ],
)
def test_django_redis(settings, given, expected):
    pytest.importorskip("django_redis")
    settings.CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://h:1/2", **given}}
    found = derived()
    if expected is None:
        assert found.get("cache.url") is None
        assert any("ShardClient: nodes cannot find ws-tokens" in one.text for one in found.problems)
        return
    assert (json.loads(address(found)) if isinstance(expected, dict) else address(found)) == expected
    assert found.get("cache.url").secret is isinstance(expected, dict)


def test_the_rules_of_ws_tokens(settings):
    settings.CHANNELGATE = {"SECRET": "s", "WS_TOKEN": {"LIFETIME": 60, "FORM": "opaque", "SINGLE_USE": True}}
    environment = derived().environment()
    assert environment["CHANNELGATE__AUTH__WS_TOKEN__LIFETIME"] == "60"
    assert environment["CHANNELGATE__AUTH__WS_TOKEN__FORM"] == '"opaque"'
    assert environment["CHANNELGATE__AUTH__WS_TOKEN__SINGLE_USE"] == "true"
    assert cache.alias() == "default"
