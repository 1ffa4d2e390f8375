"""What the helpers read of a configuration, and what of it a node without Redis does not get."""

import subprocess

import pytest

from channelgate.testing import Gate, described
from channelgate.testing.credentials import Shown, _place
from channelgate.testing.node import Node, without_redis

FILE = """\
presets = ["feed"]
layer.prefix = "x"

[layer]
hosts = [
    "redis://127.0.0.1/0",
    "redis://127.0.0.1/1",
]
[ layer.emitters ]
node = ""
[server]
listen = "127.0.0.1:8000"
[backend]
url = "http://127.0.0.1:8001/channelgate"
worker = "gate"
[[source]]
channel = "orders"
group = "orders"
[[consumer]]
path = "/ws/"
[consumer.on_event."layer"]
send = "event"
"""


def test_what_names_a_redis_is_left_out_and_lines_stay(tmp_path):
    (tmp_path / "given").mkdir()
    file = tmp_path / "given" / "channelgate.toml"
    file.write_text(FILE)
    copy = without_redis(file, tmp_path)
    assert copy != file and copy.name == "channelgate.toml"
    before, after = FILE.splitlines(), copy.read_text().splitlines()
    assert len(before) == len(after)
    kept = [
        "",
        "presets",
        "[server]",
        "listen",
        "[backend]",
        "url",
        "[[consumer]]",
        "path",
        "[consumer.on_event",
        "send",
    ]
    assert {line.split(" =")[0].split('."')[0] for line in after} == set(kept)

    file.write_text('[[consumer]]\npath = "/ws/"\n')
    assert without_redis(file, tmp_path) == file


def test_the_configuration_in_effect_is_read():
    text = """\
[auth.jwt]
sources = [
    "query:token",
    "header",
]
[auth.jwt.kinds.device]
sources = ["cookie:device"]
[[consumer]]
path = [
    "/ws/orders/<int:id>/",
    "/ws/<uuid:x>/<path:rest>",
]
protocol = "websocket"
auth = ["jwt"]
django = ["connect"]
[[consumer]]
path = "/socket.io/"
protocol = "socket.io"
auth = ["jwt"]
django = false
[[consumer]]
path = "/"
protocol = "websocket"
auth = ["django", "anonymous"]
django = true
"""
    found = described.read(text)
    assert found.sources == {"jwt": ("query:token", "header"), "jwt:device": ("cookie:device",)}
    first, root = found.consumers
    assert first.django == {"connect"} and root.django == {"connect", "receive", "disconnect"}
    assert found.asks_django
    for path in ("/ws/orders/7/", "/ws/orders/7", "/ws/0b3a3f0e-0000-4000-8000-000000000000/a/b"):
        assert found.consumer(path) is first, path
    assert found.consumer("/") is root
    assert found.consumer("/ws/orders/x/") is None


def test_a_token_is_put_where_the_node_looks():
    def placed(*sources):
        shown = Shown()
        _place(shown, "a+b", sources)
        return shown.headers, shown.cookies, shown.query, shown.subprotocols

    assert placed() == ([("authorization", "Bearer a+b")], {}, [], [])
    assert placed("query:token", "header:JWT") == ([("authorization", "JWT a+b")], {}, [], [])
    assert placed("header:X-Token") == ([("X-Token", "a+b")], {}, [], [])
    assert placed("header:X-Token:Key") == ([("X-Token", "Key a+b")], {}, [], [])
    assert placed("query:token", "cookie:jwt") == ([], {"jwt": "a+b"}, [], [])
    assert placed("query:token") == ([], {}, ["token=a%2Bb"], [])
    assert placed("subprotocol") == ([], {}, [], ["access_token", "a+b"])
    assert placed("subprotocol:jwt") == ([], {}, [], ["jwt", "a+b"])


@pytest.mark.parametrize("where", ["_is_ready", "test"])
def test_a_gate_that_is_interrupted_at_its_start_leaves_no_process(where, tmp_path, monkeypatch):
    config = tmp_path / "channelgate.toml"
    config.write_text('[[consumer]]\npath = "/ws/"\nauth = ["anonymous"]\n')
    started = []
    popen = subprocess.Popen

    def noted(*words, **options):
        started.append(popen(*words, **options))
        return started[-1]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", noted)
    monkeypatch.setattr(Node if where == "_is_ready" else Gate, where, interrupted)
    with pytest.raises(KeyboardInterrupt), Gate(config=config):
        pass
    ended = [one.poll() is not None for one in started]
    for one in started:
        one.kill()
        one.wait()
    assert started and all(ended)
