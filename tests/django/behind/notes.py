"""Lines about what happened, for the test to read."""

from django.conf import settings


def note(line: str) -> None:
    with (settings.RUN_DIR / "notes.txt").open("a") as notes:
        notes.write(line + "\n")
