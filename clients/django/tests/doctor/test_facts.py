"""What doctor says of versions, of nginx's times, of addresses and of routes, without any server."""

import pytest

from channelgate.doctor import layer, routes
from channelgate.doctor.context import Context
from channelgate.doctor.nginx import seconds_of, timeouts
from channelgate.doctor.result import FAIL, OK, WARN
from channelgate.doctor.versions import known_troubles, parsed, versions
from channelgate.nodefile import NodeFile

MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


def a_layer(kind="core.RedisChannelLayer", **config):
    return {"default": {"BACKEND": f"channels_redis.{kind}", "CONFIG": config}}


@pytest.mark.parametrize(
    ("layers", "status", "text"),
    [
        ({}, FAIL, "CHANNEL_LAYERS has no default layer."),
        (MEMORY, FAIL, 'CHANNEL_LAYERS["default"] is InMemoryChannelLayer: messages stay inside one process.'),
        (a_layer(hosts=[7]), FAIL, 'CHANNEL_LAYERS["default"]["CONFIG"]["hosts"][0] is not an address of Redis: int.'),
        (a_layer(), OK, "The channel layer is RedisChannelLayer at redis://localhost:6379, prefix asgi"),
        (
            a_layer("pubsub.RedisPubSubChannelLayer", hosts=["redis://u:secret-word@a/3", ("b", 6380)], prefix="shop"),
            OK,
            "The channel layer is RedisPubSubChannelLayer at redis://a/3, redis://b:6380/0, prefix shop",
        ),
    ],
)
def test_the_layer_is_named_with_its_place_and_without_a_password(settings, layers, status, text):
    settings.CHANNEL_LAYERS = layers
    [one] = layer.which_layer(Context())
    assert (one.status, one.text) == (status, text)
    assert bool(one.next) == (status == FAIL)


def test_without_a_layer_the_redis_of_publishing_is_looked_at_and_nothing_that_needs_a_layer(settings):
    settings.CHANNEL_LAYERS = {}
    settings.CHANNELGATE = {"REDIS_URL": "redis://127.0.0.1:1/0"}
    context = Context()
    [one] = layer.which_layer(context)
    assert (one.status, one.text) == (WARN, "CHANNEL_LAYERS has no default layer.")
    assert context.broken == {"the channel layer"}
    [one] = layer.redis_answers(context)
    assert one.status == FAIL and one.text.startswith("Redis redis://127.0.0.1:1/0 does not answer: ")


@pytest.mark.parametrize(
    ("found", "statuses"),
    [({"channels_redis": "4.3.0"}, []), ({"channels_redis": "2.4.2"}, [WARN]), ({}, [])],
)
def test_a_release_with_a_known_trouble_is_named(found, statuses):
    assert [one.status for one in known_troubles(found)] == statuses


@pytest.mark.parametrize(("installed", "statuses"), [("4.2.0", [FAIL]), ("4.2.1", [OK])])
def test_keys_that_a_release_ignores_are_a_failure(settings, monkeypatch, installed, statuses):
    settings.CHANNEL_LAYERS = a_layer("pubsub.RedisPubSubChannelLayer", symmetric_encryption_keys=["a key"])
    monkeypatch.setattr("importlib.metadata.version", lambda name: installed)
    context = Context()
    context.broken.add("Redis")
    assert [one.status for one in versions(context)] == statuses


def test_versions_are_compared_as_numbers():
    assert parsed("4.10.0rc1") == (4, 10, 0) > parsed("4.2.1")
    assert parsed("unknown") == ()


def test_good_versions_are_one_line(settings):
    settings.CHANNEL_LAYERS = a_layer()
    context = Context()
    context.broken.add("Redis")
    [one] = versions(context)
    assert one.status == OK
    assert (
        one.text.startswith("channels_redis 4.") and one.text.endswith(": no known trouble") and ", redis " in one.text
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60", 60),
        ("90s", 90),
        ("1h", 3600),
        ("1h 30m", 5400),
        ("500ms", 0.5),
        ("1m30s", 90),
        ("$time", None),
        ("", None),
    ],
)
def test_a_time_of_nginx_is_read_as_nginx_reads_it(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            "location /ws/ {\n  proxy_read_timeout 30s;\n}",
            "proxy_read_timeout below 60 s: 30s at nginx-channelgate.conf:2",
        ),
        ("  proxy_read_timeout 1h;", None),
        ("  proxy_read_timeout 60s;", None),
        ("  # proxy_read_timeout 30s;", None),
    ],
)
def test_a_short_timeout_of_nginx_is_named_with_its_line(tmp_path, lines, text):
    (tmp_path / "nginx-channelgate.conf").write_text(lines)
    context = Context(node_file=NodeFile(tmp_path / "channelgate.toml", {}))
    found = list(timeouts(context))
    assert [one.text for one in found] == ([text] if text else [])
    assert all(one.status == WARN for one in found)


def consumers(*paths, **more):
    return {"consumer": [{"path": path, **more} for path in paths]}


@pytest.mark.parametrize(
    ("tables", "status", "text"),
    [
        (consumers("/ws/a/<int:pk>/", "/ws/b/"), OK, "2 consumers in channelgate.toml, 3 in routing.py"),
        (consumers("/ws/a/<x>/"), OK, "1 consumer in channelgate.toml, 3 in routing.py"),
        (
            consumers("/ws/a/<int:pk>/", "/ws/new/"),
            WARN,
            "2 consumers in channelgate.toml, 3 in routing.py: /ws/new/ is not in routing.py",
        ),
        (
            consumers("/ws/new/", django=True),
            FAIL,
            "1 consumer in channelgate.toml, 3 in routing.py: /ws/new/ has no consumer in Django",
        ),
    ],
)
def test_the_routes_of_both_sides_are_counted(monkeypatch, tmp_path, tables, status, text):
    monkeypatch.setattr(routes, "websocket_routes", lambda: ["/ws/a/<int:id>/", "/ws/b/", "/ws/chat/"])
    [one] = routes.counted(Context(node_file=NodeFile(tmp_path / "channelgate.toml", tables)))
    assert (one.status, one.text) == (status, text)


def test_what_is_not_moved_is_said_to_stay_with_daphne(monkeypatch, tmp_path):
    monkeypatch.setattr(routes, "websocket_routes", lambda: ["/ws/a/<int:id>/", "/ws/b/", "/ws/chat/"])
    context = Context(node_file=NodeFile(tmp_path / "channelgate.toml", consumers("/ws/a/<int:pk>/", "/ws/b/")))
    assert [(one.status, one.text) for one in routes.stay_with_daphne(context)] == [
        (OK, "Daphne still serves /ws/chat/")
    ]


def test_the_routes_of_an_application_are_found_below_its_middleware(settings):
    settings.ASGI_APPLICATION = "project.asgi.application"
    found = routes.websocket_routes()
    assert found and all(route.startswith("/") for route in found)
    assert "/re/<room>/" in found and "/nested/<room>/" in found
    settings.ASGI_APPLICATION = "project.nowhere.application"
    assert routes.websocket_routes() is None


def test_django_is_asked_where_run_was_told_to_find_it(settings, monkeypatch):
    from channelgate.doctor import asking

    monkeypatch.setenv("CHANNELGATE_BACKEND_URL", "http://elsewhere:1/channelgate")
    settings.CHANNELGATE = {"SECRET": "s"}
    found = asking._backend(Context(backend="http://127.0.0.1:18000"))
    assert found is not None and found.startswith("http://127.0.0.1:18000/")
    assert asking._backend(Context()) == "http://elsewhere:1/channelgate"
