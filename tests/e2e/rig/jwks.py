"""A real HTTP server with a set of keys, as an identity provider has one."""

import contextlib
import http.server
import json
import ssl
import threading
import time

import jwt
import stack
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm


def as_jwk(kid: str, public, **more) -> dict:
    """A public key of `cryptography` as a JWK."""
    for algorithm in (RSAAlgorithm, ECAlgorithm, OKPAlgorithm):
        with contextlib.suppress(Exception):
            return {**json.loads(algorithm.to_jwk(public)), "kid": kid, "use": "sig", **more}
    raise AssertionError(public)


def sign(kid: str | None, private, algorithm: str = "RS256", **claims) -> str:
    whole = {"token_type": "access", "exp": int(time.time()) + 600, "jti": "0" * 32, "user_id": "7", **claims}
    return jwt.encode(whole, private, algorithm=algorithm, headers={} if kid is None else {"kid": kid})


class KeyServer:
    """`keys` is what it serves; `status` its status; `asked` counts the requests. With `tls`, it speaks HTTPS."""

    def __init__(self, tls: ssl.SSLContext | None = None):
        self.port, self.tls = stack.free_port(), tls
        self.keys: list[dict] = []
        #: Instead of the keys.
        self.body: bytes | None = None
        self.status, self.asked, self.delay = 200, 0, 0.0
        self.server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{stack.LOOPBACK}:{self.port}/.well-known/jwks.json"

    def start(self) -> "KeyServer":
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                time.sleep(outer.delay)
                body = json.dumps({"keys": outer.keys}).encode() if outer.body is None else outer.body
                self.send_response(outer.status)
                if 300 <= outer.status < 400:
                    self.send_header("Location", f"{outer.url}?moved")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((stack.LOOPBACK, self.port), Handler)
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
