"""What one call per event cannot run is refused, in the words of the manual."""

import re

import pytest
from harness import node
from project.asgi import application

CONNECT = {"type": "websocket.connect"}
TEXT = {"type": "websocket.receive", "text": '{"a": 1}'}
STAY = (
    "a consumer that sends on its own has to stay with Daphne, or its loop has to become a worker's that calls"
    " group_send"
)

REFUSED = {
    "/loop/": (
        "background",
        r"project\.broken\.Loop leaves a task running after connect\(\) \(Loop\.loop, broken\.py:\d+\): " + STAY,
    ),
    "/loop-in-message/": (
        "background",
        r"project\.broken\.LoopInMessage leaves a task running after receive\(\) \(tick, broken\.py:\d+\): " + STAY,
    ),
    "/thread/": (
        "background",
        r"project\.broken\.Thread leaves a thread running after connect\(\) \(Thread\.work, broken\.py:\d+\): " + STAY,
    ),
    "/thread-class/": (
        "background",
        r"project\.broken\.ThreadClass leaves a thread running after connect\(\) \(Worker\.run, broken\.py:\d+\): "
        + STAY,
    ),
    "/thread-timer/": (
        "background",
        r"project\.broken\.ThreadTimer leaves a thread running after connect\(\)"
        r" \(ThreadTimer\.late, broken\.py:\d+\): " + STAY,
    ),
    "/in-executor/": (
        "background",
        r"project\.broken\.InExecutor leaves a thread running after connect\(\) \(InExecutor\.work, broken\.py:\d+\): "
        + STAY,
    ),
    "/loop-timer/": (
        "background",
        r"project\.broken\.LoopTimer leaves a timer running after connect\(\) \(LoopTimer\.late, broken\.py:\d+\): "
        + STAY,
    ),
    "/unkept/": (
        "state",
        r"project\.broken\.Unkept: self\.file is an? _io\.TextIOWrapper, which cannot be kept from one call to the"
        r" next",
    ),
    "/event/": (
        "state",
        r"project\.broken\.Event: self\.disconnect_event is an asyncio\.locks\.Event, which cannot be kept from one"
        r" call to the next",
    ),
    "/big/": (
        "state_size",
        r"project\.broken\.Big: its state has \d+ bytes, more than 65536; self\.blob alone \d+",
    ),
    "/receives/": (
        "receive",
        r"project\.broken\.Receives waits for messages of a channel inside a handler \(channel_layer\.receive\)",
    ),
    "/keys/": (
        "message",
        r"project\.broken\.Keys sends a message of the layer with the key 1, which is not text: keys have to be text to"
        r" pass the node",
    ),
    "/demultiplexer/": (
        "nested",
        r"project\.broken\.Demultiplexer runs other consumers inside it \(Inner\): it has to stay with Daphne",
    ),
    "/call-demultiplexer/": (
        "nested",
        r"project\.broken\.CallDemultiplexer runs other consumers inside it \(Inner\): it has to stay with Daphne",
    ),
    **{
        path: (
            "shared",
            rf"project\.broken\.{who} keeps itself in project\.broken\.{holder} of this process after {when}\(\): the"
            r" next call has another consumer, and what is sent through the kept one would be lost\. Keep"
            r" self\.channel_name there, or join a group",
        )
        for path, who, holder, when in (
            ("/registered/", "Registered", "CLIENTS", "connect"),
            ("/registered-by-class/", "RegisteredByClass", r"RegisteredByClass\.clients", "receive"),
            ("/registered-weakly/", "RegisteredWeakly", "WEAK", "connect"),
            ("/listening/", "Listening", "LISTENERS", "connect"),
        )
    },
    **{
        path: (
            "shared",
            rf"project\.broken\.{who} leaves {name}\(\) connected to a signal of this process after connect\(\): it"
            r" would not hear it in the next call, which has another consumer\. Connect a function of the module, which"
            r" calls group_send",
        )
        for path, who, name in (
            ("/on-signal/", "OnSignal", r"OnSignal\.saved"),
            ("/on-signal-by-closure/", "OnSignalByClosure", r"OnSignalByClosure\.connect\.<locals>\.saved"),
        )
    },
    "/plain/": ("no_consumer", r"/plain/ is served by a plain ASGI application, not by a Channels consumer"),
    "/swallowing/": ("no_consumer", r"/swallowing/ is served by a plain ASGI application, not by a Channels consumer"),
}
DOORS = {
    "wrapper": lambda: node.wrapper(application),
    "urls": lambda: node.urls_asgi(application),
    "wsgi": node.urls_wsgi,
}


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.parametrize("door", DOORS)
async def test_refused_in_plain_words(path, door, layer, anna):
    kind, wanted = REFUSED[path]
    side = node.Node(DOORS[door](), node.handshake_of(path, cookie=anna[1]), layer)
    trace = await side.step(dict(CONNECT))
    if not side.over:
        trace = await side.step(dict(TEXT))
    assert trace[-1][:3] == ("end", "refused", kind), trace
    assert re.fullmatch(wanted, trace[-1][3]), trace[-1][3]
