"""A route's pattern as a path of the node: which converter each parameter has, and what differs."""

import dataclasses
import re
import string
import uuid
from typing import Any

from django.urls import converters
from django.urls.resolvers import RegexPattern, RoutePattern

from channelgate.translate.values import Expr

_SLUG = frozenset(string.ascii_letters + string.digits + "-_")
_WORD = _SLUG - {"-"}
_ALL = frozenset(string.printable) - set("\n\r\x0b\x0c\t")
_PARAMETER = re.compile(r"<(?:(?P<converter>[^>:]+):)?(?P<name>[^>]+)>")
_BAD = re.compile(r"[<>{}?#*\s]")
_UUIDS = [str(uuid.UUID(int=number * 0x0123456789ABCDEF0123456789ABCDEF % 2**128)) for number in range(1, 40)]


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a path: its converter in the node, and what its value is known to be."""

    name: str
    converter: str
    #: int, digits, word, slug, uuid, str.
    kind: str

    @property
    def expr(self) -> Expr:
        return Expr(f"route.{self.name}", self.kind, sides=frozenset({"route"}), is_plain=self.kind != "uuid")


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A piece of a path: the node's text for it, and its parameters."""

    text: str
    parameters: tuple[Parameter, ...] = ()
    #: What the node's path admits that the route does not; empty if nothing.
    wider: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class NoPath(Exception):
    """The pattern has no path in the node."""


def convert(pattern: Any) -> Part:
    """The pattern of a route as a piece of a path."""
    if isinstance(pattern, RoutePattern):
        return _of_route(str(pattern._route), pattern.converters)
    if isinstance(pattern, RegexPattern):
        return _of_regex(str(pattern._regex))
    raise NoPath(f"a pattern of the class {type(pattern).__name__}")


def _of_route(route: str, known: dict[str, Any]) -> Part:
    text, parameters, wider, at = "", [], [], 0
    for found in _PARAMETER.finditer(route):
        text += _literal(route[at : found.start()])
        name, converter = found["name"], known[found["name"]]
        parameter, reason = _of_converter(name, converter)
        parameters.append(parameter)
        wider += [reason] if reason else []
        text += f"<{parameter.converter}:{name}>"
        at = found.end()
    return Part(text + _literal(route[at:]), tuple(parameters), tuple(wider))


def _of_converter(name: str, converter: Any) -> tuple[Parameter, str]:
    known = {
        converters.IntConverter: "int",
        converters.StringConverter: "str",
        converters.SlugConverter: "slug",
        converters.UUIDConverter: "uuid",
        converters.PathConverter: "path",
    }
    kind = known.get(type(converter))
    if kind is not None:
        return Parameter(name, kind, "str" if kind == "path" else kind), ""
    converter_ = "path" if re.fullmatch(converter.regex, "a/b") else "str"
    return Parameter(
        name, converter_, "unknown"
    ), f"<{name}> has a converter of the project, {type(converter).__name__}"


def _literal(text: str) -> str:
    if _BAD.search(text):
        raise NoPath(f"{text!r} cannot be in a path of the node")
    return text


def _of_regex(regex: str) -> Part:
    body, wider, notes = regex, [], []
    if body.startswith(("^", r"\A")):
        body = body.removeprefix("^").removeprefix(r"\A")
    else:
        notes.append("without ^ the route also matches after other text, which the node does not serve")
    if body.endswith((r"\Z", "$")) and not body.endswith(r"\$"):
        body = body.removesuffix("$").removesuffix(r"\Z")
    else:
        notes.append("without $ the route also matches longer paths, which the node does not serve")
    body = body.removeprefix("/?").removeprefix("/")
    if body.endswith("/?"):
        body = body[:-1]
    text, parameters, at, unnamed = "", [], 0, 0
    while at < len(body):
        if body[at] == "(":
            end = _closing(body, at)
            inside = body[at + 1 : end]
            named = re.match(r"\?P<(\w+)>", inside)
            if named:
                parameter, reason = _of_group(named[1], inside[named.end() :])
            elif inside.startswith("?"):
                raise NoPath(f"the regular expression {regex!r}")
            else:
                parameter = Parameter(f"arg{unnamed}", "str", "unknown")
                reason = "a group without a name"
                unnamed += 1
            if end + 1 < len(body) and body[end + 1] in "?*+{":
                raise NoPath(f"the regular expression {regex!r}")
            parameters.append(parameter)
            wider += [reason] if reason else []
            text += f"<{parameter.converter}:{parameter.name}>"
            at = end + 1
        elif body[at] == "\\" and at + 1 < len(body) and not body[at + 1].isalnum():
            text += _literal(body[at + 1])
            at += 2
        elif body[at] in ".^$*+?{}[]|\\":
            raise NoPath(f"the regular expression {regex!r}")
        else:
            if at + 1 < len(body) and body[at + 1] in "*+?{":
                raise NoPath(f"the regular expression {regex!r}")
            text += _literal(body[at])
            at += 1
    return Part(text, tuple(parameters), tuple(wider), tuple(notes))


def _closing(text: str, at: int) -> int:
    depth, is_set = 0, False
    while at < len(text):
        character = text[at]
        if character == "\\":
            at += 1
        elif is_set:
            is_set = character != "]"
        elif character == "[":
            is_set = True
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise NoPath("a group that does not end")


def _of_group(name: str, body: str) -> tuple[Parameter, str]:
    """The parameter of a named group: its characters are tried one by one, so any spelling is understood."""
    try:
        compiled = re.compile(body)
    except re.error:
        raise NoPath(f"the group {name}") from None
    characters = frozenset(one for one in _ALL if compiled.fullmatch(one))
    is_plus = bool(re.fullmatch(r"(\\[dw]|\[\^?(\\.|[^]\\])+\]|\.)\+\??", body))
    if is_plus:
        if characters == frozenset(string.digits):
            return Parameter(name, "slug", "digits"), ""
        if characters == _WORD:
            return Parameter(name, "slug", "word"), ""
        if characters == _SLUG:
            return Parameter(name, "slug", "slug"), ""
        if characters >= _ALL - {"/"}:
            return Parameter(name, "path" if "/" in characters else "str", "str"), ""
    if all(compiled.fullmatch(one) for one in _UUIDS) and not compiled.fullmatch("x" * 36):
        return Parameter(name, "uuid", "slug"), ""
    if compiled.fullmatch("a/b"):
        return Parameter(name, "path", "unknown"), f"<{name}> is {body}, which no converter is"
    return Parameter(name, "str", "unknown"), f"<{name}> is {body}, which no converter is"
