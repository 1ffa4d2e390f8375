"""What a check has found."""

import dataclasses
from typing import Any

OK, WARN, FAIL = "ok", "warn", "FAIL"
#: Not a line of the result: why something could not be looked at.
SKIP = "skip"


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """One line: what is the case, and what to do next."""

    status: str
    text: str
    #: The next command, or what to change.
    next: str = ""
    check: str = ""

    def data(self) -> dict[str, Any]:
        """For `--json`."""
        return {"status": self.status, "check": self.check, "text": self.text, "next": self.next}


def ok(text: str) -> Result:
    """Good."""
    return Result(OK, text)


def warn(text: str, next: str) -> Result:
    """Works, and might not always."""
    return Result(WARN, text, next)


def fail(text: str, next: str) -> Result:
    """Does not work."""
    return Result(FAIL, text, next)


def skip(text: str) -> Result:
    """Not looked at, and why."""
    return Result(SKIP, text)
