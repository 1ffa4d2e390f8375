"""System checks of what Django and its nodes must agree on, word by word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.test import utils

from channelgate import node_checks
from channelgate.derive import layer
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
