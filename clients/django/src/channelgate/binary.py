"""Where the node's program is: `CHANNELGATE_BIN`, beside this Python (the wheel puts it there), or on the PATH."""

import os
import shutil
import sysconfig
from pathlib import Path


class BinaryMissing(Exception):
    """The program is not on this machine; the text says where it was looked for and what to do."""


def find() -> Path:
    """The path of the program."""
    named = os.environ.get("CHANNELGATE_BIN")
    if named:
        if os.access(named, os.X_OK) and Path(named).is_file():
            return Path(named)
        raise BinaryMissing(f"CHANNELGATE_BIN is {named}, which is not a program.")
    places = [folder / "channelgate" for folder in _folders()]
    for place in places:
        if os.access(place, os.X_OK) and place.is_file():
            return place
    on_path = shutil.which("channelgate")
    if on_path is not None:
        return Path(on_path)
    raise BinaryMissing(
        f"The program channelgate is neither at {places[0]} nor on the PATH. The wheels for Linux bring it "
        "(pip install channelgate). On other systems run the node in a container or in WSL, or keep Daphne in "
        "development; CHANNELGATE_BIN names a program that you built yourself."
    )


def _folders() -> list[Path]:
    """Where pip puts programs: of this Python, of the user (`--user`), and beside the package (`--target`)."""
    of_user = sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))
    return [Path(sysconfig.get_path("scripts")), Path(of_user), Path(__file__).resolve().parents[1] / "bin"]
