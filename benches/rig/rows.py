"""The measurements: one row per table of docs/BENCHMARKS.md, with the generator's arguments."""

import dataclasses

PLAIN = ("raw", "channelgate", "uwebsockets", "nchan", "ws-node")
CHANNELS = ("daphne-core", "daphne-pubsub", "uvicorn-core", "uvicorn-pubsub")
DJANGO = ("channelgate-core", "channelgate-pubsub", *CHANNELS)
BRIDGE = ("django-daphne", "django-uvicorn", "bridge-uvicorn", "bridge-daphne", "bridge-gunicorn")
SOCKETIO = ("channelgate-sio", "socketio-node", "socketioxide")


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement of several candidates, in turn, in rounds."""

    title: str
    mode: str
    candidates: tuple[str, ...]
    arguments: dict[str, object] = dataclasses.field(default_factory=dict)
    #: The arguments for --quick instead.
    quick: dict[str, object] = dataclasses.field(default_factory=dict)
    rounds: int = 3
    #: The reference of the ratios.
    reference: str = "channelgate"
    groups: bool = False
    deflate: bool = False
    nodes: int = 1
    #: The path of the consumer, and whether clients come with a session (rows of the bridge).
    path: str = ""
    sessions: bool = False
    #: The most that a candidate may cost, in units of the reference.
    bounds: dict[str, float] = dataclasses.field(default_factory=dict)


def _broadcast(conns: int, candidates: tuple[str, ...], rounds: int, **more: object) -> Row:
    inflight = more.get("inflight", 1)
    title = f"broadcast to {conns:,}" + (
        f", {inflight} messages under way" if inflight != 1 else ", one message at a time"
    )
    # Time limits a cell; this is the maximum of messages.
    arguments = {"conns": conns, "messages": 4_000_000 // conns, "seconds": 4, **more}
    quick = {"conns": max(100, conns // 10), "messages": 40 * int(inflight), "seconds": 2}
    return Row(title, "broadcast", candidates, arguments, quick, rounds, reference="raw")


ROWS: dict[str, Row] = {
    "broadcast-1000": _broadcast(1000, (*PLAIN, *DJANGO), 3),
    "broadcast-5000": _broadcast(5000, (*PLAIN, "channelgate-pubsub", "uvicorn-pubsub"), 3),
    "broadcast-10000": _broadcast(10000, PLAIN, 3),
    "burst-1000": _broadcast(1000, ("raw-coalescing", *PLAIN, "channelgate-pubsub", "uvicorn-pubsub"), 3, inflight=16),
    "burst-5000": _broadcast(5000, ("raw-coalescing", *PLAIN), 3, inflight=16),
    "groups-500x4": Row(
        "500 groups of 4, one message at a time",
        "groups",
        (*PLAIN, "channelgate-pubsub", "uvicorn-pubsub"),
        {"conns": 2000, "groups": 500, "messages": 40_000, "seconds": 4},
        {"conns": 400, "groups": 100, "messages": 400, "seconds": 2},
        reference="raw",
        groups=True,
    ),
    "groups-500x4-burst": Row(
        "500 groups of 4, 64 messages under way",
        "groups",
        PLAIN,
        {"conns": 2000, "groups": 500, "messages": 200_000, "seconds": 4, "inflight": 64},
        {"conns": 400, "groups": 100, "messages": 2000, "seconds": 2, "inflight": 64},
        reference="raw",
        groups=True,
    ),
    "latency-1000": Row(
        "latency: 20 messages a second to 1,000",
        "broadcast",
        (*PLAIN, "channelgate-pubsub", "daphne-pubsub", "uvicorn-pubsub", *SOCKETIO),
        {"conns": 1000, "rate": 20, "messages": 120, "seconds": 20},
        {"conns": 200, "rate": 20, "messages": 40, "seconds": 10},
        reference="raw",
    ),
    "idle": Row(
        "idle connections",
        "idle",
        (*PLAIN, *SOCKETIO),
        {"conns": 5000, "hold-ms": 3000},
        {"conns": 500, "hold-ms": 1000},
        reference="raw",
    ),
    "idle-channels": Row(
        "idle connections, Django Channels",
        "idle",
        ("channelgate", "daphne-core", "uvicorn-core"),
        {"conns": 1000, "hold-ms": 2000},
        {"conns": 200, "hold-ms": 1000},
        rounds=1,
    ),
    "connect": Row(
        "connection storm, 256 handshakes under way",
        "connect",
        (*PLAIN, *SOCKETIO),
        {"conns": 5000, "concurrency": 256},
        {"conns": 500, "concurrency": 256},
        reference="raw",
    ),
    "connect-channels": Row(
        "connection storm, Django Channels",
        "connect",
        ("channelgate", *CHANNELS),
        {"conns": 1000, "concurrency": 256},
        {"conns": 200, "concurrency": 256},
        rounds=2,
    ),
    "sio-1000": dataclasses.replace(_broadcast(1000, SOCKETIO, 3), reference="channelgate-sio"),
    "sio-5000": dataclasses.replace(_broadcast(5000, SOCKETIO, 3), reference="channelgate-sio"),
    "sio-burst-1000": dataclasses.replace(_broadcast(1000, SOCKETIO, 3, inflight=16), reference="channelgate-sio"),
    "deflate-1000": dataclasses.replace(
        _broadcast(1000, ("channelgate", "uwebsockets", "nchan", "ws-node", "uvicorn-pubsub"), 3, size=1024),
        reference="channelgate",
        title="broadcast to 1,000, compressed, 1 KiB",
        deflate=True,
    ),
    "ingest-member": Row(
        "100 groups with one member, pipelined",
        "ingest",
        ("raw", "channelgate"),
        {"conns": 100, "groups": 100, "messages": 1_000_000, "seconds": 20, "size": 120},
        {"conns": 100, "groups": 100, "messages": 60_000, "seconds": 5, "size": 120},
        reference="raw",
        groups=True,
    ),
    "ingest-silent": Row(
        "channels that nobody wants, pipelined",
        "ingest",
        ("channelgate",),
        {"conns": 1, "groups": 1, "messages": 2_000_000, "seconds": 20, "size": 120},
        {"conns": 1, "groups": 1, "messages": 100_000, "seconds": 5, "size": 120},
    ),
    "ingest-group-send": Row(
        "group_send to 100 groups with one member, one at a time",
        "groups",
        ("channelgate-core", "channelgate-pubsub"),
        {"conns": 100, "groups": 100, "messages": 10_000, "seconds": 5},
        {"conns": 100, "groups": 100, "messages": 500, "seconds": 2},
        groups=True,
    ),
    "growth-1": Row("1 node, 6,000 connections", "broadcast", ("channelgate",), nodes=1),
    "growth-2": Row("2 nodes, 6,000 connections", "broadcast", ("channelgate",), nodes=2),
    "growth-3": Row("3 nodes, 6,000 connections", "broadcast", ("channelgate",), nodes=3),
    "node-death": Row(
        "kill -9 of one of two nodes",
        "storm",
        ("channelgate",),
        {"conns": 10_000, "rate": 10, "messages": 2000, "seconds": 90, "jitter-ms": 3000},
        {"conns": 1000, "rate": 10, "messages": 2000, "seconds": 60, "jitter-ms": 1000},
        rounds=2,
        nodes=2,
    ),
    "rolling-restart": Row(
        "rolling restart of three nodes behind nginx",
        "storm",
        ("channelgate",),
        {"conns": 10_000, "rate": 2, "messages": 4000, "seconds": 180, "jitter-ms": 3000},
        {"conns": 1000, "rate": 2, "messages": 4000, "seconds": 120, "jitter-ms": 1000},
        rounds=1,
        nodes=3,
    ),
}


def _bridge(title: str, path: str, bound: float, mode: str = "echo") -> Row:
    arguments = {"conns": 200, "messages": 100_000, "seconds": 4, "inflight": 16, "timeout": 10}
    quick = {"conns": 50, "messages": 500, "seconds": 3, "inflight": 16, "timeout": 10}
    if mode == "connect":
        arguments, quick = {"conns": 2000, "concurrency": 64}, {"conns": 200, "concurrency": 64}
    return Row(
        title,
        mode,
        BRIDGE,
        arguments,
        quick,
        rounds=2,
        reference="django-daphne",
        path=path,
        sessions=True,
        bounds={"bridge-uvicorn": bound},
    )


ROWS |= {
    "bridge-connect": _bridge("connects with a session that join a group", "ws/room/bench/", 0.6, "connect"),
    "bridge-message-db": _bridge("a message that writes a row to the database", "ws/journal/", 1.4),
    "bridge-echo": _bridge("an empty async echo", "ws/echo/", 2.2),
    "bridge-idle": Row(
        "idle connections, plain and bridged",
        "idle",
        ("plain-node", "bridge-node", "bridge-session-node"),
        {"conns": 10_000, "base": 1000, "hold-ms": 3000, "concurrency": 64, "settle-ms": 3000},
        {"conns": 1000, "base": 200, "hold-ms": 1000, "concurrency": 64},
        rounds=2,
        reference="plain-node",
    ),
    "bridge-profile": Row(
        "where the time of a call goes",
        "echo",
        ("bridge-profiled",),
        {"conns": 200, "messages": 100_000, "seconds": 10, "inflight": 16, "timeout": 10},
        {"conns": 50, "messages": 500, "seconds": 3, "inflight": 16, "timeout": 10},
        rounds=1,
        path="ws/echo/",
        sessions=True,
    ),
}

for _nodes in (1, 2, 3):
    ROWS[f"growth-{_nodes}"] = dataclasses.replace(
        ROWS[f"growth-{_nodes}"],
        arguments={"conns": 6000, "messages": 2000, "seconds": 4},
        quick={"conns": 600, "messages": 40, "seconds": 2},
    )

#: Rows without bound cores: several nodes share all cores.
UNPINNED = ("node-death", "rolling-restart")
