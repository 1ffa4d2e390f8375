"""How the checks are run: deadlines, order, what is left out, and that no secret is printed."""

import contextlib
import socket
import threading
import time

import pytest

from channelgate.commands.doctor import lines
from channelgate.doctor import FAIL, OK, Context, Result, examine, node, web
from channelgate.doctor.order import CHECKS
from channelgate.doctor.result import SKIP, fail, ok, warn
from channelgate.doctor.run import Check
from channelgate.doctor.secret import Secrets


def context() -> Context:
    return Context(node="http://127.0.0.1:1")


def test_a_check_that_hangs_fails_after_its_time_and_the_others_are_asked():
    held = threading.Event()

    def hangs(_):
        yield ok("so far")
        held.wait(20)

    began = time.monotonic()
    checks = [Check("slow", hangs, "The slow one", seconds=2), Check("next", lambda _: [ok("fine")], "The next")]
    found = examine(checks, context())
    assert [(one.status, one.check) for one in (next(found), next(found), next(found))] == [
        (OK, "slow"),
        (FAIL, "slow"),
        (OK, "next"),
    ]
    held.set()
    assert list(found) == []
    # The check itself would have waited for twenty seconds.
    assert time.monotonic() - began < 15


def test_the_whole_has_a_time_too():
    held = threading.Event()

    def waits(_):
        held.wait(20)
        return []

    quick = Check("quick", lambda _: [ok("fine")], "The quick one")
    checks = [quick, *(Check(str(number), waits, f"Number {number}") for number in range(3))]
    found = examine(checks, context(), whole=3)
    texts = [(one.check, one.text.partition(": ")[2]) for one in (next(found) for _ in range(4))]
    held.set()
    assert texts[0] == ("quick", "") and texts[1][0] == "0" and texts[1][1].startswith("no result within ")
    assert texts[2:] == [(number, "not looked at, the time was over") for number in ("1", "2")]
    assert list(found) == []


def test_a_check_whose_ground_is_broken_is_left_out_and_says_so():
    checks = [
        Check("redis", lambda _: [fail("no", "start it")], "Redis", breaks="Redis"),
        Check("events", lambda _: [ok("never")], "The events", needs=frozenset({"Redis"})),
    ]
    assert [(one.status, one.text) for one in examine(checks, context())] == [
        (FAIL, "no"),
        (SKIP, "The events: Redis first"),
    ]


def test_an_error_of_a_check_is_a_line_and_not_a_traceback():
    def raises(_):
        raise ValueError("two\nlines")

    [one] = examine([Check("x", raises, "The x")], context())
    assert (one.status, one.text) == (FAIL, "The x: ValueError: two lines")


def test_every_check_has_a_name_of_its_own_and_what_it_needs_can_break():
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    breaks = {check.breaks for check in CHECKS} | {"the API key"}
    assert {need for check in CHECKS for need in check.needs} <= breaks
    # All of them late would still end within half a minute.
    assert all(check.seconds <= 10 for check in CHECKS)


@pytest.mark.parametrize(
    ("result", "printed"),
    [
        (ok("good"), ["ok    good"]),
        (warn("hm", "do this"), ["warn  hm", "      → do this"]),
        (fail("bad", "do that"), ["FAIL  bad", "      → do that"]),
    ],
)
def test_a_line_has_the_status_the_text_and_what_to_do(result, printed):
    assert lines(result) == printed


def test_the_secrets_of_the_settings_are_never_printed(settings):
    settings.SECRET_KEY = "key-of-django"
    settings.SECRET_KEY_FALLBACKS = ["key-of-yesterday"]
    settings.CHANNELGATE = {"SECRET": ["secret-of-nodes"], "API_KEY": "key-of-the-api"}
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {
                "hosts": ["redis://shop:pa%24word@10.0.0.1/0", {"address": "redis://b", "password": "word-of-b"}],
                "symmetric_encryption_keys": ["key-of-events"],
                "prefix": "shop",
            },
        }
    }
    settings.SIMPLE_JWT = {"SIGNING_KEY": "key-of-tokens", "USER_ID_CLAIM": "user_id", "TOKEN_TYPE_CLAIM": "token_type"}
    secrets = Secrets()
    secrets.add("a-token-of-doctor")
    hidden = (
        "key-of-django key-of-yesterday secret-of-nodes key-of-the-api pa%24word pa$word word-of-b key-of-events "
        "key-of-tokens a-token-of-doctor"
    )
    assert set(secrets.hide(hidden).split()) == {"***"}
    kept = "redis://10.0.0.1/0, prefix shop: user_id token_type channels_redis.core.RedisChannelLayer default asgi"
    assert secrets.hide(kept) == kept
    assert secrets.hide("see rediss://me:unknown@h/0") == "see rediss://***@h/0"


def test_what_is_found_is_printed_without_secrets(settings):
    settings.SECRET_KEY = "key-of-django"

    def tells(_):
        yield fail("it is key-of-django", "change key-of-django")
        raise ValueError("key-of-django")

    found = list(examine([Check("x", tells, "The x")], context()))
    assert len(found) == 2
    assert not any("key-of-django" in text for one in found for text in one.data().values())


def test_data_is_what_json_prints():
    assert Result(FAIL, "bad", "do", "redis").data() == {
        "status": "FAIL",
        "check": "redis",
        "text": "bad",
        "next": "do",
    }


def test_what_others_have_written_is_one_line_without_commands_for_the_terminal():
    def asks(_):
        yield fail("It says: \x1b[2J\x9b0m\r\nok    all is well\u202e", "Look\x07.")

    (found,) = examine([Check("a", asks, "A")], context())
    assert found.text == "It says:  [2J 0m  ok    all is well " and found.next == "Look ."


def test_json_that_is_nested_too_deep_is_no_json():
    assert web.Answer(200, {}, b"[" * 100_000).json() is None


def test_a_key_that_no_header_can_have_is_not_quoted():
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as url, pytest.raises(web.NoAnswer) as said:
        web.ask(url, "/", headers={"Authorization": "Bearer the-key\n"})
    assert "has a character that a header cannot have" in str(said.value) and "the-key" not in str(said.value)


@pytest.mark.parametrize("body", [b'{"status": "ok"}', b'{"status": []}', b'"ready"'])
def test_a_service_that_answers_everything_is_not_a_node(body):
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as url:
        (found,) = node.is_ready(Context(node=url))
    assert found.status == FAIL and "which is not the answer of a node" in found.text


@contextlib.contextmanager
def serving(answer: bytes):
    """A server that answers one request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        # A request that is not sent leaves it waiting.
        socket.create_connection(listener.getsockname()).close()
        thread.join(5)
