"""Whether two routes may have a path in common: Channels takes the first, and so has the node."""

import dataclasses
import re
from collections.abc import Iterator

from channelgate.translate.routes import Route

_PARAMETER = re.compile(r"<(\w+):\w+>")
#: What a parameter may be, as far as that tells two segments apart.
_VALUES = {
    "int": "[0-9]+",
    "slug": "[-a-zA-Z0-9_]+",
    "uuid": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "str": "[^/]+",
}


class Index:
    """Routes by the segments of their paths: finds those that a path may meet without a look at each of them."""

    def __init__(self) -> None:
        #: Those that may begin or end anywhere, or have no path.
        self._always: list[int] = []
        self._root = _Node()

    def add(self, position: int, route: Route) -> None:
        """A route, and its position among all."""
        if route.path is None or _is_open(route, "^") or _is_open(route, "$"):
            self._always.append(position)
            return
        node = self._root
        for segment in _segments(route.path):
            if "<path:" in segment:
                node.below.append(position)
                return
            node = node.children.setdefault(_ANY if "<" in segment else segment, _Node())
        node.here.append(position)

    def near(self, path: str) -> list[int]:
        """The positions of the routes that may have a path in common with this one, in order."""
        found = list(self._always)
        nodes = [self._root]
        for segment in _segments(path):
            found += [one for node in nodes for one in node.below]
            if "<path:" in segment:
                found += [one for node in nodes for one in node.everything()]
                break
            if "<" in segment:
                nodes = [child for node in nodes for child in node.children.values()]
            else:
                nodes = [node.children[key] for node in nodes for key in (segment, _ANY) if key in node.children]
        else:
            found += [one for node in nodes for one in node.here]
        return sorted(set(found))


#: A segment with a parameter, as a key.
_ANY = "<"


@dataclasses.dataclass(slots=True)
class _Node:
    children: dict[str, "_Node"] = dataclasses.field(default_factory=dict)
    #: Routes that end here, and those that take every path from here on.
    here: list[int] = dataclasses.field(default_factory=list)
    below: list[int] = dataclasses.field(default_factory=list)

    def everything(self) -> Iterator[int]:
        yield from (*self.here, *self.below)
        for child in self.children.values():
            yield from child.everything()


def takes(route: Route, path: str) -> bool:
    """Whether an earlier route may take clients of a path, beyond what the node's path of that route says."""
    if route.path is None:
        return _without_path(route, path)
    return (_is_open(route, "^") or _is_open(route, "$")) and may_meet(route, path)


def _without_path(route: Route, path: str) -> bool:
    if "<" in route.under or "<path:" in path:
        return True
    literal, _, rest = path.partition("<")
    if not (literal.startswith(route.under) or (rest and route.under.startswith(literal))):
        return False
    if route.pattern is None:
        return True
    begins = _begins(str(route.pattern))
    inside = literal.removeprefix(route.under).lstrip("/")
    if rest:
        # It is not known which values it would take.
        return not literal.startswith(route.under) or inside.startswith(begins) or begins.startswith(inside)
    return any(route.pattern.match(one) is not None for one in (inside, inside.rstrip("/"), f"{inside.rstrip('/')}/"))


def _begins(expression: str) -> str:
    """The text with which everything begins that an expression matches."""
    found = re.match(r"\^/?([\w/-]*)(?![?*{|])", expression)
    return "" if found is None or "|" in expression.partition("(")[0] else re.sub(r"\w$", "", found[1])


def may_meet(route: Route, path: str) -> bool:
    """Whether a client may have a path of both, with what Channels allows before and after the route's own."""
    assert route.path is not None
    one, other = _segments(route.path), _segments(path)
    before, after = _is_open(route, "^"), _is_open(route, "$")
    starts = range(len(other)) if before else [0]
    return any(_in_line(one, other[start:], before, after) for start in starts)


def _in_line(one: list[str], other: list[str], before: bool, after: bool) -> bool:
    for index, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if "<path:" in mine + theirs:
            return True
        if not _meets(mine, theirs, before and index == 0, after and index == len(one) - 1):
            return False
    return len(one) == len(other) or (after and len(one) < len(other))


def _is_open(route: Route, end: str) -> bool:
    return any(f"without {end} " in note for note in route.notes)


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _meets(mine: str, theirs: str, before: bool, after: bool) -> bool:
    """Whether two segments may be the same text; `before` and `after`: the first may be a part of it."""
    if not _PARAMETER.search(theirs):
        start, end = ("[^/]*" if one else "" for one in (before, after))
        return bool(re.fullmatch(start + _expression(mine) + end, theirs))
    if not _PARAMETER.search(mine) and not (before or after):
        return bool(re.fullmatch(_expression(theirs), mine))
    kinds = {one for segment in (mine, theirs) for one in _PARAMETER.findall(segment)}
    is_whole = all(_PARAMETER.fullmatch(segment) for segment in (mine, theirs))
    return not (is_whole and not (before or after) and kinds == {"int", "uuid"})


def _expression(segment: str) -> str:
    pieces = re.split(r"(<\w+:\w+>)", segment)
    return "".join(
        _VALUES.get(one[1:].partition(":")[0], "[^/]+") if one.startswith("<") else re.escape(one) for one in pieces
    )
