"""The measured servers: how each is started, its URL, and how its users publish."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from .paths import BENCHES, BUILT, RIVALS, ROOT, WORK, stack

#: The frame that every plain WebSocket candidate sends; {} is the stamped text.
FRAME = '{"event":"client_update","data":"{}"}'
#: The event published to Channelgate, as for `group_send`; the node makes the frame from it.
EVENT = '{"type":"send_event","event":"client_update","data":"{}"}'
#: Cores: one for the servers, one for the generator, Redis and the publishers.
SERVER, LOAD = "0", "1"


@dataclasses.dataclass
class Bench:
    """One cell: a directory, a Redis, and the options of the candidate."""

    directory: Path
    redis: stack.Part
    #: Publish to numbered groups.
    groups: bool = False
    deflate: bool = False
    nodes: int = 1
    #: Processes are bound to cores, unless several nodes and nginx share them.
    pinned: bool = True
    #: The path of a row of the bridge, and whether its clients have a session.
    path: str = ""
    sessions: bool = False
    parts: list[stack.Part] = dataclasses.field(default_factory=list)

    @property
    def redis_url(self) -> str:
        return f"redis://{stack.LOOPBACK}:{self.redis.port}"

    def start(self, part: stack.Part, core: str) -> stack.Part:
        """Starts a part on its core and waits until it is ready."""
        if self.pinned:
            part.argv = ["taskset", "-c", core, *part.argv]
        self.parts.append(part.start())
        return part.wait()

    def program(self, name: str, argv: Sequence[str | Path], port: int, core: str, **env: str) -> stack.Part:
        """Starts any program that listens on a port."""
        return self.start(stack.Part(name, argv, self.directory, lambda: stack.listening(port), env, port), core)

    def stop(self) -> None:
        for part in reversed(self.parts):
            part.stop(grace=5)


@dataclasses.dataclass
class Running:
    """A running candidate."""

    urls: list[str]
    publish: str
    template: str = "{}"
    servers: list[stack.Part] = dataclasses.field(default_factory=list)
    #: Processes reported separately.
    aux: dict[str, stack.Part] = dataclasses.field(default_factory=dict)
    #: Further arguments of the generator.
    arguments: list[str] = dataclasses.field(default_factory=list)
    #: Figures of the candidate itself, for the result.
    facts: dict[str, object] = dataclasses.field(default_factory=dict)
    #: A Python process whose time is taken apart while the generator runs; the figures are then those of a slower one.
    profiled: stack.Part | None = None


@dataclasses.dataclass(frozen=True)
class Candidate:
    title: str
    start: Callable[[Bench], Running]
    #: Packages to record versions of: (kind, name).
    versions: tuple[tuple[str, str], ...] = ()
    ours: bool = False
    #: The number of rounds, for a slow candidate with results far from the others.
    rounds: int = 99
    #: Required programs; without them the candidate is left out, and the result says so.
    needs: tuple[Path, ...] = ()


# -- the reference -------------------------------------------------------------------------------------------------


def raw(bench: Bench, *flags: str) -> Running:
    port = stack.free_port()
    channel = "bench:" if bench.groups else "bench"
    argv = [BUILT / "raw", "--port", str(port), "--redis", f"{stack.LOOPBACK}:{bench.redis.port}", "--channel", channel]
    part = bench.program("raw", [*argv, *(["--groups"] if bench.groups else []), *flags], port, SERVER)
    return Running([f"ws://{stack.LOOPBACK}:{port}/?g={{g}}"], bench_channel(bench), FRAME, [part])


def bench_channel(bench: Bench) -> str:
    return f"{bench.redis_url}/bench:{{g}}" if bench.groups else f"{bench.redis_url}/bench"


# -- Channelgate ---------------------------------------------------------------------------------------------------


def node(bench: Bench, port: int | None = None) -> stack.Part:
    """One node, with the configuration of the benchmarks."""
    env = {"REDIS_URL": bench.redis_url, "RUST_LOG": "warn"}
    name = f"node{sum(part.name.startswith('node') for part in bench.parts) + 1}"
    return bench.start(stack.node(bench.directory, port or stack.free_port(), env, name, BENCHES / "node.toml"), SERVER)


def channelgate(bench: Bench) -> Running:
    """Plain PUBLISH of the event."""
    nodes = [node(bench) for _ in range(bench.nodes)]
    path = "group/{g}/" if bench.groups else "ws/"
    channel = "channelgate:group_{g}" if bench.groups else "channelgate:broadcast"
    urls = [f"ws://{stack.LOOPBACK}:{part.port}/{path}" for part in nodes]
    return Running(urls, f"{bench.redis_url}/{channel}", EVENT, nodes)


def channelgate_django(layer: str) -> Callable[[Bench], Running]:
    """Published by Django's group_send."""

    def start(bench: Bench) -> Running:
        running = channelgate(bench)
        return dataclasses.replace(running, publish=django_publisher(bench, layer), template="{}")

    return start


def channelgate_socketio(bench: Bench) -> Running:
    """Published by the Socket.IO emitter."""
    part = node(bench)
    return Running(socketio_urls(part.port), socketio_publisher(bench), servers=[part], arguments=["--socketio"])


def socketio_urls(port: int) -> list[str]:
    return [f"ws://{stack.LOOPBACK}:{port}/socket.io/?EIO=4&transport=websocket"]


# -- Django Channels -----------------------------------------------------------------------------------------------

PYTHON = WORK / "venv" / "bin" / "python"


def channels_env(bench: Bench, layer: str) -> dict[str, str]:
    return {"PYTHONPATH": str(RIVALS / "channels"), "LAYER": layer, "REDIS_URL": bench.redis_url}


def django_publisher(bench: Bench, layer: str) -> str:
    port = stack.free_port()
    argv = [PYTHON, RIVALS / "channels" / "publisher.py", str(port), "many" if bench.groups else "one"]
    bench.program("publisher", argv, port, LOAD, **channels_env(bench, layer))
    return f"tcp://{stack.LOOPBACK}:{port}"


def channels(server: str, layer: str) -> Callable[[Bench], Running]:
    def start(bench: Bench) -> Running:
        port = stack.free_port()
        argv = {
            "daphne": [PYTHON, "-m", "daphne", "-v", "0", "-b", stack.LOOPBACK, "-p", str(port), "feed:application"],
            "uvicorn": [PYTHON, "-m", "uvicorn", "--host", stack.LOOPBACK, "--port", str(port), "--backlog", "4096",
                        "--log-level", "warning", "--no-access-log", "feed:application"],
        }[server]  # fmt: skip
        part = bench.program(server, argv, port, SERVER, **channels_env(bench, layer))
        path = "group/{g}/" if bench.groups else "ws/"
        return Running([f"ws://{stack.LOOPBACK}:{port}/{path}"], django_publisher(bench, layer), servers=[part])

    return start


# -- Socket.IO and ws on Node --------------------------------------------------------------------------------------

NODE = RIVALS / "node"
MODULES = NODE / "node_modules"


def socketio_publisher(bench: Bench) -> str:
    port = stack.free_port()
    argv = ["node", NODE / "publisher.js", str(port), bench.redis_url]
    bench.program("publisher", [*argv, "many" if bench.groups else "one"], port, LOAD)
    return f"tcp://{stack.LOOPBACK}:{port}"


def socketio_node(bench: Bench) -> Running:
    port = stack.free_port()
    argv = ["node", NODE / "socketio.js", str(port), bench.redis_url]
    part = bench.program("socketio", argv, port, SERVER, NODE_ENV="production")
    return Running(socketio_urls(port), socketio_publisher(bench), servers=[part], arguments=["--socketio"])


def ws_node(bench: Bench) -> Running:
    port = stack.free_port()
    argv = ["node", NODE / "ws.js", str(port), bench.redis_url, *(["deflate"] if bench.deflate else [])]
    part = bench.program("ws", argv, port, SERVER, NODE_ENV="production")
    return Running([f"ws://{stack.LOOPBACK}:{port}/?g={{g}}" if bench.groups else f"ws://{stack.LOOPBACK}:{port}/"],
                   bench_channel(bench), FRAME, [part])  # fmt: skip


# -- Nchan ---------------------------------------------------------------------------------------------------------

NCHAN = WORK / "nchan" / "usr" / "lib" / "nginx" / "modules" / "ngx_nchan_module.so"


def nchan(bench: Bench) -> Running:
    port = stack.free_port()
    home = bench.directory / "nchan"
    home.mkdir()
    text = (RIVALS / "nchan" / "nginx.conf").read_text()
    for name, value in {
        "MODULE": str(NCHAN),
        "USER": "user root;" if os.geteuid() == 0 else "",
        "REDIS": str(bench.redis.port),
        "PORT": str(port),
        "BUFFER": "100",
        "DEFLATE": "nchan_deflate_message_for_websocket on;" if bench.deflate else "",
    }.items():
        text = text.replace(f"@{name}@", value)
    (home / "nginx.conf").write_text(text)
    argv = [stack.tool("nginx"), "-p", f"{home}/", "-c", home / "nginx.conf", "-e", home / "error.log"]
    part = bench.program("nchan", argv, port, SERVER)
    name = "{g}" if bench.groups else "bench"
    here = f"{stack.LOOPBACK}:{port}"
    return Running([f"ws://{here}/sub/{name}"], f"http://{here}/pub/{name}", FRAME, [part])


# -- socketioxide and uWebSockets ----------------------------------------------------------------------------------


def socketioxide(bench: Bench) -> Running:
    """Two processes: the measured one, and one without clients that emits."""
    port, helper = stack.free_port(), stack.free_port()
    program = BUILT / "socketioxide-server"
    part = bench.program("socketioxide", [program, str(port), bench.redis_url], port, SERVER)
    bench.program("publisher", [program, str(stack.free_port()), bench.redis_url, str(helper)], helper, LOAD)
    publish = f"tcp://{stack.LOOPBACK}:{helper}"
    return Running(socketio_urls(port), publish, servers=[part], arguments=["--socketio"])


def uwebsockets(bench: Bench) -> Running:
    port = stack.free_port()
    argv = [BUILT / "uwebsockets-server", str(port), str(bench.redis.port), "groups" if bench.groups else "all"]
    part = bench.program("uwebsockets", [*argv, *(["deflate"] if bench.deflate else [])], port, SERVER)
    return Running([f"ws://{stack.LOOPBACK}:{port}/?g={{g}}"], bench_channel(bench), FRAME, [part])


_UVICORN = (("pip", "uvicorn"), ("pip", "websockets"), ("pip", "uvloop"))
_EMITTER = (("npm", "@socket.io/redis-adapter"), ("npm", "@socket.io/redis-emitter"))
_CHANNELS = (("pip", "Django"), ("pip", "channels"), ("pip", "channels_redis"))

CANDIDATES: dict[str, Candidate] = {
    "raw": Candidate("raw writer", raw),
    "raw-coalescing": Candidate("raw writer, coalescing", lambda bench: raw(bench, "--coalesce")),
    "channelgate": Candidate("Channelgate, PUBLISH", channelgate, ours=True),
    "channelgate-core": Candidate("Channelgate, core layer", channelgate_django("core"), ours=True),
    "channelgate-pubsub": Candidate("Channelgate, pub/sub layer", channelgate_django("pubsub"), ours=True),
    "channelgate-sio": Candidate("Channelgate, Socket.IO", channelgate_socketio, ours=True),
    "daphne-core": Candidate(
        "Channels, Daphne, core", channels("daphne", "core"), (*_CHANNELS, ("pip", "daphne")), needs=(PYTHON,), rounds=2
    ),
    "daphne-pubsub": Candidate(
        "Channels, Daphne, pub/sub",
        channels("daphne", "pubsub"),
        (*_CHANNELS, ("pip", "daphne")),
        needs=(PYTHON,),
        rounds=2,
    ),
    "uvicorn-core": Candidate(
        "Channels, uvicorn, core", channels("uvicorn", "core"), (*_CHANNELS, *_UVICORN), needs=(PYTHON,), rounds=2
    ),
    "uvicorn-pubsub": Candidate(
        "Channels, uvicorn, pub/sub", channels("uvicorn", "pubsub"), (*_CHANNELS, *_UVICORN), needs=(PYTHON,), rounds=2
    ),
    "socketio-node": Candidate(
        "Socket.IO on Node",
        socketio_node,
        (("node", "node"), ("npm", "socket.io"), *_EMITTER),
        needs=(MODULES,),
    ),
    "ws-node": Candidate("ws on Node", ws_node, (("node", "node"), ("npm", "ws")), needs=(MODULES,)),
    "nchan": Candidate("Nchan", nchan, (("nginx", "nginx"), ("deb", "libnginx-mod-nchan")), needs=(NCHAN,)),
    "socketioxide": Candidate(
        "socketioxide",
        socketioxide,
        (("cargo", "socketioxide"), ("cargo", "socketioxide-redis")),
        needs=(BUILT / "socketioxide-server",),
    ),
    "uwebsockets": Candidate(
        "uWebSockets", uwebsockets, (("pip", "socketify"),), needs=(BUILT / "uwebsockets-server",)
    ),
}

__all__ = ["BENCHES", "CANDIDATES", "EVENT", "FRAME", "RIVALS", "ROOT", "Bench", "Candidate", "Running"]
