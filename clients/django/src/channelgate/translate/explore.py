"""Every way through a method: it is run once for each."""

import ast
from collections.abc import Iterator
from typing import Any

from channelgate.translate.expressions import fresh
from channelgate.translate.paths import Context, Path, Problem, Raised
from channelgate.translate.run import Run
from channelgate.translate.source import Source
from channelgate.translate.values import NotUnderstood, Thing

#: More paths than this are not looked at.
MOST_PATHS = 128


def explore(context: Context, source: Source, arguments: dict[str, Any] | None = None) -> list[Path]:
    """Every path through a method. `arguments` makes its values anew for each run, if it is called."""
    paths: list[Path] = []
    _called_as_written(context, source)
    for run in _runs(context):
        given = {name: fresh(value) for name, value in (arguments or {}).items()}
        try:
            run.function(source, {"self": Thing.SELF, **given})
        except Raised as raised:
            run.path.end, run.path.error = "raise", raised.error
        except NotUnderstood as error:
            problem = getattr(error, "problem", None) or Problem(error.reason, source.place(), f"def {source.name}")
            run.path.end = "python"
            run.path.problems.append(problem)
        if run.path.problems:
            run.path.end = "python"
        paths.append(run.path)
    return paths


def _called_as_written(context: Context, source: Source) -> None:
    """Channels awaits the methods of an asynchronous consumer, and calls those of a synchronous one."""
    from channels.consumer import SyncConsumer

    if source.owner is None or source.decorators or source.name.startswith("__"):
        return
    is_async = isinstance(source.tree, ast.AsyncFunctionDef)
    if is_async is issubclass(context.cls.cls, SyncConsumer):
        kind = "an async def in a synchronous" if is_async else "a def in an asynchronous"
        raise NotUnderstood(f"{source.name}() is {kind} consumer, which Channels does not run to its end")


def _runs(context: Context) -> Iterator[Run]:
    decisions: list[bool] = []
    for _ in range(MOST_PATHS):
        run = Run(context, decisions)
        yield run
        taken = run.taken
        while taken and not taken[-1]:
            taken.pop()
        if not taken:
            return
        decisions = [*taken[:-1], False]
    raise NotUnderstood(f"it has more than {MOST_PATHS} ways through it")
