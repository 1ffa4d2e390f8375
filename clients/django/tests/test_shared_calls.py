"""A call that several connections share: what is refused, what is noted, and what is neither."""

import json

import pytest
from harness import node
from harness.node import handshake_of
from harness.signed import post
from project.asgi import application

from channelgate.bridge import shares

CONNECT = {"type": "websocket.connect"}
PER = ("event", "room", "user")


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch):
    monkeypatch.setattr(shares, "_noted", set())


class Side(node.Node):
    """Makes shared calls."""

    per = None

    def request(self, event, export=()):
        request = super().request(event, export)
        return request if self.per is None else {**request, "per": self.per}


async def connected(layer, anna, path="/shared/7/"):
    side = Side(node.wrapper(application), handshake_of(path, cookie=anna[1]), layer)
    await side.step(dict(CONNECT))
    assert side.ends[-1]["end"] == "open"
    return side


async def shared(side, kind, per="event"):
    side.per = per
    trace = await side.step({"type": kind, "text": "hi"})
    return [json.loads(entry[1]["text"]) if entry[0] == "do" else entry for entry in trace]


@pytest.mark.parametrize(
    ("kind", "frames"),
    [
        ("say", [["hi", "7"]]),
        ("caches", [[True, "77", "ANNA", [1, 2]]]),
        (
            "joins",
            [("group_add", "news"), ("group_discard", "news"), ("group_send", "others", {"type": "x"}), "joined"],
        ),
        ("stops", [("end", "stopped")]),
    ],
)
async def test_a_handler_that_changes_nothing_runs_as_in_a_call_of_its_own(kind, frames, layer, anna):
    for per in ("room", None):
        side = await connected(layer, anna)
        got = await shared(side, kind, per)
        assert got == frames
        assert [end["end"] for end in side.ends] == ["open", "stopped" if kind == "stops" else "open"]
    # The next call goes on from its state.
    if kind != "stops":
        assert await shared(side, "counts", None) == [1]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("counts", "self.n"),
        ("collects", "self.seen"),
        ("removes", "self.n"),
        ("adds", "self.late"),
        ("edits", "self.permission"),
        ("renames", "self.member"),
        ("stores", "self.scope['session']"),
        ("marks", "self.scope['seen']"),
        ("speaks", "the language"),
        ("waits", "self.n"),
    ],
)
async def test_a_handler_that_changes_what_would_be_kept_is_refused(kind, what, layer, anna):
    side = await connected(layer, anna)
    await shared(side, kind)
    text = (
        f'project.shared.Shared changes {what} in {kind}(): python_per = "event" runs it for one of several'
        ' connections, and the others could not keep that. Write python_per = "connection"'
    )
    assert side.ends[-1] == {"end": "refused", "kind": "python_per", "text": text}
    # In a call of its own it is right.
    side = await connected(layer, anna)
    await shared(side, kind, None)
    assert side.ends[-1]["end"] == "open"


@pytest.mark.parametrize(
    ("kind", "noted"),
    [
        ("say", {}),
        (
            "reads",
            {
                "event": "self.scope['url_route'], self.scope['user']",
                "room": "self.scope['user']",
                "user": "self.scope['url_route']",
            },
        ),
        ("leaks", dict.fromkeys(PER, "self.channel_name")),
        ("joins", {}),
    ],
)
async def test_what_is_read_of_one_connection_is_a_line_of_the_log(kind, noted, layer, anna, monkeypatch):
    for per in PER:
        monkeypatch.setattr(shares, "_noted", set())
        side = await connected(layer, anna)
        await shared(side, kind, per)
        text = (
            f'project.shared.Shared reads {noted[per]} in {kind}(), which python_per = "{per}" runs once for several'
            " connections: all of them get what is right for one. If it differs between them, write another python_per"
            if noted
            else None
        )
        expected = [(f"python_per {kind}", text)] if text else []
        assert [(one["kind"], one["text"]) for one in side.notes] == expected
        await shared(side, kind, per)
        assert len(side.notes) == len(expected), "once in a process"
    side = await connected(layer, anna)
    await shared(side, kind, None)
    assert side.notes == []


async def test_connections_of_one_class_made_alike_have_one_name(layer, anna):
    names = {}
    for path in ("/shared/7/", "/shared/8/", "/shared-too/7/", "/shared-other/7/", "/exports/", "/made/"):
        side = await connected(layer, anna, path)
        names[path] = side.ends[0]["class"]
        await side.step({"type": "websocket.receive", "text": "1"})
        assert "class" not in side.ends[-1], "the node learns it once"
    assert names["/shared/7/"] == names["/shared/8/"] == names["/shared-too/7/"] == "project.shared.Shared"
    assert len({name for path, name in names.items() if path not in ("/shared/8/", "/shared-too/7/")}) == 4


async def test_a_word_that_is_not_known_is_no_call(layer, anna):
    side = await connected(layer, anna)
    for per in ("connection", "", 1, ["event"]):
        call = {**side.request({"type": "say", "text": "hi"}), "per": per}
        assert (await post(application, "/channelgate/channels", call)).status == 400
