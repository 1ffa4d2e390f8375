"""What a node already has: the keys of its file, and the variables of this environment."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from channelgate.derive.values import generic
from channelgate.nodefile import NAME, NodeFile, find, read_or_empty


def has(variable: str, key: str, *others: str, wanted: str | None = None) -> bool:
    """Whether the node's file or the environment sets the key; in its own variable, to the value that is wanted."""
    if wanted is not None and os.environ.get(variable, wanted) != wanted:
        return False
    names = (variable, *map(generic, (key, *others)))
    if any(os.environ.get(name) for name in names):
        return True
    return file().sets(key, *others)


def file() -> NodeFile:
    """The node's file, empty without one."""
    try:
        return read_or_empty(find())
    except (ImproperlyConfigured, ImportError):
        # Another check says what is wrong with the setting.
        return NodeFile(Path(NAME), {})


#: For each check whose value `run` carries over.
RUN = "manage.py channelgate run sets it; manage.py channelgate env prints it for nodes that are started otherwise."
