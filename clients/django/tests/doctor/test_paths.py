"""Paths of channelgate.toml: as expressions, as paths of requests, and beside the routes of Django."""

import re

import pytest

from channelgate.nodefile import Consumer
from channelgate.nodefile.paths import expression, fill, made_up, parameters, path_of_expression, shape


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (
            "/ws/orders/",
            ["/ws/orders/", "/ws/orders"],
            ["/ws/orders/1/", "/ws/order/", "/x/ws/orders/", "/ws/orders//"],
        ),
        (
            "/ws/orders/<int:id>/",
            ["/ws/orders/7/", "/ws/orders/7"],
            ["/ws/orders/a/", "/ws/orders//", "/ws/orders/7/8"],
        ),
        ("/ws/<name>/", ["/ws/a.b/", "/ws/ä"], ["/ws/a/b/", "/ws//"]),
        ("/ws/<slug:s>", ["/ws/a-b_1"], ["/ws/a.b"]),
        ("/ws/<uuid:u>/", ["/ws/6f2c1d6e-0000-4000-8000-000000000000/"], ["/ws/6f2c1d6e/"]),
        ("/ws/<path:rest>", ["/ws/a/b/c"], ["/ws/"]),
        ("/ws/a.b/", ["/ws/a.b/"], ["/ws/aXb/"]),
    ],
)
def test_an_expression_has_the_requests_of_its_path_and_no_others(path, good, bad):
    assert [one for one in good if not re.search(expression(path), one)] == []
    assert [one for one in bad if re.search(expression(path), one)] == []


@pytest.mark.parametrize("converter", ["int", "str", "slug", "uuid", "path"])
def test_a_made_up_value_is_one_of_its_converter_and_new_each_time(converter):
    path = f"/ws/<{converter}:x>/"
    filled = {fill(path, made_up) for _ in range(50)}
    assert len(filled) == 50
    assert all(re.search(expression(path), one) for one in filled)
    assert [one.converter for one in parameters(path)] == [converter]


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/ws/orders/<int:id>/", r"^ws/orders/(?P<pk>\d+)/$"),
        ("/ws/orders/<int:id>/", r"^/?ws/orders/(\d+)/$"),
        ("/ws/<uuid:u>/", r"ws/(?P<u>[0-9a-f]{8}-[0-9a-f-]{27})/\Z"),
        ("/ws/<name>", r"^ws/(?P<name>[^/]+)/?$"),
        ("/ws/<name>/", r"^ws/(?P<name>(a|b)[\w(]+)/$"),
        ("/ws/a.b/", r"^ws/a\.b/$"),
    ],
)
def test_a_route_of_django_is_the_same_as_the_path_that_was_made_of_it(path, route):
    assert shape(path) == shape(path_of_expression(route))


def test_the_names_of_groups_are_kept():
    assert path_of_expression(r"^ws/(?P<room>\w+)/(\d+)/$") == "/ws/<room>/<value>/"


def test_different_routes_are_different():
    assert shape("/ws/orders/<int:id>/") != shape("/ws/orders/")
    assert shape("/ws/<a>/<b>/") != shape("/ws/<a>/")


@pytest.mark.parametrize(
    ("written", "asks"),
    [
        ({"path": "/a/"}, False),
        ({"path": "/a/", "django": ["connect"]}, True),
        ({"path": "/a/", "auth": ["django", "anonymous"]}, True),
        ({"path": "/a/", "on_message": {"x": [{"call": {"action": "a"}}]}}, True),
    ],
)
def test_a_consumer_says_whether_it_needs_django(written, asks):
    assert Consumer(written).asks_django is asks


def test_a_consumer_has_the_defaults_of_the_node():
    one = Consumer({"path": ["/a/", "/b/"]})
    assert (one.name, one.paths, one.protocol, one.auth) == ("/a/", ("/a/", "/b/"), "websocket", ("anonymous",))
