"""Check of the code (`--code`): events sent inside a transaction, and names of groups that Channels refuses."""

import importlib
from collections.abc import Iterator

from channelgate.doctor.context import Context
from channelgate.doctor.result import Result, ok, skip, warn


def code(context: Context) -> Iterator[Result]:
    """W008 and W009 of `channelgate.inspection`."""
    if not context.code:
        return
    try:
        inspection = importlib.import_module("channelgate.inspection")
    except ModuleNotFoundError:
        yield skip("The code: this release has no channelgate.inspection")
        return
    found = list(inspection.inspect())
    for message in found:
        yield warn(str(message.msg), str(message.hint or ""))
    if not found:
        yield ok("No group_send inside a transaction, and no name of a group that Channels refuses")
