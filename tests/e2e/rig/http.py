"""A small HTTP client: enough for DRF, ws-tokens and the publish API."""

import asyncio
import contextlib
import dataclasses
import http.client
import json
import uuid
from collections.abc import Mapping

import stack


@dataclasses.dataclass
class Reply:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)


class Http:
    """Requests to one port; each on a connection of its own."""

    def __init__(self, port: int, timeout: float = 20.0):
        self.port, self.timeout = port, timeout

    async def request(self, method: str, path: str, **options) -> Reply:
        """Options: `data` (as JSON), `body` (raw bytes), `form` and `files` (multipart), `token`, `headers`."""
        return await asyncio.to_thread(self.request_now, method, path, **options)

    async def get(self, path: str, **options) -> Reply:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options) -> Reply:
        return await self.request("POST", path, **options)

    def request_now(self, method, path, *, data=None, body=None, form=None, files=None, token=None, headers=None):
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if form is not None:
            body, headers["Content-Type"] = _multipart(form, files or {})
        elif data is not None:
            body, headers["Content-Type"] = json.dumps(data).encode(), "application/json"
        connection = http.client.HTTPConnection(stack.LOOPBACK, self.port, timeout=self.timeout)
        try:
            # A server that refuses a large body may answer and close before it has read all of it.
            with contextlib.suppress(BrokenPipeError):
                connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


def _multipart(form: Mapping[str, object], files: Mapping[str, tuple[str, bytes]]) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    parts = []
    for name, value in form.items():
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    for name, (filename, content) in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        parts.append(head.encode() + b"Content-Type: image/png\r\n\r\n" + content + b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"
