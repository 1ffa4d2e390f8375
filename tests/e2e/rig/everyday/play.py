"""Plays a project on both sides, and compares: two users, each message once, each model, one reconnect, one logout."""

import asyncio
import contextlib
import dataclasses
import json

from channelgate.shadow import ignore
from channelgate.shadow.compare import Comparison, compare
from channelgate.shadow.recorded import Recorded
from channelgate.shadow.run import Shadow, Wanted
from channelgate.shadow.script import parse

from .projects import PROJECTS
from .stage import TOLERANCE, Everyday
from .visits import Change, Project, Visit

#: As many sessions has everybody.
ATTEMPTS = 3


@dataclasses.dataclass
class Result:
    """What a visit was, and what was found."""

    visit: Visit
    recorded: Recorded
    found: Comparison

    @property
    def frames(self) -> int:
        """Of both sides."""
        return len(self.recorded.left.frames) + len(self.recorded.right.frames)


class Play:
    """One project: two users at once, each client message once, each model created, changed and deleted, one
    reconnect, and one logout."""

    def __init__(self, everyday: Everyday, project: Project):
        self.everyday, self.project = everyday, project
        self.shadows = [everyday.shadow(project, visit) for visit in project.visits]
        self.heard = [0 for _ in project.visits]

    async def run(self) -> list[Result]:
        """Plays all, and compares."""
        try:
            await self._play()
        finally:
            recorded = [await shadow.finish() for shadow in self.shadows]
        results = [self._result(visit, one) for visit, one in zip(self.project.visits, recorded, strict=True)]
        return [*results, *[await self._other(visit) for visit in self.project.others]]

    def _result(self, visit: Visit, recorded: Recorded) -> Result:
        ignored = [ignore.parse(path) for path in visit.ignore]
        return Result(visit, recorded, compare(recorded, ignored, TOLERANCE))

    async def _play(self) -> None:
        pairs = list(zip(self.project.visits, self.shadows, strict=True))
        for visit, shadow in pairs:
            async with self._told(shadow, 2 * visit.arrives):
                await shadow.open(Wanted(visit.opens, visit.arrives))
        for visit, shadow in pairs:
            await self._script(visit, shadow)
        await self._changes(self.project.changes, self.everyday.left.port)
        for visit, shadow in pairs:
            await self._again(visit, shadow)
        await self._changes(self.project.changes, self.everyday.right.port)
        await self._changes(self.project.last, self.everyday.right.port)
        if self.project.logout:
            visit, shadow = pairs[0]
            logout = Change("POST", self.project.logout, who=visit.who)
            await self.everyday.change(self.project, logout, self.everyday.right.port, {})
            comes = Wanted(self.project.afterwards, closes=self.project.closes)
            await shadow.reconnect(Wanted(0, visit.leaves), comes)

    async def _script(self, visit: Visit, shadow: Shadow) -> None:
        for written in json.loads(self.everyday.filled_json(visit.script)):
            tells = 2 * written.pop("tells", 0)
            (step,) = parse([written], self.project.name)
            if step.reconnect:
                await self._again(visit, shadow)
                continue
            async with self._told(shadow, tells):
                await shadow.say(step)

    async def _again(self, visit: Visit, shadow: Shadow) -> None:
        comes = visit.opens if visit.reopens is None else visit.reopens
        async with self._told(shadow, 2 * (visit.leaves + visit.arrives)):
            await shadow.reconnect(Wanted(0, visit.leaves), Wanted(comes, visit.arrives))

    @contextlib.asynccontextmanager
    async def _told(self, shadow: Shadow, frames: int):
        """The other user gets this many frames for it, before anything else happens."""
        others = [side for one in self.shadows if one is not shadow and one.is_open for side in one.sides]
        totals = {side: len(side.recording.frames) + frames for side in others}
        yield
        for one in self.shadows:
            if one is not shadow and one.is_open:
                await one.until(lambda: all(len(side.recording.frames) >= n for side, n in totals.items()), TOLERANCE)

    async def _settle(self) -> None:
        for shadow in self.shadows:
            await shadow.settle(TOLERANCE)

    async def _changes(self, changes, port: int) -> None:
        """Each is heard before the next: some handlers read the database while they deliver."""
        await self._settle()
        made: dict = {}
        for shadow in self.shadows:
            shadow.listen()
        expected = [0, 0]
        for change in changes:
            await self.everyday.change(self.project, change, port, made)
            for number, shadow in enumerate(self.shadows):
                expected[number] += change.hears[number]
                want = expected[number]
                await shadow.until(lambda s=shadow, w=want: min(s.heard) >= w, TOLERANCE)
        await self._settle()
        self.heard = [one + more for one, more in zip(self.heard, expected, strict=True)]

    async def _other(self, visit: Visit) -> Result:
        shadow = self.everyday.shadow(self.project, visit)
        await shadow.open(Wanted(visit.opens, None, visit.closes))
        return self._result(visit, await shadow.finish())


def has_lost(results: list[Result]) -> bool:
    """Whether the right got a frame that the left did not get."""
    return any(finding.kind == "only right" for result in results for finding in result.found.findings)


async def play_all(everyday: Everyday) -> dict[str, list[Result]]:
    """All projects at once. Where Daphne has lost a message, the project is played again, by itself.

    channels_redis' core layer loses one now and then when a connection ends while others wait.
    """
    results = await asyncio.gather(*(Play(everyday, project).run() for project in PROJECTS))
    found = dict(zip((project.name for project in PROJECTS), results, strict=True))
    for project in PROJECTS if everyday.layer == "core" else ():
        while has_lost(found[project.name]) and everyday.session[project.name] < ATTEMPTS - 1:
            everyday.session[project.name] += 1
            found[project.name] = await Play(everyday, project).run()
    return found
