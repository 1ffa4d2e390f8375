"""The servers of a comparison: what is right, and what has to be the same."""

import asyncio
import itertools
import json
from collections.abc import Iterable
from pathlib import Path

from .drive import DEADLINE, Trace, run_all
from .scenario import Scenario
from .target import Target

#: How long the oracle may take for a step. channels_redis loses a message now and then when a connection ends while
#: others wait; then the scenario is played again, by new servers.
ORACLE_DEADLINE = 8.0
ATTEMPTS = 4


class Stage:
    """Starts targets, each with its own Redis and database, and plays scenarios on all of them at once."""

    def __init__(self, directory: Path, seed: Path):
        self.directory = directory
        self.seed = seed
        self.targets: list[Target] = []
        self.numbers = itertools.count()

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *_) -> None:
        for target in self.targets:
            target.stop()

    def add(
        self, server: str, layer: str = "core", nodes: int = 0, application: str = "corpus.asgi:application"
    ) -> Target:
        """A server, or nodes in front of it."""
        name = f"{next(self.numbers)}-{server}-{nodes}-{layer}"
        target = Target(name, self.directory / name, layer, self.seed)
        self.targets.append(target)
        target.serve(server, "corpus.wsgi:application" if server == "gunicorn" else application, bridge=nodes > 0)
        return target.wait().nodes(nodes).wait() if nodes else target

    def oracles(self, layer: str, scenarios: Iterable[Scenario]) -> dict[Target, list[Scenario]]:
        """A Daphne and a uvicorn, and what each of them has to play."""
        kinds: dict[str, list[Scenario]] = {}
        for scenario in scenarios:
            kinds.setdefault(scenario.oracle, []).append(scenario)
        return {self.add(server, layer).wait(): some for server, some in kinds.items()}


def play(
    parts: dict[Target, list[Scenario]], at_once: int = 12, deadline: float = DEADLINE
) -> dict[Target, dict[str, Trace]]:
    """Plays on all targets at once."""

    async def everything() -> list[dict[str, Trace]]:
        runs = (run_all(some, target, at_once, deadline) for target, some in parts.items())
        return await asyncio.gather(*runs)

    return dict(zip(parts, asyncio.run(everything()), strict=True))


def truth(stage: Stage, layer: str, scenarios: list[Scenario]) -> dict[str, Trace]:
    """What Daphne does, or uvicorn where Daphne cannot."""
    found: dict[str, Trace] = {}
    left = scenarios
    for attempt in range(ATTEMPTS):
        traces = play(stage.oracles(layer, left), 3 if attempt else 12, ORACLE_DEADLINE)
        played = {name: trace for some in traces.values() for name, trace in some.items()}
        found |= played
        left = [scenario for scenario in left if played[scenario.name].failed]
        if not left:
            break
    return found


def difference(oracle: Trace, got: Trace) -> str | None:
    """The first part in which two runs differ."""
    right, ours = oracle.comparable(), got.comparable()
    if right["failed"]:
        return f"the oracle itself: {right['failed']}"
    for part, wanted in right.items():
        if ours[part] != wanted:
            return f"{part}:\n  right {_text(wanted)}\n  ours  {_text(ours[part])}\n  {ours['failed'] or ''}"
    return None


def _text(value) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) < 6_000 else f"{text[:3_000]} … {text[-3_000:]}"
