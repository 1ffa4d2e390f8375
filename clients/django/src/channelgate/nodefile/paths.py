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
#: The beginning of a named group.
_NAMED = re.compile(r"\(\?P<(\w+)>")
_PARAMETER = re.compile(r"<(?:(?P<converter>[^>:]+):)?(?P<name>[^>]+)>")


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


def path_of_expression(text: str) -> str:
    """A route that is written as a regular expression as a path: each of its groups is a parameter."""
    text = text.removeprefix("^").replace(r"\Z", "").removesuffix("$")
    found: list[str] = []
    depth = at = 0
    while at < len(text):
        end = _end_of_atom(text, at)
        atom = text[at:end]
        if atom == "(":
            named = _NAMED.match(text, at)
            found += [f"<{named[1] if named else 'value'}>"] if depth == 0 else []
            depth += 1
        elif atom == ")":
            depth -= 1
        elif depth == 0 and atom != "?":
            found.append(atom.removeprefix("\\"))
        at = end
    return _slashed("".join(found))


def _end_of_atom(text: str, at: int) -> int:
    """The end of an escaped character, of a class, or of one character."""
    if text[at] == "\\":
        return at + 2
    if text[at] == "[":
        # A bracket that comes first is a member of the class.
        end = text.find("]", at + (3 if text[at + 1 : at + 2] == "^" else 2))
        return len(text) if end < 0 else end + 1
    return at + 1


def _slashed(text: str) -> str:
    return f"/{text.strip('/')}/" if text.strip("/") else "/"
