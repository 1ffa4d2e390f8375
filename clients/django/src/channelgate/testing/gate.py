"""`with Gate() as gate:`: the project behind a real node, in one process with its tests.

The node runs the project's `channelgate.toml` on the embedded layer, without Redis. It calls Django in this process.
What the project publishes meanwhile goes to the node.
"""

import contextlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from channelgate.conf import conf
from channelgate.derive import derived as of_settings
from channelgate.launch import used_variables
from channelgate.nodefile import place, read_or_empty
from channelgate.testing import described
from channelgate.testing.answering import Answering
from channelgate.testing.captured import diverted
from channelgate.testing.commits import Commits
from channelgate.testing.communicator import PATIENCE, WebsocketCommunicator
from channelgate.testing.credentials import shown
from channelgate.testing.forward import Forward
from channelgate.testing.node import Node, NodeFailed
from channelgate.testing.origins import TESTSERVER, host

#: Variables of a node that are about Redis.
OF_REDIS = ("REDIS_URL", "CHANNELGATE__LAYER__", "CHANNELGATE_LAYER_", "CHANNELGATE__CACHE__", "CHANNELGATE_CACHE_")


class Gate:
    """A node for tests: `config` is another file than the project's, `environ` are more variables for it."""

    def __init__(self, config: str | Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._config = config
        self._environ = dict(environ or {})
        self._node: Node | None = None
        self._answering: Answering | None = None
        self._described: described.Described | None = None
        self._open: list[WebsocketCommunicator] = []
        self._stack = contextlib.ExitStack()

    def start(self) -> "Gate":
        """Starts Django's side and the node, and waits until it is ready."""
        config = project_config() if self._config is None else Path(self._config)
        secret = conf().secrets[0].decode() if conf().secrets else secrets.token_hex(16)
        answering = Answering(secret).start()
        node: Node | None = None
        try:
            node = Node(config, {**derived(config), **self._environ, **_own(answering.url, secret)})
            self._described = described.read(node.run("print-config"))
            if self._described.asks_django:
                # A test logs out between two connections, and does not wait for an answer to grow old.
                node.environ["CHANNELGATE__AUTH__DJANGO__CACHE"] = "0s"
            node.start()
        except BaseException:
            # Also one that was interrupted while it started.
            if node is not None:
                node.stop()
            answering.stop()
            raise
        self._answering, self._node = answering, node
        return self

    def stop(self) -> None:
        """Ends the node by its process, and Django's side."""
        node, answering = self._node, self._answering
        self._node = self._answering = None
        if node is not None:
            node.stop()
        if answering is not None:
            answering.stop()

    def __enter__(self) -> "Gate":
        with contextlib.ExitStack() as stack:
            self.start()
            # Also if the test cannot begin.
            stack.callback(self.stop)
            stack.enter_context(self.test())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def test(self) -> Iterator["Gate"]:
        """One test: what the project publishes reaches the node, and at the end every client is disconnected."""
        with Commits(before_end=self.part), diverted(Forward(self)), _using(self):
            try:
                yield self
            finally:
                self.part()

    def part(self) -> None:
        """Disconnects every client of the test, while what it has written can still be read."""
        for communicator in list(self._open):
            communicator.end()
        self._running[1].lent.take_back()

    @property
    def _running(self) -> tuple[Node, Answering]:
        if self._node is None or self._answering is None:
            raise RuntimeError("The gate does not run: use it as `with Gate() as gate:`, or call start()")
        return self._node, self._answering

    @property
    def port(self) -> int:
        """Where the node listens, on the loopback address."""
        return self._running[0].port

    @property
    def url(self) -> str:
        """The node's address: `http://127.0.0.1:…`."""
        return self._running[0].url

    @property
    def log(self) -> str:
        """What the node has written."""
        return self._running[0].log

    @property
    def pid(self) -> int | None:
        """The node's process."""
        return self._running[0].pid

    def connect(
        self,
        path: str,
        *,
        user: Any = None,
        token: str | None = None,
        headers: Iterable[tuple[bytes | str, bytes | str]] | None = None,
        subprotocols: Iterable[str] | None = None,
    ) -> WebsocketCommunicator:
        """A client at this path, not connected yet: `ws.connect()`, or `await ws.connect()`.

        `user` shows a session, or a token where the consumer wants one. `token` is a token of the test's own.
        """
        return WebsocketCommunicator(None, path, headers, subprotocols, user=user, token=token, gate=self)

    def publish(self, group: str, event: Mapping[str, Any]) -> None:
        """What `group_send` does, past the project's layer."""
        self.post("/api/publish", {"group": group, "event": dict(event)})

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """A request to the node's API, with its key; the answer's JSON."""
        status, answer = self._running[0].ask("POST", path, body)
        if status != 200:
            raise NodeFailed(f"The node answered {path} with {status}: {answer}")
        return answer

    # For the communicators.

    def handshake(self, communicator: WebsocketCommunicator, scope: Mapping[str, Any], token: str | None) -> Any:
        """The request of a client, with what shows its user. In the thread of the test's queries."""
        node, answering = self._running
        answering.lent.lend()
        assert self._described is not None
        credentials = shown(scope["path"], scope.get("user"), token, self._described, node)
        self._open.append(communicator)
        return _request(scope, credentials)

    def parted(self, communicator: WebsocketCommunicator, timeout: float = PATIENCE) -> None:
        """A client has gone, or was refused: waits for the consumer's `disconnect()`, which it gets in both cases."""
        if communicator not in self._open:
            return
        self._open.remove(communicator)
        answering = self._running[1]
        assert self._described is not None
        consumer = self._described.consumer(communicator.scope["path"])
        if consumer is not None and "disconnect" in consumer.django:
            answering.clients.wait_until_gone(communicator.id, timeout)


def _request(scope: Mapping[str, Any], credentials: Any) -> dict[str, Any]:
    given = [(_text(name).lower(), _text(value)) for name, value in scope["headers"]]
    names = {name for name, _ in given}
    hosts = [value for name, value in given if name == "host"]
    own = hosts[0] if hosts else host()
    headers = [(name, value) for name, value in given if name not in ("host", "cookie")]
    headers += [(name, value) for name, value in credentials.headers if name not in names]
    if "origin" not in names:
        headers.append(("origin", f"http://{own}"))
    cookies = [value for name, value in given if name == "cookie"]
    cookies += [f"{name}={value}" for name, value in credentials.cookies.items()]
    if cookies:
        headers.append(("cookie", "; ".join(cookies)))
    query = [one for one in (_text(scope["query_string"]), *credentials.query) if one]
    return {
        "host": own,
        "target": scope["path"] + ("?" + "&".join(query) if query else ""),
        "headers": headers,
        "subprotocols": [*scope["subprotocols"], *credentials.subprotocols] or None,
    }


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


_gates: list[Gate] = []
_shared: Gate | None = None


@contextlib.contextmanager
def _using(gate: Gate) -> Iterator[None]:
    _gates.append(gate)
    try:
        yield
    finally:
        _gates.remove(gate)


def current() -> Gate:
    """The gate of the running test."""
    if not _gates:
        raise RuntimeError(
            "No gate runs: let the test have the fixture `gate`, or write `with channelgate.testing.Gate():` around it"
        )
    return _gates[-1]


def project_config() -> Path:
    """The project's `channelgate.toml`: `CHANNELGATE["CONFIG"]`, else in its folder."""
    path = place()
    if not path.is_file():
        raise NodeFailed(
            f"{path} does not exist: `manage.py channelgate init` writes it. Another place is named in "
            'CHANNELGATE["CONFIG"], or by the fixture `channelgate_config`, or in Gate(config=…).'
        )
    return path


def derived(config: Path) -> dict[str, str]:
    """What a node needs from the settings of the project beside the file, without what is about Redis."""
    used = used_variables(of_settings(), read_or_empty(config), {})
    return {one.name: one.value for one in used if not one.name.startswith(OF_REDIS)}


def _own(url: str, secret: str) -> dict[str, str]:
    """What is different in tests, whatever the settings say."""
    hosts = [one for one in settings.ALLOWED_HOSTS if one.replace("-", "").replace(".", "").isalnum()]
    # Pages of Django's live server are there, too.
    hosts += ["localhost", "127.0.0.1"]
    return {
        "CHANNELGATE_BACKEND_URL": url,
        "CHANNELGATE_BACKEND_SECRET": secret,
        "CHANNELGATE_ALLOWED_ORIGINS": ",".join(dict.fromkeys([TESTSERVER, host().partition(":")[0], *hosts])),
    }
