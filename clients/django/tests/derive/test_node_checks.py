"""System checks of what Django and its nodes must agree on, word by word."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as real_settings
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import utils

from channelgate import node_checks
from channelgate.derive import Derived, cache, layer, tokens
from channelgate.node_checks import files

CORE = "channels_redis.core.RedisChannelLayer"
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
REDIS = "django.core.cache.backends.redis.RedisCache"


def of(config, kind=CORE):
    return {"default": {"BACKEND": kind, "CONFIG": config}}


def said(found):
    return [(one.id.removeprefix("channelgate."), one.msg) for one in found]


@pytest.fixture
def gate_file(settings, tmp_path):
    """Writes the node's file of the project."""
    settings.BASE_DIR = tmp_path

    def write(text):
        (tmp_path / "channelgate.toml").write_text(text)
        return tmp_path / "channelgate.toml"

    return write


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (
            of({}, "channels.layers.InMemoryChannelLayer"),
            [("E001", 'CHANNEL_LAYERS["default"] is InMemoryChannelLayer: messages stay inside one process.')],
        ),
        (
            of({"prefix": "shop"}),
            [
                (
                    "W003",
                    'The channel layer\'s prefix is "shop"; the node\'s default is "asgi". '
                    "Set CHANNELGATE_LAYER_PREFIX=shop.",
                )
            ],
        ),
        (
            of({"hosts": ["redis://a", "redis://b"]}, PUBSUB),
            [
                (
                    "W007",
                    "CHANNEL_LAYERS lists 2 hosts; the node needs the same 2 in the same order "
                    "(CHANNELGATE__LAYER__HOSTS).",
                )
            ],
        ),
        (of({"hosts": ["redis://a"], "prefix": "asgi"}), []),
        (of({}, "nowhere.Layer"), []),
        ({}, []),
    ],
)
def test_the_layer(settings, monkeypatch, layers, expected):
    # pytest-django has set up a test environment here, where a layer in memory is usual.
    monkeypatch.delattr(utils._TestState, "saved_data", raising=False)
    settings.CHANNEL_LAYERS = layers
    found = node_checks.check_layer()
    assert said(found) == expected
    assert all(one.hint for one in found)


def test_keys_that_the_installed_version_ignores(settings, monkeypatch):
    monkeypatch.setattr(layer.metadata, "version", lambda name: "4.1.0")
    settings.CHANNEL_LAYERS = of({"symmetric_encryption_keys": ["k"]}, PUBSUB)
    text = "symmetric_encryption_keys are set and channels_redis is below 4.2.1, whose pub/sub layer ignores them."
    assert said(node_checks.check_layer()) == [("W004", text)]
    settings.CHANNEL_LAYERS = of({"symmetric_encryption_keys": ["k"]})
    assert node_checks.check_layer() == []


def test_the_cache(settings):
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://h", "KEY_PREFIX": "x", "VERSION": 2}}
    text = 'KEY_PREFIX or VERSION of the cache is "x:2:"; set CHANNELGATE_CACHE_PREFIX=x:2:.'
    assert said(node_checks.check_cache()) == [("W005", text)]
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://h"}}
    assert node_checks.check_cache() == []
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "KEY_PREFIX": "x"}}
    assert node_checks.check_cache() == []


def test_the_cache_of_tokens(settings, gate_file):
    assert node_checks.check_token_cache() == []
    settings.CHANNELGATE = {"WS_TOKEN": {"LIFETIME": 60}}
    text = 'WS_TOKEN uses the cache "default", which is LocMemCache: nodes cannot see its tokens.'
    assert said(node_checks.check_token_cache()) == [("W001", text)]
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://h"}}
    assert node_checks.check_token_cache() == []
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    settings.CHANNELGATE = {}
    assert node_checks.check_token_cache() == []
    gate_file('[[consumer]]\npath = "/a/"\nauth = ["ws_token"]\n')
    assert "which is DummyCache" in said(node_checks.check_token_cache())[0][1]


def test_the_hosts(settings):
    settings.ALLOWED_HOSTS = ["*"]
    text = (
        'ALLOWED_HOSTS is ["*"]: every site\'s pages may open sockets. Name the hosts, or CHANNELGATE_ALLOWED_ORIGINS.'
    )
    assert said(node_checks.check_hosts()) == [("W006", text)]
    settings.ALLOWED_HOSTS = ["example.com"]
    assert node_checks.check_hosts() == []


@pytest.mark.parametrize(
    ("check", "change", "file", "variable", "value"),
    [
        (
            "check_layer",
            {"CHANNEL_LAYERS": of({"prefix": "shop"})},
            '[layer]\nprefix = "shop"',
            "CHANNELGATE_LAYER_PREFIX",
            "shop",
        ),
        (
            "check_layer",
            {"CHANNEL_LAYERS": of({"hosts": ["redis://a", "redis://b"]})},
            '[layer]\nhosts = ["redis://a", "redis://b"]',
            "CHANNELGATE__LAYER__HOSTS",
            "redis://a,redis://b",
        ),
        (
            "check_cache",
            {"CACHES": {"default": {"BACKEND": REDIS, "LOCATION": "redis://h", "KEY_PREFIX": "x"}}},
            '[cache]\nprefix = "x:1:"',
            "CHANNELGATE_CACHE_PREFIX",
            "x:1:",
        ),
        (
            "check_hosts",
            {"ALLOWED_HOSTS": ["*"]},
            '[server]\nallowed_origins = ["a"]',
            "CHANNELGATE__SERVER__ALLOWED_ORIGINS",
            "a",
        ),
    ],
)
def test_what_a_node_has_already_is_not_said(settings, gate_file, monkeypatch, check, change, file, variable, value):
    for name, setting in change.items():
        setattr(settings, name, setting)
    run = getattr(node_checks, check)
    assert len(run()) == 1
    path = gate_file(file)
    assert run() == []
    path.unlink()
    monkeypatch.setenv(variable, value)
    assert run() == []


def test_another_value_of_the_environment_is_no_answer(settings, monkeypatch):
    settings.CHANNEL_LAYERS = of({"prefix": "shop"})
    monkeypatch.setenv("CHANNELGATE_LAYER_PREFIX", "stop")
    assert [one.id for one in node_checks.check_layer()] == ["channelgate.W003"]
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://h", "KEY_PREFIX": "x"}}
    monkeypatch.setenv("CHANNELGATE_CACHE_PREFIX", ":1:")
    assert [one.id for one in node_checks.check_cache()] == ["channelgate.W005"]


def test_a_file_that_is_older_than_the_consumers(settings, gate_file):
    path = gate_file("presets = []")
    os.utime(path, (1, 1))
    found = said(node_checks.check_file())
    consumers = str(Path(__file__).parents[1] / "project" / "consumers.py")
    assert ("I001", f"channelgate.toml is older than {consumers}; run manage.py channelgate init --check.") in found
    settings.BASE_DIR = Path(__file__).parents[1]
    assert files.shown(Path(consumers)) == "project/consumers.py"
    settings.BASE_DIR = path.parent
    os.utime(path)
    assert node_checks.check_file() == []
    path.unlink()
    assert node_checks.check_file() == []


class Odd:
    """A value of a kind that no setting has."""


def fails():
    raise ZeroDivisionError


ODD = [7, True, float("nan"), float("inf"), "x", "\ud800", "a\0b", b"\xff", [7], [None], {7: 7}, Odd(), fails, {7}]
CONFIG = 'CHANNEL_LAYERS["default"]["CONFIG"]'


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        (7, "CHANNEL_LAYERS is not a dictionary, but int."),
        ({"default": "redis://h"}, 'CHANNEL_LAYERS["default"] is not a dictionary, but str.'),
        ({"default": {"BACKEND": 7}}, 'CHANNEL_LAYERS["default"]["BACKEND"] is not a text, but int.'),
        (of("redis://h"), f"{CONFIG} is not a dictionary, but str."),
        (of({"hosts": "redis://h"}), f'{CONFIG}["hosts"] is not a list.'),
        (of({"hosts": [7]}), f'{CONFIG}["hosts"][0] is not an address of Redis: int.'),
        (of({"hosts": ["redis://h:port"]}), f'{CONFIG}["hosts"][0] is not a URL: its host or its port cannot be read.'),
        (of({"hosts": fails}), f'{CONFIG}["hosts"] is not a list.'),
        (of({"prefix": 7}), f'{CONFIG}["prefix"] is not text.'),
        (of({"expiry": float("inf")}), f'{CONFIG}["expiry"] is not a number.'),
        (of({"capacity": "many"}), f'{CONFIG}["capacity"] is not a number.'),
        (of({"symmetric_encryption_keys": "k"}), f'{CONFIG}["symmetric_encryption_keys"] is not a list of texts.'),
    ],
)
def test_a_layer_that_no_node_can_read(settings, layers, text):
    settings.CHANNEL_LAYERS = layers
    (found,) = node_checks.check_values()
    assert (found.id, found.msg) == ("channelgate.W010", text) and found.hint
    assert node_checks.check_layer() == []


def test_a_cache_of_tokens_that_no_node_can_read(settings):
    settings.CHANNELGATE = {"WS_TOKEN": {"LIFETIME": 60}}
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://h:port"}}
    (found,) = node_checks.check_values()
    assert found.id == "channelgate.W010" and "is not a URL" in found.msg and found.hint
    settings.CHANNELGATE = {}
    assert node_checks.check_values() == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (7, "SIMPLE_JWT is not a dictionary, but int."),
        ({"ALGORITHM": 7}, 'SIMPLE_JWT["ALGORITHM"] is int, which has no form for a node.'),
        ({"SIGNING_KEY": fails}, 'SIMPLE_JWT["SIGNING_KEY"] is ZeroDivisionError, which has no form for a node.'),
        ({"AUTH_TOKEN_CLASSES": 7}, 'SIMPLE_JWT["AUTH_TOKEN_CLASSES"] is int, not a list.'),
        ({"LEEWAY": float("nan")}, 'SIMPLE_JWT["LEEWAY"] is nan, which is not a time.'),
        ({"AUDIENCE": [None]}, 'SIMPLE_JWT["AUDIENCE"] is not a text or a list of texts.'),
    ],
)
def test_rules_of_tokens_that_no_node_can_read(monkeypatch, given, text):
    # simplejwt itself reads the setting when a test changes it otherwise.
    monkeypatch.setattr(real_settings, "SIMPLE_JWT", given, raising=False)
    (found,) = node_checks.check_values()
    assert (found.id, found.msg) == ("channelgate.W010", text) and found.hint


LAYER = "hosts prefix symmetric_encryption_keys serializer_format expiry group_expiry capacity channel_capacity"
CACHE = "LOCATION KEY_PREFIX VERSION OPTIONS KEY_FUNCTION TIMEOUT"
JWT = """ALGORITHM SIGNING_KEY USER_ID_CLAIM USER_ID_FIELD TOKEN_TYPE_CLAIM JTI_CLAIM AUTH_TOKEN_CLASSES LEEWAY AUDIENCE
    ISSUER AUTH_HEADER_NAME AUTH_HEADER_TYPES CHECK_REVOKE_TOKEN"""


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("CHANNEL_LAYERS", lambda value: value),
        ("CHANNEL_LAYERS", lambda value: {"default": value}),
        *(("CHANNEL_LAYERS", lambda value, key=key: of({key: value})) for key in LAYER.split()),
        *(
            ("CACHES", lambda value, key=key: {"default": {"BACKEND": REDIS, "LOCATION": "redis://h", key: value}})
            for key in CACHE.split()
        ),
        ("SIMPLE_JWT", lambda value: value),
        *(("SIMPLE_JWT", lambda value, key=key: {key: value}) for key in JWT.split()),
        ("REST_FRAMEWORK", lambda value: value),
        ("REST_FRAMEWORK", lambda value: {"DEFAULT_AUTHENTICATION_CLASSES": value}),
        ("SECRET_KEY_FALLBACKS", lambda value: value),
        ("CHANNELGATE", lambda value: {"WS_TOKEN": value}),
    ],
)
def test_no_value_ends_a_check_or_what_is_derived(settings, monkeypatch, name, made):
    settings.CHANNELGATE = {"WS_TOKEN": {"LIFETIME": 60}}
    for value in ODD:
        if name in ("SIMPLE_JWT", "REST_FRAMEWORK"):
            monkeypatch.setattr(real_settings, name, made(value), raising=False)
        else:
            setattr(settings, name, made(value))
        for check in (
            node_checks.check_layer,
            node_checks.check_token_cache,
            node_checks.check_cache,
            node_checks.check_values,
        ):
            assert all(one.hint for one in check())
        found = Derived()
        for part in (layer, cache, tokens):
            with contextlib.suppress(ImproperlyConfigured):
                part.add(found)


@pytest.mark.parametrize("text", ["consumer = ", "\ud800", "x = 1\nx = 2"])
def test_a_file_that_is_not_toml(gate_file, text):
    gate_file("").write_bytes(text.encode("utf-8", "surrogatepass"))
    (found,) = node_checks.check_file()
    assert found.id == "channelgate.W010" and "channelgate.toml" in found.msg and found.hint


def test_a_file_that_cannot_be_read(gate_file, monkeypatch):
    path = gate_file("")

    def refused(self, *_arguments, **_named):
        raise PermissionError(13, "Permission denied", str(self))

    # Root may read everything, so the system's answer is made here.
    monkeypatch.setattr(type(path), "read_text", refused)
    (found,) = node_checks.check_file()
    assert found.id == "channelgate.W010" and "Permission denied" in found.msg
    monkeypatch.setattr(type(path), "is_file", refused)
    assert [one.id for one in node_checks.check_file()] == ["channelgate.W010"]


@pytest.mark.parametrize("text", ["consumer = 7", "consumer = [7]", "[[consumer]]\nauth = 7\npath = 7\non_event = 7"])
def test_a_file_with_values_of_other_kinds_is_left_to_the_node(gate_file, settings, text):
    gate_file(text)
    settings.CHANNEL_LAYERS = of({"prefix": "shop"})
    settings.ALLOWED_HOSTS = ["*"]
    found = run_checks(tags=["channelgate"], include_deployment_checks=True)
    assert [one.id for one in found if one.id != "channelgate.I001"] == ["channelgate.W003", "channelgate.W006"]


def test_a_link_to_nothing_is_not_a_newer_consumer(gate_file, settings, tmp_path, monkeypatch):
    gate_file("")
    (tmp_path / "consumers.py").symlink_to(tmp_path / "gone.py")
    monkeypatch.setattr(files, "source_files", lambda: iter([tmp_path / "consumers.py"]))
    assert node_checks.check_file() == []


def test_every_check_is_registered(settings, monkeypatch):
    settings.CHANNEL_LAYERS = of({"prefix": "shop", "hosts": ["redis://a", "redis://b"]})
    settings.CACHES = {"default": {"BACKEND": REDIS, "LOCATION": "redis://h", "KEY_PREFIX": "x"}}
    settings.ALLOWED_HOSTS = ["*"]
    ids = {one.id for one in run_checks(tags=["channelgate"], include_deployment_checks=True)}
    assert {f"channelgate.{one}" for one in ("W003", "W005", "W006", "W007")} <= ids
    # Hosts are for a deployment.
    assert "channelgate.W006" not in {one.id for one in run_checks(tags=["channelgate"])}


PROJECT = """
import os, sys
sys.path.insert(0, os.getcwd())
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, INSTALLED_APPS=["django.contrib.contenttypes", "channels", "channelgate"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""
TEST = """
from django.test import TestCase
class Runs(TestCase):
    def test_runs(self):
        from channels.layers import get_channel_layer
        assert type(get_channel_layer()).__name__ == "InMemoryChannelLayer"
"""


@pytest.mark.parametrize(("words", "code"), [(["test"], 0), (["check"], 1), (["migrate"], 1)])
def test_a_layer_in_memory_is_an_error_but_not_for_tests(tmp_path, words, code):
    (tmp_path / "test_here.py").write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-c", PROJECT, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert ("channelgate.E001" in done.stderr) is bool(code)
    if not code:
        assert "Ran 1 test" in done.stderr
