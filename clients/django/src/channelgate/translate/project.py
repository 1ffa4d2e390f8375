"""A whole project: its routes, what its source sends, and the configuration."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from channelgate.derive.backend import DJANGO, answers_at
from channelgate.translate import changing, collisions, meeting, people, routes, write
from channelgate.translate.bridged import whole
from channelgate.translate.outcome import STAYS, Verdict
from channelgate.translate.verdict import of_route

_TYPE = re.compile(r"""["']type["']\s*:\s*["']([A-Za-z][\w.]*)["']|\btype\s*=\s*["']([A-Za-z][\w.]*)["']""")
#: What sends an event; its dictionary is near, before or after it.
_SENDS = re.compile(r"\b(?:group_send|channel_layer\.send|publish|notify|broadcast)\b")
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
        return [_sample(path).replace(" ", "-") + "/" for path in self.moved]

    @property
    def stays(self) -> dict[str, str]:
        """The paths that stay with Daphne, and why."""
        return {one.route.path: one.why_line for one in self.verdicts if one.kind == STAYS and one.route.path}


def translate(application: Any) -> Written:
    """The configuration of a project."""
    sent = sent_types(Path(getattr(settings, "BASE_DIR", None) or Path.cwd()))
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
    for verdict in verdicts:
        earlier = next((one for one in kept if one.kind != STAYS and _covers(one, verdict)), None)
        if earlier is None:
            kept.append(_behind(verdict, kept))
            continue
        reason = (
            f"{verdict.route.shown} has the same path in the node as {earlier.route.shown}: Django's router decides"
        )
        index = kept.index(earlier)
        if verdict.kind == STAYS:
            kept[index] = dataclasses.replace(earlier, kind=STAYS, why=[reason, *verdict.why], table={}, joined=[])
        else:
            kept[index] = whole(earlier.route, earlier.login, [reason])
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


def _sample(path: str) -> str:
    return "".join(_SAMPLES[one[1:].partition(":")[0]] if one.startswith("<") else one for one in _pieces(path))


def _origins(verdicts: Sequence[Verdict]) -> list[str] | None:
    """The node has one list for all: what every validator allows. None for what a node does without a list."""
    lists = [one.login.origins for one in verdicts if one.login.origins is not None and one.kind != STAYS]
    narrow = [one for one in lists if "*" not in one]
    if not narrow:
        return None
    return [one for one in narrow[0] if all(one in other for other in narrow) and _ORIGIN.fullmatch(one)]


def sent_types(base: Path) -> set[str]:
    """The types of events that the project's source names, as methods."""
    found: set[str] = set()
    for file in changing.files(base):
        try:
            text = file.read_text(encoding="utf-8", errors="ignore")
        except OSError:
            continue
        for call in _SENDS.finditer(text):
            near = text[max(0, call.start() - 500) : call.end() + 500]
            found.update((one or other).replace(".", "_") for one, other in _TYPE.findall(near))
    return found
