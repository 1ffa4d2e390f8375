"""Sockets of the real Socket.IO clients, socket.io-client and python-socketio, that record everything."""

import asyncio
import contextlib
import itertools
from typing import NamedTuple

import socketio
import socketio.exceptions
import stack

from .client import DEADLINE
from .deadline import in_time
from .driver import Driver

#: Seconds for an acknowledgement, less than the driver has for its answer.
ACKNOWLEDGED = 25
QUICK_RECONNECT = {"reconnection_delay": 0.05, "reconnection_delay_max": 0.25}
#: How a client connects: which client, and by which transports.
KINDS = {
    "js-websocket": ("js", ["websocket"]),
    "js-polling": ("js", ["polling"]),
    "js-upgrade": ("js", ["polling", "websocket"]),
    "py-websocket": ("py", ["websocket"]),
    "py-polling": ("py", ["polling"]),
    "py-upgrade": ("py", ["polling", "websocket"]),
}


class Event(NamedTuple):
    name: str
    args: list


class Socket:
    """One socket; the lists have everything so far, in order."""

    def __init__(self):
        self.events: list[Event] = []
        self.ids: list[str] = []
        self.transports: list[str] = []
        self.refusals: list[dict] = []
        self.disconnects: list[str] = []
        self.news = asyncio.Event()

    @property
    def id(self) -> str:
        return self.ids[-1]

    @property
    def connected(self) -> bool:
        return len(self.ids) > len(self.disconnects)

    async def wait(self, condition, what: str, deadline: float = DEADLINE):
        """Waits until `condition()` is true, checking each time something happens."""
        end = asyncio.get_running_loop().time() + deadline
        while not (value := condition()):
            remaining = end - asyncio.get_running_loop().time()
            if remaining <= 0:
                seen = f"{self.refusals=} {self.disconnects=} {self.events[-8:]}"
                raise AssertionError(f"not within {deadline:g} s: {what}; {seen}"[:3000])
            self.news.clear()
            with contextlib.suppress(TimeoutError):
                await in_time(remaining, self.news.wait())
        return value

    async def opened(self, number: int = 1, deadline: float = DEADLINE) -> "Socket":
        """Waits until it has connected this many times."""
        await self.wait(lambda: len(self.ids) >= number, f"connection {number}", deadline)
        return self

    async def refused(self) -> dict:
        """Waits for a connect_error and returns its message and data."""
        await self.wait(lambda: self.refusals, "a refusal")
        return self.refusals[-1]

    async def args(self, name: str, number: int = 1, deadline: float = DEADLINE) -> list:
        """The arguments of the first event of this name, or of a later one, once it has come."""
        await self.wait(lambda: len(self.all(name)) >= number, f"{name} number {number}", deadline)
        return self.all(name)[number - 1]

    async def data(self, name: str, number: int = 1, deadline: float = DEADLINE):
        """The same for an event with one argument."""
        args = await self.args(name, number, deadline)
        assert len(args) == 1, args
        return args[0]

    def all(self, name: str) -> list[list]:
        return [event.args for event in self.events if event.name == name]

    def names(self, *wanted: str) -> list[str]:
        """The received events among these, in order."""
        return [event.name for event in self.events if event.name in wanted]

    def _event(self, name: str, args) -> None:
        self.events.append(Event(name, list(args)))
        self.news.set()

    def _note(self, log: list, value) -> None:
        log.append(value)
        self.news.set()


class JsSocket(Socket):
    """socket.io-client, in the driver's process."""

    numbers = itertools.count(1)

    def __init__(self, driver: Driver):
        super().__init__()
        self.driver = driver
        self.name = f"socket{next(self.numbers)}"
        driver.listen(self.name, self._hear)

    async def open(self, url: str, namespace: str, auth, transports: list[str], answers: dict, options: dict) -> None:
        options = {"transports": transports, **options}
        parameters = {"url": url, "namespace": namespace, "auth": auth, "answers": answers, "options": options}
        await self.driver.tell("open", socket=self.name, **parameters)

    def _hear(self, report: dict) -> None:
        match report["what"]:
            case "event":
                self._event(report["event"], report["args"])
            case "connect":
                self._note(self.ids, report["id"])
            case "disconnect":
                self._note(self.disconnects, report["reason"])
            case "connect_error":
                self._note(self.refusals, {"message": report["message"], "data": report["data"]})
            case "transport":
                self._note(self.transports, report["name"])

    async def emit(self, event: str, *args) -> None:
        await self.driver.tell("emit", socket=self.name, event=event, args=list(args))

    async def ask(self, event: str, *args) -> list:
        """Emits, and returns the arguments of the acknowledgement."""
        return await self.driver.tell("emit", socket=self.name, event=event, args=list(args), ack=ACKNOWLEDGED * 1000)

    async def close(self) -> None:
        await self.driver.tell("close", socket=self.name)


class PySocket(Socket):
    """python-socketio's client."""

    def __init__(self):
        super().__init__()
        # A request that is late on a busy machine is no reason to connect anew.
        self.client = socketio.AsyncClient(**QUICK_RECONNECT, request_timeout=DEADLINE)
        self.namespace = "/"

    async def open(self, url: str, namespace: str, auth, transports: list[str], answers: dict, options: dict) -> None:
        assert not options, "only for socket.io-client"
        self.namespace = namespace

        async def heard(event, *args):
            self._event(event, args)
            answer = answers.get(event, [])
            return tuple(answer) if len(answer) != 1 else answer[0]

        self.client.on("*", heard, namespace=namespace)
        self.client.on("connect", self._connected, namespace=namespace)
        self.client.on("connect_error", self._refused, namespace=namespace)
        self.client.on("disconnect", lambda reason: self._note(self.disconnects, reason), namespace=namespace)
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await self.client.connect(url, auth=auth, namespaces=[namespace], transports=transports, wait_timeout=25)

    def _connected(self) -> None:
        self.transports.append(self.client.transport())
        self._note(self.ids, self.client.get_sid(self.namespace))

    def _refused(self, problem=None) -> None:
        problem = problem if isinstance(problem, dict) else {"message": problem}
        self._note(self.refusals, {"message": problem.get("message"), "data": problem.get("data")})

    async def emit(self, event: str, *args) -> None:
        await self.client.emit(event, tuple(args) or None, namespace=self.namespace)

    async def ask(self, event: str, *args) -> list:
        answer = asyncio.get_running_loop().create_future()
        await self.client.emit(
            event, tuple(args) or None, namespace=self.namespace, callback=lambda *got: answer.set_result(list(got))
        )
        return await in_time(ACKNOWLEDGED, answer)

    async def close(self) -> None:
        if self.client.connected:
            # During a POST python-engineio drops the packet of `disconnect`, and waits for a ping.
            await in_time(DEADLINE, self.client.eio.queue.join())
        await self.client.disconnect()
        await self.client.shutdown()


class Sockets:
    """Opens sockets of one kind for a test, and closes them after it."""

    def __init__(self, driver: Driver, kind: str):
        self.driver = driver
        self.kind = kind
        self.open_ones: list[Socket] = []

    async def start(
        self, port: int, token: str | None = None, *, kind=None, namespace="/", auth=None, answers=None, **options
    ) -> Socket:
        """A socket that may be accepted or not; `options` are further ones of socket.io-client."""
        client, transports = KINDS[kind or self.kind]
        socket = JsSocket(self.driver) if client == "js" else PySocket()
        self.open_ones.append(socket)
        auth = {"token": token} if token is not None else auth
        await socket.open(f"http://{stack.LOOPBACK}:{port}", namespace, auth, transports, answers or {}, options)
        return socket

    async def engine(self, port: int, *, kind=None, **options) -> Socket:
        """An accepted socket of engine.io-client; `options` are its own."""
        client, transports = KINDS[kind or self.kind]
        assert client == "js", "there is no other client of Engine.IO alone"
        socket = JsSocket(self.driver)
        self.open_ones.append(socket)
        url, options = f"http://{stack.LOOPBACK}:{port}", {"transports": transports, **options}
        await self.driver.tell("openEngine", socket=socket.name, url=url, options=options)
        return await socket.opened()

    async def open(self, port: int, person=None, **options) -> Socket:
        """An accepted socket, with a person's token or without one."""
        socket = await self.start(port, person.token if person else None, **options)
        return await socket.opened()

    async def close(self, socket: Socket) -> None:
        self.open_ones.remove(socket)
        await socket.close()

    async def close_all(self) -> None:
        await asyncio.gather(*(self.close(socket) for socket in list(self.open_ones)))
