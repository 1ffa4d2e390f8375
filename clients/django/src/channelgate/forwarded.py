"""The parts of a handshake that a node passes on, and a request made of them for authenticators."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from channelgate.registry import Refused

#: Parts with a value for each name, in the order in which they are looked at: what a program has to send comes before
#: what a browser adds to every request.
NAMED = ("headers", "query", "subprotocols", "cookies")


@dataclasses.dataclass(frozen=True, slots=True)
class Forwarded:
    """What a client has shown."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    subprotocols: Mapping[str, str]
    cookies: Mapping[str, str]
    #: Of a message; in Socket.IO that of CONNECT.
    token: str | None

    @classmethod
    def read(cls, data: Any) -> "Forwarded":
        """What the node has sent; 400 if it is not that."""
        if not isinstance(data, Mapping):
            raise Refused(400, "data is an object of what a client has shown")
        parts: dict[str, Any] = {name: {} if data.get(name) is None else data[name] for name in NAMED}
        for name, part in parts.items():
            if not isinstance(part, Mapping) or not all(isinstance(value, str) for value in part.values()):
                raise Refused(400, f"data.{name} is an object of texts")
        token = data.get("token")
        if token is not None and not isinstance(token, str):
            raise Refused(400, "data.token is a text")
        return cls(**parts, token=token or None)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts that have anything."""
        named = (name for name in NAMED if getattr(self, name))
        return (*(("token",) if self.token else ()), *named)

    @property
    def via(self) -> str:
        """What an authenticator has most likely used: the first of it, by its part and name."""
        return next(self._names(), "cookies")

    @property
    def is_several(self) -> bool:
        """Whether there is more than one credential."""
        return len(list(self._names())) > 1

    def _names(self) -> Iterator[str]:
        if self.token:
            yield "token"
        for part in NAMED:
            yield from (f"{part}.{name}" for name in getattr(self, part))

    def tokens(self) -> Iterator[tuple[str, str]]:
        """Tokens without a scheme, each with its part and name."""
        if self.token:
            yield "token", self.token
        for part in ("subprotocols", "query"):
            for name, value in getattr(self, part).items():
                yield f"{part}.{name}", value

    def request(self, authorization: str | None = None) -> HttpRequest:
        """A request with all of it, as a view would see it."""
        request = HttpRequest()
        request.method, request.path, request.path_info = "GET", "/", "/"
        query = urlencode(self.query)
        request.GET = QueryDict(query)
        request.COOKIES = dict(self.cookies)
        request.META = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/",
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in self.headers.items()},
        }
        if self.cookies:
            request.META["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.subprotocols:
            offered = (text for pair in self.subprotocols.items() for text in pair)
            request.META["HTTP_SEC_WEBSOCKET_PROTOCOL"] = ", ".join(offered)
        if authorization is not None:
            request.META["HTTP_AUTHORIZATION"] = authorization
        return request
