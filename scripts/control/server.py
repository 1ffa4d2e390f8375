"""HTTP of the control process, behind nginx at /demo/control/.

Only for pages of the demonstration itself: the peer is this machine, the Host and the Origin are the site's, and a
change needs the header X-Demo, which no other site can send without a CORS preflight, which this server refuses.
Clients, bodies and times are bounded.
"""

import ipaddress
import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stack
from control.activity import SPEEDS, Activity
from control.stream import Entry, Stream
from control.supervisor import Refused, Supervisor

PREFIX = "/demo/control/"
#: Connections at a time, bytes of a body, seconds for a read or a write, and between signs of life of a stream.
CLIENTS, BODY, TIMEOUT, ALIVE = 64, 4096, 20, 10
BURST = 500


class Wrong(Exception):
    """A request that is refused."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class Control(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = CLIENTS

    def __init__(self, port: int, site_port: int, supervisor: Supervisor, activity: Activity, stream: Stream):
        super().__init__((stack.LOOPBACK, port), Handler)
        self.supervisor, self.activity, self.stream = supervisor, activity, stream
        self.hosts = {f"{name}:{number}" for name in (stack.LOOPBACK, "localhost") for number in (port, site_port)}
        self._free = threading.BoundedSemaphore(CLIENTS)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, daemon=True, name="control").start()

    def verify_request(self, request, client_address) -> bool:
        return ipaddress.ip_address(client_address[0]).is_loopback and self._free.acquire(blocking=False)

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request, client_address) -> None:
        """A client that has gone is not an error."""


class Handler(BaseHTTPRequestHandler):
    server: Control
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT

    def do_GET(self) -> None:
        self._handle({"config": self._config, "sent": self._sent})

    def do_POST(self) -> None:
        supervisor = self.server.supervisor
        self._handle(
            {
                "end-node": lambda: supervisor.end_node(self._node()),
                "kill-node": lambda: supervisor.kill_node(self._node()),
                "freeze-redis": supervisor.freeze_redis,
                "restart-redis": supervisor.restart_redis,
                "expire-token": self._expire,
                "revoke": self._revoke,
                "burst": self._burst,
                "activity": self._activity,
            }
        )

    def _handle(self, routes: dict) -> None:
        self.close_connection = True
        try:
            self._admit()
            name = self.path.split("?")[0].removeprefix(PREFIX)
            if not self.path.startswith(PREFIX) or name not in routes:
                raise Wrong(HTTPStatus.NOT_FOUND, "unknown path")
            if self.command == "POST":
                self.body = self._read()
            answer = routes[name]()
            if name != "sent":
                self._send(HTTPStatus.OK, answer or {})
        except Wrong as error:
            self._send(error.status, {"error": str(error)})
        except Refused as error:
            self._send(HTTPStatus.CONFLICT, {"error": str(error)})

    def _admit(self) -> None:
        """Whether the request comes from a page of the demonstration, on this machine."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        # What nginx says of its client.
        client = self.headers.get("X-Real-IP", stack.LOOPBACK)
        if client not in (stack.LOOPBACK, "::1"):
            raise Wrong(HTTPStatus.FORBIDDEN, "only for this machine")
        if host not in self.server.hosts:
            raise Wrong(HTTPStatus.FORBIDDEN, "unknown Host")
        if origin is not None and origin != f"http://{host}":
            raise Wrong(HTTPStatus.FORBIDDEN, "foreign Origin")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise Wrong(HTTPStatus.FORBIDDEN, "a request of another site")
        if self.command == "POST" and self.headers.get("X-Demo") != "1":
            raise Wrong(HTTPStatus.FORBIDDEN, "the header X-Demo is missing")

    def _read(self) -> dict:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or len(length) > 9 or "Transfer-Encoding" in self.headers:
            raise Wrong(HTTPStatus.LENGTH_REQUIRED, "Content-Length is wanted")
        if int(length) > BODY:
            raise Wrong(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {BODY} bytes")
        try:
            body = json.loads(self.rfile.read(int(length)) or b"{}")
        except (ValueError, RecursionError):
            raise Wrong(HTTPStatus.BAD_REQUEST, "the body is not valid JSON") from None
        if not isinstance(body, dict):
            raise Wrong(HTTPStatus.BAD_REQUEST, "the body is not an object")
        return body

    def _field(self, name: str, kind: type, default=None):
        value = self.body.get(name, default)
        # True is an integer in Python.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise Wrong(HTTPStatus.BAD_REQUEST, f"{name} is missing, or of the wrong kind")
        return value

    def _node(self) -> str:
        name = self._field("node", str)
        if name not in self.server.supervisor.nodes:
            raise Wrong(HTTPStatus.NOT_FOUND, "unknown node")
        return name

    def _pace(self) -> dict:
        return {"paused": self.server.activity.paused, "speed": self.server.activity.speed}

    def _config(self) -> dict:
        return {"break": True, "nodes": self.server.supervisor.states(), "activity": self._pace()}

    def _expire(self) -> None:
        person = self._field("person", str)
        self.server.activity.order("expire", person=person)
        self.server.stream.fact(f"The tokens of {person} have expired.")

    def _revoke(self) -> dict:
        user = self._field("user", int)
        done = self.server.activity.order("revoke", user=user)
        self.server.stream.fact(f"User {user} was disconnected everywhere: {done['nodes']} nodes heard it.")
        return done

    def _burst(self) -> dict:
        begin = time.monotonic()
        done = self.server.activity.order("burst", number=BURST)
        took = f"in {time.monotonic() - begin:.1f} s"
        if done["sent"] < BURST:
            self.server.stream.fact(f"Django sent {done['sent']} of {BURST} events {took}, then it lost Redis.")
        else:
            self.server.stream.fact(f"Django sent {BURST} events at once, {took}.")
        return done

    def _activity(self) -> dict:
        activity = self.server.activity
        speed = self._field("speed", int | float, activity.speed)
        paused = self._field("paused", bool, activity.paused)
        low, high = SPEEDS
        if not low <= speed <= high:
            raise Wrong(HTTPStatus.BAD_REQUEST, f"speed is {low:g} to {high:g}")
        activity.pace(speed, paused)
        self.server.stream.publish("activity", self._pace())
        return self._pace()

    def _sent(self) -> None:
        """Server-Sent Events: what happens from now on, or after the entry of Last-Event-ID, or of ?last=…"""
        stream, query = self.server.stream, self.path.partition("?")[2]
        last = self.headers.get("Last-Event-ID") or query.removeprefix("last=")
        place = stream.place_of(last)
        self._head(HTTPStatus.OK, "text/event-stream")
        now = {"run": stream.run, "nodes": self.server.supervisor.states(), "activity": self._pace()}
        events = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in now.items())
        self._write(f"retry: 1000\n{events}")
        while not stream.stopping.is_set():
            entries = stream.after(place, ALIVE)
            self._write("".join(f"id: {stream.id(entry.place)}\n{frame(entry)}" for entry in entries) or ": alive\n\n")
            place = entries[-1].place if entries else place

    def _write(self, text: str) -> None:
        self.wfile.write(text.encode())

    def _send(self, status: HTTPStatus, answer: dict) -> None:
        data = json.dumps(answer).encode()
        self._head(status, "application/json", len(data))
        self.wfile.write(data)

    def _head(self, status: HTTPStatus, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()

    def version_string(self) -> str:
        return "demo"

    def log_message(self, format: str, *args) -> None:
        """Its requests are in the access log of nginx."""


def frame(entry: Entry) -> str:
    name = "" if entry.kind == "sent" else f"event: {entry.kind}\n"
    return f"{name}data: {entry.data}\n\n"
