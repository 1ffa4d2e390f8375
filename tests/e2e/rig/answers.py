"""A backend that gives the test's answers and records the calls."""

import contextlib
import http.server
import json
import threading
import time

import stack


class Backend:
    """`answers` maps an action to its answer: a body, a status and a body, or a function of the call."""

    def __init__(self, port: int):
        self.port = port
        self.answers: dict[str, object] = {}
        self.asked: list[dict] = []
        self.open = 0
        self.most = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{stack.LOOPBACK}:{self.port}/asked"

    def calls(self, action: str) -> list[dict]:
        return [call for call in self.asked if call["action"] == action]

    def answer(self, call: dict) -> tuple[int, object]:
        answer = self.answers.get(call["action"], (404, None))
        answer = answer(call) if callable(answer) else answer
        return answer if isinstance(answer, tuple) else (200, answer)


def after(seconds: float, answer):
    """A delayed answer."""

    def late(_):
        time.sleep(seconds)
        return answer

    return late


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        backend: Backend = self.server.backend
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = {**json.loads(body), "path": self.path, "headers": dict(self.headers), "at": time.monotonic()}
        with backend.lock:
            backend.asked.append(call)
            backend.open += 1
            backend.most = max(backend.most, backend.open)
        try:
            status, answer = backend.answer(call)
        finally:
            with backend.lock:
                backend.open -= 1
        content = json.dumps(answer).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    #: With the five of the standard library a sixth call at the same moment waits a second for its SYN.
    request_queue_size = 1024

    def handle_error(self, *_):
        """A node that does not wait for the answer is not an error."""


@contextlib.contextmanager
def backend():
    """Runs one."""
    server = _Server((stack.LOOPBACK, 0), _Handler)
    server.backend = Backend(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.backend
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
