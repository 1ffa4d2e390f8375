"""Where channelgate.toml is: `CHANNELGATE["CONFIG"]`, else in the project's folder."""

import sys
from pathlib import Path

from django.conf import settings

from channelgate.conf import conf

#: The name of the file that `manage.py channelgate init` writes.
NAME = "channelgate.toml"


def find() -> Path | None:
    """The file, or None if it does not exist. One that cannot be looked at is there: reading it says why."""
    path = place()
    try:
        return path if path.is_file() else None
    except OSError:
        return path


def place() -> Path:
    """Where the file is, or would be written."""
    return conf().config or folder() / NAME


def folder() -> Path:
    """The project's folder: `BASE_DIR`, else that of manage.py."""
    base = getattr(settings, "BASE_DIR", None)
    if base:
        return Path(str(base))
    started = Path(sys.argv[0]).resolve()
    return started.parent if started.name == "manage.py" else Path.cwd()
