"""Groups that Django signs: the bytes that nodes read, and the tag of templates."""

import base64
import datetime
import json
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Engine

from channelgate import signed, signed_group

VECTORS = json.loads((Path(__file__).parents[3] / "tests" / "vectors" / "signed_groups.json").read_text())


@pytest.fixture
def configured(settings):
    """The setting, with a secret."""
    settings.CHANNELGATE = {"SECRET": "a secret of the node"}
    return settings


def payload(token: str) -> dict:
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


@pytest.mark.parametrize("vector", VECTORS["made"], ids=lambda vector: vector["name"])
def test_the_bytes_are_those_that_a_node_reads(vector, settings, monkeypatch):
    settings.CHANNELGATE = {"SECRET": vector["secrets"]}
    monkeypatch.setattr(signed.time, "time_ns", lambda: vector["now"] * 1_000_000)
    token = signed_group(vector["group"], vector["user"], expires=vector["expires"], consumer=vector["consumer"])
    assert token == vector["token"]


def test_without_a_secret_djangos_own_keys_sign(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "now", ["before"]
    for value in (None, {}, {"SECRET": ""}):
        settings.CHANNELGATE = value
        own = signed_group("a").split(".")
        assert len(own) == 4
        text = ".".join(own[:2])
        assert own[2:] == [signed._base64(signed._mac(key, text)) for key in (b"now", b"before")]


def test_a_user_is_a_user_of_the_project_or_an_id(configured, anna):
    user, _ = anna
    one = uuid.uuid4()
    for given, identity in [
        (user, str(user.pk)),
        (user.pk, str(user.pk)),
        ("anna", "anna"),
        (one, str(one)),
        (None, None),
        (AnonymousUser(), None),
    ]:
        assert payload(signed_group("a", given))["u"] == identity


def test_a_user_is_described_as_the_node_knows_it(configured, anna):
    user, _ = anna
    configured.CHANNELGATE = {"SECRET": "s", "DESCRIBE": f"{__name__}.by_name"}
    assert payload(signed_group("a", user))["u"] == user.username
    configured.CHANNELGATE = {"SECRET": "s", "DESCRIBE": f"{__name__}.without_id"}
    with pytest.raises(ImproperlyConfigured):
        signed_group("a", user)


async def by_name(user) -> dict:
    return {"id": user.username}


def without_id(_user) -> dict:
    return {}


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("",), {}, ValueError),
        ((7,), {}, TypeError),
        (("x" * 256,), {}, ValueError),
        (("a", True), {}, TypeError),
        (("a", ""), {}, ValueError),
        (("a", "x" * 256), {}, ValueError),
        # A token for nobody would be one for every client without a user.
        (("a", 7.0), {}, TypeError),
        (("a", b"7"), {}, TypeError),
        (("a", [7]), {}, TypeError),
        (("a", object()), {}, TypeError),
        (("a", SimpleNamespace(is_authenticated=True, pk=None)), {}, ValueError),
        (("a", {"pk": 7}), {}, ValueError),
        (("a",), {"expires": "60"}, TypeError),
        (("a",), {"expires": None}, TypeError),
        (("a",), {"expires": 0}, ValueError),
        (("a",), {"expires": -1}, ValueError),
        (("a",), {"expires": float("nan")}, ValueError),
        (("a",), {"expires": True}, ValueError),
        (("a",), {"expires": 31 * 24 * 3600}, ValueError),
        (("a",), {"expires": datetime.timedelta(days=31)}, ValueError),
        (("a",), {"consumer": ""}, ValueError),
        (("a",), {"consumer": 1}, TypeError),
    ],
)
def test_bad_input_is_an_error_where_it_is_written(arguments, options, error, configured):
    with pytest.raises(error):
        signed_group(*arguments, **options)


def test_it_expires_in_an_hour_or_as_written(configured):
    for options, lifetime in [
        ({}, 3600),
        ({"expires": 30}, 30),
        ({"expires": 0.5}, 0.5),
        ({"expires": datetime.timedelta(minutes=5)}, 300),
    ]:
        made = payload(signed_group("a", **options))
        assert made["e"] - made["i"] == lifetime * 1000
        assert abs(made["i"] - time.time() * 1000) < 60_000


def rendered(source: str, **context) -> str:
    engine = Engine(libraries={"channelgate": "channelgate.templatetags.channelgate"}, builtins=[])
    return engine.from_string("{% load channelgate %}" + source).render(Context(context))


def test_the_tag_signs_for_the_user_of_the_request(configured, anna):
    user, _ = anna
    request = SimpleNamespace(user=user)
    of = lambda source, **context: payload(rendered(source, **context))  # noqa: E731
    assert of('{% channelgate_group "board.7" %}', request=request) | {"i": 0, "e": 0} == {
        "g": "board.7",
        "u": str(user.pk),
        "i": 0,
        "e": 0,
    }
    assert of("{% channelgate_group room %}", request=request, room="a.b")["g"] == "a.b"
    assert of('{% channelgate_group "a" as token %}{{ token }}', user=user)["u"] == str(user.pk)
    assert of('{% channelgate_group "a" %}', request=SimpleNamespace(user=AnonymousUser()))["u"] is None
    assert of('{% channelgate_group "a" %}', request=SimpleNamespace())["u"] is None
    assert of('{% channelgate_group "a" user=None %}', request=request)["u"] is None
    assert of('{% channelgate_group "a" user=7 %}', request=request)["u"] == "7"
    made = of('{% channelgate_group "a" expires=60 consumer="board" %}', request=request)
    assert (made["e"] - made["i"], made["c"]) == (60_000, "board")


def test_the_tag_says_what_it_lacks(configured):
    with pytest.raises(ImproperlyConfigured, match="needs the request"):
        rendered('{% channelgate_group "a" %}')
