"""`manage.py channelgate init`: reads the project's consumers and writes `channelgate.toml` and the nginx locations."""

import argparse
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from channelgate.commands import Output
from channelgate.conf import conf
from channelgate.nginx import locations
from channelgate.nodefile import place as node_file_place

HELP = "Writes channelgate.toml from the project's consumers; what it does not understand stays in Python."
CHANGED = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--force", action="store_true", help="overwrite the files that are there")
    parser.add_argument("--diff", action="store_true", help="show what would change, and write nothing")
    parser.add_argument("--check", action="store_true", help="exit with 3 if the file is not what init would write")
    parser.add_argument("--config", type=Path, metavar="FILE", help="another place for channelgate.toml")


def handle(options: Mapping[str, Any], output: Output) -> int:
    """Writes the files, or compares them."""
    try:
        from channelgate.translate import checked, project, report, routes
    except ModuleNotFoundError as error:
        output.error(f"{error.name} is not installed: init reads the consumers of a project with Channels.")
        return 1
    try:
        application = routes.application()
    except Exception as error:
        output.error(f"ASGI_APPLICATION cannot be imported, so there are no consumers to read: {error}")
        return 1
    written = project.translate(application)
    place: Path = options["config"] or node_file_place()
    verdict = checked.settle(written, place.parent)
    files = {place: written.text}
    files[place.with_name("nginx-channelgate.conf")] = _nginx(written)
    for line in report.table(written.verdicts):
        output.line(line)
    output.line()
    try:
        if options["check"]:
            return _compare(files, place, written, output)
        if options["diff"]:
            _differences(files, output)
            return 0
        if not _write(files, bool(options["force"]), output):
            return 1
    except (OSError, UnicodeError) as error:
        output.error(f"{place} or nginx-channelgate.conf beside it cannot be read or written: {error}")
        return 1
    output.line(verdict)
    _next(written, output)
    return 0


def _nginx(written: Any) -> str:
    return locations(written.moved, conf().url, None, written.stays)


def _write(files: Mapping[Path, str], is_forced: bool, output: Output) -> bool:
    taken = [path for path, text in files.items() if path.exists() and path.read_text(encoding="utf-8") != text]
    if taken and not is_forced:
        for path in taken:
            output.error(f"{path} is there and differs: nothing was written. See --diff, or overwrite it with --force.")
        return False
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        output.line(f"wrote {path}")
    return True


def _differences(files: Mapping[Path, str], output: Output) -> bool:
    is_same = True
    for path, text in files.items():
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = list(
            difflib.unified_diff(before.splitlines(), text.splitlines(), str(path), f"{path} (new)", lineterm="")
        )
        is_same = is_same and not lines
        for line in lines:
            output.line(line)
    return is_same


def _compare(files: Mapping[Path, str], place: Path, written: Any, output: Output) -> int:
    for verdict in written.verdicts:
        if verdict.refused:
            output.line(f"refused: {verdict.route.shown}: {verdict.why_line}")
    if _differences(files, output):
        output.line(f"{place} is what init would write.")
        return 0
    output.error(f"{place} differs from what the consumers say now. Run init --diff, or init --force.")
    return CHANGED


def _next(written: Any, output: Output) -> None:
    output.line()
    output.line("Next: run your tests, then compare each path on live traffic; clients do not notice:")
    for path in written.samples:
        output.line(f"  manage.py channelgate shadow --path {path} --left ws://daphne --right ws://node --user 7")
