"""Paths as channelgate.toml and Django write them: `/ws/orders/<int:id>/`."""

import dataclasses
import re
import secrets
import uuid
from collections.abc import Callable

#: What a converter matches, as Django's own; a name without a converter is text.
CONVERTERS = {
    "int": "[0-9]+",
    "str": "[^/]+",
    "slug": "[-a-zA-Z0-9_]+",
    "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "path": ".+",
}
_PARAMETER = re.compile(r"<(?:(?P<converter>[^>:]+):)?(?P<name>[^>]+)>")
#: A parameter of a route of Django that is written as a regular expression.
_GROUP = re.compile(r"\((?:\?P<[^>]+>)?(?:[^()\\]|\\.|\[[^\]]*\])*\)")


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A part of a path that differs from request to request."""

    name: str
    converter: str


def pieces(path: str) -> list[str | Parameter]:
    """The fixed texts and the parameters of a path, in order."""
    found: list[str | Parameter] = []
    at = 0
    for match in _PARAMETER.finditer(path):
        found.append(path[at : match.start()])
        found.append(Parameter(match["name"].strip(), (match["converter"] or "str").strip()))
        at = match.end()
    found.append(path[at:])
    return [piece for piece in found if piece != ""]


def parameters(path: str) -> list[Parameter]:
    """The parameters of a path."""
    return [piece for piece in pieces(path) if isinstance(piece, Parameter)]


def expression(path: str) -> str:
    """A regular expression of the requests at a path; the slash at its end is optional, as in the node."""
    text = "".join(
        CONVERTERS.get(piece.converter, "[^/]+") if isinstance(piece, Parameter) else re.escape(piece)
        for piece in pieces(path.rstrip("/"))
    )
    return f"^{text}/?$"


def fill(path: str, value: Callable[[Parameter], str]) -> str:
    """The path of a request, with a value for each parameter."""
    return "".join(value(piece) if isinstance(piece, Parameter) else piece for piece in pieces(path))


def made_up(parameter: Parameter) -> str:
    """A value of a parameter that no object of the project has."""
    match parameter.converter:
        case "int":
            # Beyond the numbers of a table, and an exact number of JavaScript.
            return str(2**52 + secrets.randbelow(2**52))
        case "uuid":
            return str(uuid.uuid4())
    return f"channelgate-doctor-{secrets.token_hex(8)}"


def shape(path: str) -> str:
    """A path without the names and the converters of its parameters, to compare with a route of Django."""
    return _slashed("".join("<>" if isinstance(piece, Parameter) else piece for piece in pieces(path)))


def shape_of_expression(text: str) -> str:
    """The same of a route that is written as a regular expression."""
    text = text.removeprefix("^").replace(r"\Z", "").removesuffix("$")
    before = None
    while before != text:
        # Nested groups from the inside.
        before, text = text, _GROUP.sub("<>", text)
    return _slashed(re.sub(r"/\?", "/", text).replace("\\", ""))


def _slashed(text: str) -> str:
    return f"/{text.strip('/')}/" if text.strip("/") else "/"
