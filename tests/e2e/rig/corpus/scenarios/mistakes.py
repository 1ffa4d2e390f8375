"""What goes wrong in consumers, at each place, and the exceptions of Channels itself."""

from ..scenario import Close, Drop, Frames, Gone, Open, Publish, Rows, Scenario, Send, Stored

RAISES, CLOSER = "mistakes.consumers.RaisesConsumer", "mistakes.consumers.CloserConsumer"


def trace(name: str, count: int) -> list[Rows]:
    return [Rows("mistakes_trace", f"name = '{name}'", count)]


def closes(text: str) -> Scenario:
    """A message that makes the consumer close."""
    name = text.replace(" ", "-")
    steps = [Open("a", f"/ws/mistakes/closer/{name}/"), Send("a", text), Gone("a")]
    oracle = "uvicorn" if text == "reason" else "daphne"
    return Scenario(f"closer: {text}", CLOSER, steps, rows=trace(f"closer {name}", 1), oracle=oracle)


def bad(kind: str, sample: bool = False) -> Scenario:
    """A message that makes the consumer do what cannot be done."""
    steps = [Open("a", "/ws/mistakes/bad/"), Send("a", {"kind": kind}), Gone("a")]
    # The pub/sub layer looks at no name.
    layers = ("core",) if "group" in kind else ("core", "pubsub")
    # Channels looks at a message when a group has a member.
    consumer, events = "mistakes.consumers.BadMessagesConsumer", {"bad_messages": 0}
    return Scenario(f"bad: {kind}", consumer, steps, events, sample=sample, layers=layers)


SCENARIOS = [
    Scenario(
        "raises: before it accepts",
        RAISES,
        [Open("a", "/ws/mistakes/raises/before/")],
        rows=trace("raises before", 1),
        sample=True,
    ),
    Scenario(
        "raises: after it has accepted",
        RAISES,
        [Open("a", "/ws/mistakes/raises/after/"), Gone("a")],
        rows=trace("raises after", 1),
        sample=True,
    ),
    Scenario(
        "raises: at a message",
        RAISES,
        [Open("a", "/ws/mistakes/raises/receive/"), Frames("a", 1), Send("a", "x"), Gone("a")],
        rows=trace("raises receive", 2),
        sample=True,
    ),
    Scenario(
        "raises: in the handler of an event",
        RAISES,
        [
            Open("a", "/ws/mistakes/raises/event/"),
            Frames("a", 1),
            Publish("raises_event", {"type": "group.event", "text": "t"}),
            Gone("a"),
        ],
        rows=trace("raises event", 2),
        sample=True,
    ),
    Scenario(
        "raises: in disconnect",
        RAISES,
        [Open("a", "/ws/mistakes/raises/disconnect/"), Frames("a", 1), Close("a", 1000)],
        rows=trace("raises disconnect", 2),
    ),
    Scenario(
        "raises: nowhere; how it ends",
        RAISES,
        [
            Open("code", "/ws/mistakes/raises/nowhere/"),
            Frames("code", 1),
            Close("code", 4321, "a reason"),
            Stored("mistakes_trace", "name = 'raises nowhere'", 2),
            Open("plain", "/ws/mistakes/raises/nowhere/"),
            Frames("plain", 1),
            Close("plain"),
        ],
        rows=trace("raises nowhere", 4),
    ),
    Scenario(
        "raises: a client that goes without a word",
        RAISES,
        [Open("a", "/ws/mistakes/raises/gone/"), Frames("a", 1), Drop("a")],
        rows=trace("raises gone", 2),
    ),
    Scenario(
        "sync raises: at each place",
        "mistakes.consumers.SyncRaisesConsumer",
        [
            Open("before", "/ws/mistakes/sync/before/"),
            Open("after", "/ws/mistakes/sync/after/"),
            Gone("after"),
            Open("receive", "/ws/mistakes/sync/receive/"),
            Send("receive", "fine"),
            Send("receive", "fail"),
            Gone("receive"),
            Open("disconnect", "/ws/mistakes/sync/disconnect/"),
            Close("disconnect"),
        ],
        rows=[Rows("mistakes_trace", "name LIKE 'sync %'", 5)],
    ),
    Scenario(
        "exceptions: deny",
        "mistakes.consumers.ExceptionsConsumer",
        [Open("a", "/ws/mistakes/exceptions/deny/")],
        rows=trace("exceptions deny", 2),
        sample=True,
    ),
    Scenario(
        "exceptions: accept",
        "mistakes.consumers.ExceptionsConsumer",
        [Open("a", "/ws/mistakes/exceptions/accept/"), Send("a", "x"), Frames("a", 1)],
        rows=trace("exceptions accept", 2),
    ),
    Scenario(
        "exceptions: stop at a message; the socket stays, and nothing is called",
        "mistakes.consumers.ExceptionsConsumer",
        [
            Open("a", "/ws/mistakes/exceptions/none/"),
            Send("a", "x"),
            Frames("a", 1),
            Send("a", "stop"),
            Frames("a", 2),
            Send("a", "nobody"),
        ],
        rows=trace("exceptions none", 1),
        sample=True,
    ),
    Scenario(
        "never: neither accepts nor closes",
        "mistakes.consumers.NeverAnswersConsumer",
        [Open("a", "/ws/mistakes/never/", loose=True)],
        rows=trace("never", 2),
    ),
    Scenario(
        "closer: before it accepts",
        CLOSER,
        [Open("a", "/ws/mistakes/closer/early/")],
        rows=trace("closer early", 1),
        sample=True,
    ),
    Scenario(
        "closer: at once",
        CLOSER,
        [Open("a", "/ws/mistakes/closer/at-once/"), Gone("a")],
        rows=trace("closer at-once", 1),
        sample=True,
    ),
    *map(closes, ("plain", "reason", "send", "true")),
    Scenario(
        "closer: what it does afterwards",
        CLOSER,
        [
            Open("b", "/ws/mistakes/closer/heard/"),
            Open("a", "/ws/mistakes/closer/afterwards/"),
            Send("a", "and on"),
            Gone("a"),
            Frames("b", 1),
        ],
        events={"closers_heard": 1},
        rows=trace("closer afterwards", 1),
        sample=True,
    ),
    Scenario(
        "closer: by an event",
        CLOSER,
        [
            Open("a", "/ws/mistakes/closer/event/"),
            Open("b", "/ws/mistakes/closer/event/"),
            Publish("closers_event", {"type": "closing.event", "code": 4555}),
            Gone("a"),
            Gone("b"),
        ],
        rows=trace("closer event", 2),
    ),
    Scenario(
        "closer: a frame after the close frame",
        CLOSER,
        [Open("a", "/ws/mistakes/closer/frame/"), Send("a", "send after"), Gone("a")],
    ),
    *map(bad, ("unserialisable", "nothing", "group", "long group", "message")),
    Scenario(
        "bad: caught, and the connection goes on",
        "mistakes.consumers.BadMessagesConsumer",
        [
            Open("a", "/ws/mistakes/bad/"),
            Send("a", {"kind": "caught"}),
            Send("a", {"kind": "fine"}),
            Frames("a", 3),
            Send("a", {}),
            Gone("a"),
        ],
    ),
    Scenario(
        "unknown: an event that no method takes",
        "mistakes.consumers.UnknownEventConsumer",
        [
            Open("a", "/ws/mistakes/unknown/"),
            Publish("unknown_events", {"type": "known.event", "n": 1}),
            Frames("a", 1),
            Publish("unknown_events", {"type": "nobody.knows", "n": 1}),
            Gone("a"),
            Open("b", "/ws/mistakes/unknown/"),
            Publish("unknown_events", {"type": "_private"}),
            Gone("b"),
            Open("c", "/ws/mistakes/unknown/"),
            Publish("unknown_events", {"no": "type"}),
            Gone("c"),
        ],
        sample=True,
    ),
    Scenario(
        "unknown: a message of a client is not an event",
        "mistakes.consumers.UnknownEventConsumer",
        [
            Open("a", "/ws/mistakes/unknown/"),
            Send("a", {"type": "known.event", "n": 9}),
            Frames("a", 1),
            Send("a", b'{"bytes": 1}'),
            Gone("a"),
        ],
    ),
    Scenario(
        "early: sends before it accepts",
        "mistakes.consumers.SendsFirstConsumer",
        [Open("a", "/ws/mistakes/early/")],
    ),
    Scenario(
        "narrow: takes text only",
        "mistakes.consumers.NarrowReceiveConsumer",
        [
            Open("a", "/ws/mistakes/narrow/"),
            Send("a", {"n": 1}),
            Frames("a", 1),
            Send("a", b"1"),
            Gone("a"),
            Open("b", "/ws/mistakes/narrow/"),
            Send("b", {"n": "x"}),
            Gone("b"),
        ],
    ),
    Scenario(
        "default: everything as Channels does it",
        "mistakes.consumers.DefaultConsumer",
        [Open("a", "/ws/mistakes/default/"), Send("a", "x"), Send("a", b"x"), Close("a")],
    ),
    Scenario(
        "default JSON: bytes are not taken",
        "mistakes.consumers.DefaultJsonConsumer",
        [
            Open("a", "/ws/mistakes/default-json/"),
            Send("a", {}),
            Send("a", b"{}"),
            Gone("a"),
            Open("b", "/ws/mistakes/default-json/"),
            Send("b", "{"),
            Gone("b"),
        ],
    ),
]
