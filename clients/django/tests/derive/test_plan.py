"""What a node is started with: the file and the environment go before the settings."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from channelgate import launch, nodefile
from channelgate.derive import backend, derived, layer
from channelgate.launch import used_variables, watch

CORE = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": ["redis://h:1"]}}}


def used(file="", **environ):
    return {one.name for one in used_variables(derived(), nodefile.NodeFile(None, nodefile.loads(file)), environ)}


@pytest.fixture(autouse=True)
def core(settings):
    settings.CHANNEL_LAYERS = CORE
    settings.DEBUG = True


@pytest.mark.parametrize(
    ("file", "gone"),
    [
        ("server.allowed_origins = []", "CHANNELGATE_ALLOWED_ORIGINS"),
        ('[server]\nlisten = "127.0.0.1:1"', "CHANNELGATE_LISTEN"),
        ('[layer]\nurl = "redis://x"', "REDIS_URL"),
        ('layer = { hosts = ["redis://x"] }', "REDIS_URL"),
        ('[layer]\nprefix = "x"', "CHANNELGATE_LAYER_PREFIX"),
        ('[auth]\nsecret_key = "x"', "DJANGO_SECRET_KEY"),
        ('[backend]\nworker = "x"', "CHANNELGATE_BACKEND_URL"),
    ],
)
def test_the_file_goes_before_the_settings(file, gone):
    assert used() - used(file) == {gone}


@pytest.mark.parametrize(
    ("variable", "gone"),
    [
        ("CHANNELGATE_ALLOWED_ORIGINS", {"CHANNELGATE_ALLOWED_ORIGINS"}),
        ("CHANNELGATE__SERVER__ALLOWED_ORIGINS", {"CHANNELGATE_ALLOWED_ORIGINS"}),
        ("CHANNELGATE__LAYER__HOSTS", {"REDIS_URL"}),
        ("CHANNELGATE__LAYER__URL", {"REDIS_URL"}),
        # These are the project's own as often as the node's: the settings say what is meant.
        ("REDIS_URL", set()),
        ("DJANGO_SECRET_KEY", set()),
    ],
)
def test_the_environment_goes_before_the_settings(variable, gone):
    assert used() - used(**{variable: "x"}) == gone
    assert used() == used(**{variable: ""})


def test_a_file_with_a_key_of_jwts_has_all_of_them(settings):
    settings.SIMPLE_JWT = {"ALGORITHM": "HS512", "SIGNING_KEY": "x", "ISSUER": "i"}
    keys = {"CHANNELGATE__AUTH__JWT__ALGORITHM", "CHANNELGATE__AUTH__JWT__SIGNING_KEY"}
    for file in ('algorithm = "RS256"', 'jwk_url = "https://x"', 'verifying_key = "PEM"', 'signing_key = "y"'):
        assert used() - used(f"[auth.jwt]\n{file}") == keys, file


def test_what_needs_a_consumer_is_for_files_that_have_one(settings):
    settings.SESSION_COOKIE_NAME = "own"
    name = "CHANNELGATE__AUTH__DJANGO__COOKIES"
    assert name not in used() and name not in used('[[consumer]]\npath = "/a/"\nauth = ["jwt"]')
    assert name in used('[[consumer]]\npath = "/a/"\nauth = ["django"]')
    assert name in used('[preset.feed]\nauth = ["jwt", "django"]')


def test_the_place_of_the_file(settings, tmp_path, monkeypatch):
    settings.BASE_DIR = tmp_path
    assert nodefile.find() is None and nodefile.place() == tmp_path / "channelgate.toml"
    (tmp_path / "channelgate.toml").write_text("presets = []")
    assert nodefile.find() == tmp_path / "channelgate.toml"
    settings.BASE_DIR = None
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "manage.py"), "channelgate", "run"])
    assert nodefile.find() == tmp_path / "channelgate.toml"


@pytest.mark.parametrize(
    ("url", "listen", "noted"),
    [
        ("http://127.0.0.1:8001", "127.0.0.1:8001", False),
        ("http://localhost:9000/", "127.0.0.1:9000", False),
        ("http://[::1]:9000", "[::1]:9000", False),
        ("https://ws.example.com", "127.0.0.1:8001", True),
        ("http://10.0.0.9:80", "127.0.0.1:8001", True),
    ],
)
def test_where_the_node_listens(settings, url, listen, noted):
    settings.CHANNELGATE = {**settings.CHANNELGATE, "URL": url}
    found = derived()
    assert found.environment()["CHANNELGATE_LISTEN"] == listen
    assert any("is not an address of this machine" in one.text for one in found.problems) is noted


def test_a_backend_that_would_refuse_calls_is_a_problem(settings):
    settings.ALLOWED_HOSTS = ["example.com"]
    settings.DEBUG = False
    texts = [one.text for one in derived().problems]
    assert any(one.startswith('ALLOWED_HOSTS does not have "127.0.0.1"') for one in texts)
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["127.0.0.1"], True
    texts = [one.text for one in derived().problems]
    assert not any("ALLOWED_HOSTS does" in one for one in texts)
    assert any(one.startswith("SECURE_SSL_REDIRECT is set") for one in texts)
    settings.CHANNELGATE = {}
    found = derived()
    assert found.get("backend.url") is None and found.get("backend.secret") is None
    assert any(one.text.startswith('CHANNELGATE["SECRET"] is not set') for one in found.problems)


def test_the_first_of_several_secrets_signs(settings):
    settings.CHANNELGATE = {"SECRET": ["new", "old"]}
    assert derived().environment()["CHANNELGATE_BACKEND_SECRET"] == "new"


#: A process that counts the signals, in the place of the node.
COUNTER = """
import pathlib, signal, subprocess, sys, time
out, watcher, *words = sys.argv[1:]
count = 0
def heard(*_):
    global count
    count += 1
    pathlib.Path(out).write_text(str(count))
signal.signal(signal.SIGHUP, heard)
pathlib.Path(out).write_text("0")
import dataclasses
import os
child = subprocess.Popen([sys.executable, "-I", watcher, str(os.getpid()), *words])
pathlib.Path(out + ".pid").write_text(str(child.pid))
while True:
    time.sleep(10)
"""


def wait_for(condition, what, deadline=20):
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_changed_file_is_a_signal_and_the_watcher_ends_with_the_node(tmp_path):
    file, out = tmp_path / "channelgate.toml", tmp_path / "count"
    file.write_text("presets = []\n")
    words = [
        sys.executable,
        "-c",
        COUNTER,
        str(out),
        watch.__file__,
        str(file),
        watch.digest(str(file)),
        "layer.prefix",
    ]
    log = (tmp_path / "log").open("w+")
    node = subprocess.Popen(words, stderr=log)
    try:
        file.unlink()
        file.write_text("presets = []  # the same for the node, another file\n")
        wait_for(lambda: out.exists() and out.read_text() == "1", "one signal, though the watcher was not there yet")
        file.write_text('[layer]\nprefix = "x"\n')
        wait_for(lambda: out.read_text() == "2", "a second signal")
        pid = tmp_path / "count.pid"
        wait_for(lambda: pid.exists() and pid.read_text(), "the watcher's id")
        watcher = int(pid.read_text())
        log.seek(0)
        assert "layer.prefix is also set by the environment of this node; start it anew" in log.read()
    finally:
        node.kill()
        node.wait()
    wait_for(lambda: not is_running(watcher), "the watcher to end")
    assert node.returncode == -signal.SIGKILL


def test_a_file_that_is_being_written_is_not_read():
    file = watch.File("a")
    looks = [("a", False), ("b", False), ("b", True), ("b", False), ("", False), ("", False), ("c", False)]
    looks += [("cd", False), ("cde", False), ("cde", True), ("x", False), ("cde", False), ("cde", False)]
    for number, (now, expected) in enumerate(looks):
        assert file.has_changed(now) is expected, number


def test_the_watcher_reads_nothing_of_django():
    done = subprocess.run([sys.executable, "-I", "-S", watch.__file__, "1", "nowhere", ""], check=False, timeout=20)
    assert done.returncode == 0 and os.getpid() != 1


def test_an_option_goes_before_the_file_and_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CHANNELGATE_BIN", sys.executable)
    environ = {"CHANNELGATE__SERVER__LISTEN": '"127.0.0.1:1"', "REDIS_URL": "redis://of-celery", "OTHER": "x"}
    options = {"listen": "127.0.0.1:9", "backend": "http://127.0.0.1:8", "proxy": True}
    planned = launch.plan(Path("gate.toml"), environ, **options)
    assert planned.argv == (sys.executable, "serve", "--config", "gate.toml")
    assert planned.environ["CHANNELGATE_LISTEN"] == "127.0.0.1:9"
    assert "CHANNELGATE__SERVER__LISTEN" not in planned.environ
    assert planned.environ["CHANNELGATE_BACKEND_URL"] == "http://127.0.0.1:8/gate"
    assert planned.environ["CHANNELGATE__SERVER__PROXY"] == '"http://127.0.0.1:8"'
    # What the project reads for itself is not the node's.
    assert planned.environ["REDIS_URL"] == "redis://h:1" and planned.environ["OTHER"] == "x"
    of_file = tmp_path / "gate.toml"
    of_file.write_text('layer.url = "redis://of-the-file"')
    assert "REDIS_URL" not in launch.plan(of_file, environ).environ
    file = nodefile.NodeFile(None, nodefile.loads('[backend]\nurl = "http://x"\n[server]\nlisten = "x:1"'))
    names = {one.name for one in used_variables(derived(**options), file, {})}
    assert {"CHANNELGATE_BACKEND_URL", "CHANNELGATE_LISTEN", "CHANNELGATE__SERVER__PROXY"} <= names
    assert "CHANNELGATE__SERVER__PROXY" not in planned_without_options()


def planned_without_options():
    return launch.plan(None, {}).environ


@dataclasses.dataclass(frozen=True)
class Given:
    """`CHANNELGATE` with its keys for publishing."""

    url: str = "http://127.0.0.1:8001"
    redis_url: object = None
    prefix: str = "channelgate:"
    api_key: str | None = None
    config: object = None
    secrets: tuple = (b"s",)


def test_the_redis_of_publishing(settings, monkeypatch):
    def give(**given):
        for module in (backend, layer):
            monkeypatch.setattr(module, "conf", lambda: Given(**given))

    give(prefix="of-shop:", api_key="key")
    environment = derived().environment()
    assert environment["CHANNELGATE__LAYER__PUBLISH_PREFIX"] == '"of-shop:"'
    assert environment["CHANNELGATE_API_KEY"] == "key"
    # Another server than that of the layer is one that nodes do not listen to.
    give(redis_url="redis://elsewhere:1/2")
    found = derived()
    assert found.environment()["REDIS_URL"] == "redis://h:1"
    assert any("redis://elsewhere:1/2, which is not among the hosts" in one.text for one in found.problems)
    # Without a layer in Redis it is where publish() goes: nodes listen there, and what the layer sends is missing.
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    found = derived()
    assert found.environment()["REDIS_URL"] == "redis://elsewhere:1/2"
    (problem,) = [one for one in found.problems if "InMemoryChannelLayer" in one.text]
    assert problem.level == "warning"
    give()
    assert "REDIS_URL" not in derived().environment()


@pytest.mark.parametrize("urls", [None, "urls_without_the_package"])
def test_a_project_whose_urls_do_not_lead_to_the_package_is_named(settings, monkeypatch, urls):
    if urls is not None:
        module = types.ModuleType(urls)
        module.urlpatterns = []
        monkeypatch.setitem(sys.modules, urls, module)
    settings.ROOT_URLCONF = urls
    settings.ASGI_APPLICATION = None
    found = derived()
    assert "CHANNELGATE_BACKEND_URL" not in found.environment()
    assert any("No URL of the project leads to channelgate.urls" in one.text for one in found.problems)
