"""Runs the checks in order, each in a thread of its own with a deadline, so that none can hang the command."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from channelgate.doctor.context import Context
from channelgate.doctor.result import FAIL, SKIP, Result, fail, skip

#: Seconds for all checks together.
WHOLE = 28.0
#: Seconds for the end of checks that are late: they take back what they have put somewhere.
AFTER = 1.5


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """A question, and what must work before it is asked."""

    name: str
    function: Callable[[Context], Iterable[Result]]
    #: What it looks at, in the words of its lines.
    title: str
    needs: frozenset[str] = frozenset()
    #: What does not work if it fails.
    breaks: str | None = None
    seconds: float = 6.0


def examine(checks: Iterable[Check], context: Context, whole: float = WHOLE) -> Iterator[Result]:
    """The results, in order; nothing in them is a secret."""
    end = time.monotonic() + whole
    late: list[threading.Thread] = []
    for check in checks:
        for result in _one(check, context, end, late):
            if result.status == FAIL and check.breaks:
                context.broken.add(check.breaks)
            yield dataclasses.replace(
                result,
                text=context.secrets.hide(result.text),
                next=context.secrets.hide(result.next),
                check=check.name,
            )
    until = time.monotonic() + AFTER
    for thread in late:
        thread.join(max(0.0, until - time.monotonic()))


def _one(check: Check, context: Context, end: float, late: list[threading.Thread]) -> list[Result]:
    if missing := check.needs & context.broken:
        return [skip(f"{check.title}: {' and '.join(sorted(missing))} first")]
    seconds = min(check.seconds, end - time.monotonic())
    if seconds <= 0:
        late_text = f"{check.title}: not looked at, the time was over"
        return [fail(late_text, "Repair what fails above, and run doctor again.")]
    found: list[Result] = []
    thread = threading.Thread(target=_work, args=(check, context, found), name=check.name, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        late.append(thread)
        # What it finds from now on is not read: the list is another one.
        return [*found, fail(f"{check.title}: no result within {seconds:.0f} s", "Is the network between them slow?")]
    return found


def _work(check: Check, context: Context, found: list[Result]) -> None:
    from django.db import connections

    try:
        found.extend(check.function(context))
    except Exception as error:
        why = f"{type(error).__name__}: {_one_line(error)}"
        found.append(fail(f"{check.title}: {why}", "Is this a bug? Please report it."))
    finally:
        connections.close_all()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def counted(results: Iterable[Result]) -> dict[str, int]:
    """How many results there are of each status."""
    found = dict.fromkeys(("ok", "warn", FAIL, SKIP), 0)
    for one in results:
        found[one.status] += 1
    return found
