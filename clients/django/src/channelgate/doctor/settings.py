"""Check of what `run` and `env` derive from the settings: what cannot be carried over to a node."""

from collections.abc import Iterator

from channelgate.derive import derived
from channelgate.derive import layer as layers
from channelgate.doctor.context import Context
from channelgate.doctor.result import Result, warn


def carried_over(context: Context) -> Iterator[Result]:
    """The problems, without those of the layer, which have a check of their own."""
    for problem in derived().problems:
        if problem.level != "note" and not problem.text.startswith((layers.WHERE, "CHANNEL_LAYERS")):
            yield warn(problem.text, problem.hint)
