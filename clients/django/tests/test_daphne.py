"""What an application may send, and what it hears of a mistake: as Daphne, which is asked here."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest
from harness import node

A = {"type": "websocket.accept"}
C = {"type": "websocket.close"}


def frame(**fields):
    return {"type": "websocket.send", **fields}


SCRIPTS = {
    "nothing but accept": [A],
    "a frame": [A, frame(text="x")],
    "a binary frame": [A, frame(bytes="b:x")],
    "an empty frame": [A, frame(text=""), frame(text="end")],
    "an empty binary frame": [A, frame(bytes="b:"), frame(text="end")],
    "neither": [A, frame(), frame(text="end")],
    "both": [A, frame(text="x", bytes="b:y"), frame(text="end")],
    "one of them None": [A, frame(text="x", bytes=None), frame(text=None, bytes="b:y")],
    "a frame before accept": [frame(text="x"), A, frame(text="y")],
    "bytes as text": [A, frame(text="b:x"), frame(text="end")],
    "a number as text": [A, frame(text=7), frame(text="end")],
    "a surrogate": [A, frame(text="\ud800"), frame(text="end")],
    "accepted twice": [A, A, frame(text="end")],
    "closed": [A, C],
    "closed with a code": [A, {**C, "code": 4001}],
    "closed with 1000": [A, {**C, "code": 1000}],
    "closed with None": [A, {**C, "code": None}],
    "closed with 3000": [A, {**C, "code": 3000}],
    "closed with a reserved code": [A, {**C, "code": 1011}, frame(text="end")],
    "closed with 1001": [A, {**C, "code": 1001}, frame(text="end")],
    "closed with 999": [A, {**C, "code": 999}, frame(text="end")],
    "closed with 5000": [A, {**C, "code": 5000}, frame(text="end")],
    "closed with a text": [A, {**C, "code": "4001"}, frame(text="end")],
    "closed twice": [A, C, {**C, "code": 4001}],
    "closed, then wrongly": [A, C, {**C, "code": 1}],
    "a frame after the close": [A, {**C, "code": 4001}, frame(text="x")],
    "accepted after the close": [A, {**C, "code": 4001}, A],
    "refused": [C],
    "refused with a code": [{**C, "code": 4001}],
    "refused with any code": [{**C, "code": 7}],
    "refused, then accepted": [C, A, frame(text="x")],
    "refused twice": [C, C],
    "an unknown type": [A, {"type": "websocket.unknown"}, frame(text="end")],
    "no type": [{}, A],
}


@pytest.fixture(scope="module")
def daphne():
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent / "src")])}
    # The listener is made here, so that nothing else can get its port.
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        argv = [sys.executable, "-m", "daphne", "--fd", str(fd), "project.scripted:application"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(argv, env=env, pass_fds=[fd], **quiet) as server:
            try:
                raised_at(port)
                yield port
            finally:
                server.terminate()


def raised_at(port):
    """What the messages of each script have raised so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=50) as page:
        return json.load(page)


async def carried_out(port, name, script):
    while len((await asyncio.to_thread(raised_at, port)).get(name, ())) < len(script):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def ask_daphne(port, name, script):
    """Status of the handshake, frames, close code, and what each message raised."""
    websockets = pytest.importorskip("websockets")
    query = urlencode({"name": name, "script": json.dumps(script)})
    frames, code, status = [], None, 101
    try:
        async with websockets.connect(f"ws://127.0.0.1:{port}/?{query}", open_timeout=50) as socket_:
            await carried_out(port, name, script)
            # The answer to a ping comes after every frame.
            reading = asyncio.ensure_future(read(socket_, frames))
            with contextlib.suppress(websockets.ConnectionClosed):
                await (await socket_.ping())
                reading.cancel()
            code = await reading
    except websockets.InvalidStatus as refused:
        status = refused.response.status_code
        await carried_out(port, name, script)
    return status, frames, code


async def read(socket_, frames):
    """Adds the frames until the connection is closed, and returns the code, or until it is cancelled."""
    import websockets

    try:
        while True:
            frames.append(await socket_.recv())
    except websockets.ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None
    except asyncio.CancelledError:
        return None


async def ask_node(name, script, layer):
    from project.scripted import RAISED, application

    from channelgate import bridge

    RAISED.pop(name, None)
    handshake = node.handshake_of("/?" + urlencode({"name": name, "script": json.dumps(script)}))
    side = node.Node(node.wrapper(bridge(application)), handshake, layer)
    commands = [entry[1] for entry in await side.step({"type": "websocket.connect"}) if entry[0] == "do"]
    status, frames, code = None, [], None
    for command in commands:
        if command["do"] == "accept":
            status = 101
        elif command["do"] == "send":
            import base64

            frames.append(command["text"] if "text" in command else base64.b64decode(command["bytes"]))
        elif command["do"] == "close":
            status, code = (403, None) if status is None else (status, command["code"])
    return (status, frames, code), RAISED[name]


async def test_the_same_as_daphne(daphne, layer):
    names = list(SCRIPTS)
    answers = await asyncio.gather(*(ask_daphne(daphne, name, SCRIPTS[name]) for name in names))
    raised = await asyncio.to_thread(raised_at, daphne)
    different = {}
    for name, answer in zip(names, answers, strict=True):
        ours, ours_raised = await ask_node(name, SCRIPTS[name], layer)
        if (ours, ours_raised) != (answer, raised[name]):
            different[name] = {"daphne": (answer, raised[name]), "bridge": (ours, ours_raised)}
    assert different == {}, json.dumps(different, indent=1, default=repr)
