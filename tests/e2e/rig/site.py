"""A web site of its own origin: an empty page and the browser bundle of socket.io-client."""

import contextlib
import http.server
import threading

import stack

BUNDLE = stack.ROOT / "tests" / "socketio" / "node_modules" / "socket.io-client" / "dist" / "socket.io.js"
PAGE = b'<!doctype html><meta charset="utf-8"><title>A site</title><script src="/socket.io.js"></script>'


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content, kind = (PAGE, "text/html") if self.path == "/" else (BUNDLE.read_bytes(), "text/javascript")
        if self.path not in ("/", "/socket.io.js"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def site():
    """Serves it, and returns its port."""
    server = http.server.ThreadingHTTPServer((stack.LOOPBACK, stack.free_port()), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
