"""What the options become: a script, two addresses, a visitor; and how mistakes read."""

import json
import time

import pytest

from channelgate.shadow import login, origin, script, target
from channelgate.shadow.script import Step
from channelgate.shadow.secrets import Secrets
from channelgate.shadow.target import Target, Visitor

STEPS = {
    '{"send": {"type": "ping", "t": "ü"}}': Step(data='{"type":"ping","t":"ü"}'),
    '{"send": null}': Step(data="null"),
    '{"text": "ping"}': Step(data="ping"),
    '{"bytes": "AAE="}': Step(data=b"\x00\x01"),
    '{"send": 1, "frames": 2, "wait": 0.5}': Step(data="1", frames=2, wait=0.5),
    '{"send": 1, "frames": 0}': Step(data="1", frames=0),
    '{"wait": 2}': Step(wait=2),
    '{"text": "{", "closes": true, "others": 1}': Step(data="{", others=1, closes=True),
    '{"reconnect": true}': Step(reconnect=True),
}
WRONG_STEPS = {
    '"ping"': 'step 1: a step is an object, such as {"send": {"type": "ping"}}',
    '{"sendd": 1}': 'step 1: "sendd" is not a key of a step. '
    "The keys are send, text, bytes, frames, others, closes, wait, reconnect.",
    '{"send": 1, "text": "a"}': 'step 1: a step has one of "send", "text", "bytes", "reconnect" and "wait".',
    '{"frames": 1}': 'step 1: a step has one of "send", "text", "bytes", "reconnect" and "wait".',
    '{"text": 7}': 'step 1: "text" is a text; "send" takes any JSON.',
    '{"bytes": "?"}': 'step 1: "bytes" is base64.',
    '{"bytes": 7}': 'step 1: "bytes" is base64.',
    '{"send": 1, "frames": 1.5}': 'step 1: "frames" is a whole number from 0 on.',
    '{"send": 1, "frames": true}': 'step 1: "frames" is a whole number from 0 on.',
    '{"wait": -1}': 'step 1: "wait" is a number of seconds from 0 on.',
    '{"text": "{", "closes": 1}': 'step 1: write "closes": true',
    '{"reconnect": 1}': 'step 1: write "reconnect": true',
}


@pytest.mark.parametrize("text", STEPS)
def test_a_step_of_a_script(text):
    assert script.parse([json.loads(text)], "s.json") == [STEPS[text]]


@pytest.mark.parametrize("text", WRONG_STEPS)
def test_a_wrong_step_is_named(text):
    with pytest.raises(script.WrongScript) as raised:
        script.parse([json.loads(text)], "s.json")
    assert str(raised.value) == f"--script s.json, {WRONG_STEPS[text]}"


def test_a_script_that_cannot_be_read_is_named(tmp_path):
    for content, text in ((None, "No such file or directory"), ("{", "not JSON: "), ("{}", "write a list of steps")):
        file = tmp_path / "s.json"
        if content is not None:
            file.write_text(content)
        with pytest.raises(script.WrongScript, match=text):
            script.read(file)


BASES = {
    "ws://127.0.0.1:8000": "ws://127.0.0.1:8000",
    "http://127.0.0.1:8000/": "ws://127.0.0.1:8000",
    "https://example.org": "wss://example.org",
    "wss://example.org/behind/": "wss://example.org/behind",
    "ws://[::1]:8000": "ws://[::1]:8000",
}


@pytest.mark.parametrize("value", BASES)
def test_the_address_of_a_side(value):
    assert target.base("--left", value) == BASES[value]


@pytest.mark.parametrize("value", ["", "127.0.0.1:8000", "ftp://a", "ws://", "ws://a:x", "ws://a:99999", "ws://u:p@a"])
def test_a_wrong_address_is_refused(value):
    with pytest.raises(target.WrongAddress, match=r"--left .*write the address of a server"):
        target.base("--left", value)


@pytest.mark.parametrize(
    "path", ["/socket.io/", "/socket.io/?EIO=4&transport=websocket", "/chat/socket.io", "/x/?EIO=4"]
)
def test_socket_io_is_refused_in_plain_words(path):
    with pytest.raises(
        target.WrongAddress, match=r"this is a Socket\.IO path\. shadow compares plain WebSocket consumers"
    ):
        target.path(path)


@pytest.mark.parametrize("path", ["ws/orders/", "", "/ws/#a"])
def test_a_wrong_path_is_refused(path):
    with pytest.raises(target.WrongAddress, match="write the path as the browser opens it"):
        target.path(path)


def test_the_token_goes_into_the_query():
    visitor = Visitor(token="a/b c")
    assert Target("left", "ws://a", "/ws/").url(visitor) == "ws://a/ws/?token=a%2Fb%20c"
    assert Target("left", "ws://a", "/ws/?x=1").url(visitor) == "ws://a/ws/?x=1&token=a%2Fb%20c"
    assert Target("left", "ws://a", "/ws/?x=1").url(Visitor()) == "ws://a/ws/?x=1"


def test_secrets_of_a_query_are_known_by_their_name_or_length():
    assert target.secrets_in("/ws/?room=7&ticket=abc&ws_token=def&x=aaaaaaaaaaaaaaaaaaaaaaaa&order=new") == [
        "abc",
        "def",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
    ]


def test_secrets_are_hidden_also_as_they_stand_in_a_url():
    secrets = Secrets(["s/e cret", "abc", ""])
    assert secrets.hide("?token=s%2Fe%20cret and s/e cret, abc") == "?token=… and …, abc"


def options(**more):
    return {
        "user": None,
        "token": None,
        "cookie": [],
        "header": [],
        "subprotocol": [],
        "origin": "http://a",
        "seconds": 60,
        "path": "/ws/orders/7/",
        **more,
    }


def test_a_session_of_the_user_exists_as_long_as_the_visit(anna):
    from django.contrib.auth.models import User
    from django.contrib.sessions.models import Session

    from channelgate.sessions import user_of

    user, _ = anna
    last_login = User.objects.get(pk=user.pk).last_login
    before = Session.objects.count()
    secrets = Secrets()
    with login.visitor(options(user=str(user.pk)), secrets) as visitor:
        ((name, cookie),) = visitor.headers
        key = cookie.removeprefix("sessionid=")
        found, end = user_of(key)
        assert (name, found) == ("Cookie", user)
        assert visitor.name == f"user {user.pk}"
        assert {str(user.pk), "7"} <= set(visitor.ids)
        assert secrets.hide(cookie) == "sessionid=…"
        assert Session.objects.count() == before + 1
        # A run that is killed leaves it for minutes, not for weeks.
        assert 300 < end - time.time() < 400
    assert user_of(key) == (None, None)
    assert Session.objects.count() == before
    assert User.objects.get(pk=user.pk).last_login == last_login


def test_the_session_is_removed_when_the_run_fails(anna):
    from django.contrib.sessions.models import Session

    before = Session.objects.count()
    with pytest.raises(RuntimeError), login.visitor(options(user=str(anna[0].pk)), Secrets()):
        raise RuntimeError
    assert Session.objects.count() == before


def test_other_credentials_are_passed_on_and_hidden(monkeypatch):
    monkeypatch.setenv("THE_TOKEN", "t0ken-of-env")
    secrets = Secrets()
    given = options(token="env:THE_TOKEN", cookie=["access=c00kie", "b=x"], header=["Authorization: Bearer h3ader"])
    with login.visitor(given, secrets) as visitor:
        assert visitor.token == "t0ken-of-env"
        assert visitor.headers == (("Authorization", "Bearer h3ader"), ("Cookie", "access=c00kie; b=x"))
        assert visitor.name == "a client with a token and cookies and headers"
    assert secrets.hide("t0ken-of-env c00kie h3ader Bearer h3ader") == "… … … …"
    with login.visitor(options(header=["Host: example.org"]), secrets) as visitor:
        assert secrets.hide("example.org") == "example.org"
    with login.visitor(options(), secrets) as visitor:
        assert visitor.name == "an anonymous client"


WRONG_LOGINS = {
    "unknown user": ({"user": "99999"}, "--user 99999: no user has this primary key"),
    "not a key": ({"user": "anna"}, "--user anna: no user has this primary key"),
    "no variable": ({"token": "env:NO_SUCH"}, "--token env:NO_SUCH: the environment has no NO_SUCH"),
    "no value": ({"cookie": ["access"]}, "--cookie: write a name and a value, such as access=…"),
    "no name": ({"header": [": x"]}, "--header: write a name and a value, such as Authorization: Bearer …"),
}


@pytest.mark.parametrize("name", WRONG_LOGINS)
def test_a_wrong_login_is_refused(name):
    given, text = WRONG_LOGINS[name]
    with pytest.raises(login.NoLogin) as raised, login.visitor(options(**given), Secrets()):
        pass
    assert str(raised.value) == text


def test_an_inactive_user_has_no_session(anna):
    from django.contrib.auth.models import User

    asleep, _ = User.objects.get_or_create(username="asleep", is_active=False)
    with pytest.raises(login.NoLogin, match="is the user active"), login.visitor(options(user=asleep.pk), Secrets()):
        pass


def test_sessions_of_a_local_cache_are_refused(anna, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    with (
        pytest.raises(login.NoLogin, match="which is LocMemCache: no server would find the one made here"),
        login.visitor(options(user=anna[0].pk), Secrets()),
    ):
        pass


ORIGINS = [
    (["*"], "ws://10.0.0.1:8000", "http://10.0.0.1:8000"),
    (["example.org"], "ws://10.0.0.1:8000", "https://example.org"),
    ([".example.org"], "wss://shop.example.org", "https://shop.example.org"),
    (["example.org", "10.0.0.1"], "ws://10.0.0.1:8000", "http://10.0.0.1:8000"),
    (["[::1]"], "ws://[::1]:8000", "http://[::1]:8000"),
]


@pytest.mark.parametrize(("allowed", "left", "expected"), ORIGINS)
def test_the_origin_is_one_that_the_project_allows(settings, allowed, left, expected):
    settings.ALLOWED_HOSTS = allowed
    assert origin.default(left) == expected


def test_in_development_the_origin_is_the_loopback(settings):
    settings.ALLOWED_HOSTS, settings.DEBUG = [], True
    assert origin.default("ws://127.0.0.1:8000") == "http://127.0.0.1:8000"
