"""A whole project: its routes, what its source sends, and the configuration."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from channelgate.derive.backend import DJANGO, answers_at
from channelgate.translate import changing, collisions, meeting, people, routes, write
from channelgate.translate.bridged import whole
from channelgate.translate.outcome import STAYS, Verdict
from channelgate.translate.routes import Route
from channelgate.translate.verdict import of_route

#: What can match an origin: a host, with a dot before it for its subdomains, or a whole origin.
_ORIGIN = re.compile(
    r"(?!null\Z)(?:\.?[\w-]+(?:\.[\w-]+)*|\[[0-9a-f:.]+\]|[a-z][a-z0-9+.-]*://(?:\.?[\w-]+(?:\.[\w-]+)*|\[[0-9a-f:.]+\])(?::\d+)?)",
    re.IGNORECASE,
)
#: The path that the manual names, where the project has not yet mounted the package.
MANUAL = "/channelgate"


@dataclasses.dataclass(slots=True)
class Written:
    """The verdicts, and the text of `channelgate.toml`."""

    verdicts: list[Verdict]
    origins: list[str] | None
    cookie: str | None

    @property
    def text(self) -> str:
        return write.document(self.verdicts, self.origins, self.cookie, DJANGO + (answers_at() or MANUAL))

    @property
    def moved(self) -> list[str]:
        """The paths that the node serves."""
        return [one.route.path for one in self.verdicts if one.kind != STAYS and one.route.path]

    @property
    def samples(self) -> list[str]:
        """The same, as a client could name them."""
        routes = [one.route for one in self.verdicts if one.kind != STAYS and one.route.path]
        return [_sample(_typed(route)).replace(" ", "-") + "/" for route in routes]

    @property
    def stays(self) -> dict[str, str]:
        """The paths that stay with Daphne, and why."""
        return {one.route.path: one.why_line for one in self.verdicts if one.kind == STAYS and one.route.path}


def translate(application: Any) -> Written:
    """The configuration of a project."""
    changing.forget()
    sent = changing.named().sent
    known = people.known()
    verdicts = [of_route(route, known, sent) for route in routes.routes(application)]
    verdicts = collisions.settled(_apart(verdicts))
    origins = _origins(verdicts)
    name = getattr(settings, "SESSION_COOKIE_NAME", "sessionid")
    asks = any("django" in one.table.get("auth", ()) for one in verdicts)
    return Written(verdicts, origins, name if asks and name != "sessionid" else None)


def _apart(verdicts: list[Verdict]) -> list[Verdict]:
    """Routes whose paths the node could not tell apart as Channels does: Django's router decides there."""
    kept: list[Verdict] = []
    index = meeting.Index()
    for verdict in verdicts:
        near = index.near(verdict.route.path) if verdict.route.path is not None else []
        at = next((one for one in near if kept[one].kind != STAYS and _covers(kept[one], verdict)), None)
        if at is None:
            index.add(len(kept), verdict.route)
            kept.append(_behind(verdict, [kept[one] for one in near]))
            continue
        earlier = kept[at]
        reason = (
            f"{verdict.route.shown} has the same path in the node as {earlier.route.shown}: Django's router decides"
        )
        if verdict.kind == STAYS:
            kept[at] = dataclasses.replace(earlier, kind=STAYS, why=[reason, *verdict.why], table={}, joined=[])
        else:
            kept[at] = whole(earlier.route, earlier.login, [reason])
    return kept


def _behind(verdict: Verdict, earlier: Sequence[Verdict]) -> Verdict:
    """A route of which an earlier one may take some paths, as Channels reads its expression."""
    if verdict.kind == STAYS or verdict.route.path is None:
        return verdict
    for one in earlier:
        if one.kind == STAYS and one.route.path is not None and meeting.may_meet(one.route, verdict.route.path):
            # The node would serve with this route what Daphne serves with the other.
            reason = f"{one.route.shown} comes first, may take some of its paths, and stays with Daphne"
            return dataclasses.replace(verdict, kind=STAYS, why=[reason], table={}, joined=[])
        if meeting.takes(one.route, verdict.route.path):
            reason = f"{one.route.shown} comes first and may take some of its paths: Django's router decides"
            return whole(verdict.route, verdict.login, [reason])
    return verdict


def _covers(one: Verdict, other: Verdict) -> bool:
    """Whether the node would serve a client of the second with the first."""
    if one.route.path is None or other.route.path is None:
        return False
    return bool(re.fullmatch(_regex(one.route.path), _sample(other.route.path)))


_CONVERTERS = {
    "int": "[0-9]+",
    "str": "[^/]+",
    "slug": "[-a-zA-Z0-9_]+",
    "uuid": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "path": ".+",
}
_SAMPLES = {"int": "7", "str": "a b", "slug": "a-b", "uuid": "01234567-89ab-cdef-0123-456789abcdef", "path": "a b/c"}


def _pieces(path: str) -> list[str]:
    return re.split(r"(<\w+:\w+>)", path.rstrip("/"))


def _regex(path: str) -> str:
    return "".join(
        _CONVERTERS[one[1:].partition(":")[0]] if one.startswith("<") else re.escape(one) for one in _pieces(path)
    )


def _typed(route: Route) -> str:
    """The path with what the route's expression takes, where the converter takes more: `\\d+` is a slug in the node."""
    path = route.path or ""
    for one in route.typed:
        if one.kind in _KINDS:
            path = path.replace(f"<{one.converter}:{one.name}>", f"<{_KINDS[one.kind]}:{one.name}>")
    return path


#: A converter whose sample is one of this kind.
_KINDS = {"digits": "int", "word": "int"}


def _sample(path: str) -> str:
    return "".join(_SAMPLES[one[1:].partition(":")[0]] if one.startswith("<") else one for one in _pieces(path))


def _origins(verdicts: Sequence[Verdict]) -> list[str] | None:
    """The node has one list for all: what every validator allows. None for what a node does without a list."""
    lists = [one.login.origins for one in verdicts if one.login.origins is not None and one.kind != STAYS]
    narrow = [one for one in lists if "*" not in one]
    if not narrow:
        return None
    return [one for one in narrow[0] if all(one in other for other in narrow) and _ORIGIN.fullmatch(one)]
