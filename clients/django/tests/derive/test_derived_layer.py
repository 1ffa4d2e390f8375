"""`CHANNEL_LAYERS` in every form of channels_redis becomes what a node reads, or a problem in plain words."""

import json
import re
import ssl

import pytest
from channels_redis.core import RedisChannelLayer
from channels_redis.utils import create_pool, decode_hosts
from django.utils.functional import SimpleLazyObject, lazystr

from channelgate.derive import derived, layer

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
KEYWORDS = {"address": "redis://h:1", "max_connections": 5, "socket_timeout": 3, "retry": object()}


class Own(RedisChannelLayer):
    """A project's own layer over that of channels_redis."""


class Foreign:
    """A layer of another library."""


def of(config, kind=CORE):
    return {"default": {"BACKEND": kind, "CONFIG": config}}


def hosts_of(found):
    """The hosts as a node reads them."""
    one = found.get("layer.hosts")
    return json.loads(one.value) if one else [found.get("layer.url").value]


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (None, ["redis://localhost:6379"]),
        ([], ["redis://localhost:6379"]),
        (["redis://u:p@10.0.0.1:6379/3"], ["redis://u:p@10.0.0.1:6379/3"]),
        ([b"redis://10.0.0.1"], ["redis://10.0.0.1"]),
        ([lazystr("redis://10.0.0.1")], ["redis://10.0.0.1"]),
        ([lambda: "redis://10.0.0.1"], ["redis://10.0.0.1"]),
        (lambda: ["redis://10.0.0.1"], ["redis://10.0.0.1"]),
        (["unix:///run/redis.sock?db=2"], ["unix:///run/redis.sock?db=2"]),
        (["rediss://10.0.0.1?ssl_cert_reqs=none"], ["rediss://10.0.0.1?ssl_cert_reqs=none"]),
        (["redis://10.0.0.1?db=2&max_connections=9&socket_timeout=1"], ["redis://10.0.0.1?db=2"]),
        (["redis://10.0.0.1/4?max_connections=9"], ["redis://10.0.0.1/4"]),
        ([("10.0.0.1", 6380)], [{"host": "10.0.0.1", "port": 6380}]),
        ([["10.0.0.1", "6380"]], [{"host": "10.0.0.1", "port": 6380}]),
        ([KEYWORDS], [{"address": "redis://h:1"}]),
        ([{"host": "h", "password": None, "db": 3}], [{"host": "h", "db": 3}]),
        (
            [{"address": "rediss://h", "ssl_cert_reqs": ssl.CERT_NONE, "ssl_min_version": ssl.TLSVersion.TLSv1_3}],
            [{"address": "rediss://h", "ssl_cert_reqs": "none", "ssl_min_version": "TLSv1_3"}],
        ),
        ([{"address": "rediss://h", "ssl_cert_reqs": None}], [{"address": "rediss://h", "ssl_cert_reqs": None}]),
        (
            [{"sentinels": [("s1", 26379), ["s2", 26379]], "master_name": "mymaster", "sentinel_kwargs": {"db": None}}],
            [{"sentinels": [["s1", 26379], ["s2", 26379]], "master_name": "mymaster", "sentinel_kwargs": {}}],
        ),
        (["redis://a", ("b", 2)], ["redis://a", {"host": "b", "port": 2}]),
    ],
)
def test_a_host_in_any_form(settings, hosts, expected):
    settings.CHANNEL_LAYERS = of({} if hosts is None else {"hosts": hosts})
    found = derived()
    assert hosts_of(found) == expected
    assert [one for one in found.problems if one.level == "error"] == []


def test_what_a_node_gets_is_where_channels_redis_connects_to(settings):
    hosts = [
        "redis://u:p%40w@10.0.0.1:7/3?max_connections=5",
        {"address": "redis://10.0.0.2/1", "db": 5, "username": "u", "password": "p\"\\'$`"},
        ("10.0.0.3", 6380),
        {"host": "10.0.0.4", "port": 9, "db": 2, "client_name": "n"},
    ]
    settings.CHANNEL_LAYERS = of({"hosts": hosts})
    named = ("host", "port", "db", "username", "password", "client_name")

    def kwargs(entries):
        pools = [create_pool(one).connection_kwargs for one in decode_hosts(entries)]
        return [{name: pool[name] for name in named if pool.get(name) is not None} for pool in pools]

    assert kwargs(hosts_of(derived())) == kwargs(hosts)


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        ("redis://10.0.0.1", '["hosts"] is not a list.'),
        ([7], '["hosts"][0] is not an address of Redis: int.'),
        ([("h", "port")], '["hosts"][0] is not an address of Redis: tuple.'),
        (
            [{"host": "h", "credential_provider": object()}],
            '["hosts"][0] has "credential_provider", which a node cannot',
        ),
        ([{"host": "h", "connection_class": "my.Connection"}], '["hosts"][0] has the connection_class my.Connection'),
        ([{"host": "h", "password": object()}], '["hosts"][0]["password"] is object, which has no form'),
        (
            [{"sentinels": [("s", 1)], "master_name": "m", "sentinel_kwargs": {"nope": 1}}],
            '["sentinel_kwargs"] has "nope"',
        ),
    ],
)
def test_what_a_node_cannot_do_is_an_error_and_never_dropped(settings, hosts, text):
    settings.CHANNEL_LAYERS = of({"hosts": hosts})
    found = derived()
    (problem,) = [one for one in found.problems if one.level == "error"]
    assert text in problem.text and problem.text.startswith('CHANNEL_LAYERS["default"]["CONFIG"]'), problem
    assert problem.hint
    assert found.get("layer.url") is None and found.get("layer.hosts") is None


def test_a_connection_class_with_tls_is_tls(settings):
    from redis.asyncio import SSLConnection

    settings.CHANNEL_LAYERS = of({"hosts": [{"host": "h", "connection_class": SSLConnection}]})
    assert hosts_of(derived()) == [{"host": "h", "ssl": True}]


@pytest.mark.parametrize(
    ("backend", "kind"),
    [(CORE, "core"), (PUBSUB, "pubsub"), ("test_derived_layer.Own", "core")],
)
def test_the_kind_of(settings, backend, kind):
    settings.CHANNEL_LAYERS = of({"hosts": ["redis://h"]}, backend)
    assert derived().environment()["CHANNELGATE_LAYER"] == kind
    assert layer.layer().kind == kind


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ({}, "CHANNEL_LAYERS has no default layer."),
        (of({}, "channels.layers.InMemoryChannelLayer"), layer.IN_MEMORY),
        (of({}, "nowhere.Layer"), 'CHANNEL_LAYERS["default"]["BACKEND"] cannot be imported: '),
        (of({}, "test_derived_layer.Foreign"), 'CHANNEL_LAYERS["default"] is test_derived_layer.Foreign, which a node'),
        (of([]) | {"default": {"BACKEND": CORE, "CONFIG": [1]}}, 'CHANNEL_LAYERS["default"]["CONFIG"] is not a dict'),
        (of({"prefix": 7}), 'CHANNEL_LAYERS["default"]["CONFIG"]["prefix"] is not text.'),
        (of({"serializer_format": "yaml"}), 'CHANNEL_LAYERS["default"]["CONFIG"]["serializer_format"] is \'yaml\'.'),
        (of({"channel_capacity": {"x": "y"}}), 'CHANNEL_LAYERS["default"]["CONFIG"]["channel_capacity"] has'),
        (of({"capacity": "many"}), 'CHANNEL_LAYERS["default"]["CONFIG"]["capacity"] is not a number.'),
        (
            of({"symmetric_encryption_keys": [b"\xff"]}),
            'CHANNEL_LAYERS["default"]["CONFIG"]["symmetric_encryption_keys"]',
        ),
    ],
)
def test_a_layer_that_cannot_be_carried_over_is_an_error(settings, layers, text):
    settings.CHANNEL_LAYERS = layers
    (problem,) = [one for one in derived().problems if one.level == "error"]
    assert problem.text.startswith(text), problem


def test_every_option_of_the_layer(settings):
    settings.CHANNEL_LAYERS = of(
        {
            "hosts": ["redis://h"],
            "prefix": "shop",
            "symmetric_encryption_keys": ["one, two", b"three"],
            "serializer_format": "json",
            "expiry": 30,
            "group_expiry": 1.5,
            "capacity": 500,
            "random_prefix_length": 8,
            "channel_capacity": {"http.*": 5, re.compile(r"ws\..*", re.I): 7},
        }
    )
    found = derived()
    expected = {
        "REDIS_URL": "redis://h",
        "CHANNELGATE_LAYER": "core",
        "CHANNELGATE_LAYER_PREFIX": "shop",
        "CHANNELGATE_LAYER_KEYS": '["one, two", "three"]',
        "CHANNELGATE__LAYER__SERIALIZER": '"json"',
        "CHANNELGATE__LAYER__EXPIRY": "30",
        "CHANNELGATE__LAYER__GROUP_EXPIRY": "1.5",
        "CHANNELGATE__LAYER__CAPACITY": "500",
        "CHANNELGATE__LAYER__RANDOM_PREFIX_LENGTH": "8",
        "CHANNELGATE__LAYER__CHANNEL_CAPACITY": '{ "http.*" = 5, "/ws\\u005c..*/i" = 7 }',
    }
    environment = found.environment()
    assert {name: environment.get(name) for name in expected} == expected
    assert {one.name for one in found.variables if one.secret} == {
        "CHANNELGATE_LAYER_KEYS",
        "DJANGO_SECRET_KEY",
        "CHANNELGATE_BACKEND_SECRET",
    }
    assert found.get("layer.keys").source == 'CHANNEL_LAYERS["default"]["CONFIG"]["symmetric_encryption_keys"]'


def test_a_lazy_configuration_is_read_when_it_is_needed(settings):
    settings.CHANNEL_LAYERS = of(SimpleLazyObject(lambda: {"hosts": ["redis://h"], "prefix": "lazy"}))
    environment = derived().environment()
    assert (environment["REDIS_URL"], environment["CHANNELGATE_LAYER_PREFIX"]) == ("redis://h", "lazy")


def test_an_address_with_a_password_is_a_secret(settings):
    for hosts, is_secret in (
        (["redis://h"], False),
        (["redis://u:p@h"], True),
        (["redis://h?password=p"], True),
        ([{"host": "h", "password": "p"}], True),
        ([("h", 1)], False),
        ([{"address": "redis://:p@h"}], True),
        ([{"sentinels": [("s", 1)], "master_name": "m", "sentinel_kwargs": {"password": "p"}}], True),
    ):
        settings.CHANNEL_LAYERS = of({"hosts": hosts})
        found = derived()
        assert (found.get("layer.hosts") or found.get("layer.url")).secret is is_secret, hosts
        assert ":p@" not in layer.layer().label and "'p'" not in layer.layer().label


def test_keys_that_the_installed_pub_sub_layer_ignores_are_not_given_to_nodes(settings, monkeypatch):
    settings.CHANNEL_LAYERS = of({"hosts": ["redis://h"], "symmetric_encryption_keys": ["k"]}, PUBSUB)
    assert derived().get("layer.keys").value == '["k"]'
    monkeypatch.setattr(layer.metadata, "version", lambda name: "4.2.0")
    found = derived()
    assert found.get("layer.keys") is None
    assert layer.IGNORED_KEYS in [one.text for one in found.problems]


def test_another_layer_is_a_note(settings):
    settings.CHANNEL_LAYERS = of({"hosts": ["redis://h"]}) | {"second": {"BACKEND": CORE}}
    (problem,) = [one for one in derived().problems if "second" in one.text]
    assert problem.level == "note"


@pytest.mark.parametrize("one", ["redis://:se[cret@h:6379/0", "redis://:se/cret@h/0", "redis://h:99999"])
@pytest.mark.parametrize("form", [lambda url: url, lambda url: {"address": url}])
def test_an_address_that_cannot_be_taken_apart_is_a_problem_without_its_password(one, form, settings):
    settings.CHANNEL_LAYERS = of({"hosts": [form(one)]})
    found = derived()
    assert found.get("layer.url") is None and found.get("layer.hosts") is None
    (problem,) = [one for one in found.problems if one.level == "error"]
    assert "is not a URL" in problem.text and "%2F" in problem.hint and "cret" not in problem.text + problem.hint


def test_a_password_behind_a_hash_is_a_secret(settings):
    settings.CHANNEL_LAYERS = of({"hosts": ["redis://h#se@cret"]})
    assert derived().get("layer.url").secret and layer.layer().label == "redis://cret (core, prefix asgi)"


def test_an_address_of_ipv6_has_its_brackets_in_messages(settings):
    settings.CHANNEL_LAYERS = of({"hosts": [("::1", 6379)]})
    assert layer.layer().label.startswith("redis://[::1]:6379/0")
