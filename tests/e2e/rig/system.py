"""Stacks: which processes run together, and how Django and the nodes are configured for each other."""

import contextlib
import dataclasses
import os
import shutil
import socket
from pathlib import Path

import stack
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from . import acl
from .demo import Demo
from .http import Http

#: E2E_ORACLE_ONLY=1 runs the comparison's scripts against Daphne alone, without any node.
ORACLE_ONLY = os.environ.get("E2E_ORACLE_ONLY") == "1"
#: E2E_REDIS_ACL=1 gives every node a Redis user with the rights of docs/operations/redis-acl.md and no other.
LEAST_RIGHTS = os.environ.get("E2E_REDIS_ACL") == "1"
API_KEY = "the-key-of-the-publish-api"
#: A drain that is short, so that tests do not wait for it.
QUICK_DRAIN = {
    "CHANNELGATE__SERVER__DRAIN_DELAY": "0s",
    "CHANNELGATE__SERVER__DRAIN_PERIOD": "200ms",
    "CHANNELGATE__SERVER__DRAIN_GRACE": "1s",
}
#: nginx with a single worker. Of several, each counts the connections of the nodes for itself, so clients that come to
#: different workers may all be passed on to the same node.
ONE_WORKER = {"worker_processes auto;": "worker_processes 1;"}


@dataclasses.dataclass(frozen=True)
class Layer:
    """One way to set CHANNEL_LAYERS."""

    kind: str = "core"
    keys: tuple[str, ...] = ()
    serializer: str = "msgpack"
    prefix: str = "asgi"
    #: The node's keys, if they differ: the new key first, the old one after it.
    node_keys: tuple[str, ...] = ()

    def django(self) -> dict[str, str]:
        return {
            "LAYER": self.kind,
            "LAYER_KEYS": ",".join(self.keys),
            "SERIALIZER": self.serializer,
            "LAYER_PREFIX": self.prefix,
        }

    def node(self) -> dict[str, str]:
        keys = self.node_keys or self.keys
        return {"CHANNELGATE_LAYER_PREFIX": self.prefix, **({"CHANNELGATE_LAYER_KEYS": ",".join(keys)} if keys else {})}

    def publisher(self, redis_url: str, **options):
        """A real layer of channels_redis, like in any process of the project."""
        kind = RedisChannelLayer if self.kind == "core" else RedisPubSubChannelLayer
        return kind(
            hosts=[redis_url],
            prefix=self.prefix,
            symmetric_encryption_keys=list(self.keys) or None,
            serializer_format=self.serializer,
            **options,
        )


LAYERS = {
    "core": Layer(),
    "core-encrypted": Layer(keys=("first key", "second key"), node_keys=("new key", "first key")),
    "core-json": Layer(serializer="json", prefix="shop"),
    "pubsub": Layer(kind="pubsub"),
    "pubsub-encrypted": Layer(kind="pubsub", keys=("a key",), serializer="json"),
}


#: The topologies of the Socket.IO tests: nodes, channel layer, and the way to the backend.
GATES = {"one": (1, "core", "http"), "three": (3, "pubsub", "http"), "three-worker": (3, "core", "worker")}


class System:
    """A Redis and everything that a test starts; all of it ends with the system."""

    def __init__(self, directory: Path, layer: Layer):
        self.directory = directory
        self.layer = layer
        self.parts: list[stack.Part] = []
        self.redis = self._start(stack.redis(directory, stack.free_port()))
        self.redis_url = f"redis://{stack.LOOPBACK}:{self.redis.port}/0"
        #: The URL of the nodes, if it differs from Django's.
        self.node_redis_url: str | None = None
        #: Whether it is a failure if Redis refuses them a command.
        self.has_all_rights = False
        if LEAST_RIGHTS:
            self.least_rights()
        self.nodes: list[stack.Part] = []
        self.django: stack.Part | None = None
        #: How the nodes call Django: "http", "worker", or not at all.
        self.backend: str | None = None
        self.nginx: stack.Part | None = None
        self._demo: Demo | None = None

    def least_rights(self, *features: str) -> None:
        """From now on nodes connect as a Redis user with the rights of these features, or of the whole manual."""
        self.has_all_rights = not features
        self.node_redis_url = acl.set_user(self.redis.port, *features, prefix=self.layer.prefix)

    def _start(self, part: stack.Part, wait: bool = True) -> stack.Part:
        self.parts.append(part.start())
        return part.wait() if wait else part

    def start_django(self, database: Path, wait: bool = True, **env: str) -> stack.Part:
        """The demo project under Daphne, with a separate database."""
        shutil.copy(database, self.directory / "db.sqlite3")
        env = stack.django_env(self.directory, self.redis_url, **{**self.layer.django(), **env})
        self.django = self._start(stack.django(self.directory, stack.free_port(), env), wait)
        return self.django

    def start_worker(self, wait: bool = True) -> stack.Part:
        """The demo project as a Channels worker, with its Daphne and the same database."""
        env = stack.django_env(self.directory, self.redis_url, **self.layer.django())
        return self._start(stack.worker(self.directory, self.redis.port, env), wait)

    def node_env(self, **env: str) -> dict[str, str]:
        return {
            "REDIS_URL": self.node_redis_url or self.redis_url,
            "DJANGO_SECRET_KEY": stack.SECRET_KEY,
            "CHANNELGATE_API_KEY": API_KEY,
            **self.layer.node(),
            **self._backend_env(),
            **QUICK_DRAIN,
            **env,
        }

    def _backend_env(self) -> dict[str, str]:
        match self.backend:
            case "http":
                return stack.backend_env(self.django.port)
            case "worker":
                return {"CHANNELGATE__BACKEND__WORKER": stack.WORKER}
        return {}

    def start_gate(self, nodes: int, database: Path, backend: str = "http", config: str | None = None, **env: str):
        """Django and nodes that call it; several nodes are behind nginx."""
        self.backend = backend
        self.start_django(database, wait=False)
        if backend == "worker":
            self.start_worker(wait=False)
        for _ in range(nodes):
            self.start_node(wait=False, config=config, **env)
        self.wait()
        if nodes > 1:
            self.start_nginx()
        return self

    @property
    def port(self) -> int:
        """The port for clients."""
        return (self.nginx or self.nodes[0]).port

    @property
    def demo(self) -> Demo:
        """Django's REST API."""
        if self._demo is None:
            self._demo = Demo(self.django.port)
        return self._demo

    def start_node(
        self, wait: bool = True, config: str | None = None, listener: socket.socket | None = None, **env: str
    ) -> stack.Part:
        """One more node; `config` is the text of a configuration file, `listener` a socket to take over."""
        name = f"node{len(self.nodes) + 1}"
        file = None
        if config is not None:
            file = self.directory / f"{name}.toml"
            file.write_text(config)
        port = listener.getsockname()[1] if listener else stack.free_port()
        node = stack.node(self.directory, port, self.node_env(**env), name, file, listener=listener)
        self.nodes.append(self._start(node, wait))
        return node

    def start_nginx(self, **options) -> stack.Part:
        """nginx in front of the nodes; options are those of `stack.nginx`."""
        ports = [node.port for node in self.nodes]
        django_port = self.django.port if self.django else stack.free_port()
        self.nginx = self._start(stack.nginx(self.directory, stack.free_port(), ports, django_port, **options))
        return self.nginx

    def wait(self) -> None:
        """Waits for processes that were started without waiting."""
        for part in self.parts:
            part.wait()

    def start_redis(self) -> stack.Part:
        """One more Redis."""
        return self._start(stack.redis(self.directory, stack.free_port(), f"redis{len(self.parts)}"))

    def restart_redis(self) -> None:
        """A new, empty Redis on the old port."""
        self._start(stack.redis(self.directory, self.redis.port, f"redis{len(self.parts)}"))
        if self.node_redis_url:
            self.least_rights()

    @contextlib.asynccontextmanager
    async def publisher(self, **options):
        """A channel layer to publish through, closed at the end."""
        layer = self.layer.publisher(self.redis_url, **options)
        try:
            yield layer
        finally:
            with contextlib.suppress(Exception):
                await (layer.close_pools() if self.layer.kind == "core" else layer.flush())

    def metric(self, node: stack.Part, name: str, **labels: str) -> float:
        """The sum of a node's series with this name and these labels; 0 if there is none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        total = 0.0
        for line in Http(node.port).request_now("GET", "/metrics").body.decode().splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(label in series for label in wanted):
                total += float(value)
        return total

    def stop(self) -> None:
        asked_too_much = acl.denied(self.redis.port) if self.has_all_rights and stack.listening(self.redis.port) else []
        for part in reversed(self.parts):
            part.stop(grace=5)
        assert not asked_too_much, asked_too_much
